#!/usr/bin/python3
"""Runs Drover's tests and ends with one line: `N passed, N failed[, N skipped]`.

Before it each failure once more, with the end of what it said: the last screen of a log says what went wrong.

    tests/run.py [--build FOLDER] [--valgrind] PART...

Parts: unit (each program of BUILD/tests/unit), fast (pytest without servers), plugins, system.
A program that crashes, hangs or runs no test counts as a failure. Exit code 1 where something failed.
"""
import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import queue
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

import bare_chroot
import reports
from services import mariadb

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTEST = {
    "fast": ["tests/unit", "tests/lint", "tests/house"],
    "plugins": ["tests/plugins", "tests/sdk"],
    "system": ["tests/system"],
    "model": ["tests/model"],
    "chaos": ["tests/chaos"],
    "outages": ["tests/system/test_outages.py", "tests/system/test_broker_away.py"],  # of `system`, at their full length
}
# Tests run side by side. Those in C keep a processor busy more often than not; those in Python mostly wait for something.
# Those that are marked `alone`, which measure a time or a size, run one after the other when the others are done.
CORES = os.cpu_count() or 1
PROGRAM_JOBS = int(os.environ.get("DROVER_TEST_JOBS") or CORES + 1)
PYTEST_JOBS = int(os.environ.get("DROVER_TEST_JOBS") or min(2 * CORES + 1, 16))
# What is handed to a worker: a file, whose tests may share servers; or where they share nothing a test.
HANDED = {"fast": "load"}
NO_TEST = 5  # pytest's exit code where the marks leave nothing
PROGRAM_TIMEOUT = 600  # s
# Programs that take long are begun first.
LONG = ["test_exec_plugins", "test_kafka", "test_kafka_source", "test_exec_host", "test_store_model"]
SUMMARY = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.MULTILINE)
VALGRIND = [
    "valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite",
    "--errors-for-leak-kinds=definite", "--child-silent-after-fork=yes", "--num-callers=30",
]


FAILURE_LINES = 40  # of each failure's text that are said again at the end


class Counts:
    """How many tests passed and failed, and for those that failed a name and what they said."""

    def __init__(self, passed=0, failed=0, skipped=0, failures=()):
        self.passed, self.failed, self.skipped = passed, failed, skipped
        self.failures = list(failures)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def say(text):
    print(text, flush=True)


def count_program(code, output):
    """What a test program's end and its summary line say."""
    summaries = SUMMARY.findall(output)
    checks = sum(int(s[0]) for s in summaries)
    bad = sum(int(s[1]) + int(s[2]) for s in summaries)
    if not checks or (code and not bad):
        # It ran nothing, or ended badly after its last test (a crash, a leak that valgrind found).
        return Counts(max(checks - bad, 0), bad + 1)
    return Counts(checks - bad, bad)


def run_program(program, env, valgrind):
    """Its counts, and what is to be said of it."""
    command = (VALGRIND if valgrind else []) + [str(program)]
    start = time.monotonic()
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PROGRAM_TIMEOUT, check=False)
        code, output = done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        code, output = -1, (late.stdout or b"").decode(errors="replace") + f"\nno end after {PROGRAM_TIMEOUT} s\n"
    counts = count_program(code, output)
    text = f"  {program.name:<32} {counts}  ({time.monotonic() - start:.1f} s)"
    if counts.failed:
        counts.failures.append((f"{program.name} (exit code {code})", output))
        text = f"--- {program.name} failed (exit code {code}); all that it printed:\n{output.rstrip()}\n---\n{text}"
    return counts, text


@contextlib.contextmanager
def lent_servers(pool):
    """A function that runs one with a database server that nobody else has meanwhile: some stop it or count its work."""
    with contextlib.ExitStack() as stack:
        free = queue.SimpleQueue()
        for server in pool.map(lambda _: stack.enter_context(mariadb.environment()), range(PROGRAM_JOBS)):
            free.put(server)

        def with_server(work):
            server = free.get()
            try:
                return work(server)
            finally:
                free.put(server)
        yield with_server


def run_unit(build, env, valgrind):
    counts = Counts()
    env = dict(env)
    if valgrind or env.get("DROVER_SANITIZED"):
        env["CK_FORK"] = "no"
    if valgrind:
        env["CK_TIMEOUT_MULTIPLIER"] = "20"
    programs = sorted((p for p in (build / "tests/unit").glob("test_*") if os.access(p, os.X_OK) and p.is_file()
                       and (ROOT / "tests/unit" / (p.name + ".c")).exists()),
                      key=lambda p: (LONG.index(p.name) if p.name in LONG else len(LONG), p.name))
    if not programs:
        say(f"--- no test program in {build}/tests/unit: run make tests first")
        return Counts(0, 1)
    with concurrent.futures.ThreadPoolExecutor(PROGRAM_JOBS) as pool, lent_servers(pool) as with_server:
        runs = [pool.submit(with_server, lambda server, p=program: run_program(p, dict(env, **server), valgrind))
                for program in programs]
        for run in concurrent.futures.as_completed(runs):
            done, text = run.result()
            counts.add(done)
            say(text)
    return counts


def count_report(path):
    counts = Counts()
    for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
        total, bad, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "skipped"))
        bad += int(suite.get("errors", 0))
        failures = [(f"{case.get('classname')}::{case.get('name')}", part.text or part.get("message") or "")
                    for case in suite.iter("testcase") for part in case if part.tag in ("failure", "error")]
        counts.add(Counts(max(total - bad - skipped, 0), bad, skipped, failures))
    return counts


def run_pytest(part, env):
    folders = [f for f in PYTEST[part] if (ROOT / f).is_file() or list((ROOT / f).glob("**/test_*.py"))]
    side_by_side = ["-m", "not alone", "-n", str(PYTEST_JOBS), "--dist", HANDED.get(part, "loadfile")]
    counts = Counts()
    for way in (side_by_side, ["-m", "alone"]) if folders else ():
        counts.add(run_pytest_once([*way, *folders], env))
    if folders and not counts.passed + counts.failed:
        say(f"--- pytest {' '.join(folders)} ran no test")
        counts.failed += 1
    return counts


def run_pytest_once(arguments, env):
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.xml"
        command = ["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-q", "--durations=5",
                   "--strict-markers", f"--junit-xml={report}", *arguments]
        code = subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode
        if code == NO_TEST:
            return Counts()
        try:
            counts = count_report(report)
        except (OSError, xml.etree.ElementTree.ParseError) as error:
            say(f"--- pytest {' '.join(arguments)} left no report: {error}")
            return Counts(0, 1)
    if code and not counts.failed:
        say(f"--- pytest {' '.join(arguments)} ended with exit code {code}")
        counts.failed += 1
    return counts


@contextlib.contextmanager
def reachable(build):
    """The build folder, or a copy where others than root cannot reach it: as in /root. Some tests run as `nobody`."""
    closed = [p for p in [build, *build.parents] if not p.stat().st_mode & stat.S_IXOTH]
    if os.geteuid() or not closed:
        yield build
        return
    with tempfile.TemporaryDirectory(prefix="drover-build-") as folder:
        os.chmod(folder, 0o755)
        copy = pathlib.Path(folder) / "build"
        say(f"{closed[-1]} is closed to other users: the tests use a copy of {build}")
        shutil.copytree(build, copy, symlinks=True, ignore=shutil.ignore_patterns("obj", "*.a", "*.d"))
        yield copy


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.environ.get("DROVER_BUILD", "build"))
    parser.add_argument("--valgrind", action="store_true")
    parser.add_argument("parts", nargs="+", choices=["unit", *PYTEST])
    args = parser.parse_args()
    if bare_chroot.root_is_no_mount():
        return bare_chroot.run_again()
    env = dict(os.environ)
    with reachable((ROOT / args.build).resolve()) as build, bare_chroot.mounted(say), reports.kept(env) as reported:
        return run(args, build, env, reported)


def count_reports(folder):
    counts = Counts()
    for name, text in reports.take(folder):
        say(f"--- {name}:\n{text.rstrip()}\n---")
        counts.add(Counts(0, 1, failures=[(name, text)]))
    return counts


def run(args, build, env, reported):
    env.update(DROVER_BUILD=str(build), PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8")
    if (build / "tests/tsan_threads.so").exists():
        env["LD_PRELOAD"] = str(build / "tests/tsan_threads.so")
    # What the caller has set for drover itself must not change what is tested.
    for name in [n for n in env if n in ("DROVER_URL", "DROVER_TOKEN", "DROVER_PLUGIN_PATH") or
                 (n.startswith("DROVER_") and "__" in n)]:
        del env[name]

    rows, total = [], Counts()
    for part in args.parts:
        say(f"== {part}")
        start = time.monotonic()
        counts = run_unit(build, env, args.valgrind) if part == "unit" else run_pytest(part, env)
        counts.add(count_reports(reported))
        rows.append((part, counts, time.monotonic() - start))
        total.add(counts)
    for name, text in total.failures:
        say(f"\n--- {name}\n" + "\n".join(text.rstrip().splitlines()[-FAILURE_LINES:]))
    say("")
    for part, counts, seconds in rows:
        say(f"{part:<10} {seconds:>7.1f} s  {counts}")
    say(str(total))
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
