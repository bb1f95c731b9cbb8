"""Engines of a cluster that are drained: what they run ends, what they know of and have not begun is others' at once."""

import signal

import pytest

from cluster import Cluster
from daemon import drover, wait_for

GROUP = "drover.test"


@pytest.fixture(scope="module", name="cluster")
def shared_cluster():
    # Nobody is taken over from: what is done elsewhere was handed back.
    with Cluster(1, 3, keep=False, lease={"take_over": "60s"}, engine={"capacity": {"hosts": 2000, "units": 8}},
                 node={"node": {"drain": "12s"}}) as cluster:
        yield cluster


def members(cluster):
    """How many engines read units from Kafka, when all partitions are theirs."""
    group, = cluster.broker.admin().list_groups(GROUP, timeout=10)
    return len(group.members) if group.state == "Stable" else None


def engine(cluster, name):
    return next(e for e in cluster.get("/v1/engines")["items"] if e["name"] == name)


def of_engine(cluster, task, name):
    return [row for row in cluster.results(task) if row["engine"] == name]


def by_message(node):
    text = node.request("GET", "/metrics", raw=True)[1].decode()
    return int(text.split('drover_units_offered_total{by="message"} ')[1].split()[0])


def fill(cluster, task, latency, hosts=600, units=8, **more):
    """More units than there is room for: the rest of what was published is in the engines' hands, or in Kafka. `units`: so
    many run on each at once; where they are short, one of the eight may be about to be replaced at each look."""
    cluster.submit("sim", f"{task}-[1-{hosts}]", {"latency": latency}, unit_size=10, id=task, **more)
    wait_for("all engines to be full", lambda: all(
        node.metric("engine_units_running") >= units for node in cluster.engines), 20)


def test_by_name(cluster):
    wait_for("all engines to read", lambda: members(cluster) == 3)
    one, others = cluster.engines[0], cluster.engines[1:]
    fill(cluster, "named", "1s", 2100, units=7)
    told = drover("engines", "drain", "eng1", daemon=cluster.distributors[0])
    assert told.returncode == 0, told.stderr
    wait_for("its hand to be empty", lambda: one.metric("draining") and not one.metric("engine_hand_units"), 6)
    wait_for("its partitions to be others'", lambda: members(cluster) == 2, 10)
    wait_for("it to be idle", lambda: engine(cluster, "eng1")["running"] == {"hosts": 0, "units": 0}, 10)
    wait_for("its results to be stored", lambda: all(row["status"] == "ok" for row in of_engine(cluster, "named", "eng1")))
    mine = len(of_engine(cluster, "named", "eng1"))
    wait_for("the others to go on", lambda: all(node.metric("engine_units_running") for node in others), 5)
    assert engine(cluster, "eng1")["state"] == "draining"
    cluster.wait("named")
    answer = cluster.verify("named")
    assert answer["ok"] and len(of_engine(cluster, "named", "eng1")) == mine
    assert one.metric("engine_hand_units") == 0

    heard = by_message(one)
    told = drover("engines", "undrain", "eng1", daemon=cluster.distributors[0])
    assert told.returncode == 0, told.stderr
    wait_for("it to read again", lambda: members(cluster) == 3, 10)
    fill(cluster, "after", "1s", units=7)
    assert cluster.wait("after")["counts"]["ok"] == 600
    assert of_engine(cluster, "after", "eng1")
    wait_for("it to hear of units by message", lambda: by_message(one) > heard, 5)


def test_by_sigterm(cluster):
    """What can end within node.drain does; what was not begun runs elsewhere long before that time is over."""
    one = cluster.engines[1]
    cluster.submit("sim", "lasting-[1-60]", {"latency": "60s"}, unit_size=10, id="lasting")
    wait_for("it to run", lambda: cluster.task("lasting")["counts"]["running"] == 60)
    cut = of_engine(cluster, "lasting", "eng2")
    fill(cluster, "ends", "3s", 300)
    assert len(of_engine(cluster, "ends", "eng2")) > 10
    one.process.send_signal(signal.SIGTERM)
    wait_for("it to be seen as draining", lambda: engine(cluster, "eng2")["state"] == "draining", 8)
    begun = {row["host"] for row in of_engine(cluster, "ends", "eng2")}
    wait_for("its partitions to be others'", lambda: members(cluster) == 2, 10)
    cluster.submit("sim", "new-[1-60]", {"latency": "100ms"}, unit_size=10, id="new", priority=90)
    assert cluster.wait("new", 15)["counts"]["ok"] == 60
    assert not of_engine(cluster, "new", "eng2")
    assert cluster.wait("ends", 20)["counts"]["ok"] == 300
    assert {row["host"] for row in of_engine(cluster, "ends", "eng2")} == begun
    assert one.process.wait(20) == 0
    assert engine(cluster, "eng2")["state"] == "down"
    counts = cluster.task("lasting")["counts"]
    assert (counts["lost"], counts["running"]) == (len(cut), 60 - len(cut))
    cluster.ask("POST", "/v1/tasks/lasting/cancel")
    cluster.wait("lasting")
    for task in ("ends", "new", "lasting"):
        cluster.verify(task)
    one.start()
