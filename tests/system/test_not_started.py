"""A unit's process cannot be made: its hosts were never touched, so they are tried again, and never `lost`."""

import contextlib
import subprocess

from daemon import Daemon, wait_for


def soft_limit(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        return next(line for line in f if line.startswith("Max processes")).split()[2]


def limit_processes(pid, soft):
    """As the process's own user, who may lower the soft limit and raise it again."""
    subprocess.run(["prlimit", "--pid", str(pid), f"--nproc={soft}:"], check=True, user="nobody", group="nogroup",
                   extra_groups=[])


@contextlib.contextmanager
def without_forks(pid):
    """That process, of an ordinary user, may make no other while this lasts: the kernel's own refusal."""
    before = soft_limit(pid)
    limit_processes(pid, 0)
    try:
        yield
    finally:
        limit_processes(pid, before)


# However long a test takes to make room again.
MANY = {"limits": {"attempts": 100}}


def test_it_is_tried_again_when_there_is_room_again():
    with Daemon(MANY, user="nobody", isolation="subreaper") as daemon:
        with without_forks(daemon.parts()["executor: sim"]):
            task = daemon.submit("sim", "n[1-20]", {})
            unit = wait_for("the refusal", lambda: next(
                (u for u in daemon.get(f"/v1/tasks/{task}/units")["items"] if u["message"]), None))
            assert "could not be started" in unit["message"] and "cannot make a process" in unit["message"]
        answer = daemon.wait(task)
        assert answer["counts"]["ok"] == 20
        rows = daemon.results(task)
        assert min(row["attempt"] for row in rows) >= 2
        daemon.verify(task)


def test_after_the_last_attempt_hosts_failed_and_are_not_lost():
    with Daemon(user="nobody", isolation="subreaper") as daemon:
        with without_forks(daemon.parts()["executor: sim"]):
            task = daemon.submit("sim", "n[1-20]", {}, on_lost="rerun")
            answer = daemon.wait(task)
        assert answer["state"] == "done" and answer["counts"]["failed"] == 20
        for row in daemon.results(task):
            assert "could not be started, in its last attempt (limits.attempts)" in row["message"], row
            assert row["attempt"] == 3, row
        daemon.verify(task)
        # The executor is well: what comes next runs.
        assert daemon.wait(daemon.submit("sim", "n[1-20]", {}))["counts"]["ok"] == 20


def test_hosts_that_were_never_touched_may_exceed_no_threshold_before_they_failed():
    with Daemon(MANY, user="nobody", isolation="subreaper") as daemon:
        with without_forks(daemon.parts()["executor: sim"]):
            task = daemon.submit("sim", "n[1-20]", {}, max_failed=0, unit_size=5)
            wait_for("the refusal", lambda: any(u["message"] for u in daemon.get(f"/v1/tasks/{task}/units")["items"]))
            assert daemon.task(task)["state"] == "running"
        assert daemon.wait(task)["counts"]["ok"] == 20
