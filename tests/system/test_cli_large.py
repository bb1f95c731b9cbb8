"""The command line with the results of 100,000 hosts: all of them, in bounded memory."""
import json
import os
import subprocess
import tempfile

import pytest

from system.fake_daemon import FakeDaemon

HOSTS = 100_000
OUTPUT = 1500      # bytes a host; all together 150 MB
STREAMED = 80      # MiB at most, where rows go by
FOLDED = 220       # … where groups are kept
SANITIZED = os.environ.get("DROVER_SANITIZED")


class LargeDaemon(FakeDaemon):
    """Makes its rows when they are asked for: every host writes something of its own."""

    def __init__(self, groups):
        super().__init__(task_id="t")
        self.different = groups

    def task(self):
        return {**super().task(), "counts": {"ok": HOSTS}, "hosts_total": HOSTS, "outcome": "ok"}

    def results(self, query):
        start, limit = int(query.get("after", 0)), int(query["limit"])
        end = min(start + limit, HOSTS)
        output = "output" not in query
        items = [{"host": f"n{i:06d}", "status": "ok", "rc": 0, "stdout_bytes": OUTPUT, "stderr_bytes": 0, "stdout_encoding":
                  "utf-8", "stdout": f"{i % self.different:6d} ".ljust(OUTPUT - 1, "x") + "\n" if output else ""}
                 for i in range(start, end)]
        return 200, {"items": items, **({"next": str(end)} if end < HOSTS else {})}


# A process's peak has that of its parent in it, from before it was another program: so the parent is a small one.
MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL)
sys.stderr.write(f"\\n{code} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}")
"""


def run(build, daemon, *words):
    """stdout as a file, and the peak of its memory in MiB."""
    out = tempfile.TemporaryFile()
    done = subprocess.run(["/usr/bin/python3", "-c", MEASURE, str(build / "drover"), *words], stdout=out,
                          stderr=subprocess.PIPE, text=True, check=True,
                          env={"HOME": "/nonexistent", "DROVER_URL": daemon.url})
    code, peak = done.stderr.split("\n")[-1].split()
    assert code == "0", done.stderr
    out.seek(0)
    return out, int(peak) / 1024


@pytest.fixture(scope="module")
def daemon():
    with LargeDaemon(HOSTS) as different:
        yield different


def check(peak, most=STREAMED):
    assert SANITIZED or peak < most, f"{peak:.0f} MiB"


@pytest.mark.parametrize("words, lines", [(("results", "t"), 2), (("watch", "t", "-L"), 1)])
def test_rows_are_shown_as_they_come(build, daemon, words, lines):
    out, peak = run(build, daemon, *words)
    assert sum(1 for _ in out) == lines * HOSTS
    check(peak)


def test_rows_as_json_are_one_document(build, daemon):
    out, peak = run(build, daemon, "results", "t", "--json")
    assert json.loads(out.readline() + b"]}") == {"items": []}
    count = sum(1 for line in out if line.startswith(b"{"))
    assert count == HOSTS
    check(peak)


def test_outputs_that_all_differ_are_folded_in_bounded_memory(build, daemon):
    out, peak = run(build, daemon, "watch", "t")
    lines = [line for line in out]
    assert sum(line.startswith(b"--- n") for line in lines) == HOSTS
    assert lines[-1].startswith(b"100000 ok of 100000 hosts")
    assert b"[only the beginning is shown: drover results shows all]\n" in lines
    check(peak, FOLDED)


def test_outputs_in_a_few_groups_are_folded(build):
    with LargeDaemon(3) as daemon:
        out, peak = run(build, daemon, "watch", "t")
    assert [line[-13:] for line in out if line.startswith(b"--- ")] == [b" (33334)  ok\n", b" (33333)  ok\n", b" (33333)  ok\n"]
    check(peak)
