"""Bad requests get the error that names the place; none gives a 5xx; nothing is stored; the daemon goes on."""

import http.client
import json

import pytest
from daemon import Daemon

GOOD = {"type": "sim", "hosts": "h[1-3]", "payload": {}}


def task(**members):
    return json.dumps({**GOOD, **members}).encode()


# Body, status, the pointer of the error (None: only the detail counts), words that must be told.
BAD = {
    "empty": (b"", 400, None, ""),
    "no-json": (b"hosts: web1", 400, None, "byte"),
    "cut": (b'{"type": "sim", "hosts": ', 400, None, "ends too early"),
    "single-quotes": (b"{'type': 'sim'}", 400, None, "quote"),
    "key-twice": (b'{"type":"sim","type":"sim","hosts":"h1","payload":{}}', 400, None, "twice"),
    "key-twice-escaped": (b'{"type":"sim","t\\u0079pe":"sim","hosts":"h1","payload":{}}', 400, None, "twice"),
    "control-character": (b'{"type":"sim","hosts":"h1","payload":{},"note":"a\nb"}', 400, None, "control"),
    "bad-utf8": (b'{"type":"sim","hosts":"h1","payload":{},"note":"\xff\xfe"}', 400, None, ""),
    "more-after": (b'{"type":"sim","hosts":"h1","payload":{}} {}', 400, None, ""),
    "too-deep": (b'{"type":"sim","hosts":"h1","payload":' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}", 400, None, ""),
    "an-array": (b"[]", 422, "", "object"),
    "unknown-member": (task(colour="red"), 422, "/colour", "not a member"),
    "unknown-member-escaped": (task(**{"a/b~c": 1}), 422, "/a~1b~0c", "not a member"),
    "no-hosts": (b'{"type":"sim","payload":{}}', 422, "/hosts", "needed"),
    "hosts-number": (task(hosts=7), 422, "/hosts", ""),
    "hosts-empty": (task(hosts=[]), 422, "/hosts", "no host"),
    "all-excluded": (task(exclude="h[1-9]"), 422, "/hosts", "no host"),
    "host-option": (task(hosts="-oProxyCommand=evil"), 422, "/hosts", ""),
    "host-option-listed": (task(hosts=["h1", {"name": "-oProxyCommand=evil"}]), 422, "/hosts/1/name", "host name"),
    "host-shell": (task(hosts="h1;reboot"), 422, "/hosts", ""),
    "host-file": (task(hosts="^/etc/passwd"), 422, "/hosts", ""),
    "range-of-10^12": (task(hosts="h[1-1000000000000]"), 422, "/hosts", "200000"),
    "range-product": (task(hosts="h[1-99999]r[1-99999]"), 422, "/hosts", "200000"),
    "range-open": (task(hosts="h[1-"), 422, "/hosts", ""),
    "host-port": (task(hosts=[{"name": "h1", "port": 70000}]), 422, "/hosts/0/port", "65535"),
    "unit-size-0": (task(unit_size=0), 422, "/unit_size", "1 to 10000"),
    "unit-size-text": (task(unit_size="30"), 422, "/unit_size", "1 to 10000"),
    "unit-size-huge": (task(unit_size=10**30), 422, "/unit_size", "1 to 10000"),
    "timeout-negative": (task(timeout=-5), 422, "/timeout", ""),
    "timeout-word": (task(timeout="soon"), 422, "/timeout", "90s"),
    "priority-101": (task(priority=101), 422, "/priority", "1 to 100"),
    "on-lost": (task(on_lost="panic"), 422, "/on_lost", "rerun"),
    "labels": (task(labels={"a": 1}), 422, "/labels", ""),
    "null": (task(name=None), 422, "/name", "null"),
    "id-slash": (task(id="a/b"), 422, "/id", ""),
    "id-long": (task(id="x" * 161), 422, "/id", "160"),
    "type-unknown": (task(type="quantum"), 422, "/type", "served are"),
    "executor-unknown": (task(executor="nobody"), 422, "/executor", "nobody"),
    "payload-text": (task(payload="echo"), 422, "/payload", "object"),
    "payload-unknown": (task(payload={"colour": 1}), 422, "/payload/colour", ""),
    "payload-two": (task(type="shell", payload={"command": "a", "argv": ["b"]}), 422, "/payload", "exactly one"),
    "payload-none": (task(type="shell", payload={}), 422, "/payload", "exactly one"),
    "payload-nul": (task(type="shell", payload={"command": "a\0b"}), 422, "/payload/command", "NUL"),
    "pool": (task(pool="moon"), 422, "/pool", "moon"),
}


@pytest.fixture(scope="module")
def shared():
    with Daemon() as daemon:
        yield daemon


@pytest.mark.parametrize("name", BAD)
def test_bad_task(shared, name):
    body, status, pointer, words = BAD[name]
    answer, content = shared.request("POST", "/v1/tasks", body, raw=True)
    assert answer.status == status, content
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(content)
    assert problem["status"] == status and problem["title"] and problem["type"].startswith("/problems/")
    if pointer is not None:
        assert pointer in [error["pointer"] for error in problem["errors"]], problem
    assert words in content.decode(), problem
    assert shared.get("/v1/tasks")["items"] == []


def test_all_errors_at_once(shared):
    answer, content = shared.request("POST", "/v1/tasks", task(unit_size=0, priority=0, colour=1, timeout="x"), raw=True)
    assert answer.status == 422
    assert {error["pointer"] for error in json.loads(content)["errors"]} == {
        "/unit_size", "/priority", "/colour", "/timeout"}


@pytest.mark.parametrize("method,path,status", [
    ("GET", "/v1/tasks/nobody", 404), ("GET", "/v1/nothing", 404), ("DELETE", "/v1/tasks", 405),
    ("POST", "/v1/tasks/nobody/cancel", 404), ("GET", "/v1/tasks?limit=0", 400), ("GET", "/v1/tasks?limit=1001", 400),
    ("GET", "/v1/tasks?state=sleeping", 400), ("GET", "/v1/tasks?colour=red", 400), ("GET", "/v1/tasks/x%00y", 400),
    ("GET", "/v1/results", 400), ("GET", "/v1/tasks/../../etc/passwd", 404)])
def test_bad_path(shared, method, path, status):
    answer, content = shared.request(method, path, b"{}" if method == "POST" else None, raw=True)
    assert answer.status in (status, 422 if status == 400 else status), content
    assert json.loads(content)["status"] == answer.status


def test_the_limits_of_a_task_are_options():
    limits = {"hosts": 6, "unit_size": 4, "output": "1K", "output_default": "1K", "waves": 2}
    with Daemon({"limits": limits}) as daemon:
        assert daemon.post("/v1/tasks?dry_run=true", {
            **GOOD, "hosts": "h[1-6]", "unit_size": 4, "output_limit": 1024, "waves": ["1", "100%"]})["units"] == 3
        for member, value, words in (
                ("hosts", "h[1-7]", "more than 6 hosts, the limit (limits.hosts)"),
                ("hosts", [f"h{i}" for i in range(7)], "more than 6 hosts, the limit (limits.hosts)"),
                ("unit_size", 5, "1 to 4 (limits.unit_size)"), ("output_limit", 1025, "to 1024 (limits.output)"),
                ("waves", ["1", "2", "3"], "1 to 2 sizes (limits.waves)")):
            answer, content = daemon.request("POST", "/v1/tasks", task(**{member: value}), raw=True)
            assert answer.status == 422 and words in content.decode(), content


def test_bad_type_of_content(shared):
    answer, _ = shared.request("POST", "/v1/tasks", task(), {"Content-Type": "text/plain"}, raw=True)
    assert answer.status == 415
    answer, _ = shared.request("POST", "/v1/tasks", task(), {"Host": "evil.example"}, raw=True)
    assert answer.status == 403
    assert shared.get("/v1/tasks")["items"] == []


def test_dry_run_stores_nothing(shared):
    answer = shared.post("/v1/tasks?dry_run=true", {**GOOD, "hosts": "h[1-100]"})
    assert answer["hosts"] == 100 and answer["units"] == 4 and answer["executor"] == "sim"
    assert shared.get("/v1/tasks")["items"] == []


def test_a_body_over_the_limit():
    with Daemon() as daemon:
        daemon.config["sources"][0]["body_limit"] = "1M"
        daemon.write_config()
        daemon.stop()
        daemon.start()
        try:
            answer, _ = daemon.request("POST", "/v1/tasks", task(note="x" * (2 << 20)), raw=True)
            assert answer.status == 413
        except (BrokenPipeError, ConnectionResetError, http.client.HTTPException):
            pass  # closed before all of it was sent, which is an answer, too
        assert daemon.get("/v1/tasks")["items"] == []
