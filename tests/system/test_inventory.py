"""Groups and variables of an Ansible inventory, by the real ansible-inventory."""

import json
import os
import re
import shutil
import subprocess

import pytest
from daemon import Daemon, Problem, drover, wait_for
from fleet.sshd import Sshd
from inventories import INI, SIM, configured, groups, hosts_of, refused, rows_of, script, wait_state, write
from secured import Secured

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
        wait_state(daemon, "ok")  # a task waits five seconds for it, and a busy machine may take longer
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
