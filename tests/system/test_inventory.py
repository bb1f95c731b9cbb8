"""Groups and variables of an Ansible inventory, by the real ansible-inventory and by commands that misbehave."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import textwrap
import time

import pytest
from conftest import WAYS
from daemon import Daemon, Problem, alive, descendants, drover, wait_for
from fleet.sshd import Sshd
from secured import Secured

SIM = {"executors": [{"plugin": "sim"}]}

INI = """
lonely
[web]
web[1:3]
Web9 ansible_host=10.0.0.9 ansible_port=2222 ansible_user=deploy
[db]
db1 ansible_host=192.0.2.1
[prod:children]
web
db
[empty]
"""


def write(path, text, mode=0o644):
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    path.chmod(mode)
    return str(path)


def script(path, body, mode=0o755):
    return write(path, "#!/bin/sh\n" + textwrap.dedent(body), mode)


def configured(*sources, **options):
    return {**SIM, "inventory": {"sources": [str(s) for s in sources], **options}}


def inventory(daemon):
    return daemon.get("/v1/groups")["inventory"]


def wait_state(daemon, state, timeout=20):
    return wait_for(f"the inventory to be {state}", lambda: (now := inventory(daemon))["state"] == state and now, timeout)


def groups(daemon):
    return {g["name"]: set(expand(g["hosts"])) for g in daemon.get("/v1/groups?limit=1000")["items"]}


def expand(pattern):
    return drover("hosts", "expand", pattern).stdout.split() if pattern else []


def hosts_of(daemon, spec, **members):
    """What a task of these hosts would run on, by running it."""
    task = daemon.submit("sim", spec, {}, **members)
    daemon.wait(task)
    return [row["host"] for row in daemon.results(task)]


def refused(daemon, spec, status=422, **members):
    with pytest.raises(Problem) as problem:
        daemon.submit(members.pop("type", "sim"), spec, members.pop("payload", {}), **members)
    assert problem.value.status == status, problem.value.body
    return problem.value.body


ASK_ANSIBLE = """
import json, sys
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
manager = InventoryManager(DataLoader(), sys.argv[1:])
print(json.dumps({name: [host.name for host in manager.get_hosts(name)] for name in manager.groups}))
"""


def ansible(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=120,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}).stdout


# ------------------------------------------------------------------------- what groups stand for

SOURCES = {
    "ini": lambda folder: [write(folder / "hosts", INI)],
    "yaml": lambda folder: [write(folder / "hosts.yaml", """
        all:
          children:
            eu:
              children:
                paris: {hosts: {p1: {}, p2: {ansible_port: 22}}}
                rome: {hosts: {"r[01:03]": {}}}
            us: {hosts: {u1: {}, p1: {}}}
          vars: {color: blue}
        """)],
    "script": lambda folder: [script(folder / "dynamic", """
        [ "$1" = --list ] || { echo '{}'; exit; }
        cat <<'END'
        {"app": {"hosts": ["a1", "a2"], "vars": {"x": 1}}, "all-of-it": {"children": ["app", "rest"]}, "rest": ["b1"],
         "_meta": {"hostvars": {"a1": {"ansible_host": "10.1.1.1"}}}}
        END
        """)],
    "json": lambda folder: [write(folder / "hosts.json", json.dumps(
        {"all": {"children": {"j": {"hosts": {"j1": {}, "j2": {}}}}}}))],
    "several": lambda folder: [write(folder / "one", "[web]\na\n[both]\na\n"), write(folder / "two", "[web]\nb\n")],
}


def folder_source(folder):
    (folder / "inv" / "group_vars").mkdir(parents=True)
    write(folder / "inv" / "1.ini", "[x]\nx1\nx2\n")
    write(folder / "inv" / "2.yaml", "all: {children: {y: {children: {x: {}}, hosts: {y1: {}}}}}\n")
    write(folder / "inv" / "group_vars" / "x.yaml", "ansible_user: fromvars\n")
    return [folder / "inv"]


SOURCES["folder"] = folder_source


@pytest.mark.parametrize("kind", SOURCES)
def test_groups_are_what_ansible_says(kind, tmp_path):
    """Every group has the hosts that Ansible itself finds for its name."""
    sources = [str(source) for source in SOURCES[kind](tmp_path)]
    told = json.loads(ansible("/usr/bin/python3", "-c", ASK_ANSIBLE, *sources))
    assert len(told) >= 3
    with Daemon(configured(*sources)) as daemon:
        wait_state(daemon, "ok")
        assert groups(daemon) == {name: {host.lower() for host in hosts} for name, hosts in told.items()}


def test_groups_are_what_its_commands_say(tmp_path):
    source = write(tmp_path / "hosts", INI)
    listed = ansible("ansible", "-i", source, "prod", "--list-hosts").split("\n")[1:]
    names = set(re.findall(r"@([\w-]+):", ansible("ansible-inventory", "-i", source, "--graph")))
    with Daemon(configured(source)) as daemon:
        wait_state(daemon, "ok")
        found = groups(daemon)
        assert set(found) == names
        assert found["prod"] == {host.strip().lower() for host in listed if host.strip()}


def test_group_syntax(tmp_path):
    with Daemon(configured(write(tmp_path / "hosts", INI))) as daemon:
        assert hosts_of(daemon, "@web") == ["web1", "web2", "web3", "web9"]
        assert hosts_of(daemon, "@web!web3") == ["web1", "web2", "web9"]
        assert hosts_of(daemon, "@web&@prod") == ["web1", "web2", "web3", "web9"]
        assert sorted(hosts_of(daemon, "@prod^@web")) == ["db1"]
        assert sorted(hosts_of(daemon, "@*")) == sorted(hosts_of(daemon, "@all"))
        assert sorted(hosts_of(daemon, "@all")) == ["db1", "lonely", "web1", "web2", "web3", "web9"]
        assert hosts_of(daemon, "@all", exclude="@web,@db") == ["lonely"]
        assert hosts_of(daemon, "@ungrouped,x[1-2]") == ["lonely", "x1", "x2"]
        assert hosts_of(daemon, ["@db", "y1", {"name": "web1"}]) == ["db1", "y1", "web1"]


def test_errors_have_a_place_and_a_hint(tmp_path):
    with Daemon(configured(write(tmp_path / "hosts", INI))) as daemon:
        wait_state(daemon, "ok")
        for body, pointer in (({"hosts": "x,@wbe"}, "/hosts"), ({"hosts": ["x", "@wbe"]}, "/hosts/1"),
                              ({"hosts": "x", "exclude": "@wbe"}, "/exclude")):
            problem = refused(daemon, **{"spec": body.pop("hosts"), **body})
            assert problem["errors"][0]["pointer"] == pointer
            assert 'no group is called "wbe"; did you mean `web`?' in problem["errors"][0]["detail"]
        assert "no host is left" in refused(daemon, "@empty")["errors"][0]["detail"]
        assert "/hosts" in refused(daemon, "@web", exclude="@all")["errors"][0]["pointer"]
        refused(daemon, [{"name": "@web"}])


def test_without_an_inventory():
    with Daemon(SIM) as daemon:
        assert "no inventory is configured" in refused(daemon, "@web")["errors"][0]["detail"]
        answer = daemon.get("/v1/groups")
        assert answer["items"] == [] and answer["inventory"]["state"] == "none"
        assert "inventory" not in daemon.get("/v1/engines")["items"][0]
        assert hosts_of(daemon, "x1") == ["x1"]
        with pytest.raises(Problem) as unknown:
            daemon.get("/v1/groups/web")
        assert unknown.value.status == 404


# ----------------------------------------------------------------------------- what is said of hosts

def rows_of(daemon, task):
    """How the hosts of a task are reached, as stored."""
    with sqlite3.connect(os.path.join(daemon.state, "drover.db")) as db:
        db.row_factory = sqlite3.Row
        return {row["name"]: {key: row[key] for key in ("address", "port", "user", "vars")} for row in db.execute(
            "select h.* from hosts h, tasks t where h.task = t.key and t.id = ?", (task,))}


VARIABLES = """
[web]
w1 ansible_host=10.0.0.1 ansible_port=2201 ansible_user=deploy rack=7 db_password=hunter2 ansible_become_pass=hunter2
w2 ansible_ssh_host=10.0.0.2 ansible_ssh_port=2202 ansible_ssh_user=old
w3
[web:vars]
color=blue
ansible_password=hunter2
vault_key=hunter2
"""


def test_variables_say_how_hosts_are_reached(tmp_path):
    with Daemon(configured(write(tmp_path / "hosts", VARIABLES))) as daemon:
        wait_state(daemon, "ok")
        task = daemon.submit("sim", ["@web!w3", {"name": "w3", "user": "own", "port": 99}], {})
        rows = rows_of(daemon, task)
        assert rows["w1"] == {"address": "10.0.0.1", "port": 2201, "user": "deploy", "vars": None}
        assert rows["w2"] == {"address": "10.0.0.2", "port": 2202, "user": "old", "vars": None}
        assert (rows["w3"]["port"], rows["w3"]["user"], rows["w3"]["vars"]) == (99, "own", None)
        own = [{"name": "w1", "address": "10.9.9.9", "port": 1, "user": "me", "vars": {"a": 1}}]
        rows = rows_of(daemon, daemon.submit("sim", own, {}))
        assert rows["w1"]["address"] == "10.9.9.9" and rows["w1"]["port"] == 1 and rows["w1"]["user"] == "me"
        assert json.loads(rows["w1"]["vars"]) == {"a": 1}
        assert "ansible_password" in daemon.log() and "hunter2" not in daemon.log()
        assert b"hunter2" not in b"".join(
            open(os.path.join(daemon.state, f), "rb").read() for f in os.listdir(daemon.state) if "drover.db" in f)


def test_all_variables_but_secrets(tmp_path):
    with Daemon(configured(write(tmp_path / "hosts", VARIABLES), vars="all")) as daemon:
        wait_state(daemon, "ok")
        task = daemon.submit("sim", ["w1", {"name": "w3", "vars": {"color": "red", "mine": [1]}}], {})
        daemon.wait(task)
        rows = rows_of(daemon, task)
        assert json.loads(rows["w1"]["vars"]) == {"rack": 7, "color": "blue"}
        assert json.loads(rows["w3"]["vars"]) == {"color": "red", "mine": [1]}
        secrets = [line for line in daemon.log().split("\n") if "hold secrets" in line]
        assert len(secrets) == 1 and all(name in secrets[0] for name in (
            "ansible_password", "ansible_become_pass", "db_password", "vault_key")), secrets
        stored = b"".join(open(os.path.join(daemon.state, f), "rb").read()
                          for f in os.listdir(daemon.state) if "drover.db" in f)
        assert b"hunter2" not in stored and "hunter2" not in daemon.log()


def test_what_cannot_be_used_is_refused_only_where_it_is_used(tmp_path):
    source = write(tmp_path / "hosts", """
        ok1
        tmpl ansible_host="{{ inventory_hostname }}.example"
        port1 ansible_port=http
        [windows]
        win[1:2] ansible_connection=winrm
        [here]
        localhost ansible_connection=local
        """)
    config = configured(source)
    config["executors"] = [{"plugin": "sim"}, {"plugin": "shell", "allow_localhost": True}]
    with Daemon(config) as daemon:
        wait_state(daemon, "ok")
        assert "of tmpl in the inventory, ansible_host is no address" in refused(daemon, "tmpl")["errors"][0]["detail"]
        assert "of port1 in the inventory, ansible_port is no port" in refused(daemon, "port1")["errors"][0]["detail"]
        daemon.submit("sim", [{"name": "tmpl", "address": "10.0.0.1"}, {"name": "port1", "port": 22}], {})
        hosts_of(daemon, "@windows")
        problem = refused(daemon, "ok1,@windows", type="shell", payload={"command": "true"})
        assert "of win[1-2] in the inventory, ansible_connection is not ssh" in problem["errors"][0]["detail"]
        task = daemon.submit("shell", "@here", {"command": "echo here"})
        daemon.wait(task)
        assert daemon.results(task)[0]["stdout"] == "here\n"


def test_a_host_is_reached_where_the_inventory_says(tmp_path):
    """By a real sshd: a name that nobody could look up, with an address and port of the inventory."""
    with Sshd(3) as sshd:
        source = write(tmp_path / "hosts", "[g]\n" + "".join(
            f"alias{i} ansible_host={sshd.addresses[i]} ansible_port={sshd.port} ansible_user={sshd.user}\n"
            for i in range(3)))
        config = configured(source)
        config["executors"] = [{"plugin": "shell", "key": [sshd.key], "agent": "false", "known_hosts": [sshd.known_hosts]}]
        with Daemon(config) as daemon:
            wait_state(daemon, "ok")
            for hosts in ("@g!alias2", ["alias2"]):
                task = daemon.submit("shell", hosts, {"command": 'set -- $SSH_CONNECTION; echo "$3 $4"'})
                daemon.wait(task)
                for row in daemon.results(task):
                    assert row["status"] == "ok", row
                    assert row["stdout"] == f"{sshd.addresses[int(row['host'][-1])]} {sshd.port}\n", row


def test_what_was_resolved_stays(tmp_path):
    """A task keeps the hosts and addresses of its submission, whatever becomes of the inventory."""
    hosts = tmp_path / "hosts"
    write(hosts, "[g]\na ansible_host=10.0.0.1\nb\n")
    with Daemon({**configured(hosts), "capacity": {"hosts": 1}}) as daemon:
        wait_state(daemon, "ok")
        dry = daemon.post("/v1/tasks?dry_run=true", {"type": "sim", "hosts": "@g", "payload": {}})
        assert dry["hosts"] == 2
        body = {"id": "once", "type": "sim", "hosts": "@g", "payload": {}}
        daemon.post("/v1/tasks", body)
        write(hosts, "[g]\nc\nd\ne\n")
        wait_for("the change to be seen", lambda: daemon.get("/v1/groups/g")["count"] == 3)
        again = daemon.post("/v1/tasks", body)
        assert again["hosts"] == 2
        daemon.wait("once")
        assert {row["host"] for row in daemon.results("once")} == {"a", "b"}
        assert rows_of(daemon, "once")["a"]["address"] == "10.0.0.1"


def test_a_retry_reaches_hosts_as_its_parent_did(tmp_path):
    hosts = tmp_path / "hosts"
    write(hosts, "[g]\na ansible_host=10.0.0.1\nb\n")
    with Daemon(configured(hosts)) as daemon:
        wait_state(daemon, "ok")
        task = daemon.submit("sim", "@g", {"fail": ["a"]})
        daemon.wait(task)
        write(hosts, "[g]\na ansible_host=10.9.9.9\nc\n")
        wait_for("the change to be seen", lambda: daemon.get("/v1/groups/g")["hosts"] == "a,c")
        child = daemon.post(f"/v1/tasks/{task}/retry")["id"]
        daemon.wait(child)
        assert {name: row["address"] for name, row in rows_of(daemon, child).items()} == {"a": "10.0.0.1"}


def test_a_token_with_a_node_set_sees_and_touches_only_that(tmp_path):
    daemon = Secured(configured(write(tmp_path / "hosts", INI)))
    web = daemon.create("web", "submit", hosts="web[1-3]")
    with daemon:
        wait_state(daemon, "ok")
        seen = {g["name"]: g["hosts"] for g in daemon.get("/v1/groups", token=web)["items"]}
        assert seen == {"all": "web[1-3]", "prod": "web[1-3]", "web": "web[1-3]"}
        with pytest.raises(Problem) as hidden:
            daemon.get("/v1/groups/db", token=web)
        assert hidden.value.status == 404 and "db1" not in str(hidden.value.body)
        body = {"type": "sim", "payload": {}}
        with pytest.raises(Problem) as denied:
            daemon.post("/v1/tasks", {**body, "hosts": "@web"}, token=web)
        assert denied.value.status == 403
        assert daemon.post("/v1/tasks", {**body, "hosts": "@web!web9"}, token=web)["hosts"] == 3


def test_names_that_are_no_hosts_are_left_out_and_said(tmp_path):
    command = script(tmp_path / "fake", """
        echo '{"g": {"hosts": ["good", "-oProxyCommand=x", "a b", "x;y"]}, "_meta": {"hostvars": {}}}'
        """)
    with Daemon(configured("/nowhere", command=command)) as daemon:
        state = wait_state(daemon, "ok")
        assert state["skipped"] == 3 and '"-oProxyCommand=x"' in state["skipped_are"]
        assert hosts_of(daemon, "@g") == ["good"]
        assert "left out" in daemon.log() and '"x;y"' in daemon.log()
        assert refused(daemon, "-oProxyCommand=x")["errors"][0]["pointer"] == "/hosts"


# ------------------------------------------------------------------------ when it is read, and is not

def test_a_changed_file_is_read_at_once(tmp_path):
    hosts = tmp_path / "hosts"
    write(hosts, "[g]\na\n")
    with Daemon(configured(hosts, refresh="1h")) as daemon:
        wait_state(daemon, "ok")
        assert hosts_of(daemon, "@g") == ["a"]
        write(hosts, "[g]\na\nb\n")
        wait_for("the new host", lambda: daemon.get("/v1/groups/g")["hosts"] == "a,b")
        (tmp_path / "group_vars").mkdir()
        write(tmp_path / "group_vars" / "g.yaml", "ansible_user: late\n")

        def user():
            return rows_of(daemon, daemon.submit("sim", "a", {}))["a"]["user"] == "late"
        wait_for("its variables", user, every=0.3)


def test_refresh_and_hangup_read_a_script_again(tmp_path):
    answer = tmp_path / "answer"
    answer.write_text('{"g": {"hosts": ["a"]}}')
    source = script(tmp_path / "dynamic", f'[ "$1" = --list ] && cat {answer} || echo "{{}}"\n')
    config = configured(source, refresh="1h")
    with Daemon(config) as daemon:
        wait_state(daemon, "ok")
        assert hosts_of(daemon, "@g") == ["a"]
        answer.write_text('{"g": {"hosts": ["b"]}}')
        daemon.process.send_signal(signal.SIGHUP)
        wait_for("SIGHUP to have it read", lambda: daemon.get("/v1/groups/g")["hosts"] == "b")
        daemon.config["inventory"]["refresh"] = "1s"
        daemon.write_config()
        daemon.process.send_signal(signal.SIGHUP)
        answer.write_text('{"g": {"hosts": ["c"]}}')
        wait_for("the next refresh", lambda: daemon.get("/v1/groups/g")["hosts"] == "c")
        del daemon.config["inventory"]
        daemon.write_config()
        daemon.process.send_signal(signal.SIGHUP)
        wait_state(daemon, "none")
        assert "no inventory" in refused(daemon, "@g")["errors"][0]["detail"]


BROKEN = {
    "missing": (lambda folder: {"sources": [folder / "missing"]}, "ended with code"),
    "syntax": (lambda folder: {"sources": [write(folder / "hosts.yaml", "a: [broken\n")]}, "hosts.yaml"),
    "cycle": (lambda folder: {"sources": [write(folder / "hosts", "[a:children]\nb\n[b:children]\na\n")]}, "recursive"),
    "exit": (lambda folder: {"command": script(folder / "fake", "echo why it is >&2; exit 7\n")},
             "fake ended with code 7: why it is"),
    "signal": (lambda folder: {"command": script(folder / "fake", "kill -11 $$\n")}, "was killed by signal 11"),
    "not json": (lambda folder: {"command": script(folder / "fake", "echo '{\"g\": {\"hosts\": [\"a\"}}'\n")},
                 "printed no inventory: it is not JSON, at byte"),
    "half": (lambda folder: {"command": script(folder / "fake", "printf '{\"g\": {\"hosts\": [\"a\"]}'\n")},
             "it ends too early"),
    "a list": (lambda folder: {"command": script(folder / "fake", "echo '[]'\n")}, "it is no object"),
    "contains itself": (lambda folder: {"command": script(
        folder / "fake", "echo '{\"a\": {\"children\": [\"b\"]}, \"b\": {\"children\": [\"a\"]}}'\n")}, "contains itself"),
    "deep": (lambda folder: {"command": script(
        folder / "fake", "printf '{\"_meta\": {\"hostvars\": {\"a\": {\"x\": '; printf '[%.0s' $(seq 200)\n")}, "nesting too deep"),
    "endless": (lambda folder: {"command": script(folder / "fake", "exec yes '[\"a\",'\n")}, "output_limit"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_from_the_start(kind, tmp_path):
    """The daemon is up, says why, takes tasks without groups, refuses those with; nothing is left running."""
    make, reason = BROKEN[kind]
    options = make(tmp_path)
    with Daemon(configured(*options.pop("sources", ["/nowhere"]), **options)) as daemon:
        state = wait_state(daemon, "failed")
        assert reason in state["message"] and state["read_at"] is None, state
        assert daemon.get("/v1/engines")["items"][0]["inventory"]["state"] == "failed"
        assert hosts_of(daemon, "x1") == ["x1"]
        assert "cannot be read" in refused(daemon, "@web", 503)["detail"]
        with pytest.raises(Problem) as away:
            daemon.get("/v1/groups/web")
        assert away.value.status == 503
        core = daemon.parts()["core"]
        wait_for("nothing to be left", lambda: not descendants(core))
        assert daemon.log().count("inventory: it cannot be read") == 1


def test_a_failure_keeps_the_last_good_one(tmp_path):
    hosts = tmp_path / "hosts"
    write(hosts, "[g]\na\n")
    with Daemon(configured(hosts, refresh="1s")) as daemon:
        good = wait_state(daemon, "ok")
        write(hosts, "[g\n")
        stale = wait_state(daemon, "stale")
        assert stale["read_at"] >= good["read_at"] and stale["hosts"] == 1 and stale["message"]
        _, metrics = daemon.request("GET", "/metrics", raw=True)
        assert b"\ndrover_inventory_up 0\n" in metrics and b"\ndrover_inventory_hosts 1\n" in metrics
        assert stale["message"][:40] in drover("engines", daemon=daemon).stderr
        assert hosts_of(daemon, "@g") == ["a"]
        tried = stale["tried_at"]
        wait_for("two more tries", lambda: inventory(daemon)["tried_at"] > tried)
        tried = inventory(daemon)["tried_at"]
        wait_for("two more tries", lambda: inventory(daemon)["tried_at"] > tried)
        assert daemon.log().count("cannot be read, and stays as it was") == 1
        write(hosts, "[g]\na\nb\n")
        wait_state(daemon, "ok")
        assert hosts_of(daemon, "@g") == ["a", "b"]


HANG = """
    echo $$ >> {pids}
    sleep 1000 & echo $! >> {pids}
    setsid sh -c 'echo $$ >> {pids}; trap "" TERM INT HUP; (sleep 1000 & echo $! >> {pids}; wait)' &
    [ -n "{daemonize}" ] && exec sleep 1000
    sleep 1000
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_hang_is_ended_with_all_that_it_has_started(way, tmp_path):
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/pytest"):
            parent.chmod(0o755)
    pids = tmp_path / "pids"
    pids.touch()
    pids.chmod(0o666)
    source = script(tmp_path / "dynamic", HANG.format(pids=pids, daemonize="1"))
    with Daemon(configured(source, timeout="2s", refresh="1h"), **way) as daemon:
        wait_for("its processes", lambda: len(pids.read_text().split()) >= 4)
        started = [int(pid) for pid in pids.read_text().split()]
        assert hosts_of(daemon, "x1") == ["x1"]  # after at most five seconds: it is the first reading
        state = wait_state(daemon, "failed")
        assert "did not end in time" in state["message"]
        wait_for("all of them to be gone", lambda: not [pid for pid in started if alive(pid)], 10)
        core = daemon.parts()["core"]
        wait_for("nothing to be left", lambda: not descendants(core))
        assert daemon.log().count("core is up") == 1
        assert not os.path.exists(os.path.join(daemon.state, "inventory"))


@pytest.mark.parametrize("how", ["stop", "kill the core", "kill the supervisor"])
def test_nothing_outlives_the_daemon(how, tmp_path):
    pids = tmp_path / "pids"
    pids.touch()
    source = script(tmp_path / "dynamic", HANG.format(pids=pids, daemonize=""))
    with Daemon(configured(source, timeout="10m")) as daemon:
        wait_for("its processes", lambda: len(pids.read_text().split()) >= 4)
        started = [int(pid) for pid in pids.read_text().split()]
        if how == "stop":
            begun = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - begun < 20
        elif how == "kill the core":
            os.kill(daemon.parts()["core"], signal.SIGKILL)
        else:
            daemon.kill()
        wait_for("all of them to be gone", lambda: not [pid for pid in started if alive(pid)], 20)


def test_what_stays_behind_a_good_answer_is_ended(tmp_path):
    pids = tmp_path / "pids"
    command = script(tmp_path / "fake", f"""
        setsid sleep 1000 & echo $! > {pids}
        echo '{{"g": {{"hosts": ["a"]}}}}'
        """)
    with Daemon(configured("/nowhere", command=command)) as daemon:
        wait_state(daemon, "ok")
        assert hosts_of(daemon, "@g") == ["a"]
        assert not alive(int(pids.read_text()))


def test_a_large_inventory(tmp_path):
    """20 MB of JSON, of which the core gets what it uses; the daemon answers meanwhile."""
    hosts = [f"h{i:05}" for i in range(20000)]
    big = {"web": {"hosts": hosts}, "_meta": {"hostvars": {
        h: {"ansible_host": "10.0.0.1", "facts": {"text": "x" * 900, "n": [1, 2, 3]}} for h in hosts}}}
    answer = tmp_path / "answer"
    answer.write_text(json.dumps(big))
    assert answer.stat().st_size > 18_000_000
    command = script(tmp_path / "fake", f"cat {answer}\n")
    with Daemon({**configured("/nowhere", command=command), "capacity": {"hosts": 20000}}) as daemon:
        slowest = 0.0
        end = time.monotonic() + 60
        while daemon.get("/v1/engines")["items"][0]["inventory"]["state"] == "reading":
            begun = time.monotonic()
            daemon.get("/-/ready")
            slowest = max(slowest, time.monotonic() - begun)
            assert time.monotonic() < end
        assert slowest < 2, slowest
        assert inventory(daemon)["hosts"] == 20000
        dry = daemon.post("/v1/tasks?dry_run=true", {"type": "sim", "hosts": "@web!h00007", "payload": {}})
        assert dry["hosts"] == 19999


def memory_of(pid):
    """What the process can write to, region by region; a sanitizer's own, which are huge, are left out."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
        regions = [line.split()[:2] for line in file]
    with open(f"/proc/{pid}/mem", "rb") as memory:
        for addresses, rights in regions:
            low, high = (int(x, 16) for x in addresses.split("-"))
            if rights.startswith("rw") and high - low <= 1 << 27:
                with contextlib.suppress(OSError):
                    memory.seek(low)
                    yield memory.read(high - low)


def test_secrets_never_reach_the_core(tmp_path):
    source = write(tmp_path / "hosts", "[web]\nw1 ansible_password=cAnArY-1 api_token=cAnArY-2 note=cAnArY-3\n")
    with Daemon(configured(source, vars="all")) as daemon:
        wait_state(daemon, "ok")
        canaries = {b"cAnArY-1": 0, b"cAnArY-2": 0, b"cAnArY-3": 0}
        for part in memory_of(daemon.parts()["core"]):
            for canary in canaries:
                canaries[canary] += part.count(canary)
        assert canaries.pop(b"cAnArY-3"), "the search would find it"
        assert not any(canaries.values()), canaries


# ------------------------------------------------------------------------------------ from outside

def test_command_line(tmp_path):
    skip = write(tmp_path / "skip", "web2\n")
    with Daemon(configured(write(tmp_path / "hosts", INI))) as daemon:
        wait_state(daemon, "ok")

        def say(*words):
            done = drover(*words, daemon=daemon)
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert say("hosts", "expand", "@web").split() == ["web1", "web2", "web3", "web9"]
        assert say("hosts", "fold", "@web,@db") == "db1,web[1-3,9]\n"
        assert say("hosts", "count", f"@web!^{skip}") == "3\n"
        table = [line.split() for line in say("hosts", "groups").split("\n") if line]
        assert ["web", "4", "web[1-3,9]"] in table and ["empty", "0"] in table
        assert {g["name"]: g["hosts"] for g in json.loads(say("hosts", "groups", "db1,web1", "--json"))} == {
            "all": "db1,web1", "db": "db1", "prod": "db1,web1", "web": "web1"}
        for extra, count in (([], 4), (["-x", f"^{skip}"], 3), (["-u", "bob"], 4), (["-x", "@web!web1"], 1)):
            plan = say("run", "-H", "@web", *extra, "--dry-run", "--type", "sim", "--payload", "{}")
            assert f"on {count} host" in plan, plan
        for words in (["hosts", "expand", "@wbe"], ["run", "-H", "@wbe", "--dry-run", "--", "true"],
                      ["run", "-H", f"@wbe!^{skip}", "--dry-run", "--", "true"]):
            done = drover(*words, daemon=daemon)
            assert done.returncode in (1, 2) and "did you mean `web`?" in done.stderr, done.stderr


def test_pages_of_groups(tmp_path):
    text = "".join(f"[g{i:03}]\nh{i}\n" for i in range(250))
    with Daemon(configured(write(tmp_path / "hosts", text))) as daemon:
        wait_state(daemon, "ok")
        names, after = [], ""
        while after is not None:
            page = daemon.get(f"/v1/groups?limit=100{after and '&after=' + after}")
            names += [g["name"] for g in page["items"]]
            after = page.get("next")
        assert names == sorted(names) and len(names) == len(set(names)) == 252
        assert len(json.loads(drover("hosts", "groups", "--json", daemon=daemon).stdout)) == 252


def test_the_command_must_be_there(tmp_path):
    for options, place, reason in (({"command": "no-such-program"}, "inventory.command", "apt-get install ansible-core"),
                                   ({"command": str(tmp_path)}, "inventory.command", "there is no program"),
                                   ({"sources": ["a,b"]}, "inventory.sources", "comma")):
        daemon = Daemon({"inventory": {"sources": ["hosts"], **options}})
        try:
            daemon.start(ready=False)
            assert daemon.process.wait(30) == 78
            assert place in daemon.log() and reason in daemon.log()
        finally:
            shutil.rmtree(daemon.folder)


def test_relative_sources_count_from_the_file(tmp_path):
    with_folder = Daemon(configured("hosts.ini"))
    with open(os.path.join(with_folder.folder, "hosts.ini"), "w", encoding="utf-8") as f:
        f.write("[g]\na\n")
    with with_folder as daemon:
        state = wait_state(daemon, "ok")
        assert state["sources"] == [os.path.join(daemon.folder, "hosts.ini")]
        assert hosts_of(daemon, "@g") == ["a"]
