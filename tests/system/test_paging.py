"""Lists page by page: everything once, in every order, also while more is added; and entity tags on the real daemon."""

import json

import pytest
from daemon import wait_for


def pages(daemon, path, limit):
    """All items of a list, page by page, with what `between` pages is done by the test."""
    joint, after = "&" if "?" in path else "?", ""
    while True:
        page = daemon.get(f"{path}{joint}limit={limit}{after}")
        assert len(page["items"]) <= limit
        yield page["items"]
        if "next" not in page:
            return
        after = "&after=" + page["next"]


def test_tasks_while_more_are_added(daemon):
    ids = [daemon.submit("sim", "h1", {}, name=f"old {i}") for i in range(25)]
    for task in ids:
        daemon.wait(task)
    seen = []
    for items in pages(daemon, "/v1/tasks", 4):
        seen += [task["id"] for task in items]
        daemon.submit("sim", "h1", {}, name="new")
    assert seen == ids[::-1]
    seen = []
    for items in pages(daemon, "/v1/tasks?name=old&state=done&type=sim", 4):
        seen += [task["id"] for task in items]
        daemon.submit("sim", "h1", {}, name="old and new")
    assert seen == ids[::-1]


@pytest.mark.parametrize("sort", ["index", "finished", "status"])
def test_results_in_each_order(daemon, sort):
    task = daemon.submit("sim", "h[1-200]", {"latency": "0-300ms", "fail": "1/7", "hang": ["h5", "h77", "h150"]}, timeout=600)
    wait_for("all but the hung ones to end", lambda: daemon.task(task)["counts"]["running"] == 3 and
             not daemon.task(task)["counts"]["pending"])
    whole = daemon.results(task, f"&sort={sort}&output=false")
    assert len({row["host"] for row in whole}) == len(whole) == 200
    keys = {"index": lambda r: r["id"], "finished": lambda r: (r["finished_at"] or "9", r["id"]),
            "status": lambda r: (["running", "ok", "failed"].index(r["status"]), r["id"])}
    assert whole == sorted(whole, key=keys[sort])
    for limit in (1, 7, 199, 200):
        rows = [row for items in pages(daemon, f"/v1/tasks/{task}/results?sort={sort}&output=false", limit) for row in items]
        assert rows == whole, limit
        if limit == 1:
            assert len(rows) == 200
    some = [row for items in pages(daemon, f"/v1/tasks/{task}/results?sort={sort}&status=failed,running&output=false", 5)
            for row in items]
    assert some == [row for row in whole if row["status"] in ("failed", "running")]
    daemon.post(f"/v1/tasks/{task}/cancel")


def test_a_page_holds_its_place_while_hosts_end(daemon):
    """By index nothing is missed or told twice, whatever happens between two pages."""
    task = daemon.submit("sim", "h[1-900]", {"latency": "0-2s"}, timeout=60)
    rows = [row["host"] for items in pages(daemon, f"/v1/tasks/{task}/results?output=false", 20) for row in items]
    assert rows == [f"h{i}" for i in range(1, 901)]
    daemon.wait(task)


def test_a_cursor_of_another_order_is_refused(daemon):
    task = daemon.submit("sim", "h[1-9]", {})
    daemon.wait(task)
    after = daemon.get(f"/v1/tasks/{task}/results?sort=status&limit=2")["next"]
    for order in ("index", "finished"):
        answer, content = daemon.request("GET", f"/v1/tasks/{task}/results?sort={order}&after={after}", raw=True)
        assert answer.status == 400 and json.loads(content)["errors"][0]["parameter"] == "after"


def test_polling_costs_no_body_until_something_changes(daemon):
    task = daemon.submit("sim", "h[1-4]", {"hang": 1}, timeout=600)
    wait_for("its hosts to run", lambda: daemon.task(task)["counts"]["running"] == 4)
    paths = [f"/v1/tasks/{task}", "/v1/tasks?limit=5", f"/v1/tasks/{task}/units", f"/v1/tasks/{task}/results"]
    tags = {path: daemon.request("GET", path, raw=True)[0].headers["ETag"] for path in paths}
    for path in paths:
        answer, content = daemon.request("GET", path, headers={"If-None-Match": tags[path]}, raw=True)
        assert (answer.status, content) == (304, b""), path
    daemon.post(f"/v1/tasks/{task}/cancel")
    daemon.wait(task)
    for path in paths:
        answer, _ = daemon.request("GET", path, headers={"If-None-Match": tags[path]}, raw=True)
        assert answer.status == 200 and answer.headers["ETag"] != tags[path], path
