"""max_failed and concurrency keys: what is exceeded starts no further host, whoever is killed meanwhile."""

import datetime
import os
import signal

import pytest
from daemon import PATIENCE, Daemon, alive, wait_for
from thresholds import with_witness, witness


def check_aborted(daemon, task):
    """An aborted task whose hosts are all accounted for; returns its answer and rows."""
    answer = daemon.wait(task)
    daemon.verify(task)
    rows = daemon.results(task, "&sort=index")
    assert answer["state"] == "aborted" and answer["outcome"] == "failed"
    for row in rows:
        if row["status"] == "cancelled":
            assert not row["started_at"] and "max_failed was exceeded" in row["message"], row
        else:
            assert row["started_at"], row
    return answer, rows


def test_more_than_max_failed_starts_no_further_host(daemon):
    # One at a time, so that it is known which: n3, n5 and n8 fail, and two may.
    task = daemon.submit("sim", "n[1-50]", {"fail": ["n3", "n5", "n8"]}, max_failed=2, fanout=1, unit_size=4)
    answer, rows = check_aborted(daemon, task)
    assert [r["status"] for r in rows[:8]] == ["ok", "ok", "failed", "ok", "failed", "ok", "ok", "failed"]
    assert {r["status"] for r in rows[8:]} == {"cancelled"}
    assert answer["max_failed"] == 2
    assert answer["reason"] == ("max_failed was exceeded: 3 of 50 hosts went wrong, more than 2 "
                                "(3 failed, 0 unreachable, 0 timeout, 0 lost in the task)")


def test_as_many_as_max_failed_are_no_abort(daemon):
    task = daemon.submit("sim", "n[1-20]", {"fail": ["n3"], "unreachable": ["n4"]}, max_failed=2)
    answer = daemon.wait(task)
    assert answer["state"] == "done" and answer["outcome"] == "failed" and answer["counts"]["ok"] == 18


def test_every_kind_of_going_wrong_counts_and_no_other(daemon):
    for bad, members in [({"unreachable": ["n1"]}, {}), ({"hang": ["n1"]}, {"host_timeout": "200ms"}),
                         ({"crash": ["n1"]}, {})]:
        task = daemon.submit("sim", "n[1-10]", bad, max_failed=0, fanout=1, **members)
        answer, rows = check_aborted(daemon, task)
        assert rows[0]["status"] in ("unreachable", "timeout", "lost"), rows[0]
        assert answer["counts"]["cancelled"] == 9
    task = daemon.submit("sim", "n[1-10]", {"skip": ["n1"]}, max_failed=0, fanout=1)
    assert daemon.wait(task)["state"] == "done"


def test_hosts_that_run_run_on_to_their_own_end(daemon):
    # n1 fails soon; n2 and n3 have begun beside it and hang until their units' deadline.
    task = daemon.submit("sim", "n[1-40]", {"fail": ["n1"], "hang": ["n2", "n3"], "latency": "500ms"}, max_failed=0,
                         fanout=3, unit_size=1, timeout="4s")
    aborting = wait_for("the abort", lambda: (
        lambda t: t["state"] == "aborting" and t)(daemon.task(task)))
    assert aborting["counts"]["running"] == 2
    answer, rows = check_aborted(daemon, task)
    assert [r["status"] for r in rows[:3]] == ["failed", "timeout", "timeout"]
    assert answer["counts"]["cancelled"] == 37


def test_a_share_is_counted_within_its_wave(daemon):
    # One of five in the first wave is 20 %; two of the ten after it are, too. Three of fifteen never are.
    payload = {"fail": ["n01", "n06", "n07", "n16", "n17", "n18", "n19"]}
    task = daemon.submit("sim", "n[01-40]", payload, max_failed="20%", waves=["5", "15", "100%"], fanout=1)
    answer = daemon.wait(task)
    assert answer["state"] == "done" and answer["counts"]["failed"] == 7 and answer["max_failed"] == "20%"
    payload["fail"].append("n08")
    task = daemon.submit("sim", "n[01-40]", payload, max_failed="20%", waves=["5", "15", "100%"], fanout=1)
    answer, rows = check_aborted(daemon, task)
    assert rows[7]["status"] == "failed" and answer["counts"]["cancelled"] == 32
    assert "3 of the 10 hosts of wave 2 of 3 went wrong, more than 20%" in answer["reason"]
    assert answer["waves"]["open"] == 2


def test_cancelling_an_aborting_task_ends_the_hosts_that_run(daemon):
    task = daemon.submit("sim", "n[1-20]", {"fail": ["n1"], "hang": ["n2"]}, max_failed=0, fanout=2)
    wait_for("the abort", lambda: daemon.task(task)["state"] == "aborting")
    daemon.post(f"/v1/tasks/{task}/cancel")
    answer = daemon.wait(task)
    assert answer["state"] == "aborted"
    assert answer["counts"]["cancelled"] == 19 and answer["counts"]["failed"] == 1


@pytest.mark.parametrize("victim", ["core", "executor: sim", "supervisor"])
def test_kill_while_a_task_is_aborting(victim):
    daemon = Daemon()
    locks = with_witness(daemon)
    with daemon:
        # n1 fails; n2 and n3 hang beside it, in units of their own, and have begun by then.
        task = daemon.submit("sim", "n[01-60]", {"fail": ["n01"], "hang": ["n02", "n03"], "lock_dir": locks,
                                                 "latency": "500ms"}, max_failed=0, fanout=3, unit_size=1)
        aborting = wait_for("the abort", lambda: (
            lambda t: t["state"] == "aborting" and t)(daemon.task(task)))
        assert aborting["counts"]["cancelled"] >= 57
        pid = daemon.process.pid if victim == "supervisor" else daemon.parts()[victim]
        os.kill(pid, signal.SIGKILL)
        if victim == "supervisor":
            daemon.process.wait()
            daemon.start()
        else:
            wait_for(f"the end of the {victim}", lambda: not alive(pid))
            daemon.wait_ready()
        answer, rows = check_aborted(daemon, task)
        assert answer["counts"]["failed"] == 1 and answer["counts"]["cancelled"] == aborting["counts"]["cancelled"]
        assert answer["counts"]["lost"] == 2, answer
        lines, overlaps = witness(locks)
        assert not overlaps and set(lines) <= {r["host"] for r in rows if r["started_at"]}


@pytest.mark.parametrize("victim", ["core", "executor: sim"])
def test_a_kill_itself_may_exceed_the_threshold(victim, daemon):
    task = daemon.submit("sim", "n[1-60]", {"hang": ["n1", "n2"]}, max_failed=1, fanout=2, unit_size=60)
    wait_for("two hosts to run", lambda: daemon.task(task)["counts"]["running"] == 2)
    pid = daemon.parts()[victim]
    os.kill(pid, signal.SIGKILL)
    wait_for(f"the end of the {victim}", lambda: not alive(pid))
    daemon.wait_ready()
    answer, _ = check_aborted(daemon, task)
    assert answer["counts"]["lost"] == 2 and answer["counts"]["cancelled"] == 58
    assert "2 lost in the task" in answer["reason"]


# ------------------------------------------------------------------------------------ concurrency keys

def test_of_the_tasks_with_one_key_one_runs_at_a_time_in_order(daemon):
    first = daemon.submit("sim", "z1", {"hang": ["z1"]}, concurrency_key="deploy")
    tasks = [daemon.submit("sim", f"{name}[1-5]", {"latency": "150ms"}, concurrency_key="deploy")
             for name in ("a", "b", "c")]
    free = daemon.submit("sim", "d[1-5]", {}, concurrency_key="another")
    third = daemon.task(tasks[2])
    assert third["concurrency_key"] == "deploy" and third["waiting_for_task"] in [first, *tasks[:2]]
    assert daemon.wait(free)["waiting_for_task"] is None
    daemon.post(f"/v1/tasks/{first}/cancel")
    end = ""
    for task in tasks:
        answer = daemon.wait(task)
        assert answer["counts"]["ok"] == 5 and answer["waiting_for_task"] is None
        rows = daemon.results(task)
        assert min(r["started_at"] for r in rows) >= end
        end = max(r["finished_at"] for r in rows)


def test_the_next_of_a_key_is_woken_and_not_found_by_looking_again(daemon):
    # Looking again is once a second, so that each but the first would begin a second after the one before it.
    tasks = [daemon.submit("sim", "a1", {}, concurrency_key="k") for _ in range(40)]
    begins = []
    for task in tasks:
        assert daemon.wait(task)["counts"]["ok"] == 1
        text = daemon.results(task)[0]["started_at"]
        begins.append(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
    apart = sorted(later - earlier for earlier, later in zip(begins, begins[1:]))
    assert apart[len(apart) // 3] < 0.5 * PATIENCE, apart  # a third of them: a slow machine may be late


def test_one_that_waits_expires_and_is_cancelled(daemon):
    first = daemon.submit("sim", "a1", {"hang": ["a1"]}, concurrency_key="k")
    wait_for("the first to run", lambda: daemon.task(first)["counts"]["running"] == 1)
    expires = daemon.submit("sim", "b1", {}, concurrency_key="k", expires_in="1s", priority=100)
    cancelled = daemon.submit("sim", "c1", {}, concurrency_key="k")
    last = daemon.submit("sim", "d1", {}, concurrency_key="k")
    daemon.post(f"/v1/tasks/{cancelled}/cancel")
    assert daemon.wait(cancelled)["state"] == "cancelled"
    assert daemon.wait(expires)["counts"]["expired"] == 1
    answer = daemon.task(last)
    assert answer["state"] == "queued" and answer["waiting_for_task"] == first
    daemon.post(f"/v1/tasks/{first}/cancel")
    assert daemon.wait(last)["counts"]["ok"] == 1


def test_a_kill_lets_no_second_task_of_a_key_in():
    daemon = Daemon()
    locks = with_witness(daemon)
    with daemon:
        payload = {"latency": "100-400ms", "lock_dir": locks}
        # The same hosts: two at once would be an overlap that the hosts themselves see.
        tasks = [daemon.submit("sim", "n[1-20]", payload, concurrency_key="k", on_lost="rerun", unit_size=5)
                 for _ in range(3)]
        wait_for("the first to run", lambda: daemon.task(tasks[0])["counts"]["running"])
        core = daemon.parts()["core"]
        os.kill(core, signal.SIGKILL)
        wait_for("the end of the core", lambda: not alive(core))
        daemon.wait_ready()
        for task in tasks:
            assert daemon.wait(task)["counts"]["ok"] == 20
            daemon.verify(task)
        assert not witness(locks)[1]


# ---------------------------------------------------------------------------------------- priorities

def test_priorities_hold_beside_waves_fanout_and_keys():
    daemon = Daemon({"capacity": {"hosts": 4, "units": 512}})
    with daemon:
        # The node is full; what waits then goes by priority, whatever bounds it has of its own.
        full = daemon.submit("sim", "f[1-4]", {"latency": "60s"}, unit_size=4)
        wait_for("the node to be full", lambda: daemon.task(full)["counts"]["running"] == 4)
        low = daemon.submit("sim", "l[1-8]", {"latency": "20ms"}, unit_size=4, priority=10)
        middle = daemon.submit("sim", "m[1-8]", {"latency": "20ms"}, unit_size=4, priority=50, fanout=2,
                               concurrency_key="k")
        high = daemon.submit("sim", "h[1-8]", {"latency": "20ms"}, unit_size=4, priority=90, waves=["4", "100%"])
        daemon.post(f"/v1/tasks/{full}/cancel")
        for task in (low, middle, high):
            assert daemon.wait(task)["outcome"] == "ok"
        first = {t: min(r["started_at"] for r in daemon.results(t)) for t in (low, middle, high)}
        assert first[high] < first[middle] < first[low]
