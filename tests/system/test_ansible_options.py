"""What operators set for `ansible_adhoc`, and what tasks say: inventory, variables, becoming, this machine, paths."""

import contextlib
import os
import signal
import subprocess

import pytest
from daemon import Daemon, cmdline, drover, wait_for
from fleet.ansible import RELEASES, Herd

GREETING = '''#!/usr/bin/python3
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={"whom": {"type": "str", "required": True}})
module.exit_json(changed=False, greeting="hello, " + module.params["whom"])
'''


@pytest.fixture(scope="module", params=list(RELEASES), name="state")
def _state(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("options")
    modules = folder / "collections/ansible_collections/test/things/plugins/modules"
    modules.mkdir(parents=True)
    (modules / "greet.py").write_text(GREETING, encoding="utf-8")
    with Herd(2) as herd:
        inventory = folder / "inventory"
        (inventory / "group_vars").mkdir(parents=True)
        (inventory / "host_vars").mkdir()
        first, second = herd.addresses
        (inventory / "hosts").write_text(f"[web]\n{first}\nweb2 ansible_host={second}\n[db]\nelsewhere\n",
                                             encoding="utf-8")
        (inventory / "group_vars/web.yml").write_text("of_group: webs\nof_both: group\n", encoding="utf-8")
        (inventory / f"host_vars/{first}.yml").write_text("of_both: host\n", encoding="utf-8")
        plain = herd.executor("adhoc", request.param, inventory=[str(inventory)],
                              collections_path=[str(folder / "collections")])
        executors = [plain, {**plain, "name": "here", "allow_localhost": True},
                     {**plain, "name": "nobody", "become": True, "become_user": "nobody"}]
        with Daemon({"executors": executors, "credentials": herd.credentials()}) as daemon:
            daemon.herd = herd
            yield daemon


def run(daemon, hosts, module, args="", executor="ansible_adhoc", **payload):
    task = daemon.post("/v1/tasks", {"type": "adhoc", "executor": executor, "hosts": hosts, "timeout": 60,
                                     "payload": {"module": module, "args": args, **payload}})["id"]
    daemon.wait(task)
    daemon.verify(task)
    return {row["host"]: row for row in daemon.results(task)}


def test_variables_of_hosts_and_groups(state):
    first = state.herd.addresses[0]
    rows = run(state, [first, "web2"], "debug", "msg='{{ of_group }} {{ of_both }} {{ groups.web | length }}'")
    assert rows[first]["message"] == "webs host 2" and rows["web2"]["message"] == "webs group 2", rows
    rows = run(state, ["web2"], "command", "echo reached")
    assert rows["web2"]["stdout"] == "reached", "ansible_host of the inventory was not used"


def test_what_a_task_says_of_a_host_wins(state):
    second = state.herd.addresses[1]
    hosts = [{"name": "web2", "vars": {"of_both": "task", "more": [1, 2]}},
             {"name": "stranger", "address": second, "port": state.herd.port, "user": state.herd.user}]
    rows = run(state, hosts, "debug", "msg='{{ of_both | default(\"none\") }} {{ more | default([]) | sum }}'")
    assert rows["web2"]["message"] == "task 3" and rows["stranger"]["message"] == "none 0"
    assert run(state, hosts[1:], "command", "echo reached")["stranger"]["stdout"] == "reached"


def test_other_hosts_of_the_inventory_are_not_touched(state):
    rows = run(state, ["web2"], "command", "echo {{ groups['all'] | length }}")
    assert set(rows) == {"web2"} and rows["web2"]["stdout"] == "3"


def test_arguments_as_an_object(state):
    rows = run(state, ["web2"], "command", {"argv": ["echo", "a  b", "*", "'"]})
    assert rows["web2"]["stdout"] == "a  b * '"


def test_a_collection_out_of_the_configured_path(state):
    assert run(state, ["web2"], "test.things.greet", "whom=you")["web2"]["result"]["greeting"] == "hello, you"


def test_becoming_by_the_configuration_and_what_a_task_says_against_it(state):
    def who(**more):  # the last line: before it, sudo complains on the same terminal where a host does not know its name
        return run(state, ["web2"], "raw", "id -un", **more)["web2"]["stdout"].split()[-1]

    assert who(executor="nobody") == "nobody"
    assert who(executor="nobody", become=False) == "root"
    assert who(become="daemon") == "daemon"
    assert who(become={"user": "root", "method": "su"}) == "root"


def test_this_machine_only_where_it_is_allowed(state):
    row = run(state, ["localhost"], "command", "id -un")["localhost"]
    assert row["status"] == "failed" and "allow_localhost" in row["message"], row
    row = run(state, ["localhost"], "command", "id -un", executor="here")["localhost"]
    assert row["status"] == "ok" and row["stdout"] == "root", row
    hosts = [{"name": "sly", "vars": {"ansible_connection": "local"}}]
    row = run(state, hosts, "command", "id -un")["sly"]
    assert row["status"] == "failed" and "allow_localhost" in row["message"], row


def test_a_module_that_wants_arguments_and_has_none_is_one_clear_error(state):
    rows = run(state, state.herd.addresses, "command")
    assert all(row["status"] == "failed" and "No argument passed to command module" in row["message"]
               for row in rows.values()), rows


def test_a_host_whose_key_is_unknown(state):
    row = run(state, [{"name": "other", "address": f"{state.herd.prefix}.1", "vars": {
        "ansible_ssh_args": "-F none -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null"}}], "ping")["other"]
    assert (row["status"], row["phase"]) == ("unreachable", "key exchange"), row
    assert "Host key verification failed" in row["message"]


def test_what_was_left_by_a_daemon_that_was_killed_is_removed_by_the_next():
    with Herd(1) as herd:
        daemon = Daemon({"executors": [herd.executor("adhoc")], "credentials": herd.credentials()})
        with daemon:
            wait_for("the fork server", lambda: [p for p in daemon.units() if "server.py" in " ".join(cmdline(p))])
            everything = daemon.everything()
            root = next(word for pid in everything for word in cmdline(pid) if "/drover-ansible-" in word)
            # First the one that would tidy up when it sees the others die.
            for pid in [daemon.parts()["executor: ansible_adhoc"], *everything]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            daemon.process.wait()
            assert os.path.isdir(root)
            daemon.start()
            wait_for("the old folder to be gone", lambda: not os.path.exists(root))


# What a role has in place of Ansible's own: every module that leaves says so.
PATCH = '''
_exit_json = AnsibleModule.exit_json
AnsibleModule.exit_json = lambda self, **more: _exit_json(self, by_the_role=True, **more)
'''
ROLE = """
- {ping: , register: pong}
- assert: {that: pong.by_the_role is defined}
"""


@pytest.mark.parametrize("release", list(RELEASES))
def test_modules_packed_for_all_units_are_not_taken_where_a_role_has_module_utils(release, tmp_path):
    files = {"plain.yml": "- {hosts: all, gather_facts: false, tasks: [{ping: }]}",
             "book.yml": "- {hosts: all, gather_facts: false, roles: [patched]}",
             "roles/patched/tasks/main.yml": ROLE, "roles/patched/module_utils/basic.py": basic_of(release) + PATCH}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with Herd(1) as herd, Daemon({"executors": [herd.executor("playbook", release, playbooks=str(tmp_path))],
                                  "credentials": herd.credentials()}) as daemon:
        def play(name):
            task = daemon.submit("playbook", herd.addresses, {"path": name}, timeout=60)
            daemon.wait(task)
            return daemon.results(task)[0]

        assert [play("plain.yml")["status"] for _ in range(2)] == ["ok", "ok"]
        root = next(word for pid in daemon.everything() for word in cmdline(pid) if "/drover-ansible-" in word)
        # The last one that is packed.
        wait_for("packed modules", lambda: [name for _, _, names in os.walk(os.path.join(root, "modules"))
                                            for name in names if ".ping-" in name and not name.endswith("lock")], 60)
        row = play("book.yml")
        assert row["status"] == "ok" and [step["module"] for step in row["steps"]] == ["ping", "assert"], row


def basic_of(release):
    code = "import ansible.module_utils.basic as found; print(open(found.__file__, encoding='utf-8').read())"
    return subprocess.run([RELEASES[release][0], "-c", code], check=True, capture_output=True, text=True).stdout


def test_wrong_options_are_said_at_once(tmp_path):
    bad = {"python": "/no/such/python", "inventory": [str(tmp_path / "missing")], "vault_ids": {"a": str(tmp_path / "b")},
           "config": str(tmp_path / "no.cfg")}
    for name, value in bad.items():
        daemon = Daemon({"executors": [{"plugin": "ansible_adhoc", name: value}]})
        answer = drover("config", "check", daemon.config_file)
        assert answer.returncode and name in answer.stderr and "No such file" in answer.stderr, answer
