"""Two distributors behind nginx: clients see one Drover, whichever of them dies."""

import http.client
import json
import signal
import threading

import pytest
from cluster import Cluster
from daemon import FINAL, PATIENCE, wait_for

from services.nginx import Nginx


@pytest.fixture(scope="module")
def cluster():
    with Cluster(distributors=2, engines=1, keep=False) as c:
        yield c


@pytest.fixture(scope="module")
def proxy(cluster):
    with Nginx([f"127.0.0.1:{n.port}" for n in cluster.distributors]) as nginx:
        yield nginx


def ask(proxy, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20 * PATIENCE)
    try:
        connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null"), response.headers
    finally:
        connection.close()


def submit(proxy, id_, hosts="h[1-30]"):
    return ask(proxy, "POST", "/v1/tasks", {"id": id_, "type": "sim", "hosts": hosts, "payload": {}})


def test_any_distributor_knows_every_task(cluster, proxy):
    status, answer, _ = submit(proxy, "known")
    assert status == 202, answer
    for node in cluster.distributors:
        assert node.ask("GET", "/v1/tasks/known")[0] == 200
    # Sent again, whichever of them gets it: the same task.
    for _ in cluster.distributors:
        status, answer, headers = submit(proxy, "known")
        assert (status, answer["id"], headers["Idempotent-Replayed"]) == (200, "known", "true")
    cluster.wait("known")
    cluster.verify("known")


def test_an_id_asked_for_at_both_at_once_is_one_task(cluster, proxy):
    answers = []

    def send():
        answers.append(submit(proxy, "both", "h[1-300]"))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _, _ in answers) == [200] * 7 + [202], answers
    assert cluster.wait("both")["counts"]["ok"] == 300
    status, answer, _ = submit(proxy, "both", "other")
    assert status == 409, answer


def test_events_come_through(cluster, proxy):
    """From the distributor that nginx chose, of what an engine does, line by line."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20 * PATIENCE)
    cluster.submit("sim", "h[1-3]", {"latency": "300ms"}, id="followed")
    connection.request("GET", "/v1/tasks/followed/events")
    stream = connection.getresponse()
    assert stream.status == 200
    states = set()
    while not states & set(FINAL):
        line = stream.readline()
        assert line, "the stream ended before its task did"
        if line.startswith(b"data:"):
            states.add(json.loads(line[5:]).get("state"))
    connection.close()


def test_one_of_them_dies(cluster, proxy):
    """What is submitted meanwhile is taken by the other; what the dead one has acknowledged is executed."""
    dead, other = cluster.distributors
    acknowledged = [cluster.submit("sim", f"o{n}-[1-300]", {"latency": "20ms"}, node=dead, id=f"orphan-{n}")
                    for n in range(3)]
    dead.supervised = False
    dead.signal("all", signal.SIGKILL)
    wait_for("its end", lambda: not dead.processes())
    for n in range(10):
        status, answer, _ = submit(proxy, f"after-{n}", f"a{n}-[1-30]")
        assert status == 202, answer
        acknowledged.append(answer["id"])
    for task in acknowledged:
        answer = cluster.wait(task)
        bad = [row["message"] for row in cluster.results(task) if row["status"] != "ok"]
        assert answer["outcome"] == "ok", (answer["counts"], bad[:2])
        cluster.verify(task)
    dead.start()
    assert dead.ask("GET", "/v1/tasks/after-9")[0] == 200
    assert other.ask("GET", "/v1/tasks/orphan-0")[0] == 200
