"""The first generation's calls, as its clients make them: real hosts, real Ansible, answers held to the letter."""

import contextlib
import http.client
import io
import json
import os
import re
import tarfile
import urllib.parse
import zoneinfo
from datetime import datetime, timedelta, timezone

import pytest
import yaml
from daemon import BUILD, Daemon, Problem, drover, wait_for
from fleet.ansible import Herd
from fleet.sshd import Peer

ADHOC, PLAYBOOK = "/api/v1/distribute/adhoc/", "/api/v1/distribute/playbook/"
DISPATCHED = {"code": 200, "data": None, "msg": "任务下发成功"}
REFUSED = {"code": 500, "data": None, "msg": "任务下发错误，请联系管理员"}
NOT_STORED = {"code": 500, "data": None, "msg": "任务和资产写入错误"}
ZONE = "Asia/Kathmandu"  # +05:45: no machine is there by accident
COMMON = {"id", "asset_id", "ip", "task_name", "module", "args", "result", "created_date"}


class Client:
    """As the first generation's clients are: no care for Content-Type, answers that are always 200."""

    def __init__(self, address):
        self.address = address

    def raw(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def call(self, method, path, body=None, headers=None):
        status, answer = self.raw(method, path, body, headers)
        assert status == 200, answer
        return answer

    def post(self, path, headers=None, **fields):
        return self.call("POST", path, json.dumps(fields).encode(), headers)

    def get(self, path, **query):
        answer = self.call("GET", path + "?" + urllib.parse.urlencode(query))
        if answer["code"] == 200:
            assert set(answer) == {"code", "data", "msg", "length"} and answer["msg"] == ""
            assert answer["length"] == len({row["ip"] for row in answer["data"]})
        return answer

    def rows(self, path, **query):
        answer = self.get(path, **query)
        assert answer["code"] == 200, answer
        return answer["data"]

    def adhoc(self, task_id, ips, module, args, **more):
        """Submits, waits until every host has its row, and returns them by address."""
        wanted = {ip for ip in re.split(r"[\s,]+", ips) if ip}
        assert self.post(ADHOC, task_id=task_id, task_name="名字 1", ips=ips, module=module, args=args, type="adhoc",
                         **more) == DISPATCHED
        rows = wait_for(f"the rows of {task_id}", lambda: self.complete(ADHOC, task_id, wanted), 60)
        for row in rows.values():
            assert row["task_name"] == "名字 1" and row["module"] == module and row["args"] == (args or "")
            assert isinstance(row["id"], int) and 0 < row["id"] < 2**53
            assert isinstance(row["asset_id"], int) and 0 <= row["asset_id"] < 2**53
        return rows

    def complete(self, path, task_id, wanted):
        rows = {row["ip"]: row for row in self.rows(path, task_id=task_id)}
        return rows if set(rows) == wanted else None


def address_in(path):
    with open(path, encoding="ascii") as file:
        host, port = file.read().strip().rsplit(":", 1)
    return host.strip("[]"), int(port)


@pytest.fixture(scope="module")
def herd():
    with Herd(3) as herd:
        yield herd


@pytest.fixture(scope="module")
def daemon(herd):
    source = {"plugin": "http", "listen": "127.0.0.1:0", "timezone": ZONE}
    daemon = Daemon({"executors": [herd.executor("adhoc"), herd.executor("playbook")],
                     "credentials": herd.credentials()})
    source["port_file"] = daemon.port_file
    source["first_generation"] = {"listen": "127.0.0.1:0", "allow_from": ["127.9.9.0/24", "127.0.0.1"],
                                  "port_file": os.path.join(daemon.folder, "plain")}
    daemon.config["sources"] = [source]
    daemon.write_config()
    with daemon:
        yield daemon


@pytest.fixture
def client(daemon):
    return Client(daemon.address())


# ---------------------------------------------------------------------------------------------- ad-hoc: rows
def test_shell_that_ends_well_and_badly(client, herd):
    good, bad, _ = herd.addresses
    args = f'case "$SSH_CONNECTION" in *{bad}*) echo no >&2; exit 3;; *) echo "yes: héllo";; esac'
    rows = client.adhoc("shell-1", f"{good},{bad}", "shell", args)
    assert set(rows[good]) == COMMON | {"cmd", "stdout"}
    assert rows[good]["result"] == "执行成功" and rows[good]["stdout"] == "yes: héllo" and rows[good]["cmd"] == args
    assert set(rows[bad]) == COMMON | {"cmd", "msg", "stderr"}
    assert rows[bad]["result"] == "执行失败" and rows[bad]["stderr"] == "no" and rows[bad]["cmd"] == args
    assert rows[bad]["msg"] == "non-zero return code"
    assert rows[good]["id"] != rows[bad]["id"] and rows[good]["asset_id"] != rows[bad]["asset_id"]


def test_copy_and_unarchive(client, herd):
    host = herd.addresses[0]
    target = os.path.join(herd.folder, "copied")
    archive = os.path.join(herd.folder, "archive.tar.gz")
    with tarfile.open(archive, "w:gz") as file:
        member = tarfile.TarInfo("inside")
        member.size = 3
        file.addfile(member, io.BytesIO(b"abc"))
    folder = os.path.join(herd.folder, "unpacked")
    os.mkdir(folder)

    row = client.adhoc("copy-1", host, "copy", f"content=abc dest={target}")[host]
    assert set(row) == COMMON | {"dest"} and row["result"] == "拷贝成功" and row["dest"] == target
    assert open(target, encoding="ascii").read() == "abc"
    row = client.adhoc("copy-2", host, "ansible.builtin.copy", f"content=abc dest={herd.folder}/none/at/all")[host]
    assert set(row) == COMMON | {"msg", "exception"} and row["result"] == "拷贝失败" and "none/at" in row["msg"]
    row = client.adhoc("unarchive-1", host, "unarchive", f"src={archive} dest={folder}")[host]
    assert set(row) == COMMON | {"dest"} and row["result"] == "解压成功" and row["dest"] == folder
    assert os.path.exists(os.path.join(folder, "inside"))
    row = client.adhoc("unarchive-2", host, "unarchive", f"src={archive} dest={folder}/missing")[host]
    assert set(row) == COMMON | {"msg"} and row["result"] == "解压失败" and "missing" in row["msg"]


def test_other_modules(client, herd):
    row = client.adhoc("ping-1", herd.addresses[0], "ping", None)[herd.addresses[0]]
    assert set(row) == COMMON | {"cmd", "stdout"} and row["result"] == "执行成功" and row["cmd"] == ""
    row = client.adhoc("command-1", herd.addresses[0], "command", "echo a  b")[herd.addresses[0]]
    assert row["cmd"] == "echo a b" and row["stdout"] == "a b"


def test_unreachable_and_timeout(client, herd):
    dead = herd.prefix + ".250"  # nobody listens there
    row = client.adhoc("unreachable-1", dead, "shell", "true", timeout="60")[dead]
    assert set(row) == COMMON | {"msg"} and row["result"] == "无法连接" and "refused" in row["msg"]
    host = herd.addresses[1]
    row = client.adhoc("timeout-1", host, "shell", "sleep 600", timeout="4")[host]
    assert set(row) == COMMON | {"msg"} and row["result"] == "执行超时" and row["msg"] == "Exec Timeout"


def test_cancelled_and_expired_say_why(client, daemon, herd):
    """Drover's own words for what the first generation did not know."""
    host = herd.addresses[2]
    assert client.post(ADHOC, task_id="cancel-1", task_name="x", ips=host, module="shell", args="sleep 600",
                       type="adhoc") == DISPATCHED
    task = daemon.get("/v1/tasks?label=task_id%3Dcancel-1")["items"][0]["id"]
    assert client.rows(ADHOC, task_id="cancel-1") == []  # unfinished
    wait_for("it to run", lambda: daemon.task(task)["counts"]["running"])
    daemon.post(f"/v1/tasks/{task}/cancel")
    daemon.wait(task)
    row = client.rows(ADHOC, task_id="cancel-1")[0]
    assert row["result"] == "执行失败" and "cancel" in row["msg"]


# ---------------------------------------------------------------------------------------------- ad-hoc: questions
def test_questions_by_ip(client, herd):
    a, b, _ = herd.addresses
    for number in range(11):
        client.adhoc(f"many-{number}", f"{a},{b}" if number == 5 else a, "command", f"echo {number}")
    rows = client.rows(ADHOC, ip=a)
    assert [row["args"] for row in rows[:11]] == [f"echo {n}" for n in reversed(range(11))]
    assert {row["ip"] for row in rows} == {a} and [r["id"] for r in rows] == sorted((r["id"] for r in rows), reverse=True)
    assert len({row["asset_id"] for row in rows}) == 1
    rows = client.rows(ADHOC, ips=f" ,{a}, {b},")
    assert [row["ip"] for row in rows].count(a) == 10 and [row["args"] for row in rows[:10]] == [
        f"echo {n}" for n in reversed(range(1, 11))]
    assert "echo 5" in [row["args"] for row in rows if row["ip"] == b]
    assert client.rows(ADHOC, ip="203.0.113.9") == []
    assert client.rows(ADHOC, task_id="never submitted") == []


@pytest.mark.parametrize("query", ["", "?", "?ip=a&ips=b", "?task_id=1&ip=a", "?task_id=1&ips=b", "?task_id=", "?other=1",
                                   "?ips=,", "?task_id=%FF"])
def test_exactly_one_parameter(client, query):
    assert client.call("GET", ADHOC + query) == REFUSED
    assert client.call("GET", PLAYBOOK + "?ip=10.0.0.1") == REFUSED


def test_parameters_that_nobody_knows_are_ignored(client):
    assert client.rows(ADHOC, task_id="never submitted", page="1") == []


# ---------------------------------------------------------------------------------------------- submissions
ODD = ["with blanks and + plus", "斜线/../и кириллица", "?a=b&c=d#e", "%2F%00", "x" * 160, "汉" * 160, "\"quoted'\\", "🦆", " "]


@pytest.mark.parametrize("task_id", ODD)
def test_ids_may_be_any_text(client, herd, task_id):
    host = herd.addresses[0]
    assert client.adhoc(task_id, host, "command", f"echo {ODD.index(task_id)}")[host]["stdout"] == str(ODD.index(task_id))
    assert client.rows(PLAYBOOK, task_id=task_id) == []


def test_a_repeated_request_is_one_task_and_another_body_an_error(client, daemon, herd):
    host, count = herd.addresses[0], os.path.join(herd.folder, "count")
    fields = {"task_id": "again", "task_name": "n", "ips": host, "module": "shell", "args": f"echo x >> {count}", "type": "adhoc"}
    assert client.post(ADHOC, **fields) == DISPATCHED
    # What is no field, and how the same is said, does not make it another.
    assert client.post(ADHOC, **fields, whatever={"a": 1}) == DISPATCHED
    assert client.post(ADHOC, **{**fields, "ips": f" {host} ,", "timeout": "100"}) == DISPATCHED
    assert client.post(ADHOC, **{**fields, "timeout": 0}) == DISPATCHED
    assert client.post(ADHOC, **{**fields, "args": "id"}) == NOT_STORED
    assert client.post(ADHOC, **{**fields, "timeout": "101"}) == NOT_STORED
    task = daemon.get("/v1/tasks?label=task_id%3Dagain")["items"]
    assert len(task) == 1
    answer = daemon.wait(task[0]["id"])
    assert answer["timeout"] == 100 and answer["name"] == "n" and answer["counts"]["ok"] == 1
    assert open(count, encoding="ascii").read() == "x\n"
    # The name space of playbooks is another.
    assert client.post(PLAYBOOK, task_id="again", task_name="n", ips=host, playbook_name="p", type="playbook",
                       playbook_content="- hosts: all\n  gather_facts: false\n  tasks: []\n") == DISPATCHED


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
                                     {"Accept": "text/html"}])
@pytest.mark.parametrize("path", [ADHOC, ADHOC.rstrip("/")])
def test_headers_and_the_final_slash_do_not_matter(client, herd, headers, path):
    body = {"task_id": f"headers {headers} {path}", "task_name": "n", "ips": herd.addresses[0], "module": "ping", "type": "adhoc"}
    assert client.call("POST", path, json.dumps(body).encode(), headers) == DISPATCHED
    assert client.call("GET", path + "?task_id=none", None, headers)["data"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\"text\"", b"{\"task_id\":\"\xff\"}", b"null"])
def test_what_is_no_request(client, body):
    assert client.call("POST", ADHOC, body) == REFUSED
    assert client.call("POST", PLAYBOOK, body) == REFUSED


@pytest.mark.parametrize("change", [{"ips": "-oProxyCommand=x"}, {"task_id": "y" * 161}, {"timeout": "soon"},
                                    {"timeout": -1}, {"ips": "web[1-3]"}, {"task_name": "n" * 300}, {"ips": "@all"}])
def test_what_cannot_be_stored(client, daemon, change):
    before = len(daemon.get("/v1/tasks?limit=1000")["items"])
    fields = {"task_id": "unstored", "task_name": "n", "ips": "10.0.0.1", "module": "ping", "type": "adhoc", **change}
    assert client.post(ADHOC, **fields) == NOT_STORED
    assert len(daemon.get("/v1/tasks?limit=1000")["items"]) == before


def test_missing_fields_of_a_playbook(client):
    whole = {"task_id": "p", "task_name": "n", "ips": "10.0.0.1", "playbook_content": "x", "playbook_name": "x", "type": "playbook"}
    for field in whole:
        for missing in ({}, {field: ""}, {field: None}, {field: " , " if field == "ips" else "  "}):
            sent = {**{key: value for key, value in whole.items() if key != field}, **missing, "more": [1]}
            answer = client.post(PLAYBOOK, **sent)
            name = "task_type" if field == "type" else field
            assert answer == {"code": 500, "data": sent, "msg": {name: ["字段不能为空"]}}
    assert set(client.post(PLAYBOOK)["msg"]) == {"task_type" if field == "type" else field for field in whole}


# ---------------------------------------------------------------------------------------------- playbooks
def playbook(*steps):
    return yaml.safe_dump([{"hosts": "target_hosts", "gather_facts": False, "tasks": list(steps)}])


def step(name, module, args, **more):
    return {"name": name, module: args, **more}


def test_a_playbook_while_it_runs_and_after(client, herd):
    a, b, _ = herd.addresses
    gate = os.path.join(herd.folder, "gate")
    text = playbook(
        step("one", "command", "true"),
        step("does not apply", "command", "true", when="false"),
        step("fails on b", "command", "false", ignore_errors="{{ inventory_hostname == '%s' }}" % b,
             when="inventory_hostname == '%s'" % b),
        step("waits", "shell", f"while [ ! -e {gate} ]; do sleep 0.1; done"),
        step("last", "command", "true"))
    fields = {"task_id": "book 1", "task_name": "n", "ips": f"{a}, {b},", "playbook_content": text,
              "playbook_name": "book.yml", "type": "playbook", "timeout": ""}
    assert client.post(PLAYBOOK, **fields) == DISPATCHED
    assert client.post(PLAYBOOK, **fields) == DISPATCHED
    try:
        def begun():
            found = {row["ip"]: row for row in client.rows(PLAYBOOK, task_id="book 1")}
            return found if set(found) == {a, b} else None
        running = wait_for("the first step's end", begun, 60)
        assert {row["result"] for row in running.values()} == {"fail"}
        assert set(running[a]) == {"ip", "success_rate", "result", "datetime"}
        assert all(re.fullmatch(r"\d+%", row["success_rate"]) for row in running.values())
        assert running[a]["success_rate"] == "100%"
        assert {row["result"] for row in client.rows(PLAYBOOK, ips=f"{a},{b}")} == {"fail"}
    finally:
        open(gate, "w", encoding="ascii").close()

    def ended():
        found = {row["ip"]: row for row in client.rows(PLAYBOOK, task_id="book 1")}
        return found if {row["result"] for row in found.values()} == {"success"} and len(found) == 2 else None
    rows = wait_for("its end", ended, 60)
    assert rows[a]["success_rate"] == "100%"
    assert rows[b]["success_rate"] == "75%"  # three of the four that applied to it
    assert client.rows(PLAYBOOK, ips=a) == [rows[a]]
    assert client.rows(PLAYBOOK, ips="203.0.113.7") == [] and client.rows(PLAYBOOK, task_id="book") == []


def test_a_playbook_that_fails_and_one_that_hangs(client, herd):
    a, b, _ = herd.addresses
    text = playbook(
        step("one", "command", "true"), step("two", "command", "true"),
        step("three", "shell", "exit 1", when="inventory_hostname == '%s'" % a),
        step("four", "shell", "sleep 600", when="inventory_hostname == '%s'" % b, timeout=3),
        step("five", "command", "true"))
    assert client.post(PLAYBOOK, task_id="bad", task_name="n", ips=f"{a},{b}", playbook_content=text, playbook_name="x",
                       type="playbook", timeout=90) == DISPATCHED

    def ended():
        found = {row["ip"]: row for row in client.rows(PLAYBOOK, task_id="bad")}
        return found if {row["success_rate"] for row in found.values()} == {"66%"} and len(found) == 2 else None
    rows = wait_for("its end", ended, 100)
    assert {row["result"] for row in rows.values()} == {"fail"}
    order = [row["datetime"] for row in client.rows(PLAYBOOK, ips=f"{a},{b}")]
    assert order == sorted(order, reverse=True)


def test_the_latest_of_each_address(client, herd):
    host = herd.addresses[2]
    for number, command in enumerate(("false", "true")):
        assert client.post(PLAYBOOK, task_id=f"latest {number}", task_name="n", ips=host, playbook_name="x", type="playbook",
                           playbook_content=playbook(step("s", "command", command))) == DISPATCHED
        result = "success" if command == "true" else "fail"
        wait_for(f"task {number}", lambda r=result, n=number: [row["result"] for row in client.rows(
            PLAYBOOK, task_id=f"latest {n}")] == [r], 60)
        assert [row["result"] for row in client.rows(PLAYBOOK, ips=host)] == [result]


# ---------------------------------------------------------------------------------------------- times
def test_times_are_of_the_configured_zone(client, daemon, herd):
    host = herd.addresses[0]
    row = client.adhoc("when", host, "ping", "")[host]
    task = daemon.get("/v1/tasks?label=task_id%3Dwhen")["items"][0]["id"]
    finished = datetime.fromisoformat(daemon.results(task)[0]["finished_at"].replace("Z", "+00:00"))
    assert row["created_date"] == finished.astimezone(zoneinfo.ZoneInfo(ZONE)).strftime("%Y-%m-%d %H:%M:%S")
    shown = datetime.strptime(row["created_date"], "%Y-%m-%d %H:%M:%S")
    assert abs(shown - (datetime.now(timezone.utc) + timedelta(hours=5, minutes=45)).replace(tzinfo=None)) < timedelta(minutes=2)


# ---------------------------------------------------------------------------------------------- who may
def connect_from(daemon, source):
    connection = http.client.HTTPConnection(*address_in(os.path.join(daemon.folder, "plain")), timeout=20,
                                            source_address=(source, 0))
    return connection


def test_the_plain_listener_serves_these_calls_alone(daemon):
    plain = Client(address_in(os.path.join(daemon.folder, "plain")))
    assert plain.get(ADHOC, task_id="never submitted")["data"] == []
    for path in ("/v1/tasks", "/metrics", "/-/healthy", "/v1/engines", "/api/v1/distribute/file/"):
        assert plain.raw("GET", path)[0] == 404, path
    assert "without encryption and without tokens" in daemon.log()


@pytest.mark.parametrize("source, status", [("127.9.9.77", 200), ("127.0.0.1", 200), ("127.9.8.1", 403), ("127.0.0.2", 403)])
def test_the_plain_listener_knows_its_addresses(daemon, source, status):
    with contextlib.closing(connect_from(daemon, source)) as connection:
        connection.request("GET", ADHOC + "?task_id=never")
        assert connection.getresponse().status == status
    with contextlib.closing(connect_from(daemon, source)) as connection:
        connection.request("POST", ADHOC, b"{}")
        answer = connection.getresponse()
        assert answer.status == status and (status == 200 or answer.getheader("Connection") == "close")


def test_a_page_elsewhere_cannot_use_a_browser_within(daemon):
    plain = Client(address_in(os.path.join(daemon.folder, "plain")))
    assert plain.raw("GET", ADHOC + "?task_id=x", None, {"Host": "evil.example"})[0] == 403
    assert plain.raw("GET", ADHOC + "?task_id=x", None, {"Host": "192.0.2.1:8008"})[0] == 200
    assert plain.raw("POST", ADHOC, b"{}", {"Host": "192.0.2.1", "Origin": "http://evil.example"})[0] == 403


def test_the_ordinary_listener_asks_for_tokens():
    with Daemon({"executors": [{"plugin": "sim"}]}) as daemon:
        tokens = os.path.join(daemon.folder, "tokens")
        daemon.stop()
        reader, submitter = (drover("token", "create", role, "--role", role, "--file", tokens).stdout.strip()
                             for role in ("read", "submit"))
        daemon.config["sources"][0].update(tokens=tokens, first_generation={
            "listen": "127.0.0.1:0", "allow_from": "127.0.0.1", "port_file": os.path.join(daemon.folder, "plain")})
        daemon.write_config()
        daemon.start(ready=False)
        client = Client(wait_for("the address", lambda: os.path.exists(daemon.port_file) and daemon.address()))
        body = json.dumps({"task_id": "1", "ips": "h1", "module": "ping"}).encode()
        assert client.raw("GET", ADHOC + "?task_id=1")[0] == 401
        assert client.raw("POST", ADHOC, body)[0] == 401
        assert client.raw("GET", ADHOC + "?task_id=1", None, {"Authorization": f"Bearer {reader}"})[0] == 200
        assert client.raw("POST", ADHOC, body, {"Authorization": f"Bearer {reader}"})[0] == 403
        # No executor here serves it: the one answer for all that is not stored.
        assert client.raw("POST", ADHOC, body, {"Authorization": f"Bearer {submitter}"}) == (200, NOT_STORED)
        place = os.path.join(daemon.folder, "plain")  # this listener is opened after the other
        plain = Client(wait_for("the plain listener", lambda: os.path.exists(place) and address_in(place)))
        assert plain.raw("GET", ADHOC + "?task_id=1")[0] == 200
        daemon.stop()


@pytest.mark.parametrize("value, words", [
    ({"listen": "0.0.0.0:8008"}, "both are needed"),
    ({"allow_from": ["10.0.0.0/8"]}, "both are needed"),
    ({"listen": "0.0.0.0:8008", "allow_from": []}, "says who may connect"),
    ({"listen": "0.0.0.0:8008", "allow_from": ["10.0.0.0/33"]}, "neither an address nor a network"),
    ({"listen": "0.0.0.0:8008", "allow_from": ["example.org"]}, "neither an address nor a network"),
    ({"listen": "nowhere", "allow_from": ["10.0.0.0/8"]}, "first_generation.listen"),
    ({"listen": "unix:/tmp/x", "allow_from": ["10.0.0.0/8"]}, "unix socket"),
    ({"listen": "0.0.0.0:8008", "allow_from": ["10.0.0.0/8"], "tokens": "/x"}, "there are only listen"),
])
def test_wrong_configurations(tmp_path, value, words):
    assert words in check_config(tmp_path, first_generation=value)


def check_config(tmp_path, **source):
    file = tmp_path / "drover.yaml"
    file.write_text(json.dumps({"node": {"state_dir": str(tmp_path)}, "plugin_path": [os.path.join(BUILD, "plugins")],
                                "sources": [{"plugin": "http", **source}], "executors": [{"plugin": "sim"}]}))
    done = drover("config", "check", str(file))
    return done.stdout + done.stderr if done.returncode else ""


def test_any_address_may_be_listened_on_and_zones_are_looked_up(tmp_path):
    allowed = {"listen": "0.0.0.0:8008", "allow_from": ["10.0.0.0/8", "2001:db8::/32"]}
    assert not check_config(tmp_path, first_generation=allowed, timezone="Asia/Shanghai")
    assert "timezone" in check_config(tmp_path, timezone="Asia/Atlantis")
    assert "timezone" in check_config(tmp_path, timezone="../../../etc/passwd")
