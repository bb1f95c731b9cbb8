"""An engine stands still for longer than its lease, in the moments that chaos hits too seldom, and goes on."""

import os
import signal
import time

import pytest

import witness
from cluster import Cluster
from daemon import wait_for


@pytest.fixture(name="cluster", scope="module")
def fixture_cluster():
    with Cluster(distributors=1, engines=2, lossy=True, engine={"capacity": {"hosts": 60, "units": 3}}) as cluster:
        yield cluster


def submit(cluster, task, hosts, payload, **members):
    locks = os.path.join(cluster.locks, task)
    os.mkdir(locks)
    return cluster.submit("sim", f"{task}-[1-{hosts}]", {**payload, "lock_dir": locks}, id=task, timeout="60s", **members)


def rows_of(cluster, task, engine, **wanted):
    return [row for row in cluster.results(task, "&output=false") if row["engine"] == engine.name and
            all(row[name] == value for name, value in wanted.items())]


def check(cluster, task, hosts, rerun):
    cluster.wait(task)
    rows = cluster.results(task, "&output=false")
    witness.check(task, hosts, rows, cluster.verify(task), os.path.join(cluster.locks, task), rerun)
    return rows


def test_results_that_wait_in_a_core_that_stands_still(cluster):
    """They come to the store while another engine executes the hosts again: that attempt's results are what counts."""
    one, two = cluster.engines
    for number in range(5):  # the hosts may have ended before the core is stopped
        task = f"late{number}"
        submit(cluster, task, 120, {"latency": "1300-1900ms", "flap": 1.0}, on_lost="rerun", unit_size=20)
        wait_for("it to execute some", lambda t=task: rows_of(cluster, t, one, status="running"))
        one.signal("core", signal.SIGSTOP)
        if rows_of(cluster, task, one, status="running"):
            break
        one.resume()
    wait_for("the other to execute them again", lambda: rows_of(cluster, task, two, status="running", attempt=2), 30)
    one.resume()
    rows = check(cluster, task, 120, rerun=True)
    assert {(row["status"], row["attempt"]) for row in rows} <= {("failed", 1), ("ok", 2), ("ok", 3)}
    assert [row for row in rows if row["attempt"] > 1]
    one.wait_ready(60)


def test_a_node_that_stands_still_as_a_whole(cluster):
    """Nobody can end its processes meanwhile. When they go on, they begin none of the hosts that have ended `lost`."""
    one = cluster.engines[0]
    submit(cluster, "whole", 120, {"latency": "250ms", "step": 1}, unit_size=20)
    wait_for("it to execute some", lambda: rows_of(cluster, "whole", one, status="ok"))
    units = one.pids("units")
    assert units
    one.signal("all", signal.SIGSTOP)
    left = len(rows_of(cluster, "whole", one, status="running"))
    wait_for("its hosts to be lost", lambda: len(rows_of(cluster, "whole", one, status="lost")) >= left, 30)
    time.sleep(witness.SLACK)
    one.resume_pids(units)  # before anybody can end them
    time.sleep(0.5)
    one.resume()
    assert {row["status"] for row in check(cluster, "whole", 120, rerun=False)} == {"ok", "lost"}
    one.wait_ready(60)
