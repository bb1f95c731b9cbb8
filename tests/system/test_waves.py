"""Waves: a task's hosts go in cumulative sizes, each after all of the wave before it; a kill changes nothing of that."""

import os
import signal

import pytest
from daemon import Daemon, Problem, alive, wait_for
from thresholds import starts, with_witness, witness


def waves_of(rows, *ends):
    """The rows, wave by wave."""
    first = 0
    for end in ends:
        yield rows[first:end]
        first = end


def check_order(rows, *ends):
    """No host of a wave was begun before all of the one before it had ended."""
    before = ""
    for wave in waves_of(rows, *ends):
        assert min(row["started_at"] for row in wave) >= before
        before = max(row["finished_at"] for row in wave)


def test_each_wave_waits_for_the_one_before(daemon):
    task = daemon.submit("sim", "n[1-95]", {"latency": "20-60ms"}, waves=["1", "10%", "50%"], unit_size=7)
    answer = daemon.wait(task)
    assert answer["counts"]["ok"] == 95
    assert answer["waves"] == {"open": 4, "total": 4, "next_at": None}
    daemon.verify(task)
    check_order(daemon.results(task, "&sort=index"), 1, 10, 48, 95)
    units = daemon.get(f"/v1/tasks/{task}/units?limit=1000")["items"]
    assert [(u["first"], u["hosts"], u["wave"]) for u in units][:4] == [(0, 1, 1), (1, 7, 2), (8, 2, 2), (10, 7, 3)]
    assert len(units) == answer["units"]["total"] == 1 + 2 + 6 + 7


def test_a_pause_between_waves(daemon):
    task = daemon.submit("sim", "n[1-20]", {}, waves=["5", "100%"], wave_pause="3s")
    waiting = wait_for("the pause", lambda: (lambda t: t["waves"]["next_at"] and t)(daemon.task(task)))
    assert waiting["waves"]["open"] == 1 and waiting["waves"]["total"] == 2
    assert waiting["counts"]["pending"] == 15 and waiting["state"] == "running"
    daemon.wait(task)
    rows = daemon.results(task, "&sort=index")
    check_order(rows, 5, 20)
    assert min(r["started_at"] for r in rows[5:]) >= waiting["waves"]["next_at"]


def test_a_wave_that_hangs_holds_the_next_until_its_deadline(daemon):
    task = daemon.submit("sim", "n[1-10]", {"hang": ["n2"]}, waves=["2", "100%"], timeout="1s")
    answer = daemon.wait(task)
    assert answer["counts"]["timeout"] == 1 and answer["counts"]["ok"] == 9
    check_order(daemon.results(task, "&sort=index"), 2, 10)


def test_cancel_and_expiry_reach_waves_that_are_not_open(daemon):
    task = daemon.submit("sim", "n[1-10]", {"hang": ["n1"]}, waves=["1", "100%"])
    wait_for("the first wave to run", lambda: daemon.task(task)["counts"]["running"] == 1)
    daemon.post(f"/v1/tasks/{task}/cancel")
    answer = daemon.wait(task)
    assert answer["state"] == "cancelled" and answer["counts"]["cancelled"] == 10
    task = daemon.submit("sim", "n[1-10]", {"hang": ["n1"]}, waves=["1", "100%"], timeout="4s", expires_in="2s")
    answer = daemon.wait(task)
    assert answer["counts"]["expired"] == 9 and answer["counts"]["timeout"] == 1
    assert answer["waves"]["open"] == 1
    daemon.verify(task)


@pytest.mark.parametrize("victim", ["core", "executor: sim", "supervisor"])
def test_kill_in_the_middle_of_a_wave(victim):
    daemon = Daemon()
    locks = with_witness(daemon)
    with daemon:
        task = daemon.submit("sim", "n[01-90]", {"latency": "50-700ms", "lock_dir": locks},
                             waves=["10", "60", "100%"], wave_pause="300ms", unit_size=10, on_lost="rerun")
        wait_for("the second wave to run", lambda: (
            lambda t: t["waves"]["open"] == 2 and t["counts"]["running"])(daemon.task(task)))
        pid = daemon.process.pid if victim == "supervisor" else daemon.parts()[victim]
        os.kill(pid, signal.SIGKILL)
        if victim == "supervisor":
            daemon.process.wait()
            daemon.start()
        else:
            wait_for(f"the end of the {victim}", lambda: not alive(pid))
            daemon.wait_ready()
        answer = daemon.wait(task)
        daemon.verify(task)
        assert answer["state"] == "done" and answer["counts"]["ok"] == 90
        assert answer["waves"]["open"] == 3
        check_order(daemon.results(task, "&sort=index"), 10, 60, 90)
        lines, overlaps = witness(locks)
        assert not overlaps
        # The hosts themselves saw the same order.
        firsts = [min(starts(lines[f"n{i:02}"])) for i in range(1, 91)]
        lasts = [max(starts(lines[f"n{i:02}"])) for i in range(1, 91)]
        assert max(lasts[:10]) <= min(firsts[10:60]) and max(lasts[10:60]) <= min(firsts[60:])


def test_kill_in_the_pause_between_waves(daemon):
    task = daemon.submit("sim", "n[1-20]", {}, waves=["5", "100%"], wave_pause="3s")
    waiting = wait_for("the pause", lambda: (lambda t: t["waves"]["next_at"] and t)(daemon.task(task)))
    core = daemon.parts()["core"]
    os.kill(core, signal.SIGKILL)
    wait_for("the end of the core", lambda: not alive(core))
    daemon.wait_ready()
    answer = daemon.wait(task)
    assert answer["counts"]["ok"] == 20
    assert min(r["started_at"] for r in daemon.results(task, "&sort=index")[5:]) >= waiting["waves"]["next_at"]


def test_dry_run_tells_hosts_units_and_waves(daemon):
    answer = daemon.post("/v1/tasks?dry_run=true", {
        "type": "sim", "hosts": "n[1-100]", "payload": {}, "waves": ["1", "10%", "100%"]})
    assert (answer["hosts"], answer["units"], answer["waves"]) == (100, 1 + 1 + 3, 3)
    # A wave that adds no host is none: a tenth of five hosts, after the first of them.
    answer = daemon.post("/v1/tasks?dry_run=true", {
        "type": "sim", "hosts": "n[1-5]", "payload": {}, "waves": ["1", "10%", "100%"]})
    assert (answer["units"], answer["waves"]) == (2, 2)


BAD = [
    ({"waves": []}, "/waves"),
    ({"waves": "10%"}, "/waves"),
    ({"waves": ["0"]}, "/waves/0"),
    ({"waves": ["1", "101%"]}, "/waves/1"),
    ({"waves": ["1", "ten"]}, "/waves/1"),
    ({"waves": ["1", None]}, "/waves/1"),
    ({"waves": ["10%", "5%"]}, "/waves/1"),
    ({"waves": [3, 2]}, "/waves/1"),
    ({"waves": ["5", "5"]}, "/waves/1"),
    ({"waves": ["1.5"]}, "/waves/0"),
    ({"waves": [-1]}, "/waves/0"),
    ({"waves": ["1.234%"]}, "/waves/0"),
    ({"waves": ["%"]}, "/waves/0"),
    ({"waves": [str(n) for n in range(1, 1002)]}, "/waves"),
    ({"wave_pause": "1s"}, "/wave_pause"),
    ({"waves": ["1"], "wave_pause": "soon"}, "/wave_pause"),
    ({"max_failed": -1}, "/max_failed"),
    ({"max_failed": "101%"}, "/max_failed"),
    ({"max_failed": 1.5}, "/max_failed"),
    ({"max_failed": True}, "/max_failed"),
    ({"fanout": 0}, "/fanout"),
    ({"concurrency_key": ""}, "/concurrency_key"),
    ({"concurrency_key": 7}, "/concurrency_key"),
    ({"waves": ["x"], "max_failed": "y", "concurrency_key": 1}, "/concurrency_key"),
]


def test_what_is_no_threshold_is_refused_by_its_place(daemon):
    for members, pointer in BAD:
        with pytest.raises(Problem) as caught:
            daemon.submit("sim", "n[1-20]", {}, **members)
        assert caught.value.status == 422, members
        assert pointer in [e["pointer"] for e in caught.value.body["errors"]], members
    assert not daemon.get("/v1/tasks")["items"]
