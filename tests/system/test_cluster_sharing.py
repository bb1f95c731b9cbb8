"""Who takes what in a cluster: a full engine's units, nodes that distribute and execute, and executors that only some
engines of a pool have."""

import contextlib
import time

import pytest

from cluster import Cluster
from daemon import PATIENCE, Problem, wait_for

pytestmark = pytest.mark.alone

ENGINE_HOSTS = 240
HAND = 20  # units that an engine knows of: the others wait in its partitions


@pytest.fixture(scope="module", name="cluster")
def four_engines():
    """Messages are never repeated within the test: whatever is taken from a full engine is so by looking."""
    with Cluster(1, 4, distributor={"dispatcher": {"again": "10m", "again_most": "10m"}},
                 engine={"capacity": {"hosts": ENGINE_HOSTS, "units": 64}, "limits": {"offers": HAND}}) as c:
        yield c


def metric(node, name, label=""):
    """The sum over the labels that hold `label`."""
    lines = node.request("GET", "/metrics", raw=True)[1].decode().splitlines()
    rows = [line.rsplit(" ", 1) for line in lines if line.split("{")[0].split(" ")[0] == "drover_" + name]
    assert rows, f"{node.name} has no metric {name}"
    return sum(float(value) for labels, value in rows if label in labels)


def engines_of(rows):
    return {row["engine"] for row in rows if row["engine"]}


@contextlib.contextmanager
def drained(cluster, engines):
    for n in engines:
        cluster.ask("POST", f"/v1/engines/{n.name}/drain")
    wait_for("them to drain", lambda: all(metric(n, "draining") for n in engines), 20)
    yield
    for n in engines:
        cluster.ask("POST", f"/v1/engines/{n.name}/undrain")


def cancel(cluster, task):
    cluster.ask("POST", f"/v1/tasks/{task}/cancel")
    cluster.wait(task)


# ------------------------------------------------------------------------------- a full engine's units


def test_a_full_engines_units_are_taken_by_the_others(cluster):
    """Its partitions get their part of the messages; its hand is full of them, and the others wait behind."""
    full, *others = cluster.engines
    with drained(cluster, others):
        hanging = cluster.submit("sim", f"f[1-{ENGINE_HOSTS}]", {"hang": 1.0}, unit_size=20, timeout=600)
        wait_for("it to be full", lambda: cluster.task(hanging)["counts"]["running"] == ENGINE_HOSTS, 30)
        published = metric(cluster.distributors[0], "units_published_total")
    wait_for("the others to be back", lambda: not any(metric(n, "draining") for n in others), 20)
    heard = metric(full, "units_offered_total", "message")
    begun = time.monotonic()
    task = cluster.submit("sim", "g[1-300]", {"latency": "300ms"}, unit_size=1)
    answer = cluster.wait(task)
    took = time.monotonic() - begun
    heard = metric(full, "units_offered_total", "message") - heard
    assert answer["counts"]["ok"] == 300
    assert engines_of(cluster.results(task)) == {n.name for n in others}
    assert metric(cluster.distributors[0], "units_published_total") == published + 300
    assert metric(cluster.distributors[0], "units_republished_total") == 0
    assert heard >= HAND  # without the others' looks nobody would have run them
    print(f"300 units, {heard:.0f} of them told to an engine that is full: {took:.1f} s")
    assert took < 6 * PATIENCE
    assert cluster.task(hanging)["counts"]["running"] == ENGINE_HOSTS
    cancel(cluster, hanging)


# ---------------------------------------------------------------- nodes that are both, and executors of some


SPECIAL = {"plugin": "sim", "name": "special", "capacity": {"hosts": 4}}
SIM = {"plugin": "sim"}


@pytest.fixture(scope="module", name="mixed")
def mixed_cluster():
    """dist1 and eng1 have both executors, eng2 has one of them."""
    with Cluster(1, 2, mixed=True, engine={"capacity": {"hosts": 100, "units": 16}}, each={
            "dist1": {"executors": [SIM]}, "eng1": {"executors": [SIM, SPECIAL]}, "eng2": {"executors": [SIM]}}) as c:
        yield c


def test_a_node_that_distributes_and_executes(mixed):
    task = mixed.submit("sim", "m[1-600]", {"latency": "50-150ms"}, unit_size=10, executor="sim")
    assert mixed.wait(task)["counts"]["ok"] == 600
    mixed.verify(task)
    # Which of them took part depends on who was first. All three are needed where each of them is full.
    hanging = mixed.submit("sim", "k[1-300]", {"hang": 1.0}, unit_size=10, executor="sim", timeout=600)
    wait_for("all of them to be full", lambda: mixed.task(hanging)["counts"]["running"] == 300, 60)
    cancel(mixed, hanging)
    assert engines_of(mixed.results(hanging)) == {"dist1", "eng1", "eng2"}
    one = mixed.submit("sim", "n1", {}, executor="sim")
    assert mixed.wait(one)["counts"]["ok"] == 1


def test_only_engines_with_the_executor_take_a_task(mixed):
    """The others hear of its units, and ask for them neither once nor again and again."""
    with pytest.raises(Problem) as refused:
        mixed.submit("sim", "x1", {}, executor="nobodys")
    assert refused.value.status == 422
    held = mixed.submit("sim", "h[1-4]", {"hang": 1.0}, unit_size=4, executor="special", timeout=600)
    wait_for("its executor to be full", lambda: mixed.task(held)["counts"]["running"] == 4, 30)
    task = mixed.submit("sim", "s[1-20]", {"latency": "20ms"}, unit_size=1, executor="special")
    without = [mixed.distributors[0], mixed.engines[1]]
    before = [metric(n, "units_elsewhere_total") for n in without]
    watched = time.monotonic()
    wait_for("them to have seen it", lambda: all(metric(n, "units_elsewhere_total") > seen + 40
                                                 for n, seen in zip(without, before)), 30)
    other = mixed.submit("sim", "o[1-60]", {"latency": "20ms"}, unit_size=10, executor="sim")
    assert mixed.wait(other)["counts"]["ok"] == 60  # what waits for one executor holds up no other
    elapsed = time.monotonic() - watched
    for n, seen in zip(without, before):
        looks = (metric(n, "units_elsewhere_total") - seen) / 8  # twice what `special` takes: each look sees all of them
        assert looks < 5 * elapsed + 4, f"{n.name} looked {looks:.0f} times in {elapsed:.1f} s"
    assert mixed.task(task)["counts"]["pending"] == 20
    cancel(mixed, held)
    assert mixed.wait(task)["counts"]["ok"] == 20
    assert engines_of(mixed.results(task)) == {"eng1"}
