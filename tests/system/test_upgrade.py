"""Nodes are replaced one by one by those of another version while tasks come in: engines first, distributors last, as
docs/cluster.md says; and back.

The other version is build/tests/next: its messages are of the version that follows, and its tables have a column more."""

import os
import threading

import pytest

from cluster import Cluster
from daemon import BUILD, Problem, drover, wait_for

NEXT = os.path.join(BUILD, "tests/next")
LEFT = "units are left to engines of a newer version"


class Stream(threading.Thread):
    """Tasks, one after the other, from clients who ask the next distributor when one does not answer."""

    def __init__(self, cluster, name):
        super().__init__(daemon=True)
        self.name, self.cluster, self.tasks, self.error = name, cluster, [], None
        self.ended = threading.Event()

    def run(self):
        try:
            while not self.ended.wait(0.15):
                self.submit(len(self.tasks))
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def submit(self, n):
        name = f"{self.name}-{n}"
        if n % 4:
            task = self.cluster.submit("sim", f"{self.name}{n}-[1-40]", {"latency": "50-600ms"}, unit_size=10, id=name)
        else:
            task = self.cluster.submit("shell", "localhost", {"command": "sleep 0.3; echo done"}, id=name)
        self.tasks.append(task)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, error, trace):
        self.ended.set()
        self.join()
        if not kind and self.error:
            raise self.error

    def come(self, count=5):
        """Until that many more tasks have come."""
        wanted = len(self.tasks) + count
        wait_for(f"{count} more tasks", lambda: self.error or len(self.tasks) >= wanted, 30)


def version_of(build):
    return drover("--version").stdout.split()[1] + ("+next" if build == NEXT else "")


def replace(cluster, node, build):
    """As an administrator does: SIGTERM, another program, start; on to the next one when all others see it."""
    assert node.stop() == 0
    node.use(build)
    node.start()
    wait_for(f"{node.name} to be up", lambda: all(
        ("up", version_of(build)) in [(e["state"], e["version"]) for e in asked.get("/v1/engines")["items"]
                                      if e["name"] == node.name] for asked in cluster.distributors))


def number(cluster, question):
    return int(cluster.database.sql(question, "drover")[0][0])


def signed(cluster, version, tasks="%"):
    """How many units of these tasks have an envelope of that version."""
    return number(cluster, "SELECT count(*) FROM envelopes e JOIN tasks t ON t.`key` = e.task"
                           f" WHERE t.id LIKE '{tasks}' AND e.bytes LIKE '%\"version\":{version},%'")


def schema(cluster):
    return number(cluster, "SELECT max(version) FROM schema_version")


def engines_of(cluster, tasks):
    return {row["engine"] for task in tasks for row in cluster.results(task)}


def all_ok(cluster, tasks):
    for task in tasks:
        answer = cluster.wait(task)
        bad = [(row["host"], row["status"], row["message"]) for row in cluster.results(task) if row["status"] != "ok"]
        assert answer["outcome"] == "ok", (task, answer["counts"], bad[:2])
        cluster.verify(task)


@pytest.fixture(scope="module", name="cluster")
def shared_cluster():
    # Nobody is taken over from: what goes on, goes on since it was handed over.
    with Cluster(2, 3, keep=False, lease={"take_over": "60s"}, node={"node": {"drain": "60s"}}) as cluster:
        yield cluster


def test_engines_first_distributors_last(cluster):
    before = schema(cluster)
    with Stream(cluster, "up") as stream:
        stream.come()
        for node in cluster.engines:
            replace(cluster, node, NEXT)
            stream.come()
            assert schema(cluster) == before + 1  # by the first that was new; the others go on
        old = len(stream.tasks)
        assert not signed(cluster, 2)
        for node in cluster.distributors:
            replace(cluster, node, NEXT)
            stream.come()
        stream.come(10)
    all_ok(cluster, stream.tasks)
    assert engines_of(cluster, stream.tasks[:old]) == engines_of(cluster, stream.tasks[-10:]) == {"eng1", "eng2", "eng3"}
    assert signed(cluster, 1) and signed(cluster, 2)
    assert sum(node.metric("units_refused_total") + node.metric("units_newer_total") for node in cluster.engines) == 0
    # What was signed before can be done again, signed anew.
    status, child = cluster.ask("POST", f"/v1/tasks/{stream.tasks[1]}/retry", {"id": "again", "status": "ok"})
    assert status in (200, 202), child
    all_ok(cluster, ["again"])
    assert signed(cluster, 2, "again") == 4


def test_one_node_goes_back(cluster):
    """The tables stay as they are. An old engine leaves to the others what it cannot read, and takes what it can."""
    newer, older = cluster.distributors
    back = cluster.engines[2]
    with Stream(cluster, "down") as stream:
        stream.come()
        replace(cluster, back, BUILD)
        old = len(stream.tasks)
        stream.come(20)
        wait_for("it to have heard of some", lambda: back.metric("units_newer_total") > 5, 30)
    all_ok(cluster, stream.tasks)
    assert engines_of(cluster, stream.tasks[old:]) == {"eng1", "eng2"}
    assert back.metric("units_refused_total") == 0
    said = back.log().split(f"droverd {version_of(BUILD)},")[-1]
    assert said.count(LEFT) == 1, said

    replace(cluster, older, BUILD)
    mine = [cluster.submit("sim", f"b{n}-[1-60]", {"latency": "200ms"}, unit_size=5, node=older, id=f"back-{n}")
            for n in range(3)]
    all_ok(cluster, mine)
    assert signed(cluster, 1, "back-%") == 36
    assert engines_of(cluster, mine) == {"eng1", "eng2", "eng3"}
    # A retry is made of what was signed: by who can read it.
    path = f"/v1/tasks/{stream.tasks[-1]}/retry"
    with pytest.raises(Problem) as refused:
        older.post(path, {"id": "later", "status": "ok"})
    assert refused.value.status == 503 and "newer version" in str(refused.value.body), refused.value
    assert newer.post(path, {"id": "later", "status": "ok"})["id"] == "later"
    all_ok(cluster, ["later"])
