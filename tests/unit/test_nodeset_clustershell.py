"""Node sets and folded outputs held against ClusterShell's `nodeset` and `clubak`, 10,000 generated cases each.

The cases come from a seed that is printed and can be set ($DROVER_TEST_SEED). Our code is asked through a process that
lives as long as the tests (tests/parity), ClusterShell's runs in this one.

Left out are the forms in which ClusterShell itself is wrong or of another mind; docs/command-line.md names them:
digits that touch brackets whose numbers differ in width (`a5[9-11]` gives it a59 to a511), and blanks between a bracket
and the next name. `clubak` sees lines, so outputs here end with one.
"""
import io
import json
import os
import random
import subprocess
import sys

import pytest
from ClusterShell.CLI import Clubak
from ClusterShell.NodeSet import NodeSet, NodeSetException

SEED = int(os.environ.get("DROVER_TEST_SEED", random.randrange(1 << 32)))
CASES = 10000


@pytest.fixture(scope="module")
def ours(build):
    """Asks our code; the process serves all tests of this file."""
    print(f"seed {SEED}")
    with subprocess.Popen([build / "tests/parity"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(**request):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()
        assert process.wait(20) == 0


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

    def hosts(self, most=40):
        r = self.random
        names = set()
        for _ in range(r.randint(1, most)):
            names.add(r.choice(["web", "db"]) + self.number(r.choice([0, 0, 2, 3]), 40) + r.choice(["", "", "-ib"]))
        return sorted(names, key=lambda _: r.random())

    def boxes(self):
        r = self.random
        return sorted({f"r{r.randint(1, 4)}n{r.randint(1, 6)}" for _ in range(r.randint(1, 20))},
                      key=lambda _: r.random())

    def line(self):
        r = self.random
        return r.choice(["up", "down", "Linux 6.1", "", " indented", "a: b", "tab\tbed", "é", "x" * 200]) + r.choice(["", "", "1"])

    def stream(self):
        """Lines of hosts as they come: [(host, line)]."""
        r = self.random
        outputs = [[self.line() for _ in range(r.randint(1, 4))] for _ in range(r.randint(1, 4))]
        left = {host: list(r.choice(outputs)) for host in self.hosts(r.choice([4, 8, 8, 30]))}
        lines = []
        while left:
            host = r.choice(list(left))
            lines.append((host, left[host].pop(0)))
            if not left[host]:
                del left[host]
        return lines


def generator(test):
    """One of its own for each test, so that each can be run alone with the same cases."""
    return Generator(f"{SEED} {test}")


def test_expands_to_the_same_hosts(ours):
    cases = generator("expand")
    for _ in range(CASES):
        pattern = cases.pattern()
        answer = ours(expand=pattern)
        assert "error" not in answer, f"{pattern}: {answer} (seed {SEED})"
        names, theirs = answer["names"], NodeSet(pattern)
        assert len(names) == len(theirs), f"{pattern}: {names} (seed {SEED})"
        assert set(names) == set(theirs), f"{pattern} (seed {SEED})"


def test_folds_names_as_short(ours):
    cases, same = generator("fold"), 0
    for _ in range(CASES):
        names = cases.hosts()
        text, theirs = ours(fold=names)["text"], str(NodeSet.fromlist(names))
        assert set(NodeSet(text)) == set(names), f"{text} (seed {SEED})"
        assert set(ours(expand=text)["names"]) == set(names), f"{text} (seed {SEED})"
        assert len(text) <= len(theirs), f"{text}\n{theirs} (seed {SEED})"
        same += text == theirs
    # Shorter ones come from mixed paddings only.
    assert same > 0.9 * CASES, f"only {same} of {CASES} are ClusterShell's (seed {SEED})"


def test_folds_several_numbers_as_short(ours):
    cases, size, their_size = generator("boxes"), 0, 0
    for _ in range(CASES // 5):
        names = cases.boxes()
        text = ours(fold=names)["text"]
        assert set(NodeSet(text)) == set(names), f"{text} (seed {SEED})"
        size += len(text)
        their_size += len(str(NodeSet.fromlist(names)))
    assert size <= their_size * 1.05, f"{size} characters where ClusterShell needs {their_size} (seed {SEED})"


def clubak(lines):
    """What `clubak -b` makes of the lines: [(set of hosts, text)], as it shows them."""
    text = "".join(f"{host}: {line}\n" for host, line in lines)
    output, argv = io.BytesIO(), sys.argv
    streams = Clubak.sys_stdin, Clubak.sys_stdout
    display_out = sys.modules["ClusterShell.CLI.Display"].sys_stdout
    sys.argv = ["clubak", "-b", "--color=never"]
    Clubak.sys_stdin, Clubak.sys_stdout = (lambda: io.BytesIO(text.encode())), (lambda: output)
    sys.modules["ClusterShell.CLI.Display"].sys_stdout = lambda: output
    try:
        Clubak.clubak()
    finally:
        sys.argv = argv
        Clubak.sys_stdin, Clubak.sys_stdout = streams
        sys.modules["ClusterShell.CLI.Display"].sys_stdout = display_out
    bar, groups = "-" * 15, []
    shown = output.getvalue().decode().split("\n")[:-1]
    at = 0
    while at < len(shown):
        assert shown[at] == bar and shown[at + 2] == bar, shown
        end = at + 3
        while end < len(shown) and shown[end] != bar:
            end += 1
        groups.append((frozenset(NodeSet(shown[at + 1].split(" (")[0])), "\n".join(shown[at + 3:end])))
        at = end
    return groups


def test_gathers_outputs_as_clubak_does(ours):
    cases = generator("gather")
    for _ in range(CASES):
        lines = cases.stream()
        outputs = {}
        for host, line in lines:
            outputs.setdefault(host, []).append(line)
        # The blank behind the colon is the separator's here, the line's there.
        theirs = clubak(lines)
        groups = ours(gather=[{"host": host, "status": "ok", "stdout": "".join(f" {line}\n" for line in texts)}
                              for host, texts in outputs.items()])["groups"]
        mine = [(frozenset(NodeSet(g["hosts"])), g["stdout"][:-1]) for g in groups]
        assert [len(hosts) for hosts, _ in mine] == [len(hosts) for hosts, _ in theirs], f"{mine}\n{theirs} (seed {SEED})"
        assert set(mine) == set(theirs), f"seed {SEED}"
        assert [g["count"] for g in groups] == [len(hosts) for hosts, _ in mine], f"seed {SEED}"


@pytest.mark.parametrize("pattern", ["a[1-3", "a1]", "a[]", "a[3-1]", "a[1-010]", "a,", "a,,b", "!a", "a[1-2][3-4]",
                                     "a[1-3]!", "a[x]"])
def test_refuses_what_clustershell_refuses(ours, pattern):
    with pytest.raises(NodeSetException):
        NodeSet(pattern)
    assert "column" in ours(expand=pattern)["error"]
