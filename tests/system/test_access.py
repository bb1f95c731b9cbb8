"""Who may do what: every route against every role from the route table itself, node sets, credentials, owners."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest
from daemon import BUILD, Daemon, drover, wait_for
from secured import ROLES, Secured, flip, routes

RANK = {"anybody": 0, "read": 1, "submit": 2, "admin": 3, "nobody": 99}
ROUTES = routes()
BODY = 100000  # bytes that are announced and never sent
HELD = {"latency": "600s"}  # a simulated host that is still running when the test ends


def path_of(route, task, host="web1", query=""):
    path = route["path"].replace("{id}", task).replace("{host}", host).replace("{group}", "all").replace("{name}", "test")
    assert "{" not in path, f"{route['path']}: this test must know what stands for its arguments"
    if route["path"] == "/v1/results":
        return f"{path}?host={host}"
    return path + query


@pytest.fixture(scope="module")
def shared():
    credentials = {"prod": {"user": "u", "password": {"env": "CANARY"}, "allow": ["ci", "web"]},
                   "unlisted": {"user": "u"}}
    daemon = Secured({"executors": [{"plugin": "sim"}, {"plugin": "ansible_adhoc"}], "credentials": credentials},
                     env={"CANARY": "x" * 20})
    daemon.roles = {role: daemon.create(role, role) for role in ROLES}
    daemon.ci = daemon.create("ci", "submit")
    daemon.web = daemon.create("web", "submit", hosts="web[1-9]")
    daemon.looker = daemon.create("looker", "read", hosts="web[1-9]")
    daemon.gone = daemon.create("gone", "admin")
    daemon.late = daemon.create("late", "admin", expires="1s")
    with daemon:
        daemon.token("revoke", "gone")
        wait_for("the revoked token to be refused", lambda: daemon.status("GET", "/v1/tasks", daemon.gone) == 401)
        wait_for("the other to expire", lambda: daemon.status("GET", "/v1/tasks", daemon.late) == 401)
        daemon.submit("sim", "web[1-3]", HELD, id="inside")
        daemon.submit("sim", "web[1-3],db1", HELD, id="outside")
        yield daemon


def bad_tokens(daemon):
    return {"none": None, "garbage": "x", "empty": "", "revoked": daemon.gone, "expired": daemon.late,
            "one bit": flip(daemon.admin, 0), "no secret": daemon.admin.rsplit("_", 1)[0], "longer": daemon.admin + "A",
            "another's id": daemon.web.split("_")[0] + "_" + daemon.web.split("_")[1] + daemon.admin[17:]}


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r['method']} {r['path']}")
def test_every_role_on_every_route(shared, route):
    assert route["role"] in RANK and route["role"] != "nobody"
    announced = BODY if route["method"] == "POST" else None
    path = path_of(route, "inside")
    if route["role"] == "anybody":
        assert shared.status(route["method"], path) in (200, 503)
        return
    for name, token in bad_tokens(shared).items():
        assert shared.status(route["method"], path, token, announced=announced) == 401, name
    for role in ROLES:
        if RANK[role] < RANK[route["role"]]:
            assert shared.status(route["method"], path, shared.roles[role], announced=announced) == 403, role
        else:
            # What is allowed is not done here: a body that no route takes, or a query that none has.
            body = b"[]" if announced else None
            answer = shared.status(route["method"], path, shared.roles[role], body)
            assert answer not in (0, 401, 403), (role, answer)


@pytest.mark.parametrize("route", [r for r in ROUTES if "/v1/tasks/{id}" in r["path"]],
                         ids=lambda r: f"{r['method']} {r['path']}")
def test_a_node_set_on_every_route_of_a_task(shared, route):
    announced = BODY if route["method"] == "POST" else None
    body = b"[]" if announced else None
    assert shared.status(route["method"], path_of(route, "outside"), shared.web, announced=announced) == 403
    # The verdict is remembered by now.
    assert shared.status(route["method"], path_of(route, "outside"), shared.web, announced=announced) == 403
    assert shared.status(route["method"], path_of(route, "nobody"), shared.web, body) == 404
    assert shared.status(route["method"], path_of(route, "inside"), shared.web, body) not in (0, 401, 403)


def test_unknown_paths_and_methods_tell_nothing_without_a_token(shared):
    for method, path in (("GET", "/v1/nothing"), ("DELETE", "/v1/tasks"), ("GET", "/"), ("OPTIONS", "/v1/tasks")):
        assert shared.status(method, path) == 401
    assert shared.status("GET", "/v1/nothing", shared.admin) == 404
    assert shared.status("DELETE", "/v1/tasks", shared.admin) == 405


def test_every_bit_of_a_token(shared):
    token = shared.roles["read"]
    assert shared.status("GET", "/v1/executors", token) == 200
    for at in range(len(token)):
        for bit in range(8):
            # A bit that makes no header at all ends as 400 or a closed connection.
            wrong = flip(token, bit, at)
            if wrong[at] not in "\r\n\0":
                assert shared.status("GET", "/v1/executors", wrong.encode("latin-1").decode("latin-1")) in (401, 400, 0)
    assert shared.status("GET", "/v1/executors", token) == 200


def test_what_a_refusal_says(shared):
    answer, content = Daemon.request(shared, "GET", "/v1/tasks", raw=True)
    assert answer.status == 401 and answer.headers["WWW-Authenticate"] == 'Bearer realm="drover"'
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(content)["type"] == "/problems/unauthorized"
    answer, _ = shared.request("GET", "/v1/tasks", token=shared.gone, raw=True)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="drover", error="invalid_token"'
    answer, content = shared.request("GET", "/v1/tasks", token=shared.late, raw=True)
    assert answer.status == 401 and "has expired" in json.loads(content)["detail"]
    for headers in ({"Authorization": "Basic cm9vdDpyb290"}, {"Authorization": shared.admin}, {"Authorization": "Bearer"}):
        assert Daemon.request(shared, "GET", "/v1/tasks", headers=headers, raw=True)[0].status == 401
    answer, content = shared.request("POST", "/v1/tasks", {}, token=shared.roles["read"], raw=True)
    assert answer.status == 403 and "role submit" in json.loads(content)["detail"]


def test_two_tokens_are_none(shared):
    with shared.connect() as connection:
        connection.sendall(f"GET /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.gone}\r\n"
                           f"Authorization: Bearer {shared.admin}\r\n\r\n".encode())
        assert connection.recv(4096).split()[1] == b"401"


# ------------------------------------------------------------------------------------------- node sets

def refused(daemon, token, body, path="/v1/tasks"):
    answer, content = daemon.request("POST", path, body, token=token, raw=True)
    return answer.status, json.loads(content).get("detail", "")


def sim(hosts, **members):
    return {"type": "sim", "hosts": hosts, "payload": {}, **members}


def test_submissions_stay_within_the_node_set(shared):
    status, detail = refused(shared, shared.web, sim("web[1-20],db1"))
    assert status == 403 and "web10, web11, web12, web13, web14 and 7 more" in detail
    assert refused(shared, shared.web, sim("web1,db1", exclude="web1"))[0] == 403
    assert refused(shared, shared.web, sim("db1"), "/v1/tasks?dry_run=true")[0] == 403
    assert refused(shared, shared.web, sim("WEB1"))[0] == 202
    # A name within the set that leads elsewhere.
    status, detail = refused(shared, shared.web, sim([{"name": "web1", "address": "10.0.0.9"}]))
    assert status == 403 and "10.0.0.9" in detail
    assert refused(shared, shared.web, sim([{"name": "web1", "address": "web2"}]))[0] == 202
    assert refused(shared, shared.web, sim([{"name": "web1", "vars": {"ansible_host": "db1"}}]))[0] == 403
    assert refused(shared, shared.ci, sim([{"name": "web1", "address": "10.0.0.9"}]))[0] == 202


def test_a_node_set_is_not_left_by_what_an_executor_interprets(shared):
    """A module's arguments are templates, which run programs on the engine."""
    lookup = {"type": "adhoc", "hosts": "web1", "payload": {"module": "debug", "args": "msg={{ lookup('pipe', 'id') }}"}}
    status, detail = refused(shared, shared.web, lookup)
    assert status == 403 and "type adhoc" in detail
    assert refused(shared, shared.ci, lookup, "/v1/tasks?dry_run=true")[0] == 200


def test_retries_stay_within_the_node_set(shared):
    task = shared.submit("sim", "web[1-2],db1", {"fail": ["web1", "db1"]})
    shared.wait(task)
    own = shared.post("/v1/tasks", sim("web1", payload={"fail": ["web1"]}, id="own-retry"), token=shared.web)["id"]
    shared.wait(own)
    assert refused(shared, shared.web, {}, f"/v1/tasks/{task}/retry")[0] == 403
    child = shared.post(f"/v1/tasks/{own}/retry", {}, token=shared.web)
    assert shared.task(child["id"])["owner"] == "web"


def test_cancelling(shared):
    shared.submit("sim", "db1", HELD, id="theirs")
    shared.submit("sim", "web1", HELD, id="ours")
    assert refused(shared, shared.web, {}, "/v1/tasks/theirs/cancel")[0] == 403
    assert refused(shared, shared.looker, {}, "/v1/tasks/ours/cancel")[0] == 403
    assert shared.task("theirs")["state"] in ("queued", "running")
    assert refused(shared, shared.web, {}, "/v1/tasks/ours/cancel")[0] == 202
    assert refused(shared, shared.ci, {}, "/v1/tasks/theirs/cancel")[0] == 202


def test_lists_are_of_what_is_allowed(shared):
    shared.post("/v1/tasks", sim("web1", id="mine"), token=shared.web)
    assert {t["owner"] for t in shared.get("/v1/tasks", token=shared.web)["items"]} == {"web"}
    assert {t["id"] for t in shared.get("/v1/tasks", token=shared.looker)["items"]} == set()
    assert len({t["owner"] for t in shared.get("/v1/tasks", token=shared.ci)["items"]}) > 1
    assert shared.status("GET", "/v1/tasks?owner=root", shared.web) == 403
    assert shared.status("GET", "/v1/tasks?owner=web", shared.web) == 200
    for path, status in (("host=web1", 200), ("host=db1", 403), ("hosts=web1,web2", 200), ("hosts=web1,db1", 403)):
        assert shared.status("GET", f"/v1/results?{path}", shared.web) == status
        assert shared.status("GET", f"/v1/results?{path}", shared.ci) == 200


def test_owners(shared):
    shared.post("/v1/tasks", sim("db1", id="of-ci"), token=shared.ci)
    assert shared.task("of-ci")["owner"] == "ci"
    assert [t["id"] for t in shared.get("/v1/tasks?owner=ci")["items"]].count("of-ci") == 1
    assert {t["owner"] for t in shared.get("/v1/tasks?owner=ci")["items"]} == {"ci"}
    # It is its owner's also when the owner's node set has become another one.
    shared.post("/v1/tasks", sim("web1", id="before"), token=shared.web)
    shared.token("revoke", "web")
    web = shared.create("web", "submit", hosts="web[5-6]")
    wait_for("the new token to be known", lambda: shared.status("GET", "/v1/tasks", web) == 200)
    assert shared.status("GET", "/v1/tasks/before", web) == 200
    assert shared.status("GET", "/v1/tasks/inside", web) == 403
    shared.token("revoke", "web")
    shared.web = shared.create("web", "submit", hosts="web[1-9]")
    wait_for("the token to be known", lambda: shared.status("GET", "/v1/tasks", shared.web) == 200)


def test_credentials(shared):
    def submit(token, credential):
        return refused(shared, token, sim("web1", credential=credential), "/v1/tasks?dry_run=true")

    assert submit(shared.ci, "prod")[0] != 403 and submit(shared.web, "prod")[0] != 403
    status, detail = submit(shared.roles["submit"], "prod")
    assert status == 403 and "submit" in detail and "prod" in detail
    assert submit(shared.admin, "prod")[0] == 403, "the list says all who may"
    assert submit(shared.ci, "unlisted")[0] == 403
    assert submit(shared.admin, "unlisted")[0] != 403
    assert submit(shared.ci, "nobody")[0] == 403, "whether it exists is not told"


# ------------------------------------------------------------------------------- the file, as it changes

def test_changes_of_the_file():
    with Secured({"executors": [{"plugin": "sim"}]}) as daemon:
        ci = daemon.create("ci", "submit")
        wait_for("the new token to be known", lambda: daemon.status("GET", "/v1/tasks", ci) == 200, 5)
        core = daemon.parts()["core"]
        good = open(daemon.tokens_file, encoding="utf-8").read()
        token = json.loads(good.splitlines()[1])

        def write(text, mode=0o600):
            new = daemon.tokens_file + ".test"
            with open(os.open(new, os.O_CREAT | os.O_WRONLY, mode), "w", encoding="utf-8") as f:
                f.write(text)
            os.chmod(new, mode)
            os.rename(new, daemon.tokens_file)

        for text, mode, why in ((good[:-30], 0o600, "no JSON object"), (good, 0o640, "has mode 0640"),
                                (good + json.dumps({**token, "role": "king"}) + "\n", 0o600, "`role`"),
                                (good + json.dumps({**token, "nets": "10/8"}) + "\n", 0o600, "does not know"),
                                (good + json.dumps({**token, "hash": "00"}) + "\n", 0o600, "`hash`"),
                                (good + good, 0o600, "is there twice")):
            before = daemon.log().count("stay in force")
            write(text, mode)
            wait_for("the daemon to look", lambda: daemon.status("GET", "/v1/tasks", ci) == 200
                     and daemon.log().count("stay in force") > before, 5)
            told = [line for line in daemon.log().splitlines() if "stay in force" in line][-1]
            assert why in told, told
        os.unlink(daemon.tokens_file)
        wait_for("that to be told", lambda: daemon.status("GET", "/v1/tasks", ci) == 200
                 and "No such file" in daemon.log(), 5)
        write(good)
        daemon.token("revoke", token["id"])
        began = time.monotonic()
        wait_for("the revoked token to be refused", lambda: daemon.status("GET", "/v1/tasks", ci) == 401, 5)
        print(f"refused {time.monotonic() - began:.2f} s after it was revoked")
        assert daemon.parts()["core"] == core


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_an_event_stream_ends_with_its_token(end):
    with Secured({"executors": [{"plugin": "sim"}]}) as daemon:
        daemon.submit("sim", "h1", HELD, id="t")
        other = daemon.create("stays", "read")
        token = daemon.create("ci", "read", expires="5s" if end == "expired" else None)
        wait_for("the tokens to be known", lambda: daemon.status("GET", "/v1/tasks", other) == 200, 5)
        streams = []
        for each in (token, other):
            stream = daemon.connect()
            stream.sendall(f"GET /v1/tasks/t/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {each}\r\n\r\n".encode())
            assert b"200" in stream.recv(65536)
            streams.append(stream)
        if end == "revoked":
            daemon.token("revoke", "ci")
        while streams[0].recv(65536):
            pass  # its end is a closed connection; a timeout fails the test
        streams[1].settimeout(2)
        with pytest.raises(TimeoutError):
            while streams[1].recv(65536):
                pass
        for stream in streams:
            stream.close()


def test_a_waiting_request_ends_with_its_token():
    with Secured({"executors": [{"plugin": "sim"}]}) as daemon:
        daemon.submit("sim", "h1", HELD, id="t")
        token = daemon.create("ci", "read")
        wait_for("the token to be known", lambda: daemon.status("GET", "/v1/tasks", token) == 200, 5)
        with daemon.connect() as waiting:
            waiting.sendall(f"GET /v1/tasks/t?wait=9m HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            wait_for("it to wait", lambda: re.search(
                rb"drover_event_subscribers\S* 1\n", daemon.request("GET", "/metrics", raw=True)[1]), 5)
            daemon.token("revoke", "ci")
            assert waiting.recv(4096).split()[1] == b"401"


@pytest.mark.parametrize("mode,text,why", [(0o644, None, "chmod 600"), (0o600, "{}\n", ":1: "), (None, None, "No such file")])
def test_a_bad_file_at_the_start(mode, text, why):
    daemon = Secured({"executors": []})
    if mode is None:
        os.unlink(daemon.tokens_file)
    else:
        if text:
            with open(daemon.tokens_file, "w", encoding="utf-8") as f:
                f.write(text)
        os.chmod(daemon.tokens_file, mode)
    try:
        daemon.start(ready=False)
        wait_for("the reason in the log", lambda: why in daemon.log(), 20)
        assert not os.path.exists(daemon.port_file)
    finally:
        daemon.stop()
        shutil.rmtree(daemon.folder, ignore_errors=True)


# ------------------------------------------------------------------------------------------ drover token

def test_the_command(tmp_path):
    path = str(tmp_path / "tokens")

    def token(*arguments):
        return drover("token", *arguments, "--file", path)

    made = token("create", "ci", "--role", "submit", "--hosts", "web[1-9]", "--expires", "90d")
    assert made.returncode == 0 and made.stdout.startswith("drover_") and made.stdout.count("\n") == 1
    assert made.stdout.strip() not in made.stderr
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert made.stdout.strip() not in open(path, encoding="utf-8").read()
    assert made.stdout.strip().split("_", 2)[2] not in open(path, encoding="utf-8").read()
    assert token("create", "ci", "--role", "read").returncode == 1
    as_json = json.loads(token("create", "ops", "--role", "admin", "--json").stdout)
    assert as_json["token"].startswith(f"drover_{as_json['id']}_") and as_json["role"] == "admin"
    rows = json.loads(token("list", "--json").stdout)
    assert [(r["name"], r["role"], r["hosts"]) for r in rows] == [("ci", "submit", "web[1-9]"), ("ops", "admin", None)]
    assert all("hash" not in row and "token" not in row for row in rows)
    assert "web[1-9]" in token("list").stdout
    assert token("revoke", "ci").returncode == 0 and token("revoke", "ci").returncode == 1
    assert [r["name"] for r in json.loads(token("list", "--json").stdout)] == ["ops"]
    for wrong in (["create"], ["create", "a b", "--role", "read"], ["create", "x"], ["create", "x", "--role", "king"],
                  ["create", "x", "--role", "admin", "--hosts", "a"], ["create", "x", "--role", "read", "--expires", "-1"],
                  ["revoke"], ["list", "x"], ["destroy", "x"], ["list", "--role", "read"]):
        assert token(*wrong).returncode == 2, wrong
    assert token("create", "x", "--role", "read", "--hosts", "web[1-").returncode == 1
    with open(path, "a", encoding="utf-8") as f:
        f.write("not JSON\n")
    assert token("create", "x", "--role", "read").returncode == 1 and ":2:" in token("revoke", "ops").stderr


def test_two_edits_at_once(tmp_path):
    path = str(tmp_path / "tokens")
    edits = [subprocess.Popen([os.path.join(BUILD, "drover"), "token", "create", f"t{i}", "--role", "read", "--file", path],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for i in range(20)]
    assert [edit.wait(60) for edit in edits] == [0] * 20
    assert len(json.loads(drover("token", "list", "--json", "--file", path).stdout)) == 20
