"""fanout: hosts of a task at once, over all of its units; counted by the hosts themselves."""

import os
import signal

import pytest
from daemon import Daemon, alive, wait_for
from thresholds import most_at_once, with_witness, witness


@pytest.fixture
def witnessed():
    daemon = Daemon()
    daemon.locks = with_witness(daemon)
    with daemon:
        yield daemon


def run(daemon, hosts, fanout, **members):
    payload = {"latency": "10-60ms", "lock_dir": daemon.locks, **members.pop("payload", {})}
    task = daemon.submit("sim", hosts, payload, fanout=fanout, **members)
    return task, daemon.wait(task)


@pytest.mark.parametrize("fanout, unit_size, latency", [(7, 5, "50-100ms"), (5, 30, "10-60ms"), (1, 3, "10-60ms"),
                                                         (40, 10, "500-900ms")])
def test_no_more_hosts_at_once_over_all_units(witnessed, fanout, unit_size, latency):
    task, answer = run(witnessed, "n[1-60]", fanout, unit_size=unit_size, payload={"latency": latency})
    assert answer["counts"]["ok"] == 60 and answer["fanout"] == fanout
    witnessed.verify(task)
    lines, overlaps = witness(witnessed.locks)
    assert not overlaps and len(lines) == 60
    most = most_at_once(lines)
    assert most <= fanout, f"{most} hosts ran at once"
    assert most > fanout // 2, f"only {most} hosts ever ran at once"


def test_a_hung_host_takes_one_place_and_the_others_go_on(witnessed):
    task = witnessed.submit("sim", "n[1-40]", {"hang": ["n1"]}, fanout=2, unit_size=10)
    wait_for("all but the hung one to end", lambda: witnessed.task(task)["counts"]["ok"] == 39)
    assert witnessed.task(task)["counts"]["running"] == 1
    witnessed.post(f"/v1/tasks/{task}/cancel")
    assert witnessed.wait(task)["counts"]["cancelled"] == 1
    witnessed.verify(task)


def test_a_host_that_waits_for_the_fanout_is_not_out_of_time(witnessed):
    # One at a time, 400 ms each: the unit of twelve has one second, and its deadline comes again and again.
    task = witnessed.submit("sim", "n[1-12]", {"latency": "400ms"}, fanout=1, unit_size=12, timeout="1s")
    witnessed.wait(task)
    witnessed.verify(task)
    rows = witnessed.results(task, "&sort=index")
    for row in rows:  # who times out has been begun; nobody fails since the attempts are used up
        assert row["status"] in ("ok", "timeout") and row["started_at"], row
    assert rows[-1]["attempt"] > 3
    assert len([r for r in rows if r["status"] == "timeout"]) <= rows[-1]["attempt"]


@pytest.mark.parametrize("victim", ["core", "executor: sim"])
def test_the_fanout_holds_over_a_kill(witnessed, victim):
    task = witnessed.submit("sim", "n[1-80]", {"latency": "20-80ms", "lock_dir": witnessed.locks}, fanout=6,
                            unit_size=8, on_lost="rerun")
    wait_for("some hosts to be done", lambda: witnessed.task(task)["counts"]["ok"] > 15)
    pid = witnessed.parts()[victim]
    os.kill(pid, signal.SIGKILL)
    wait_for(f"the end of the {victim}", lambda: not alive(pid))
    witnessed.wait_ready()
    answer = witnessed.wait(task)
    assert answer["counts"]["ok"] == 80
    witnessed.verify(task)
    lines, overlaps = witness(witnessed.locks)
    assert not overlaps
    # What was killed has no end in its file: only the last runs are counted.
    assert most_at_once({host: last_run(seen) for host, seen in lines.items()}) <= 6


def last_run(seen):
    """The lines of a host's last attempt."""
    begun = max(i for i, line in enumerate(seen) if line.startswith("start "))
    return seen[begun:]


def test_cancel_while_units_wait_for_room(witnessed):
    task = witnessed.submit("sim", "n[1-50]", {"hang": ["n1", "n2"]}, fanout=2, unit_size=25)
    wait_for("both places to be taken", lambda: witnessed.task(task)["counts"]["running"] == 2)
    witnessed.post(f"/v1/tasks/{task}/cancel")
    answer = witnessed.wait(task, 15)
    assert answer["state"] == "cancelled" and answer["counts"]["cancelled"] == 50
    wait_for("the unit's process to end", lambda: not witnessed.units())
