"""The broker is away: tasks are accepted and executed when it is back, and nothing of Drover is started again."""

import time

from cluster import Cluster

from daemon import OUTAGE, wait_for


def test_the_broker_is_away():
    with Cluster(distributors=1, engines=2) as cluster:
        parts = {node.name: node.parts() for node in cluster.nodes}
        before = cluster.submit("sim", "b[1-200]", {"latency": "1-3s"}, unit_size=10)
        wait_for("it to run", lambda: cluster.task(before)["counts"]["running"] > 50)
        cluster.broker.kill()
        meanwhile = [cluster.submit("sim", f"m{i}x[1-50]", {"latency": "0-200ms"}, unit_size=10) for i in range(5)]
        wait_for("what runs to go on", lambda: not cluster.task(before)["counts"]["running"])
        time.sleep(OUTAGE)
        cluster.broker.start()
        after = cluster.submit("sim", "a[1-50]", {}, unit_size=10)
        for task in [before, *meanwhile, after]:
            assert cluster.wait(task)["outcome"] == "ok"
        assert {node.name: node.parts() for node in cluster.nodes} == parts
