"""The source `http` against a fake core: submitting, refusing, bodies and framing."""
import json
import socket
import time

import pytest

from fakecore import JSON, task


# ------------------------------------------------------------------------------------------ submit
def test_submit(core):
    status, headers, data = core.call("POST", "/v1/tasks", task(id="t1"))
    assert status == 202
    assert headers["Location"] == "/v1/tasks/t1"
    assert data == {"id": "t1", "state": "queued", "hosts": 2, "units": 1, "waves": 1, "executor": "shell"}
    assert core.get("/v1/tasks/t1")["hosts_total"] == 2


def test_submit_again(core):
    core.call("POST", "/v1/tasks", task(id="t1"))
    status, headers, data = core.call("POST", "/v1/tasks", task(id="t1"))
    assert (status, headers["Idempotent-Replayed"], data["id"]) == (200, "true", "t1")
    status, _, data = core.call("POST", "/v1/tasks", task(id="t1", name="other"))
    assert (status, data["type"]) == (409, "/problems/conflict")


def test_dry_run_stores_nothing(core):
    status, _, data = core.call("POST", "/v1/tasks?dry_run=true", task(id="t1"))
    assert (status, data) == (200, {"dry_run": True, "hosts": 2, "units": 1, "waves": 1, "executor": "shell"})
    assert core.get("/v1/tasks")["items"] == []


def test_all_errors_at_once(core):
    status, headers, data = core.call("POST", "/v1/tasks", {"unit_size": 0})
    assert status == 422
    assert headers["Content-Type"] == "application/problem+json"
    assert (data["type"], data["title"], data["status"]) == ("/problems/invalid-task", "Invalid task", 422)
    assert [e["pointer"] for e in data["errors"]] == ["/type", "/unit_size", "/hosts"]
    assert data["errors"][1]["detail"] == "must be 1 to 10000"


def test_expect_continue(core):
    sock = core.connect()
    body = json.dumps(task()).encode()
    sock.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nConnection: close\r\n" + JSON +
                 b"Content-Length: %d\r\n\r\n" % len(body))
    assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
    sock.sendall(body)
    assert sock.recv(10000).startswith(b"HTTP/1.1 202 ")


def test_chunked_body(core):
    c = core.connection()
    c.request("POST", "/v1/tasks", iter([b'{"type":"shell",', b'"hosts":["a"]}']), {"Content-Type": "application/json"},
              encode_chunked=True)
    assert c.getresponse().status == 202


# -------------------------------------------------------------------------------------- bad requests
BAD = [
    ("POST", "/v1/tasks", b"", {}, 400, "syntax"),
    ("POST", "/v1/tasks", b"{", {}, 400, "syntax"),
    ("POST", "/v1/tasks", b"{}", {}, 422, "invalid-task"),
    ("POST", "/v1/tasks", b"{}", {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
    ("POST", "/v1/tasks", b"{}", {"Content-Type": "application/json-seq"}, 415, "unsupported-media-type"),
    ("POST", "/v1/tasks?dry_run=maybe", b"{}", {}, 400, "invalid-parameters"),
    ("POST", "/v1/tasks", b"{}", {"Origin": "http://evil.example"}, 403, "forbidden"),
    ("POST", "/v1/tasks", b"{}", {"Origin": "null"}, 403, "forbidden"),
    ("GET", "/v1/tasks", None, {"Host": "evil.example"}, 403, "forbidden"),
    ("GET", "/v1/tasks", None, {"Host": "localhost.evil.example:80"}, 403, "forbidden"),
    ("GET", "/v1/tasks", None, {"Host": "10.0.0.1"}, 403, "forbidden"),
    ("GET", "/", None, {}, 404, "not-found"),
    ("GET", "/v1/tasks/", None, {}, 404, "not-found"),
    ("GET", "/v1/tasks/none", None, {}, 404, "not-found"),
    ("GET", "/v1/tasks/none/results", None, {}, 404, "not-found"),
    ("GET", "/v1/tasks/none/events", None, {}, 404, "not-found"),
    ("GET", "/v1/tasks/none?wait=5s", None, {}, 404, "not-found"),
    ("GET", "/v1/tasks/t1/hosts/none/stdout", None, {}, 404, "not-found"),
    ("GET", "/v1/tasks/t1/hosts/h0%2Fstdout", None, {}, 404, "not-found"),
    ("GET", "/v1/tasks/t1%00x", None, {}, 400, "bad-request"),
    ("GET", "/v1/tasks/t1%zz", None, {}, 400, "bad-request"),
    ("GET", "/v1/tasks/t1%ff", None, {}, 400, "bad-request"),
    ("GET", "/v1/tasks?name=%00", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks?limit=0", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks?limit=1001", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks?limit=1e2", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks?limit=", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks?limit=5&limit=6", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks?after=99999999999999999999", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks?since=yesterday", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks?since=2024-05-17T08:30:00", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks?label=web", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks?state=sleeping", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks?colour=red", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks/t1?wait=2h", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks/t1?wait=-1", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks/t1/results?status=ok,great", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks/t1/results?sort=status&after=i3", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks/t1/results?sort=finished&after=f3", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks/t1/results?sort=finished&after=f3-", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks/t1/results?sort=finished&after=f3-4x", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks/t1/results?after=3", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks/t1/results?after=i99999999999999999999", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/results?host=a&after=7", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/tasks", None, {"Accept": "text/html"}, 406, "not-acceptable"),
    ("GET", "/v1/tasks", None, {"Accept": "application/json;q=0"}, 406, "not-acceptable"),
    ("GET", "/v1/tasks/t1/events", None, {"Accept": "application/json"}, 406, "not-acceptable"),
    ("GET", "/v1/tasks/t1/events", None, {"Last-Event-ID": "x1"}, 400, "bad-request"),
    ("GET", "/v1/results", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/results?host=a&hosts=b", None, {}, 400, "invalid-parameters"),
    ("GET", "/v1/results?hosts=,", None, {}, 400, "invalid-parameters"),
    ("DELETE", "/v1/tasks", None, {}, 405, "method-not-allowed"),
    ("OPTIONS", "/v1/tasks", None, {"Origin": "http://evil.example"}, 405, "method-not-allowed"),
    ("POST", "/v1/engines", b"{}", {}, 405, "method-not-allowed"),
    ("POST", "/v1/tasks/none/cancel", None, {}, 404, "not-found"),
    ("POST", "/v1/tasks/t1/cancel", b"[]", {}, 422, "invalid-body"),
    ("POST", "/v1/tasks/t1/cancel", b'{"reason":7}', {}, 422, "invalid-body"),
    ("POST", "/v1/tasks/t1/cancel", b'{"why":"x"}', {}, 422, "invalid-body"),
    ("POST", "/v1/tasks/t1/cancel", b"{", {}, 400, "syntax"),
    ("POST", "/v1/tasks/t1/cancel?force=true", None, {}, 400, "invalid-parameters"),
]


def test_limits_are_options(start):
    core = start(hosts_limit="2", wait_limit="40s")
    core.tell("add t1 3")
    core.tell("end t1")
    assert core.call("GET", "/v1/results?hosts=a,b")[0] == 200
    assert core.call("GET", "/v1/tasks/t1?wait=40s")[0] == 200
    for path, words in (("/v1/results?hosts=a,b,c", "at most 2 names (option hosts_limit)"),
                        ("/v1/tasks/t1?wait=41s", "at most 40s (option wait_limit)")):
        status, _, data = core.call("GET", path)
        assert status == 400 and words in data["errors"][0]["detail"], data


def test_bad_requests(core):
    core.tell("add t1 3")
    for method, path, body, headers, wanted, kind in BAD:
        status, answer, data = core.call(method, path, body, headers)
        assert status == wanted, (method, path, body, status, data)
        assert answer["Content-Type"] == "application/problem+json"
        assert data["type"] == "/problems/" + kind
        assert data["status"] == wanted
        assert data.get("detail") or data["errors"]
    assert core.get("/v1/tasks/t1")["state"] == "running"
    assert len(core.get("/v1/tasks")["items"]) == 1


def test_wrong_parameters_all_at_once(core):
    _, _, data = core.call("GET", "/v1/tasks?limit=0&x=1&state=foo&since=never")
    assert [e["parameter"] for e in data["errors"]] == ["x", "limit", "state", "since"]


def test_allow(core):
    assert core.call("DELETE", "/v1/tasks")[1]["Allow"] == "POST, GET, HEAD"
    assert core.call("POST", "/v1/engines", {})[1]["Allow"] == "GET, HEAD"


SMUGGLED = b"GET /v1/engines HTTP/1.1\r\nHost: localhost\r\n\r\n"
FRAMING = [
    b"Host: localhost\r\nContent-Length: 2\r\nContent-Length: 2\r\n",
    b"Host: localhost\r\nContent-Length: 0\r\nContent-Length: 60\r\n",
    b"Host: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    b"Host: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Host: localhost\r\nTransfer-Encoding: gzip\r\n",
    b"Host: localhost\r\nTransfer-Encoding: xchunked\r\n",
    b"Host: localhost\r\nHost: localhost\r\nContent-Length: 2\r\n",
    b"Content-Length: 2\r\n",
    b"Host: localhost\r\nContent-Length: -1\r\n",
    b"Host: localhost\r\nContent-Length: 2x\r\n",
    b"Host: localhost\r\nContent-Length : 2\r\n",
    b"Host: localhost\r\nX: y\nContent-Length: 2\r\n",
    b"Host: localhost\nContent-Length: 2\r\n",
    b"Host: localhost\r\nContent-Length: 2\r\nX: y\r\n z\r\n",
    b"Host: localhost\r\nX: y\r\n z\r\nContent-Length: 2\r\n",
    b"Host: localhost\r\nTransfer-Encoding:\r\n chunked\r\n",
    b"Host: localhost\r\nContent-Length: 2\r\nX: y\0z\r\n",
    b"Host: localhost\r\nContent-Length: 2\0\r\nX: y\r\n",
    b"Host: localhost\r\nContent-Length: 2\r\nX: y\x01z\r\n",
    b"Host: localhost\r\nContent-Length: 2\r\nX\0Y: z\r\n",
]


@pytest.mark.parametrize("headers", [
    b"X: y \t \r\n", b"X:\r\n", b"X:   \r\n", b"X:\ty\r\n", b"X:y\r\n", b"X: caf\xc3\xa9\r\n", b'Cookie: a="b c"; d\r\nY: z\r\n',
    b"X: " + b"a" * 8000 + b"\r\nY: " + b"b" * 8000 + b"\r\n", b"".join(b"X%d: y\r\n" % i for i in range(100))])
def test_unusual_headers_are_taken(core, headers):
    request = b"GET /v1/tasks HTTP/1.1\r\nHost: localhost\r\n" + headers + b"Connection: close\r\n\r\n"
    assert core.raw(request).startswith(b"HTTP/1.1 200 ")


def test_a_request_may_come_byte_by_byte(core):
    sock = core.connect()
    for byte in b"GET /v1/tasks HTTP/1.1\r\nHost: localhost\r\nX: y\r\nConnection: close\r\n\r\n":
        sock.sendall(bytes([byte]))
    assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_pipelined_requests_are_all_answered(core):
    one = b"GET /v1/tasks HTTP/1.1\r\nHost: localhost\r\n"
    answer = core.raw((one + b"\r\n") * 200 + one + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 201


@pytest.mark.parametrize("headers", FRAMING)
def test_ambiguous_framing(core, headers):
    answer = core.raw(b"POST /v1/tasks HTTP/1.1\r\n" + JSON + headers + b"\r\n{}" + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"node1" not in answer, "what was behind the headers was taken for a request"


def test_garbage(start):
    core = start(connection_timeout="1s")
    for data in [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, b"\0" * 100, b"GET"]:
        sock = core.connect()
        sock.sendall(data + b"\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 2" not in sock.recv(65536)
        sock.close()
    core.get("/v1/engines")


# --------------------------------------------------------------------------------------------- bodies
def test_a_body_where_none_belongs(core):
    c = core.connection()
    for _ in range(2):  # it is read and forgotten, so that the connection can go on
        c.request("GET", "/v1/tasks", "x" * 1000)
        r = c.getresponse()
        assert (r.status, json.loads(r.read())) == (200, {"items": []})
    answer = core.raw(b"GET /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_length_above_the_limit_is_refused_at_once(start):
    core = start(body_limit="10K")
    answer = core.raw(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Content-Length: 10241\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ") and b"option body_limit" in answer


def test_chunks_above_the_limit(start):
    core = start(body_limit="10K")
    chunks = b"".join(b"400\r\n" + b" " * 1024 + b"\r\n" for _ in range(12)) + b"0\r\n\r\n"
    head = b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    assert core.raw(head + JSON + b"\r\n" + chunks).startswith(b"HTTP/1.1 413 ")


def test_endless_chunks_are_cut_off(start):
    core = start(body_limit="10K")
    sock = core.connect()
    sock.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\n")
    with pytest.raises(OSError):
        for _ in range(100000):
            sock.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
    core.get("/v1/engines")


def test_bodies_share_a_bound(start):
    core = start(body_limit="100K", body_memory="128K")
    body = b" " * 90000
    core.tell("slow 2500")
    first = core.connection()
    first.request("POST", "/v1/tasks", body, {"Content-Type": "application/json"})
    while core.tell("busy") != "1":
        pass
    status, headers, data = core.call("POST", "/v1/tasks", body)
    assert (status, data["type"]) == (503, "/problems/unavailable")
    assert "Retry-After" in headers and "option body_memory" in data["detail"]
    core.tell("slow 0")
    assert first.getresponse().status == 400
    assert core.call("POST", "/v1/tasks", body)[0] == 400, "what the first body took was not given back"


def test_half_sent_requests_end(start):
    core = start(connection_timeout="1s")
    for part in [b"", b"POST /v1/tasks HTT", b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\n" + JSON +
                 b"Content-Length: 100\r\n\r\n{"]:
        sock = core.connect()
        sock.sendall(part)
        assert b"HTTP/1.1 2" not in sock.recv(100)
        sock.close()
    core.get("/v1/engines")


def test_slow_headers_are_cut_off(start):
    core = start(connection_timeout="1s")
    sock = core.connect()
    sock.sendall(b"GET /v1/tasks HTTP/1.1\r\nHost: localhost\r\n")
    begun = time.monotonic()
    with pytest.raises(OSError):
        for i in range(100):  # never silent for a second, and never done
            sock.sendall(b"X-%d: y\r\n" % i)
            time.sleep(0.2)
    assert 0.9 < time.monotonic() - begun < 10
    core.get("/v1/engines")


def test_a_crowd_of_silent_connections_makes_room(start):
    """The ones that have waited longest are closed; who asks something is served, and who is being served stays."""
    core = start(connection_limit="64", connection_timeout="1h")
    core.tell("add t1 1")
    stream = core.events("/v1/tasks/t1/events")
    stream.next()
    waiting = core.connection()
    waiting.request("GET", "/v1/tasks/t1?wait=10m")
    while int(core.tell("subscribers")) < 2:
        pass
    crowd = []
    for i in range(300):
        crowd.append(core.connect())
        if i % 3 == 1:
            crowd[-1].sendall(b"GET / HTT")
        if i % 50 == 0:
            core.get("/v1/engines")
    assert crowd[0].recv(100) == b"" and crowd[100].recv(100) == b""
    core.get("/v1/engines")
    core.tell("end t1")
    assert json.loads(waiting.getresponse().read())["state"] == "done"
    assert stream.next()["data"]["state"] == "done"
    for sock in crowd:
        sock.close()


def test_slow_body_is_cut_off(start):
    core = start(connection_timeout="1s")
    sock = core.connect()
    sock.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Content-Length: 100\r\n\r\n")
    begun = time.monotonic()
    with pytest.raises(OSError):
        for _ in range(100):  # never silent for a second, and never done
            sock.sendall(b" ")
            time.sleep(0.2)
    assert 3 < time.monotonic() - begun < 15
    core.get("/v1/engines")
