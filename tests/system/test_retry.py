"""retry: the chosen hosts of a task that has ended, again, as a task that names its parent; safe to click twice."""

import json
import sqlite3
import threading

from daemon import wait_for


def retry(daemon, task, body=None):
    """Status, headers and answer."""
    data = b"" if body is None else json.dumps(body).encode()
    answer, content = daemon.request("POST", f"/v1/tasks/{task}/retry", data, raw=True)
    return answer.status, dict(answer.getheaders()), json.loads(content)


def mixed(daemon, **members):
    """A task with a host of each kind of end: n1 ok, n2 failed, n3 unreachable, n4 timeout, n5 skipped."""
    task = daemon.submit("sim", [{"name": "n1"}, {"name": "n2", "address": "127.9.9.2", "port": 2222, "user": "u",
                                                 "vars": {"a": [1, "ü"]}}, "n3", "n4", "n5"],
                         {"fail": ["n2"], "unreachable": ["n3"], "hang": ["n4"], "skip": ["n5"]},
                         host_timeout="300ms", **members)
    answer = daemon.wait(task)
    assert [answer["counts"][s] for s in ("ok", "failed", "unreachable", "timeout", "skipped")] == [1] * 5
    return task


def hosts_of(daemon, task):
    return [r["host"] for r in daemon.results(task, "&sort=index")]


def test_what_ended_badly_is_done_again_by_a_child(daemon):
    parent = mixed(daemon, name="it", labels={"a": "b"}, note="why", priority=70, max_failed=3, unit_size=2,
                   concurrency_key="k", on_lost="rerun")
    status, headers, answer = retry(daemon, parent)
    assert status == 202 and answer["hosts"] == 3 and headers["Location"] == f"/v1/tasks/{answer['id']}"
    child = daemon.wait(answer["id"])
    assert child["parent"] == parent
    # A timeout whose remote process was seen to end is done again, too.
    assert hosts_of(daemon, answer["id"]) == ["n2", "n3", "n4"]
    old = daemon.task(parent)
    for member in ("name", "type", "executor", "labels", "note", "priority", "unit_size", "max_failed", "on_lost",
                   "concurrency_key", "timeout", "host_timeout", "fanout", "output_limit", "pool"):
        assert child[member] == old[member], member
    assert daemon.get(f"/v1/tasks/{answer['id']}?payload=true")["payload"] == \
        daemon.get(f"/v1/tasks/{parent}?payload=true")["payload"]
    daemon.verify(answer["id"])


def test_twice_is_once(daemon):
    parent = mixed(daemon)
    first = retry(daemon, parent)
    again = retry(daemon, parent, {})
    assert again[0] == 200 and again[1]["Idempotent-Replayed"] == "true" and again[2]["id"] == first[2]["id"]
    other = retry(daemon, parent, {"status": "failed"})
    assert other[0] == 202 and other[2]["id"] != first[2]["id"]
    # At once, from many: one child.
    answers, ready = [], threading.Barrier(8)

    def click():
        ready.wait()
        answers.append(retry(daemon, parent, {"status": ["unreachable"]}))

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({a[2]["id"] for a in answers}) == 1
    assert sorted(a[0] for a in answers) == [200] * 7 + [202]
    assert len([t for t in daemon.get("/v1/tasks")["items"] if t["parent"] == parent]) == 3
    # With an id of one's own there may be one more.
    own = retry(daemon, parent, {"id": "again-1"})
    assert own[0] == 202 and own[2]["id"] == "again-1"
    assert retry(daemon, parent, {"id": "again-1"})[0] == 200
    assert retry(daemon, parent, {"id": "again-1", "status": "failed"})[0] == 409


CHOSEN = [
    ({"status": "failed"}, ["n2"]),
    ({"status": "failed,ok"}, ["n1", "n2"]),
    ({"status": ["timeout", "skipped"]}, ["n4", "n5"]),
    ({"hosts": "n[1,3]"}, ["n1", "n3"]),
    ({"hosts": ["n5", "n1"]}, ["n1", "n5"]),
    ({"hosts": "n[3-5]", "status": "failed,timeout"}, ["n4"]),
]


def test_the_selection_is_what_was_asked_for(daemon):
    parent = mixed(daemon)
    for body, hosts in CHOSEN:
        status, _, answer = retry(daemon, parent, body)
        assert status == 202 and hosts_of(daemon, answer["id"]) == hosts, body


REFUSED = [
    ({"hosts": "n9"}, "/hosts"),
    ({"hosts": ["n1", "n9"]}, "/hosts"),
    ({"hosts": "n[1-3"}, "/hosts"),
    ({"hosts": "@all"}, "/hosts"),
    ({"hosts": []}, "/hosts"),
    ({"hosts": ["n1", 7]}, "/hosts/1"),
    ({"hosts": "-oProxyCommand=x"}, "/hosts"),
    ({"hosts": "n[1-99999999999]"}, "/hosts"),
    ({"status": "lost"}, "/status"),
    ({"status": "pending"}, "/status"),
    ({"status": ""}, "/status"),
    ({"status": []}, "/status"),
    ({"status": ["failed", None]}, "/status/1"),
    ({"status": 7}, "/status"),
    ({"id": "a b"}, "/id"),
    ({"id": None}, "/id"),
    ({"hots": "n1"}, ""),
    ([], ""),
]


def test_what_cannot_be_done_again_is_refused(daemon):
    parent = mixed(daemon)
    for body, pointer in REFUSED:
        status, _, answer = retry(daemon, parent, body)
        assert status == 422, (body, answer)
        assert pointer in [e["pointer"] for e in answer["errors"]], (body, answer)
    assert len(daemon.get("/v1/tasks")["items"]) == 1


def test_a_parent_that_runs_or_is_not_there(daemon):
    task = daemon.submit("sim", "n[1-3]", {"hang": ["n1"]})
    wait_for("it to run", lambda: daemon.task(task)["counts"]["running"])
    assert retry(daemon, task)[0] == 409
    assert retry(daemon, "nobody")[0] == 404
    answer, _ = daemon.request("POST", f"/v1/tasks/{task}/retry", b"{", raw=True)
    assert answer.status == 400
    daemon.post(f"/v1/tasks/{task}/cancel")
    daemon.wait(task)
    status, _, answer = retry(daemon, task)
    assert status == 202 and hosts_of(daemon, answer["id"]) == [
        r["host"] for r in daemon.results(task, "&sort=index") if r["status"] == "cancelled"]
    daemon.post(f"/v1/tasks/{answer['id']}/cancel")
    daemon.wait(answer["id"])


def test_nothing_to_do_again(daemon):
    task = daemon.submit("sim", "n[1-3]", {})
    daemon.wait(task)
    status, _, answer = retry(daemon, task)
    assert status == 422 and "selects no host" in answer["errors"][0]["detail"]


def test_hosts_are_reached_as_the_parent_reached_them(daemon):
    parent = mixed(daemon)
    child = retry(daemon, parent, {"status": "failed"})[2]["id"]
    daemon.wait(child)
    # A grandchild is made of what the child's row says.
    grandchild = retry(daemon, child)[2]["id"]
    daemon.wait(grandchild)
    assert daemon.task(grandchild)["parent"] == child
    store = sqlite3.connect(f"file:{daemon.state}/drover.db?mode=ro", uri=True)
    try:
        rows = store.execute("SELECT name, address, port, user, vars FROM hosts WHERE name = 'n2' ORDER BY id").fetchall()
    finally:
        store.close()
    assert rows == [("n2", "127.9.9.2", 2222, "u", '{"a":[1,"ü"]}')] * 3


def test_waves_and_shares_are_of_the_child_s_own_hosts(daemon):
    task = daemon.submit("sim", "n[01-40]", {"fail": "0.5"}, waves=["1", "10%", "100%"], max_failed="100%",
                         expires_in="1h", fanout=9)
    failed = daemon.wait(task)["counts"]["failed"]
    status, _, answer = retry(daemon, task)
    assert status == 202 and answer["hosts"] == failed and answer["waves"] == 3
    child = daemon.wait(answer["id"])
    assert child["max_failed"] == "100%" and child["fanout"] == 9 and child["expires_at"] > child["created_at"]
