"""Nodes that share a MariaDB: who is gone is taken over from, once and truthfully; who was only away loses nothing."""

import json
import os
import signal
import sys
import time

import pytest
from cluster import Cluster
from daemon import PATIENCE, Problem, alive, drover, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from fleet.relay import Relay  # pylint: disable=wrong-import-position
from services.mariadb import MariaDB  # pylint: disable=wrong-import-position



@pytest.fixture(name="server", scope="module")
def fixture_server():
    with MariaDB() as server:
        yield server


@pytest.fixture(name="pair")
def fixture_pair(server):
    server.sql("DROP DATABASE drover; CREATE DATABASE drover")
    with Cluster(2, 0, kafka=False, database=server, keep=False) as cluster:
        yield cluster


def engines(node):
    return {e["name"]: e for e in node.get("/v1/engines")["items"]}


def state(node, name):
    return engines(node)[name]["state"]


def counts(node, task):
    return {status: n for status, n in node.task(task)["counts"].items() if n}


def running(node, task, hosts):
    wait_for(f"{hosts} hosts of {task} to run", lambda: node.task(task)["counts"]["running"] == hosts)


def test_nodes_see_each_other(pair):
    one, two = pair.nodes
    told = wait_for("both to be seen", lambda: [e for e in one.get("/v1/engines")["items"] if e["executors"]][1:] and
                    one.get("/v1/engines")["items"])
    assert [(e["name"], e["state"], e["executors"]) for e in told] == [
        ("dist1", "up", ["sim", "shell"]), ("dist2", "up", ["sim", "shell"])]
    assert told[0]["parts"] and not told[1]["parts"] and told[1]["version"] == told[0]["version"]
    assert told[1]["capacity"] == {"hosts": 2000, "units": 512}
    wait_for("its lease to be read", lambda: engines(one)["dist2"]["silent_ms"] is not None)
    assert engines(one)["dist2"]["silent_ms"] < 5000
    task = two.submit("sim", "s[1-60]", {"latency": "60s"})
    wait_for("its load to be told", lambda: engines(one)["dist2"]["running"] == {"hosts": 60, "units": 2})
    two.post(f"/v1/tasks/{task}/cancel")
    table = drover("engines", daemon=one).stdout
    assert "dist1" in table and "dist2" in table and "executor: sim" in table


def test_a_node_that_is_killed_is_taken_over_from(pair):
    """kill -9 of all its processes. What was begun is lost, or is to run again; what was not waits for its home."""
    one, two = pair.nodes
    begun = one.submit("sim", "b[1-30]", {"latency": "60s"})
    again = one.submit("sim", "a[1-30]", {"latency": "200ms", "hang": ["a7"]}, on_lost="rerun")
    some = one.submit("sim", "f[1-20]", {"latency": "60s"}, fanout=5)
    unsure = one.submit("sim", "u[1-4]", {"latency": "60s"}, fanout=2, on_lost="rerun")
    running(one, begun, 30)
    running(one, some, 5)
    running(one, unsure, 2)
    wait_for("29 to have ended", lambda: one.task(again)["counts"]["ok"] == 29)
    killed = time.monotonic()
    one.signal("all", signal.SIGKILL)
    one.process.wait()
    wait_for("it to be seen as down", lambda: state(two, "dist1") == "down")
    wait_for("its hosts to be lost", lambda: counts(two, begun) == {"lost": 30})
    # Silent for 4.5 s, and it has renewed in the last 2 s, or it would have stopped by itself.
    assert time.monotonic() - killed > 2.5, "nobody may be given up so soon"
    assert "has not renewed its lease" in two.log()
    assert two.wait(begun)["outcome"] == "failed"
    row = two.results(begun)[0]
    assert "dist1" in row["message"] and row["remote_process"] == "unknown"
    # Those not begun, and those that may run again, wait for their own node: nobody else was asked to run them.
    assert counts(two, again) == {"ok": 29, "pending": 1}
    assert counts(two, some) == {"lost": 5, "pending": 15}
    assert counts(two, unsure) == {"pending": 4}
    for task in (begun, again, some, unsure):
        two.verify(task)
    assert "dist1" in drover("engines", daemon=two).stdout
    # A task that waits so can be ended by anybody.
    two.post(f"/v1/tasks/{some}/cancel")
    assert two.wait(some)["counts"]["cancelled"] == 15
    # … but of what was begun and is not to run again nobody knows what became of it.
    two.post(f"/v1/tasks/{unsure}/cancel")
    two.wait(unsure)
    assert counts(two, unsure) == {"lost": 2, "cancelled": 2}
    for row in two.results(unsure):
        lost = row["status"] == "lost"
        assert (row["attempt"], row["engine"]) == ((1, "dist1") if lost else (None, None)) and bool(row["started_at"]) == lost
        assert row["message"].startswith("begun in an attempt that brought no result, and not again: ") == lost
    two.verify(unsure)
    one.start()
    wait_for("it to be up again", lambda: state(two, "dist1") == "up")
    wait_for("its host to run again", lambda: counts(two, again) == {"ok": 29, "running": 1})
    two.post(f"/v1/tasks/{again}/cancel")
    assert counts(two, begun) == {"lost": 30}
    assert two.wait(again, 10)["counts"]["cancelled"] == 1


def test_expiry_of_what_waits_for_a_dead_node(pair):
    one, two = pair.nodes
    one.post("/v1/engines/dist1/drain")
    task = one.submit("sim", "s[1-5]", {}, expires_in="3s")
    one.signal("all", signal.SIGKILL)
    one.process.wait()
    assert two.wait(task, 20)["counts"]["expired"] == 5


def test_a_node_that_stood_still_changes_nothing_afterwards(pair):
    """SIGSTOP of every process, longer than the lease: it is taken over from; resumed, its results change no status."""
    one, two = pair.nodes
    task = one.submit("sim", "s[1-30]", {"latency": "100ms", "hang": [f"s{n}" for n in range(11, 31)]})
    wait_for("ten to have ended", lambda: one.task(task)["counts"]["ok"] == 10)
    late = one.submit("sim", "l[1-30]", {"latency": "4-5s"})
    running(one, late, 30)
    one.signal("all", signal.SIGSTOP)
    wait_for("its hosts to be lost", lambda: counts(two, task) == {"ok": 10, "lost": 20})
    wait_for("all its hosts to be lost", lambda: two.task(late)["counts"]["lost"])
    before = {t: (counts(two, t), sorted((r["host"], r["status"]) for r in two.results(t))) for t in (task, late)}
    assert not two.task(late)["counts"]["running"]
    incarnation = engines(two)["dist1"]["incarnation"]
    one.resume()
    wait_for("it to come as a new incarnation", lambda: engines(two)["dist1"]["incarnation"] > incarnation and
             state(two, "dist1") == "up")
    wait_for("it to say so", lambda: "another node has ended this core's lease" in one.log())
    one.wait_ready()
    for t in (task, late):
        two.verify(t)
        assert (counts(two, t), sorted((r["host"], r["status"]) for r in two.results(t))) == before[t]
    # Nothing of it goes on, and it takes work again.
    wait_for("its units to be gone", lambda: not one.units())
    assert one.wait(one.submit("sim", "n[1-10]", {}))["counts"]["ok"] == 10


def test_only_the_core_stands_still(pair):
    """Its executors see to it that nothing runs on: before anybody takes over."""
    one, two = pair.nodes
    task = one.submit("sim", "s[1-30]", {"latency": "60s"})
    running(one, task, 30)
    units = one.units()
    one.signal("core", signal.SIGSTOP)

    def ended():
        taken_over = counts(two, task) != {"running": 30}  # read first: what lives afterwards has lived then
        living = any(alive(pid) for pid in units)
        assert not (taken_over and living), "taken over from before its units had ended"
        return not living

    wait_for("its units to have ended", ended)
    wait_for("its hosts to be lost", lambda: counts(two, task) == {"lost": 30})
    one.resume()
    wait_for("it to come again", lambda: "another node has ended this core's lease" in one.log())
    one.wait_ready()
    assert counts(two, task) == {"lost": 30}


def test_two_nodes_of_one_name(pair):
    """The second one takes over; the first stops by itself, says why, and is not started again by systemd."""
    one, two = pair.nodes
    task = one.submit("sim", "s[1-30]", {"latency": "60s"})
    running(one, task, 30)
    other = pair.make_node("dist1", True, True)
    try:
        other.start()
        assert one.process.wait(20) == 78
        assert "another node named dist1 has started on the same store" in one.log()
        assert counts(two, task) == {"lost": 30}
        assert state(two, "dist1") == "up"
        assert other.wait(other.submit("sim", "n[1-10]", {}))["counts"]["ok"] == 10
        assert other.process.poll() is None
    finally:
        other.stop()


def test_an_outage_of_the_store_expires_nobody(pair):
    """Longer than any lease: whoever comes back first must not think that the others are gone."""
    one, two = pair.nodes
    task = one.submit("sim", "s[1-30]", {"latency": "10s"})
    running(one, task, 30)
    nodes = {name: e["incarnation"] for name, e in engines(two).items()}
    pair.database.pause()
    wait_for("the renewals to fail", lambda: "the lease is not renewed" in one.log(), 30)
    time.sleep(6)  # longer than take_over: what must not happen has had its time
    pair.database.resume()
    assert two.wait(task, 40)["counts"]["ok"] == 30
    wait_for("hosts to be begun again", lambda: "hosts are begun again" in one.log())
    assert {name: e["incarnation"] for name, e in engines(two).items()} == nodes
    assert one.wait(one.submit("sim", "n[1-10]", {}))["counts"]["ok"] == 10
    assert "has not renewed its lease" not in one.log() + two.log()


def test_who_cannot_renew_ends_what_may_run_again(server):
    """An outage of the store: hosts of on_lost: rerun are ended and run again after it; others run on."""
    server.sql("DROP DATABASE drover; CREATE DATABASE drover")
    with Cluster(1, 0, kafka=False, database=server, keep=False) as cluster:
        one = cluster.nodes[0]
        plain = one.submit("sim", "p[1-10]", {"latency": "60s"})
        again = one.submit("sim", "r[1-10]", {"latency": "60s"}, on_lost="rerun")
        running(one, plain, 10)
        running(one, again, 10)
        units = wait_for("both units' processes", lambda: len(one.units()) >= 2 and one.units())
        server.pause()
        wait_for("one unit to end", lambda: len([pid for pid in units if alive(pid)]) == len(units) // 2)
        server.resume()
        wait_for("it to run again", lambda: one.get(f"/v1/tasks/{again}/units")["items"][0]["attempt"] == 2)
        # An outage counts against nobody: there may be any number of them.
        assert server.sql("SELECT excused FROM units WHERE attempt = 2", "drover") == [["1"]]
        assert counts(one, plain) == {"running": 10}
        assert len([pid for pid in units if alive(pid)]) == len(units) // 2
        one.verify(again)
        for task in (plain, again):
            one.post(f"/v1/tasks/{task}/cancel")


def test_drain_of_another_node(pair, server):
    one, two = pair.nodes
    told = drover("engines", "drain", "dist2", daemon=one)
    assert told.returncode == 0, told.stderr
    assert state(one, "dist2") == "draining"
    wait_for("it to see that", lambda: "draining by request" in two.log())
    assert state(two, "dist2") == "draining" and state(two, "dist1") == "up"
    task = two.submit("sim", "s[1-3]", {})
    assert one.wait(one.submit("sim", "s[1-3]", {}))["counts"]["ok"] == 3
    assert counts(one, task) == {"pending": 3}
    told = json.loads(drover("engines", "undrain", "dist2", "--json", daemon=one).stdout)
    assert told["name"] == "dist2"
    wait_for("it to be up", lambda: state(one, "dist2") == "up")
    assert one.wait(task, 10)["counts"]["ok"] == 3
    # By whomever it was given, anybody takes the order back.
    two.post("/v1/engines/dist2/drain")
    assert state(one, "dist2") == "draining"
    one.post("/v1/engines/dist2/undrain")
    wait_for("it to see that", lambda: state(two, "dist2") == "up" and
             two.log().count("units are taken again") >= 2)
    # Also before the node itself has read it: here it is over as soon as it is given.
    server.sql("CREATE TRIGGER taken_back BEFORE UPDATE ON incarnations FOR EACH ROW SET NEW.drain = 0", "drover")
    two.post("/v1/engines/dist2/drain")
    assert two.wait(two.submit("sim", "s[1-3]", {}), 10)["counts"]["ok"] == 3
    with pytest.raises(Problem) as refused:
        one.post("/v1/engines/nobody/drain")
    assert refused.value.status == 404


def test_sigterm_hands_back_at_once(pair):
    """Not after take_over: who stops in order gives its units back, and ends its lease."""
    one, two = pair.nodes
    one.stop()
    one.config["node"]["drain"] = "6s"  # the core heeds it from its start on
    one.write_config()
    one.start()
    lasts = one.submit("sim", "l[1-20]", {"latency": "60s"}, fanout=5)
    running(one, lasts, 5)
    ends = one.submit("sim", "e[1-30]", {"latency": "1s"})
    wait_for("the others to have begun", lambda: not one.task(ends)["counts"]["pending"])
    one.process.send_signal(signal.SIGTERM)
    wait_for("it to be seen as draining", lambda: state(two, "dist1") == "draining", 5)
    assert two.wait(ends, 10)["counts"]["ok"] == 30
    assert one.process.wait(30) == 0
    assert counts(two, lasts) == {"lost": 5, "pending": 15}
    assert [u["state"] for u in two.get(f"/v1/tasks/{lasts}/units")["items"]] == ["ready"]
    assert state(two, "dist1") == "down"
    assert "has not renewed its lease" not in two.log()
    two.verify(lasts)


def test_cancel_by_another_node(pair):
    one, two = pair.nodes
    took = []
    for _ in range(3):  # a machine that stands still for some seconds may make one late
        task = one.submit("sim", "s[1-60]", {"latency": "60s"})
        running(one, task, 60)
        units = one.units()
        asked = time.monotonic()
        two.post(f"/v1/tasks/{task}/cancel")
        wait_for("its processes to have ended", lambda pids=units: not any(alive(pid) for pid in pids))
        took.append(time.monotonic() - asked)
        assert two.wait(task)["counts"]["cancelled"] == 60
        # 2 s until the engine hears of it, and 2 s in which its hosts may end by themselves.
        if took[-1] < 4.5 * PATIENCE:
            return
    raise AssertionError(took)


def test_events_of_what_another_node_does(pair):
    """A node tells of tasks that others execute, as it happens: by ?wait=, by event streams and by its sinks."""
    one, two = pair.nodes
    task = one.submit("sim", "s[1-3]", {"latency": "1s"})
    begun = time.monotonic()
    answer = two.get(f"/v1/tasks/{task}?wait=30s", timeout=40)
    assert answer["state"] == "done" and time.monotonic() - begun < 10 * PATIENCE
    task = one.submit("sim", "s[1-3]", {"latency": "1s"})
    told = drover("watch", task, daemon=two, timeout=30)
    assert told.returncode == 0, told.stderr
    connection = two.connection(30)
    task = one.submit("sim", "t[1-3]", {"latency": "1s"})
    connection.request("GET", f"/v1/tasks/{task}/events", headers={"Accept": "text/event-stream"})
    text = connection.getresponse().read().decode()  # until the task's end
    connection.close()
    for host in ("t1", "t2", "t3"):
        assert f'"{host}"' in text


def metrics(node):
    lines = node.request("GET", "/metrics", raw=True)[1].decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"}


def test_late_results(pair, server):
    """A node that is cut off from the store executes to the end. It is taken over from; what it then brings is kept
    beside the rows, and changes no status."""
    two = pair.nodes[1]
    with Relay(("127.0.0.1", server.port)) as relay:
        store = {key: value for key, value in server.store().items() if key != "socket"}
        cut = pair.make_node("cut", True, True)
        cut.config["store"] = {**store, "host": relay.address, "port": relay.port}
        cut.config["executors"] = [{"plugin": "shell", "transport": "local", "allow_localhost": True}]
        cut.write_config()
        try:
            cut.start()
            gate = os.path.join(cut.folder, "gate")
            task = cut.submit("shell", "a,b,c", {"command": f"while [ ! -e {gate} ]; do sleep 0.1; done"})
            running(two, task, 3)
            wait_for("the unit's process", cut.units)
            relay.cut()
            with open(gate, "w", encoding="ascii"):
                pass
            wait_for("its units to have ended", lambda: not cut.units())
            wait_for("its hosts to be lost", lambda: counts(two, task) == {"lost": 3}, 30)
            for what in ("drover_nodes_expelled_total", "drover_units_taken_over_total"):
                wait_for(f"{what} to be 1", lambda w=what: sum(metrics(node)[w] for node in pair.nodes) == 1)
            relay.mend()
            wait_for("what it brings late", lambda: all(r.get("late") for r in two.results(task)), 30)
            assert counts(two, task) == {"lost": 3}
            assert {r["late"]["status"] for r in two.results(task)} == {"ok"}
            two.verify(task)
            wait_for("it to be up again", lambda: state(two, "cut") == "up")
        finally:
            print(cut.log()[-6000:])
            cut.stop()


def test_what_is_counted(pair):
    """Gauges tell of the whole store, on each node; counters of what a node did."""
    one, two = pair.nodes
    task = one.submit("sim", "s[1-30]", {"latency": "60s"})
    for node in (one, two):
        wait_for("its hosts to be counted", lambda n=node: metrics(n)['drover_hosts{status="running"}'] == 30)
        wait_for("its task to be counted", lambda n=node: metrics(n)['drover_tasks{state="running"}'] == 1)
        assert metrics(node)["drover_lease_age_seconds"] < 5
    two.stop()
    two.start()
    wait_for("them to be counted again", lambda: metrics(two)['drover_hosts{status="running"}'] == 30)
    two.post(f"/v1/tasks/{task}/cancel")
    for node in (one, two):
        wait_for("its end to be counted", lambda n=node: metrics(n)['drover_hosts{status="running"}'] == 0)
        for state_ in ("running", "cancelling"):
            wait_for("the task's end to be counted",
                     lambda n=node, s=state_: metrics(n)[f'drover_tasks{{state="{s}"}}'] == 0)
    wait_for("its hosts to be counted", lambda: metrics(one)['drover_hosts_ended_total{status="cancelled"}'] == 30)
    assert metrics(two)['drover_hosts_ended_total{status="cancelled"}'] == 0
