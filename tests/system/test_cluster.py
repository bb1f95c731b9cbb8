"""One distributor and several engines, a real broker and a real database: who executes what, in which order, and what
is told of units that nobody executes."""

import contextlib
import json
import os
import re
import signal
import time
from datetime import datetime

import pytest

from cluster import Cluster
from daemon import PATIENCE, Problem, drover, wait_for

PENDING = "pending"


@pytest.fixture(scope="module", name="cluster")
def shared_cluster():
    """So far ahead that the topic holds thousands of hosts: it is not the topic's order that counts."""
    capacity = {"hosts": 200, "units": 8, "reserve": 20}
    with Cluster(1, 3, distributor={"dispatcher": {"ahead": 8}}, engine={"capacity": capacity}) as c:
        yield c


def engines_of(cluster, task):
    return {row["engine"] for row in cluster.results(task)}


def metric(node, name):
    """The sum over its labels."""
    total, seen = 0, False
    for line in node.request("GET", "/metrics", raw=True)[1].decode().splitlines():
        words = line.rsplit(" ", 1)
        if words[0].split("{")[0] == "drover_" + name:
            total, seen = total + float(words[1]), True
    assert seen, f"there is no metric {name}"
    return total


@contextlib.contextmanager
def drained(cluster):
    """No engine takes a unit meanwhile."""
    for n in cluster.engines:
        cluster.ask("POST", f"/v1/engines/{n.name}/drain")
    wait_for("them to drain", lambda: all(metric(n, "draining") for n in cluster.engines), 20)
    yield
    for n in cluster.engines:
        cluster.ask("POST", f"/v1/engines/{n.name}/undrain")


# --------------------------------------------------------------------------------- who executes what


def test_all_engines_take_part(cluster):
    task = cluster.submit("sim", "a[1-900]", {"latency": "300-600ms"}, unit_size=10)
    answer = cluster.wait(task)
    assert answer["counts"]["ok"] == 900
    cluster.verify(task)
    assert engines_of(cluster, task) == {"eng1", "eng2", "eng3"}


def test_one_host_tasks_start_early_beside_a_large_one(cluster):
    """Each starts before 1,000 further hosts of the large one do, though more than 4,000 were published before it."""
    large = cluster.submit("sim", "b[1-9000]", {"latency": f"{2 * PATIENCE:g}-{4 * PATIENCE:g}s"}, unit_size=30)
    wait_for("the large task to run", lambda: cluster.task(large)["counts"]["running"] > 300, 30)
    small, begun = [], []
    for n in range(20):
        counts = cluster.task(large)["counts"]
        begun.append(9000 - counts[PENDING])
        small.append(cluster.submit("sim", f"s{n}", {"latency": "10ms"}))
    for task in small:
        assert cluster.wait(task)["counts"]["ok"] == 1
    started = sorted(row["started_at"] for row in cluster.results(large) if row["started_at"])
    for task, before in zip(small, begun):
        start = cluster.results(task)[0]["started_at"]
        assert sum(at < start for at in started) - before < 1000, task
    cluster.ask("POST", f"/v1/tasks/{large}/cancel")
    cluster.wait(large)


def test_hosts_that_hang_hold_up_no_other_task(cluster):
    """All engines are full of them, and more wait; others' tasks begin at once in the room that is kept for these."""
    hanging = cluster.submit("sim", "f[1-1000]", {"hang": 1.0}, unit_size=25, timeout=600)
    wait_for("all to be full", lambda: cluster.task(hanging)["counts"]["running"] >= 3 * 7 * 25, 30)
    for number in range(6):
        begun = time.monotonic()
        answer = cluster.wait(cluster.submit("sim", f"one{number}", {}))
        assert answer["counts"]["ok"] == 1 and time.monotonic() - begun < 5 * PATIENCE
    counts = cluster.task(hanging)["counts"]
    assert (counts["running"], counts["pending"]) == (525, 475), counts
    cluster.ask("POST", f"/v1/tasks/{hanging}/cancel")
    cluster.wait(hanging)


def test_an_urgent_task_overtakes(cluster):
    large = cluster.submit("sim", "c[1-3000]", {"latency": "2-4s"}, unit_size=30, priority=20)
    wait_for("the large task to run", lambda: cluster.task(large)["counts"]["running"] > 300, 30)
    urgent = cluster.submit("sim", "u[1-90]", {"latency": "10ms"}, unit_size=30, priority=90)
    assert cluster.wait(urgent)["counts"]["ok"] == 90
    assert cluster.task(large)["counts"][PENDING] > 500
    cluster.ask("POST", f"/v1/tasks/{large}/cancel")
    cluster.wait(large)


# ------------------------------------------------------------------------------ what a task bounds


def test_fanout_over_several_engines(cluster):
    task = cluster.submit("sim", "f[1-120]", {"latency": "50ms"}, unit_size=10, fanout=7)
    most = 0
    while True:
        answer = cluster.task(task)
        most = max(most, answer["counts"]["running"])
        if answer["state"] == "done":
            break
        time.sleep(0.01)
    assert answer["counts"]["ok"] == 120
    assert 1 < most <= 7
    cluster.verify(task)


def test_waves_open_one_after_the_other(cluster):
    task = cluster.submit("sim", "w[1-95]", {"latency": "20-60ms"}, waves=["1", "10%", "100%"], unit_size=7)
    assert cluster.wait(task)["counts"]["ok"] == 95
    rows = sorted(cluster.results(task), key=lambda row: int(row["host"][1:]))
    waves = rows[:1], rows[1:10], rows[10:]
    for earlier, later in zip(waves, waves[1:]):
        assert max(row["finished_at"] for row in earlier) <= min(row["started_at"] for row in later)


def test_too_many_failures_abort_everywhere(cluster):
    task = cluster.submit("sim", "m[1-600]", {"latency": "100-200ms", "fail": 1.0}, unit_size=10, max_failed=20)
    answer = cluster.wait(task)
    assert answer["state"] == "aborted"
    assert answer["counts"]["failed"] + answer["counts"]["cancelled"] == 600
    assert answer["counts"]["cancelled"] > 100


def test_tasks_of_one_concurrency_key_run_one_after_the_other(cluster):
    tasks = [cluster.submit("sim", f"k{n}-[1-40]", {"latency": "50-100ms"}, unit_size=10, concurrency_key="k")
             for n in range(3)]
    for task in tasks:
        assert cluster.wait(task)["counts"]["ok"] == 40
    rows = [cluster.results(task) for task in tasks]
    for earlier, later in zip(rows, rows[1:]):
        assert max(row["finished_at"] for row in earlier) <= min(row["started_at"] for row in later)


def test_cancel_reaches_every_engine_in_two_seconds(cluster):
    task = cluster.submit("sim", "x[1-240]", {"hang": 1.0}, unit_size=10)
    wait_for("it to run on all", lambda: len({r["engine"] for r in cluster.results(task) if r["engine"]}) == 3, 30)
    begun = time.monotonic()
    cluster.ask("POST", f"/v1/tasks/{task}/cancel")
    answer = cluster.wait(task)
    assert time.monotonic() - begun < (2 + 2 + 3) * PATIENCE  # two that units have to end, three of a busy machine
    assert answer["state"] == "cancelled"
    assert answer["counts"]["cancelled"] == 240


def test_what_waits_too_long_expires(cluster):
    with drained(cluster):
        task = cluster.submit("sim", "late[1-60]", {"latency": "10ms"}, unit_size=30, expires_in="1s")
        answer = cluster.wait(task)
    assert answer["counts"]["expired"] == 60


def test_retry_runs_what_failed_again(cluster):
    task = cluster.submit("sim", "r[1-60]", {"fail": ["r7", "r33"]}, unit_size=10)
    assert cluster.wait(task)["counts"]["failed"] == 2
    status, child = cluster.ask("POST", f"/v1/tasks/{task}/retry", {})
    assert status in (200, 202), child
    answer = cluster.wait(child["id"])
    assert answer["hosts_total"] == 2
    assert sorted(row["host"] for row in cluster.results(child["id"])) == ["r33", "r7"]


# ------------------------------------------------------------------------------- nobody executes it


def test_a_task_that_no_engine_takes_says_why(cluster):
    """Engines that drain or are down come back: their tasks wait, and say for whom."""
    with drained(cluster):
        task = cluster.submit("sim", "v[1-90]", {}, unit_size=30)
        wait_for("the reason", lambda: cluster.task(task)["waiting"] ==
                 "all engines of pool default that serve type sim drain or are down", 10)
    answer = cluster.wait(task)
    assert answer["counts"]["ok"] == 90 and answer["waiting"] is None


def test_an_executor_that_is_down_is_told(tmp_path):
    """Its engine lives, and other executors of it work. What it is to execute waits at the distributor."""
    tool = tmp_path / "tool"
    tool.touch()
    executors = [{"plugin": "sim"}, {"plugin": "fail_open", "needs": str(tool)}]
    with Cluster(1, 1, lossy=True, engine={"executors": executors}) as cluster:
        distributor, engine = cluster.distributors[0], cluster.engines[0]

        def states():
            return {row["name"]: row["state"] for row in distributor.get("/v1/executors")["items"]}

        def is_told(node):
            """What a node says of the executor of the engine."""
            row = next(e for e in node.get("/v1/engines")["items"] if e["name"] == engine.name)
            assert [s["name"] for s in row["executor_states"]] == row["executors"] == ["sim", "fail_open"]
            assert row["executor_states"][0] == {"name": "sim", "state": "up", "since": None, "message": None}
            return row["executor_states"][1]

        well = {"name": "fail_open", "state": "up", "since": None, "message": None}
        assert states() == {"sim": "up", "fail_open": "up"}
        assert is_told(distributor) == is_told(engine) == well
        tool.unlink()
        engine.signal("executor: fail_open", signal.SIGKILL)
        killed = time.time()
        wait_for("it to be known", lambda: states() == {"sim": "up", "fail_open": "down"})
        why = "cannot start: the tool is not installed"
        for node in (engine, distributor):
            told = wait_for("the reason to be told", lambda n=node: is_told(n)["message"] == why and is_told(n))
            assert told["state"] == "down"
            since = datetime.fromisoformat(told["since"].replace("Z", "+00:00")).timestamp()
            assert killed - 1 < since < time.time(), "when it went down, however often it has died since"
        shown = drover("engines", daemon=distributor)
        assert "sim fail_open (down)" in shown.stdout
        assert re.search(rf"{engine.name}: the executor fail_open is down since 20[-0-9]+ [0-9:]+: {why}\n", shown.stderr)
        checks = json.loads(drover("doctor", "--json", daemon=distributor).stdout)["checks"]
        assert [c["level"] for c in checks if f"fail_open is down on {engine.name} since" in c["why"]] == ["warning"]
        task = cluster.submit("fail_open", "v[1-90]", {}, unit_size=30)
        wait_for("the reason", lambda: cluster.task(task)["waiting"] ==
                 "the executor fail_open is down on all engines of pool default that serve type fail_open", 10)
        assert cluster.wait(cluster.submit("sim", "w[1-90]", {}, unit_size=30))["counts"]["ok"] == 90
        wait_for("it alone to wait", lambda: metric(distributor, "outbox_units") == 3)
        tool.touch()
        assert cluster.wait(task)["counts"]["ok"] == 90
        wait_for("it to be known", lambda: states() == {"sim": "up", "fail_open": "up"}
                 and is_told(distributor) == is_told(engine) == well)
        shown = drover("engines", daemon=distributor)
        assert "(down)" not in shown.stdout and "is down" not in shown.stderr


def test_an_engine_leaves_what_its_executor_may_not_touch(tmp_path):
    """Its `match` is the engine's own word, whatever it was told or found in the store."""
    own = [{"plugin": "sim", "lock_dir": str(tmp_path), "match": {"hosts": "a[1-99]"}}]
    small = {"capacity": {"hosts": 2, "units": 2}}
    with Cluster(1, 2, lossy=True, keep=False, each={"eng1": {"executors": own, **small}, "eng2": small}) as cluster:
        # Tasks are checked by what the newest engine of the pool says: that is to be the one that takes them all.
        cluster.engines[1].stop()
        cluster.engines[1].start()
        wait_for("its word", lambda: cluster.ask("POST", "/v1/tasks?dry_run=true",
                                                 {"type": "sim", "hosts": "b1", "payload": {}})[0] == 200)
        task = cluster.submit("sim", "b[1-60]", {"latency": "20ms"}, unit_size=1)
        assert cluster.wait(task)["counts"]["ok"] == 60
        assert engines_of(cluster, task) == {"eng2"}
        assert metric(cluster.engines[0], "units_elsewhere_total") > 0
        cluster.engines[1].post("/v1/engines/eng2/drain")
        task = cluster.submit("sim", "a[1-5]", {})
        assert cluster.wait(task)["counts"]["ok"] == 5 and engines_of(cluster, task) == {"eng1"}


def test_a_pool_that_nobody_ever_served_is_refused(cluster):
    with pytest.raises(Problem) as refused:
        cluster.submit("sim", "p[1-3]", {}, pool="elsewhere")
    assert refused.value.status == 422


# ----------------------------------------------------------------------------------- what is forged


def test_edited_rows_are_not_executed(cluster):
    """Whoever can write to the database can stop a task, and not change what it does."""
    marks = os.path.join(cluster.folder, "forged")
    before = sum(metric(n, "units_refused_total") for n in cluster.engines)
    with drained(cluster):
        task = cluster.submit("shell", "localhost", {"command": "true"})
        other = cluster.submit("sim", "z[1-30]", {})
        cluster.database.sql(f"UPDATE submissions SET payload = REPLACE(payload, 'true', 'touch {marks}') "
                             f"WHERE task = (SELECT `key` FROM tasks WHERE id = '{task}')", "drover")
        cluster.database.sql("UPDATE hosts SET name = 'victim' WHERE name = 'z7'", "drover")
    answer = cluster.wait(task)
    assert answer["counts"]["failed"] == 1
    message = cluster.results(task)[0]["message"]
    assert "signed" in message and "payload" in message, message
    assert cluster.wait(other)["counts"]["failed"] == 30
    wait_for("both to be counted", lambda: sum(metric(n, "units_refused_total") for n in cluster.engines) >= before + 2)
    assert not os.path.exists(marks)
    assert not os.path.exists(os.path.join(cluster.locks, "victim"))


# ------------------------------------------------------------------------------------- lost messages


def test_lost_messages_cost_a_second():
    with Cluster(1, 2, lossy=True, engine={"capacity": {"hosts": 200, "units": 8}}) as cluster:
        def took():
            begun = time.monotonic()
            assert cluster.wait(cluster.submit("sim", "h[1-30]", {}))["counts"]["ok"] == 30
            return time.monotonic() - begun
        # The machine may be busy with other tests for a moment: looks that are rare are so each time.
        assert any(took() < 2.5 * PATIENCE for _ in range(5))
        task = cluster.submit("sim", "h[1-900]", {"latency": "200-400ms"}, unit_size=10)
        assert cluster.wait(task)["counts"]["ok"] == 900
        cluster.verify(task)
        assert engines_of(cluster, task) == {"eng1", "eng2"}


# --------------------------------------------------------------------------- acknowledged is acknowledged


@pytest.mark.parametrize("distributors", [1, 2])
def test_acknowledged_tasks_survive_their_distributor(distributors):
    """It dies right after its 202, before it can have published much. With another one, it stays dead."""
    with Cluster(distributors, 1, keep=False, engine={"capacity": {"hosts": 100, "units": 2}}) as cluster:
        dead = cluster.distributors[0]
        tasks = []
        for n in range(8):
            tasks.append(cluster.submit("sim", f"d{n}-[1-40]", {"latency": "10ms"}, node=dead, unit_size=10))
        dead.signal("all", signal.SIGKILL)
        dead.process.wait()
        if distributors == 1:
            dead.start()
        else:
            dead.supervised = False
        for task in tasks:
            assert cluster.wait(task, 60)["counts"]["ok"] == 40
            cluster.verify(task)
