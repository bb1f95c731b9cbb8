"""The source `http` against a fake core: every route, every error, and the ways of misbehaving clients."""
import base64
import json
import os
import pwd
import socket
import stat
import threading
import time
from random import Random

import pytest

from fakecore import FakeCore

STATUSES = ["pending", "running", "ok", "failed", "unreachable", "timeout", "skipped", "cancelled", "expired", "lost"]
JSON = b"Content-Type: application/json\r\n"


@pytest.fixture
def start(tmp_path):
    cores = []

    def begin(**options):
        cores.append(FakeCore(str(tmp_path), **options))
        assert cores[-1].started, cores[-1].errors()
        return cores[-1]

    yield begin
    for core in cores:
        core.close()


@pytest.fixture
def core(start):
    return start()


def task(**more):
    return {"type": "shell", "hosts": ["a", "b"], **more}


# ------------------------------------------------------------------------------------------ submit
def test_submit(core):
    status, headers, data = core.call("POST", "/v1/tasks", task(id="t1"))
    assert status == 202
    assert headers["Location"] == "/v1/tasks/t1"
    assert data == {"id": "t1", "state": "queued", "hosts": 2, "units": 1, "executor": "shell"}
    assert core.get("/v1/tasks/t1")["hosts_total"] == 2


def test_submit_again(core):
    core.call("POST", "/v1/tasks", task(id="t1"))
    status, headers, data = core.call("POST", "/v1/tasks", task(id="t1"))
    assert (status, headers["Idempotent-Replayed"], data["id"]) == (200, "true", "t1")
    status, _, data = core.call("POST", "/v1/tasks", task(id="t1", name="other"))
    assert (status, data["type"]) == (409, "/problems/conflict")


def test_dry_run_stores_nothing(core):
    status, _, data = core.call("POST", "/v1/tasks?dry_run=true", task(id="t1"))
    assert (status, data) == (200, {"dry_run": True, "hosts": 2, "units": 1, "executor": "shell"})
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
    ("GET", "/v1/tasks/t1/results?sort=status&after=3", None, {}, 400, "invalid-parameters"),
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
]


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
    core.tell("slow 1000")
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


# -------------------------------------------------------------------------------------------- tasks
def test_task(core):
    core.tell("add t1 40")
    core.tell("host t1 h0 ok")
    core.tell("host t1 h1 timeout")
    t = core.get("/v1/tasks/t1")
    assert (t["state"], t["outcome"], t["labels"]) == ("running", None, {"team": "web"})
    assert t["units"] == {"done": 0, "total": 2}
    assert list(t["counts"]) == STATUSES
    assert sum(t["counts"].values()) == t["hosts_total"] == 40
    assert (t["timeout"], t["host_timeout"]) == (100, 2.5)
    assert t["created_at"] == "2023-11-14T22:13:20.123Z" and t["finished_at"] is None
    assert "payload" not in t
    assert core.get("/v1/tasks/t1?payload=true")["payload"] == {"command": "true"}
    core.tell("end t1")
    assert core.get("/v1/tasks/t1")["outcome"] == "failed"


def test_outcome_ok(core):
    core.tell("add t1 2")
    core.tell("host t1 h0 skipped")
    core.tell("end t1")
    assert core.get("/v1/tasks/t1")["outcome"] == "ok"


def test_list_pages(core):
    for i in range(5):
        core.tell(f"add t{i} 1")
    first = core.get("/v1/tasks?limit=2")
    second = core.get(f"/v1/tasks?limit=2&after={first['next']}")
    third = core.get(f"/v1/tasks?limit=2&after={second['next']}")
    assert [t["id"] for page in (first, second, third) for t in page["items"]] == ["t4", "t3", "t2", "t1", "t0"]
    assert "next" not in third


def test_list_filters(core):
    core.call("POST", "/v1/tasks", task(id="q", name="nightly run"))
    core.tell("add r 1")
    core.tell("add d 1")
    core.tell("end d")
    ids = lambda query: [t["id"] for t in core.get("/v1/tasks?" + query)["items"]]
    assert ids("state=running") == ["r"]
    assert ids("state=done,queued") == ["d", "q"]
    assert ids("name=nightly+r") == ids("name=nightly%20r") == ["q"]
    assert ids("label=team=web") == ["d", "r", "q"]
    assert ids("label=team=db") == []
    assert ids("since=2023-11-14T22:13:20.124Z") == []
    assert ids("since=2023-11-15T00:13:20%2B02:00") == ["d", "r", "q"]
    assert ids("until=2023-11-14T22:13:20Z") == []


def test_wait_answers_at_the_end(core):
    core.tell("add t1 1")
    answers = []
    waiters = [threading.Thread(target=lambda: answers.append(core.get("/v1/tasks/t1?wait=60s"))) for _ in range(10)]
    for w in waiters:
        w.start()
    while int(core.tell("subscribers")) < 10:  # more than there are workers: nobody waits on a worker's thread
        pass
    assert core.get("/v1/tasks/t1")["state"] == "running"
    assert not answers
    core.tell("end t1")
    for w in waiters:
        w.join()
    assert [a["state"] for a in answers] == ["done"] * 10
    assert core.tell("subscribers") == "0"


def test_wait_ends_by_time(core):
    core.tell("add t1 1")
    begun = time.monotonic()
    assert core.get("/v1/tasks/t1?wait=300ms")["state"] == "running"
    assert 0.29 <= time.monotonic() - begun < 10
    core.tell("end t1")
    assert core.get("/v1/tasks/t1?wait=60s")["state"] == "done"


def test_cancel(core):
    core.tell("add t1 1")
    status, _, data = core.call("POST", "/v1/tasks/t1/cancel", {"reason": "typo"})
    assert (status, data["id"], data["state"]) == (202, "t1", "cancelling")
    core.tell("end t1")
    status, _, data = core.call("POST", "/v1/tasks/t1/cancel")
    assert (status, data["type"]) == (409, "/problems/conflict")


def test_units(core):
    core.tell("add t1 100")
    page = core.get("/v1/tasks/t1/units?limit=3")
    assert [u["unit"] for u in page["items"]] == [0, 1, 2]
    assert page["items"][0]["state"] == "claimed" and page["items"][0]["engine"] == "node1"
    rest = core.get(f"/v1/tasks/t1/units?after={page['next']}")
    assert [u["unit"] for u in rest["items"]] == [3] and "next" not in rest


def test_verify(core):
    core.tell("add t1 3")
    core.tell("end t1")
    v = core.get("/v1/tasks/t1/verify")
    assert v["ok"] and v["errors"] == [] and v["hosts"] == v["rows"] == v["distinct"] == 3
    assert v["counted"] == v["stored"] and list(v["stored"]) == STATUSES
    core.tell("add broken 3")
    v = core.get("/v1/tasks/broken/verify")
    assert not v["ok"] and len(v["errors"]) == 4


# ------------------------------------------------------------------------------------------- results
def test_results(core):
    core.tell("add t1 4")
    core.tell("host t1 h0 ok text")
    core.tell("host t1 h1 ok binary")
    core.tell("host t1 h2 failed nul")
    rows = core.get("/v1/tasks/t1/results")["items"]
    assert [r["host"] for r in rows] == ["h0", "h1", "h2", "h3"]
    assert (rows[0]["stdout"], rows[0]["stdout_encoding"], rows[0]["rc"]) == ('héllo "quoted"\n\x01', "utf-8", 0)
    assert rows[1]["stdout_encoding"] == rows[2]["stdout_encoding"] == "base64"
    assert base64.b64decode(rows[1]["stdout"]) == b"\x80\xff\x00tail"
    assert base64.b64decode(rows[2]["stdout"]) == b"a\x00b"
    assert (rows[3]["status"], rows[3]["rc"], rows[3]["finished_at"]) == ("running", None, None)
    for name in ["phase", "changed", "signal", "message", "waiting_for", "via", "result"]:
        assert rows[0][name] is None
    assert rows[0]["remote_process"] == "none" and rows[0]["truncated"] is False


def test_text_is_told_from_bytes(core):
    """As Python's decoder does it, for bytes around all borders of UTF-8."""
    random = Random(1)
    edges = [0x01, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
             0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff]
    outputs = [bytes(random.choice(edges) for _ in range(random.randint(1, 5))) for _ in range(900)]
    outputs += [chr(c).encode() for c in (0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff)]
    core.tell("add t1 1000")
    for i, output in enumerate(outputs):
        core.tell(f"host t1 h{i} ok hex:{output.hex()}")
    rows = core.get("/v1/tasks/t1/results?limit=1000")["items"]
    kinds = set()
    for output, row in zip(outputs, rows):
        kinds.add(row["stdout_encoding"])
        try:
            assert (row["stdout"], row["stdout_encoding"]) == (output.decode(), "utf-8")
        except UnicodeDecodeError:
            assert (base64.b64decode(row["stdout"]), row["stdout_encoding"]) == (output, "base64")
    assert kinds == {"utf-8", "base64"}


def test_bad_utf8_becomes_replacement(core):
    core.tell("add t1 1")
    core.tell("host t1 h0 failed badmsg")
    row = core.get("/v1/tasks/t1/results?output=false")["items"][0]
    assert row["message"] == "caf� �(���) \x7f"
    assert "stdout" not in row and row["stdout_bytes"] > 0


def test_results_filters_and_pages(core):
    core.tell("add t1 10")
    core.tell("host t1 h3 ok")
    core.tell("host t1 h5 timeout")
    hosts = lambda query: [r["host"] for r in core.get("/v1/tasks/t1/results?" + query)["items"]]
    assert hosts("status=ok,timeout") == ["h3", "h5"]
    assert hosts("host=h7") == ["h7"]
    seen, after = [], 0
    while after is not None:
        page = core.get(f"/v1/tasks/t1/results?limit=4&after={after}")
        seen += [r["host"] for r in page["items"]]
        after = page.get("next")
    assert seen == [f"h{i}" for i in range(10)]


def test_a_page_of_large_outputs_ends_early(start):
    core = start(page_size="1M")
    core.tell("add t1 10")
    for i in range(10):
        core.tell(f"host t1 h{i} ok big:300000")
    page = core.get("/v1/tasks/t1/results")
    assert len(page["items"]) == 4
    assert core.get(f"/v1/tasks/t1/results?after={page['next']}")["items"][0]["host"] == "h4"


def test_raw_output(core):
    core.tell("add t1 1")
    core.tell("host t1 h0 ok binary")
    path = "/v1/tasks/t1/hosts/h0/stdout"
    status, headers, data = core.call("GET", path)
    assert (status, data, headers["Content-Type"]) == (200, b"\x80\xff\x00tail", "application/octet-stream")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert core.call("GET", "/v1/tasks/t1/hosts/h0/stderr")[2] == b""
    for range_, wanted, part in [("bytes=1-2", "bytes 1-2/7", b"\xff\x00"), ("bytes=3-", "bytes 3-6/7", b"tail"),
                                 ("bytes=-2", "bytes 5-6/7", b"il"), ("bytes=5-99", "bytes 5-6/7", b"il")]:
        status, headers, data = core.call("GET", path, headers={"Range": range_})
        assert (status, headers["Content-Range"], data) == (206, wanted, part)
    status, headers, _ = core.call("GET", path, headers={"Range": "bytes=7-"})
    assert (status, headers["Content-Range"]) == (416, "bytes */7")
    for odd in ["lines=1-2", "bytes=2-1", "bytes=0-1,3-4", "bytes=x"]:
        assert core.call("GET", path, headers={"Range": odd})[0] == 200


def test_results_of_hosts(core):
    for name in ["t1", "t2", "t3"]:
        core.tell(f"add {name} 3")
    rows = core.get("/v1/results?host=h1")["items"]
    assert [(r["task"], r["host"]) for r in rows] == [("t3", "h1"), ("t2", "h1"), ("t1", "h1")]
    both = [(t, h) for t in ("t3", "t2", "t1") for h in ("h2", "h0")]
    page = core.get("/v1/results?hosts=h0,h2&limit=4")
    assert [(r["task"], r["host"]) for r in page["items"]] == both[:4]
    page = core.get(f"/v1/results?hosts=h0,h2&limit=4&after={page['next']}")
    assert [(r["task"], r["host"]) for r in page["items"]] == both[4:]
    assert "next" not in page
    assert core.get("/v1/results?host=nobody")["items"] == []


# -------------------------------------------------------------------------------------- engines, health
def test_engines(core):
    e = core.get("/v1/engines")["items"][0]
    assert e["pools"] == ["default", "gpu"] and e["capacity"] == {"hosts": 2000, "units": 512}
    assert e["parts"][1]["last_death"] == "killed by signal 9" and e["parts"][0]["last_death"] is None
    assert core.get("/v1/executors")["items"][0]["types"] == ["shell"]


def test_health(core):
    assert core.get("/-/healthy")["status"] == "ok"
    assert core.get("/-/ready")["status"] == "ok"
    core.tell("store away")
    assert core.call("GET", "/-/healthy")[0] == 503
    assert core.call("GET", "/-/ready")[0] == 503


def test_health_while_all_workers_are_busy(start):
    core = start(workers="1")
    core.tell("slow 2000")
    c = core.connection()
    c.request("GET", "/v1/engines")
    while core.tell("busy") != "1":
        pass
    core.get("/-/healthy")
    assert core.tell("busy") == "1"
    core.tell("slow 0")
    assert c.getresponse().status == 200


def test_store_away(core):
    core.tell("add t1 1")
    core.tell("store away")
    for method, path, body in [("POST", "/v1/tasks", task()), ("GET", "/v1/tasks", None), ("GET", "/v1/tasks/t1", None),
                               ("GET", "/v1/tasks/t1/events", None), ("POST", "/v1/tasks/t1/cancel", None),
                               ("GET", "/v1/results?hosts=a,b", None), ("GET", "/v1/engines", None)]:
        status, headers, data = core.call(method, path, body)
        assert (status, data["type"]) == (503, "/problems/unavailable")
        assert int(headers["Retry-After"]) > 0
    core.tell("store back")
    core.get("/v1/tasks/t1")
    assert core.tell("subscribers") == "0"


def test_drain(core):
    core.tell("drain")
    status, headers, _ = core.call("POST", "/v1/tasks", task())
    assert status == 503 and "Retry-After" in headers
    assert core.get("/v1/tasks")["items"] == []
    assert core.call("GET", "/-/ready")[0] == 503
    assert core.call("GET", "/-/healthy")[0] == 200


def test_head(core):
    core.tell("add t1 1")
    for path in ["/v1/tasks", "/v1/tasks/t1", "/-/healthy", "/v1/tasks/t1/events"]:
        status, _, data = core.call("HEAD", path)
        assert (status, data) == (200, b"")
    assert int(core.call("HEAD", "/v1/tasks/t1")[1]["Content-Length"]) > 100
    assert core.call("HEAD", "/v1/tasks/none")[0] == 404


def test_keep_alive(core):
    c = core.connection()
    for _ in range(3):
        for method, path, wanted in [("GET", "/v1/tasks", 200), ("GET", "/none", 404), ("GET", "/v1/engines", 200)]:
            c.request(method, path)
            r = c.getresponse()
            r.read()
            assert r.status == wanted
    c.request("POST", "/v1/tasks", "{}", {"Content-Type": "text/plain"})
    r = c.getresponse()
    r.read()
    assert r.status == 415
    c.request("GET", "/v1/engines")
    assert c.getresponse().status == 200


# -------------------------------------------------------------------------------------------- events
def test_events_of_a_task(core):
    core.tell("add t1 3")
    core.tell("host t1 h0 ok")
    core.tell("add t2 3")
    stream = core.events("/v1/tasks/t1/events")
    assert stream.response.getheader("Content-Type") == "text/event-stream"
    first = stream.next()
    assert (first["event"], first["data"]["state"], first["data"]["counts"]["ok"]) == ("task", "running", 1)
    core.tell("host t2 h0 ok")
    core.tell("host t1 h1 ok")
    event = stream.next()
    assert (event["event"], event["data"]["host"], event["data"]["task"]) == ("host", "h1", "t1")
    assert event["id"] == str(event["data"]["seq"])
    core.tell("unit t1 0 done")
    event = stream.next()
    assert (event["event"], event["data"]["unit"], "id" in event) == ("unit", 0, False)
    core.tell("end t1")
    assert stream.next()["data"]["state"] == "done"
    assert stream.next() is None
    while core.tell("subscribers") != "0":
        pass


def test_events_of_an_ended_task(core):
    core.tell("add t1 2")
    core.tell("host t1 h1 ok")
    core.tell("end t1")
    assert [e["event"] for e in core.events("/v1/tasks/t1/events").all()] == ["task"]
    events = core.events("/v1/tasks/t1/events", last=0).all()
    assert [e["event"] for e in events] == ["host", "host", "task"]
    assert list(events[0]["data"]) == ["seq", "kind", "time", "task", "host", "status", "phase", "rc", "signal", "unit",
                                       "attempt", "engine", "message", "remote_process", "started_at", "stdout_bytes",
                                       "stderr_bytes"]
    assert list(events[2]["data"]) == ["seq", "kind", "time", "task", "name", "type", "owner", "state", "hosts_total",
                                       "counts", "units_total", "units_done"]
    assert len(core.events("/v1/tasks/t1/events?last_event_id=0").all()) == 3


def test_events_are_replayed(core):
    """Whatever happens while a client is away is told when it comes again, once."""
    core.tell("add t1 3000")
    stream = core.events("/v1/tasks/t1/events", last=0)
    seen = []
    stream.next()
    for i in range(1000):
        core.tell(f"host t1 h{i} ok")
    for _ in range(400):
        seen.append(stream.next()["data"]["host"])
    stream.connection.close()
    for i in range(1000, 2500):
        core.tell(f"host t1 h{i} ok")
    stream = core.events("/v1/tasks/t1/events", last=stream.id)
    for i in range(2500, 3000):
        core.tell(f"host t1 h{i} ok")
    core.tell("end t1")
    rest = stream.all()
    assert rest[-1]["data"]["state"] == "done"
    seen += [e["data"]["host"] for e in rest if e["event"] == "host"]
    assert len(seen) == 3000
    assert sorted(seen) == sorted(f"h{i}" for i in range(3000))


def test_a_replay_that_was_cut_off_begins_again(core):
    core.tell("add t1 2000")
    for i in range(2000):
        core.tell(f"host t1 h{i} ok")
    stream = core.events("/v1/tasks/t1/events", last=0)
    for _ in range(700):
        stream.next()
    assert stream.id is None, "a replayed row gave an id, so that those behind it would be lost"
    stream.connection.close()


def test_a_slow_reader_is_cut_off(start):
    core = start(event_buffer="64K")
    core.tell("add t1 3")
    slow = core.events("/v1/tasks/t1/events")
    quick = core.events("/v1/tasks/t1/events")
    slow.next(), quick.next()
    for _ in range(400):  # 20 MB: more than the sockets take
        core.tell("flood t1 50 1000")
        for _ in range(50):
            assert quick.next()["event"] == "host"
    while int(core.tell("subscribers")) > 1:
        try:
            if not slow.response.read(1 << 20):
                break
        except Exception:
            break
    core.tell("host t1 h0 ok")
    assert quick.next()["data"]["host"] == "h0"
    quick.connection.close()


def test_readers_that_vanish_are_forgotten(core):
    core.tell("add t1 1")
    streams = [core.events("/v1/tasks/t1/events") for _ in range(20)]
    for s in streams:
        s.response.close()
        s.connection.sock and s.connection.close()
    del streams, s
    deadline = time.monotonic() + 30
    while core.tell("subscribers") != "0":
        core.tell("flood t1 1 10")
        assert time.monotonic() < deadline


def test_heartbeat(core):
    core.tell("add t1 1")
    stream = core.events("/v1/tasks/t1/events")
    stream.next()
    begun = time.monotonic()
    assert stream.response.readline() == b":\n"
    assert 10 < time.monotonic() - begun < 25
    stream.connection.close()


def test_event_clients_are_bounded(start):
    core = start(event_clients="3")
    core.tell("add t1 1")
    streams = [core.events("/v1/tasks/t1/events") for _ in range(3)]
    status, headers, data = core.call("GET", "/v1/tasks/t1/events")
    assert status == 503 and "Retry-After" in headers and "event_clients" in data["detail"]
    assert core.call("GET", "/v1/tasks/t1?wait=5s")[0] == 503
    core.tell("end t1")
    for s in streams:
        assert s.all()[-1]["data"]["state"] == "done"
    while core.tell("subscribers") != "0":
        pass
    assert len(core.events("/v1/tasks/t1/events").all()) == 1


# ------------------------------------------------------------------------------------------- the end
def test_close_with_clients(core):
    """Neither abort nor hang, and whoever waited gets an answer."""
    core.tell("add t1 5")
    streams = [core.events("/v1/tasks/t1/events") for _ in range(50)]
    idle = [core.connect() for _ in range(10)]
    half = core.connect()
    half.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\n" + JSON + b"Content-Length: 100\r\n\r\n{")
    waiting = core.connection()
    waiting.request("GET", "/v1/tasks/t1?wait=60s")
    while int(core.tell("subscribers")) < 51:
        pass
    core.close()
    for s in streams:
        assert s.next()["event"] == "task"
        assert s.next() is None
    assert json.loads(waiting.getresponse().read())["state"] == "running"
    assert not os.path.exists(core.port_file)
    for s in idle + [half]:
        s.close()


def test_close_while_services_are_slow(core):
    core.tell("slow 1000")
    calls = []
    for _ in range(12):
        calls.append(core.connection())
        calls[-1].request("GET", "/v1/engines")
    while core.tell("busy") != "4":
        pass
    core.close()
    statuses = set()
    for c in calls:
        try:
            statuses.add(c.getresponse().status)
        except OSError:
            statuses.add(None)  # it came too late to be accepted
    assert statuses <= {200, 503, None} and 200 in statuses


# ---------------------------------------------------------------------------------------- addresses
def test_unix_socket(start, tmp_path):
    path = str(tmp_path / "s")
    core = start(listen="unix:" + path)
    assert core.address == "unix:" + path
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert core.get("/v1/tasks", Host="anything")["items"] == []
    assert core.call("POST", "/v1/tasks", task(id="t1"))[0] == 202
    assert core.get("/v1/tasks/t1")["owner"] == pwd.getpwuid(os.getuid()).pw_name
    core.close()
    assert not os.path.exists(path)


def test_stale_unix_socket_is_replaced(start, tmp_path):
    path = str(tmp_path / "s")
    old = socket.socket(socket.AF_UNIX)
    old.bind(path)
    old.close()
    core = start(listen="unix:" + path)
    core.get("/v1/engines")


def test_answered_unix_socket_is_left_alone(start, tmp_path):
    path = str(tmp_path / "s")
    start(listen="unix:" + path)
    (tmp_path / "two").mkdir()
    second = FakeCore(str(tmp_path / "two"), listen="unix:" + path)
    assert not second.started and "another process answers there" in second.errors()
    assert os.path.exists(path)


def test_a_file_is_no_socket(tmp_path):
    path = tmp_path / "s"
    path.write_text("mine")
    core = FakeCore(str(tmp_path), listen=f"unix:{path}")
    assert not core.started and "is not a socket" in core.errors()
    assert path.read_text() == "mine"


def test_ipv6(start):
    core = start(listen="[::1]:0")
    assert core.address.startswith("[::1]:")
    core.get("/v1/engines", Host=core.address)


def test_port_in_use(core, tmp_path):
    (tmp_path / "two").mkdir()
    second = FakeCore(str(tmp_path / "two"), listen=core.address)
    assert not second.started and f"cannot listen on {core.address}" in second.errors()


@pytest.mark.parametrize("address", ["0.0.0.0:8007", "[::]:8007", "192.0.2.1:1", "10.1.2.3:8007", "[2001:db8::1]:8007"])
def test_only_loopback(tmp_path, address):
    core = FakeCore(str(tmp_path), listen=address)
    assert not core.started
    assert "is not a loopback address: TLS and tokens are needed for that, which this version does not have" in \
        core.errors()


@pytest.mark.parametrize("address", ["8007", "localhost", "example.org:80", "127.0.0.1:70000", "127.0.0.1:-1", "::1:80",
                                     ":8007", "127.0.0.1:", "unix:", "unix:/" + "x" * 200])
def test_no_address(tmp_path, address):
    core = FakeCore(str(tmp_path), listen=address)
    assert not core.started and "listen: " in core.errors()


def test_configured_hosts(start):
    core = start(hosts=["drover.internal", "other"])
    core.get("/v1/engines", Host="Drover.Internal:8007")
    core.get("/v1/engines", Host="other")
    core.get("/v1/engines", Host="127.0.0.1:1")
    assert core.call("GET", "/v1/engines", headers={"Host": "drover.internal.example"})[0] == 403


def test_same_origin_posts_are_taken(core):
    host = core.address
    assert core.call("POST", "/v1/tasks", task(), {"Host": host, "Origin": "http://" + host})[0] == 202
    assert core.call("POST", "/v1/tasks", task(), {"Host": host, "Origin": "http://localhost:1"})[0] == 403
