"""A death at each named point of the sources (drover/crash_point.h): before and after every write, message and fork.

Several nodes of one cluster die in a round, each at a point of its own; the tasks of that round end as if nothing had
been, but for hosts that are lost with their process.
"""

import os
import pathlib
import re
import signal
import time

import pytest

import witness
from cluster import FINAL, Cluster
from daemon import BUILD, ROOT, wait_for

pytestmark = pytest.mark.alone

CRASHING = os.path.join(BUILD, "crash")
POINTS = sorted(re.findall(r'\bCRASH_POINT\("([a-z_.]+)"\)', "".join(
    path.read_text(encoding="utf-8") for room in ("core", "plugins") for path in pathlib.Path(ROOT, room).rglob("*.c"))))

OF_DISTRIBUTORS = {"accept", "advance", "cancel", "publish", "published"}
OF_ANY = {"renew", "writer"}
# Reached only when a node is silent, or the store is.
OF_TAKE_OVER, OF_OUTAGE = {"expel", "sweep"}, {"spool"}
FEW = {"capacity": {"hosts": 100, "units": 4}, "limits": {"results_patience": "300ms"}}


def of(*kinds):
    return [point for point in POINTS if point.split(".")[0] in set().union(*kinds)]


class Round:
    """Nodes that are to die at points, the tasks that bring them there, and what became of these."""

    def __init__(self, cluster, number):
        self.cluster, self.number, self.armed, self.tasks = cluster, number, {}, {}
        self.hit = set()  # names of nodes whose processes may die

    def arm(self, node, point):
        mark = os.path.join(self.cluster.folder, f"died-{self.number}-{node.name}")
        node.signal("all", signal.SIGKILL)
        wait_for(f"the end of {node.name}", lambda: node.process.poll() is not None)
        node.start(ready=False, env={"DROVER_CRASH_AT": point, "DROVER_CRASH_MARK": mark})
        self.armed[node.name] = (point, mark)
        self.hit.add(node.name)

    def missing(self):
        return {point: node for node, (point, mark) in self.armed.items() if not os.path.exists(mark)}

    def submit(self, name, hosts, payload, **members):
        """As a client does that wants to be sure: again, with the same id, until it is acknowledged."""
        task = f"c{self.number}-{name}"
        locks = os.path.join(self.cluster.locks, task)
        os.mkdir(locks)
        self.tasks[task] = (hosts, locks, members.get("on_lost") == "rerun")
        body = {"id": task, "type": "sim", "hosts": f"{task}-[1-{hosts}]", "timeout": "30s",
                "payload": {"latency": "0-100ms", "lock_dir": locks, **payload}, **members}
        first = len(self.tasks) % 2
        nodes = self.cluster.distributors[first:] + self.cluster.distributors[:first]
        status, answer = self.cluster.ask("POST", "/v1/tasks", body, nodes=nodes)
        assert status in (200, 202), answer
        return task

    def load(self, part):
        """Tasks that come by every point of a day without outages."""
        for _ in range(2):  # one to each distributor
            self.submit(f"plain{part}{_}", 120, {}, unit_size=10, on_lost="rerun" if _ else "report")
            self.submit(f"waves{part}{_}", 40, {}, unit_size=5, fanout=12, max_failed=30,
                        waves=["25%", "100%"])
        self.submit(f"crash{part}", 20, {"crash": [f"c{self.number}-crash{part}-7"]}, unit_size=10)
        for node in self.cluster.distributors:
            task = self.submit(f"stop{part}{node.name}", 60, {"hang": 0.2}, unit_size=10)
            order = self.cluster.distributors[::1 if node is self.cluster.distributors[0] else -1]
            status, answer = self.cluster.ask("POST", f"/v1/tasks/{task}/cancel", nodes=order)
            assert status in (200, 202, 409), answer

    def check(self):
        for task, (hosts, locks, rerun) in self.tasks.items():
            shown = self.cluster.wait(task, 90)
            assert shown["state"] in FINAL
            rows = self.cluster.results(task, "&output=false")
            lost = witness.check(task, hosts, rows, self.cluster.verify(task), locks, rerun)
            if "crash" not in task:
                assert {row["engine"] for row in lost} <= self.hit, lost


@pytest.fixture(name="cluster", scope="module")
def fixture_cluster():
    assert os.path.exists(os.path.join(CRASHING, "droverd")), "make B=build/crash CRASH_POINTS=1"
    with Cluster(distributors=2, engines=3, engine=FEW, keep=False, build=CRASHING) as cluster:
        yield cluster


def test_the_points_are_told_apart():
    assert len(POINTS) == len(set(POINTS)) > 40, POINTS


def rounds():
    """Each point at one node: those of distributors beside those of engines."""
    distributors = of(OF_DISTRIBUTORS, OF_ANY)
    engines = [p for p in POINTS if p not in of(OF_DISTRIBUTORS, OF_TAKE_OVER, OF_OUTAGE)]
    while distributors or engines:
        yield distributors[:2] + engines[:3], distributors[:2], engines[:3]
        del distributors[:2], engines[:3]


@pytest.mark.parametrize("number,points", enumerate(rounds()), ids=lambda v: "" if isinstance(v, int) else ",".join(v[0]))
def test_a_death_at_each_point(cluster, number, points):
    this = Round(cluster, number)
    for node, point in [*zip(cluster.distributors, points[1]), *zip(cluster.engines, points[2])]:
        this.arm(node, point)
    # Which engine gets which unit is left to chance, so there may have to be more of them.
    for part in range(5):
        this.load(part)
        try:
            wait_for("a death at each point", lambda: not this.missing(), 8, every=0.1)
            break
        except AssertionError:
            assert part < 4, f"never reached: {this.missing()}"
    this.check()


def test_a_death_while_the_store_is_away(cluster):
    this = Round(cluster, "outage")
    for node, point in zip(cluster.engines, of(OF_OUTAGE)):
        this.arm(node, point)
    for part in range(5):
        for node in cluster.engines:
            node.wait_ready(60)
        # Units begin, the store goes away, results come.
        task = this.submit(f"plain{part}", 400, {"latency": "500ms-2s"}, unit_size=10)
        wait_for("units to run", lambda: cluster.task(task)["counts"]["running"] > 60)
        cluster.database.pause()
        try:
            time.sleep(4)  # the outage itself
        finally:
            cluster.database.resume()
        if not this.missing():
            break
    assert not this.missing()
    this.check()


def test_a_death_while_units_are_taken_over(cluster):
    silent, others = cluster.engines[0], cluster.engines[1:] + cluster.distributors
    todo, armed = of(OF_TAKE_OVER), {}
    for number in range(12):  # who is the first to see it is left to chance
        this = Round(cluster, f"silent{number}")
        for node, point in zip(others, todo):
            this.arm(node, point)
        armed.update({mark: (name, point) for name, (point, mark) in this.armed.items()})
        # A node that did not come by its point may yet do so in a later round.
        this.hit.update({silent.name}, (name for name, _ in armed.values()))
        for node in others + [silent]:
            node.wait_ready(60)
        task = this.submit("long", 300, {"latency": "1s-3s"}, unit_size=10)
        wait_for("units to run", lambda task=task: cluster.task(task)["counts"]["running"] > 60)
        silent.signal("core", signal.SIGSTOP)
        time.sleep(6)  # so long it is silent
        silent.resume()
        this.check()
        died = {point for mark, (_, point) in armed.items() if os.path.exists(mark)}
        todo = [point for point in todo if point not in died]
        if not todo:
            return
    raise AssertionError(f"never reached: {todo}")
