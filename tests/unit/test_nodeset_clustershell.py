"""Node sets held against ClusterShell's: the same hosts for the same pattern, and folds that are as short.

The cases are generated; the seed is printed and can be set ($DROVER_TEST_SEED). Left out are the forms in which
ClusterShell itself is wrong or of another mind: digits that touch brackets whose numbers differ in width
(`a5[9-11]` gives it a59 to a511), and blanks between a bracket and the next name.
"""
import concurrent.futures
import os
import random
import subprocess

import pytest
from ClusterShell.NodeSet import NodeSet, NodeSetException

SEED = int(os.environ.get("DROVER_TEST_SEED", random.randrange(1 << 32)))
CASES = 1200


def drover(build, verb, patterns):
    """(exit code, stdout, stderr) for each pattern, in order."""

    def ask(pattern):
        done = subprocess.run([build / "drover", "hosts", verb, "--", pattern], capture_output=True, text=True)
        return done.returncode, done.stdout.strip(), done.stderr

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(ask, patterns))


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def number(self, width, most):
        value = self.random.randint(0, most)
        return f"{value:0{width}d}" if width else str(value)

    def range_(self):
        r = self.random
        width = r.choice([0, 0, 0, 2, 3])
        low = r.randint(0, 30)
        high = low + r.randint(0, 12)

        def text(value):
            return f"{value:0{width}d}" if width else str(value)

        if r.random() < 0.3:
            return text(low)
        step = f"/{r.randint(1, 5)}" if r.random() < 0.2 else ""
        return f"{text(low)}-{text(high)}{step}"

    def brackets(self):
        return "[" + ",".join(self.range_() for _ in range(self.random.choice([1, 1, 2, 3]))) + "]"

    def name(self):
        r = self.random
        kind = r.random()
        if kind < 0.2:
            return r.choice(["db", "web", "a-b", "x.y"])
        if kind < 0.4:
            return r.choice(["web", "db", "n"]) + self.number(r.choice([0, 2]), 20)
        if kind < 0.75:
            return r.choice(["web", "db", "n"]) + self.brackets() + r.choice(["", "-ib", ".lan"])
        if kind < 0.9:
            return r.choice(["r", "rack"]) + self.brackets() + r.choice(["n", "-"]) + self.brackets()
        return "10.0." + self.number(0, 2) + "." + self.brackets()

    def pattern(self):
        r = self.random
        text = self.name()
        for _ in range(r.choice([0, 0, 1, 2, 4])):
            text += r.choice([",", ",", ",", "!", "&", "^"]) + self.name()
        return text

    def hosts(self):
        r = self.random
        names = set()
        for _ in range(r.randint(1, 40)):
            names.add(r.choice(["web", "db"]) + self.number(r.choice([0, 0, 2, 3]), 40) + r.choice(["", "", "-ib"]))
        return sorted(names, key=lambda _: r.random())

    def boxes(self):
        r = self.random
        return sorted({f"r{r.randint(1, 4)}n{r.randint(1, 6)}" for _ in range(r.randint(1, 20))},
                      key=lambda _: r.random())


@pytest.fixture(scope="module")
def generator():
    print(f"seed {SEED}")
    return Generator(SEED)


def test_expands_to_the_same_hosts(build, generator):
    patterns = [generator.pattern() for _ in range(CASES)]
    answers = drover(build, "expand", patterns)
    for pattern, (code, out, err) in zip(patterns, answers):
        assert code == 0, f"{pattern}: {err} (seed {SEED})"
        names = out.split()
        assert len(names) == len(set(names)), f"{pattern} (seed {SEED})"
        assert set(names) == set(NodeSet(pattern)), f"{pattern} (seed {SEED})"


def test_folds_names_as_short(build, generator):
    lists = [generator.hosts() for _ in range(CASES // 2)]
    answers = drover(build, "fold", [",".join(names) for names in lists])
    same = 0
    for names, (code, out, err) in zip(lists, answers):
        theirs = str(NodeSet(",".join(names)))
        assert code == 0, err
        assert set(NodeSet(out)) == set(names), f"{out} (seed {SEED})"
        assert len(out) <= len(theirs), f"{out}\n{theirs} (seed {SEED})"
        same += out == theirs
    # Shorter ones come from mixed paddings only.
    assert same > 0.9 * len(lists), f"only {same} of {len(lists)} are ClusterShell's (seed {SEED})"


def test_folds_several_numbers_as_short(build, generator):
    lists = [generator.boxes() for _ in range(CASES // 2)]
    answers = drover(build, "fold", [",".join(names) for names in lists])
    ours = theirs = 0
    for names, (code, out, err) in zip(lists, answers):
        assert code == 0, err
        assert set(NodeSet(out)) == set(names), f"{out} (seed {SEED})"
        ours += len(out)
        theirs += len(str(NodeSet(",".join(names))))
    assert ours <= theirs * 1.05, f"{ours} characters where ClusterShell needs {theirs} (seed {SEED})"


@pytest.mark.parametrize("pattern", ["a[1-3", "a1]", "a[]", "a[3-1]", "a[1-010]", "a,", "a,,b", "!a", "a[1-2][3-4]",
                                     "a[1-3]!", "a[x]"])
def test_refuses_what_clustershell_refuses(build, pattern):
    with pytest.raises(NodeSetException):
        NodeSet(pattern)
    (code, _, err), = drover(build, "expand", [pattern])
    assert code == 2
    assert "column" in err
