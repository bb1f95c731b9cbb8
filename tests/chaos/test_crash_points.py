"""A death at each named point of the sources (drover/crash_point.h): before and after every write, message and fork.

Nodes of one cluster are armed with many points each and die at one after the other; their tasks end as if nothing had
been, but for hosts that are lost with their process.
"""

import os
import pathlib
import re
import signal

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
# A part that dies too often is started again after longer and longer pauses.
AT_ONCE = {"distributors": 8, "engines": 15}


def of(*kinds):
    return [point for point in POINTS if point.split(".")[0] in set().union(*kinds)]


class Round:
    """Nodes that are to die at points, the tasks that bring them there, and what became of these."""

    def __init__(self, cluster, name):
        self.cluster, self.name, self.points, self.tasks = cluster, name, set(), {}
        self.marks = os.path.join(cluster.folder, f"died-{name}")
        os.mkdir(self.marks)
        self.hit = set()  # names of nodes whose processes may die

    def arm(self, nodes, points):
        """Each of the points, at whichever of the nodes comes by it first."""
        for node in nodes:
            node.signal("all", signal.SIGKILL)
        for node in nodes:
            wait_for(f"the end of {node.name}", lambda n=node: n.process.poll() is not None)
            node.start(ready=False, env={"DROVER_CRASH_AT": ",".join(points), "DROVER_CRASH_MARKS": self.marks})
            self.hit.add(node.name)
        self.points.update(points)

    def missing(self):
        return self.points - set(os.listdir(self.marks))

    def submit(self, name, hosts, payload, **members):
        """As a client does that wants to be sure: again, with the same id, until it is acknowledged."""
        task = f"c{self.name}-{name}"
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
        self.submit(f"crash{part}", 20, {"crash": [f"c{self.name}-crash{part}-7"]}, unit_size=10)
        for node in self.cluster.distributors:
            task = self.submit(f"stop{part}{node.name}", 60, {"hang": 0.2}, unit_size=10)
            order = self.cluster.distributors[::1 if node is self.cluster.distributors[0] else -1]
            status, answer = self.cluster.ask("POST", f"/v1/tasks/{task}/cancel", nodes=order)
            assert status in (200, 202, 409), answer

    def come_by(self, load, what, times, patience):
        """More of the load until each point was come by: which node gets what is left to chance."""
        for part in range(times):
            load(part)
            try:
                wait_for(what, lambda: not self.missing(), patience, every=0.1)
                return
            except AssertionError:
                assert part + 1 < times, f"never reached: {self.missing()}"

    def check(self):
        for task, (hosts, locks, rerun) in self.tasks.items():
            shown = self.cluster.wait(task, 90)
            assert shown["state"] in FINAL
            rows = self.cluster.results(task, "&output=false")
            lost, _ = witness.check(task, hosts, rows, self.cluster.verify(task), locks, rerun)
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
    """Each point once: those of distributors beside those of engines. Neighbours in the sources' order are spread."""
    distributors = of(OF_DISTRIBUTORS, OF_ANY)
    engines = [p for p in POINTS if p not in of(OF_DISTRIBUTORS, OF_ANY, OF_TAKE_OVER, OF_OUTAGE)]
    count = max(-(-len(distributors) // AT_ONCE["distributors"]), -(-len(engines) // AT_ONCE["engines"]))
    return [(distributors[n::count], engines[n::count]) for n in range(count)]


@pytest.mark.parametrize("number", range(len(rounds())))
def test_a_death_at_each_point(cluster, number):
    distributors, engines = rounds()[number]
    this = Round(cluster, number)
    this.arm(cluster.distributors, distributors)
    this.arm(cluster.engines, engines)
    this.come_by(this.load, "a death at each point", 8, 5)
    this.check()


def test_a_death_while_the_store_is_away(cluster):
    this = Round(cluster, "outage")
    this.arm(cluster.engines[:2], of(OF_OUTAGE))

    def store_is_away(part):
        for node in cluster.engines:
            node.wait_ready(60)
        # Units begin, the store goes away, results come.
        task = this.submit(f"plain{part}", 400, {"latency": "300ms-1s"}, unit_size=10)
        wait_for("units to run", lambda: cluster.task(task)["counts"]["running"] > 60)
        cluster.database.pause()
        try:
            wait_for("deaths", lambda: not this.missing(), 4)
        except AssertionError:
            pass  # the next time
        finally:
            cluster.database.resume()

    this.come_by(store_is_away, "a death while the store is away", 5, 0.1)
    this.check()


def test_a_death_while_units_are_taken_over(cluster):
    silent, others = cluster.engines[0], cluster.engines[1:] + cluster.distributors
    this = Round(cluster, "silent")
    this.arm(others, of(OF_TAKE_OVER))
    this.hit.add(silent.name)

    def is_silent(part):
        for node in others + [silent]:
            node.wait_ready(60)
        task = this.submit(f"long{part}", 300, {"latency": "1s-2s"}, unit_size=10)
        wait_for("units to run", lambda: silent.name in {row["engine"] for row in cluster.results(task, "&output=false")})
        silent.signal("core", signal.SIGSTOP)
        try:
            wait_for("deaths", lambda: not this.missing(), 12)
        except AssertionError:
            pass  # the next time
        finally:
            silent.resume()

    this.come_by(is_silent, "a death while units are taken over", 5, 0.1)
    this.check()
