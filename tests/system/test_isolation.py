"""No executor plugin can hang or crash the engine; what it leaves is gone; its hosts end with the cause named."""

import contextlib
import os
import signal
import time

import pytest
from conftest import WAYS
from daemon import Daemon, alive, descendants, wait_for

TIMEOUT = 2  # a unit's deadline; its processes get 2 s more
LEFT = 6  # s after those nothing may be left, on a machine that is busy with other tests, too

# Plugin: how the hosts that it did not report end, and words that their message must have.
EVIL = {
    "evil_segv": ("lost", "Segmentation fault"),
    "evil_loop": ("timeout", "deadline"),
    "evil_daemon": (None, ""),
    "evil_headless": (None, ""),
    "evil_stdout": (None, ""),
    "evil_report": (None, ""),
    "evil_twice": (None, ""),
    "evil_foreign": (None, ""),
    "evil_silent": ("failed", "without having reported"),
    "evil_exit": ("lost", "exit"),
    "evil_garbage": ("lost", "no message"),
    "evil_bomb": (None, ""),
    "fail_run": ("failed", ""),
}


@pytest.fixture(scope="module", params=WAYS)
def evil_daemon(request):
    executors = [{"plugin": "sim"}] + [{"plugin": name} for name in EVIL]
    with Daemon({"executors": executors}, **request.param) as daemon:
        yield daemon


def host_pid(daemon, plugin):
    return daemon.parts()[f"executor: {plugin}"]


@pytest.mark.parametrize("plugin", EVIL)
def test_evil_executor_harms_nobody(evil_daemon, plugin):
    daemon = evil_daemon
    parts = daemon.parts()
    begin = time.monotonic()
    evil = daemon.submit(plugin, "e[1-5]", {"stay": True}, timeout=TIMEOUT)
    good = daemon.submit("sim", "g[1-300]", {"latency": "10-50ms"})
    assert daemon.wait(good, 10)["outcome"] == "ok"
    daemon.wait(evil, TIMEOUT + 10)
    took = time.monotonic() - begin
    assert took < TIMEOUT + 2 + LEFT, f"final only after {took:.1f} s"
    rows = daemon.results(evil)
    daemon.verify(evil)
    wait_for("the unit's processes to be gone", lambda: not descendants(host_pid(daemon, plugin)), LEFT)
    assert daemon.parts() == parts, "a part of the daemon died"
    status, words = EVIL[plugin]
    if status:
        rest = [row for row in rows if row["status"] == status]
        assert rest, rows
        for row in rest:
            assert words in row["message"], row
    for row in rows:
        assert row["status"] in {"ok", "failed", "lost", "timeout"}, row
        assert row["status"] == "ok" or row["message"], row


def test_reports_that_are_refused_are_named(evil_daemon):
    for plugin, words in (("evil_twice", "twice"), ("evil_foreign", "not in this unit")):
        task = evil_daemon.submit(plugin, "e[1-5]", {}, timeout=TIMEOUT)
        evil_daemon.wait(task, TIMEOUT + 10)
        messages = [unit["message"] for unit in evil_daemon.get(f"/v1/tasks/{task}/units")["items"]]
        assert any(words in (message or "") for message in messages), messages
        assert len(evil_daemon.results(task)) == 5


@pytest.mark.parametrize("attempts", [2, None])
def test_an_evil_unit_is_refused_one_attempt_more(attempts):
    """Hosts that were never begun go to the next attempt, as `limits.attempts` says, then end with the reason."""
    limits = {"limits": {"attempts": attempts}} if attempts else {}
    with Daemon({"executors": [{"plugin": "evil_step"}], **limits}) as daemon:
        task = daemon.submit("evil_step", ["a1", "a2", "bad1", "a3", "bad2", "a4", "bad3", "a5", "a6"], {}, timeout=20)
        daemon.wait(task, 30)
        rows = {row["host"]: row for row in daemon.results(task)}
        bad, good, never = ((["bad1", "bad2"], ["a1", "a2", "a3"], ["a4", "bad3", "a5", "a6"]) if attempts else
                            (["bad1", "bad2", "bad3"], ["a1", "a2", "a3", "a4"], ["a5", "a6"]))
        assert sorted(host for host, row in rows.items() if row["status"] == "lost") == bad
        assert sorted(host for host, row in rows.items() if row["status"] == "ok") == good
        words = f"not started after {attempts or 3} attempts (limits.attempts)"
        assert all(rows[host]["status"] == "failed" and words in rows[host]["message"] for host in never), rows
        assert [rows[host]["attempt"] for host in good] == [1, 1, 2, 3][:len(good)]
        daemon.verify(task)


@pytest.mark.parametrize("way", WAYS)
def test_a_killed_executor_host_takes_only_its_own_units(way):
    with Daemon({"executors": [{"plugin": "sim"}, {"plugin": "shell", "allow_localhost": True}]}, **way) as daemon:
        slow = daemon.submit("sim", "s[1-60]", {"latency": "10s"}, timeout=30)
        other = daemon.submit("shell", "localhost", {"command": "sleep 5; echo survived"})
        wait_for("both to run", lambda: daemon.task(slow)["counts"]["running"] == 60
                 and daemon.task(other)["counts"]["running"] == 1)
        victim = host_pid(daemon, "sim")
        left = descendants(victim)
        assert left
        os.kill(victim, signal.SIGKILL)
        answer = daemon.wait(slow, 20)
        assert answer["counts"]["lost"] == 60, answer
        assert "executor host sim died" in daemon.results(slow)[0]["message"]
        wait_for("its units to be gone", lambda: not [p for p in left if alive(p)], LEFT)
        assert daemon.wait(other, 10)["outcome"] == "ok"
        assert daemon.results(other)[0]["stdout"] == "survived\n"
        part = wait_for("its death to be told", lambda: next(
            (p for p in daemon.get("/v1/engines")["items"][0]["parts"] if p["name"] == "executor: sim" and p["restarts"]),
            None))
        assert "signal 9" in part["last_death"]
        again = daemon.submit("sim", "s[1-30]", {})
        assert daemon.wait(again, 15)["outcome"] == "ok"


def test_an_executor_that_hangs_in_its_opening_is_started_again(tmp_path):
    hangs = tmp_path / "hangs"
    executor = {"plugin": "fail_open", "needs": "/", "hangs": str(hangs), "call_timeout": "1s"}
    with Daemon({"executors": [executor]}) as daemon:
        hangs.touch()
        os.kill(daemon.parts()["executor: fail_open"], signal.SIGKILL)
        wait_for("its hang to be told", lambda: [
            part for part in daemon.get("/v1/engines")["items"][0]["parts"] if part["name"] == "executor: fail_open" and
            "hung in open for 1 s (call_timeout)" in (part["last_death"] or "")])
        hangs.unlink()
        daemon.wait_ready()


def test_a_stopped_core_loses_its_units_by_permit():
    """A core that is stopped, not dead: its units are ended by their executor host, and it is found wedged and replaced."""
    lease = {"permit": "500ms", "permit_lost": "2s", "renew": "500ms"}
    with Daemon({"lease": lease, "node": {"core_silence": "3s"}, "executors": [{"plugin": "sim"}]}) as daemon:
        task = daemon.submit("sim", "p[1-30]", {"latency": "60s"}, timeout=100)
        wait_for("its unit to run", lambda: daemon.units())
        core, units = daemon.parts()["core"], daemon.units()
        os.kill(core, signal.SIGSTOP)
        try:
            wait_for("its units to be ended", lambda: not [p for p in units if alive(p)], 6)
            wait_for("another core", lambda: daemon.parts().get("core", core) != core, 10)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(core, signal.SIGCONT)
        assert "no sign of life for 3 s (node.core_silence)" in daemon.log()
        daemon.wait_ready()
        assert daemon.wait(task, 20)["counts"]["lost"] == 30
        daemon.verify(task)


@pytest.mark.parametrize("way", WAYS)
def test_the_way_of_isolation_is_told(way):
    with Daemon(**way) as daemon:
        wait_for("it to be told", lambda: daemon.get("/v1/engines")["items"][0]["isolation"] == way["isolation"])
