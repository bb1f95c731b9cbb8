"""The source `http` against a fake core: tasks, results, engines, health."""
import base64
import threading
import time
from random import Random

import pytest

from fakecore import STATUSES, task


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
    seen, after = [], ""
    while after is not None:
        page = core.get(f"/v1/tasks/t1/results?limit=4{after}")
        seen += [r["host"] for r in page["items"]]
        after = "&after=" + page["next"] if "next" in page else None
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
    assert [(s["name"], s["state"], s["message"], s["since"] == e["started_at"]) for s in e["executor_states"]] == [
        ("shell", "down", "killed", True), ("sim", "up", None, False)]
    assert e["executor_states"][1]["since"] is None
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


# ------------------------------------------------------------------------------------- what is generic
def test_an_answer_that_did_not_change_is_not_sent_again(core):
    core.tell("add t1 3")
    for path in ["/v1/tasks/t1", "/v1/tasks", "/v1/tasks/t1/results", "/v1/engines"]:
        status, headers, data = core.call("GET", path)
        assert status == 200 and data
        for known in [headers["ETag"], "W/" + headers["ETag"], '"x", ' + headers["ETag"], "*"]:
            status, again, data = core.call("GET", path, headers={"If-None-Match": known})
            assert (status, data, again["ETag"]) == (304, b"", headers["ETag"]), (path, known)
        assert core.call("GET", path, headers={"If-None-Match": '"x"'})[0] == 200
    before = core.call("GET", "/v1/tasks/t1")[1]["ETag"]
    core.tell("host t1 h0 ok")
    status, headers, data = core.call("GET", "/v1/tasks/t1", headers={"If-None-Match": before})
    assert status == 200 and headers["ETag"] != before and data["counts"]["ok"] == 1
    assert "ETag" not in core.call("GET", "/-/healthy")[1]
    assert "ETag" not in core.call("GET", "/v1/tasks/none")[1]


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, application/json;q=0.5", "APPLICATION/JSON", "",
                                    "text/html;q=0.9 , */* ; q=0.1"])
def test_accept(core, accept):
    core.get("/v1/tasks", Accept=accept)


def test_metrics(core):
    core.get("/v1/engines")
    core.call("GET", "/nowhere")
    status, headers, data = core.call("GET", "/metrics", headers={"Accept": "text/plain;version=0.0.4;q=0.4,*/*;q=0.1"})
    assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = data.decode().split("\n")
    assert lines[:9] == [
        "# HELP drover_tasks Open tasks,\\nby \\\\state.",
        "# TYPE drover_tasks gauge",
        'drover_tasks{state="queued"} 0.25',
        'drover_tasks{state="run\\\\n\\"ing\\"\\n"} 1.25',
        "# HELP drover_commit_seconds Commits.",
        "# TYPE drover_commit_seconds histogram",
        'drover_commit_seconds_bucket{le="0.001"} 3',
        'drover_commit_seconds_bucket{le="0.5"} 5',
        'drover_commit_seconds_bucket{le="+Inf"} 6']
    assert lines[9:11] == ["drover_commit_seconds_sum 1.5", "drover_commit_seconds_count 6"]
    assert 'drover_http_requests_total{method="GET",route="/v1/engines",code="200"} 1' in lines
    assert 'drover_http_requests_total{method="",route="",code="404"} 1' in lines
