"""Playbooks on real sshd hosts: each step's outcome and the recap are those of ansible-playbook."""

import concurrent.futures
import json
import os
import re
import subprocess
import time

import pytest
from daemon import BUILD, PATIENCE, Daemon, wait_for
from fleet.ansible import RELEASES, Herd
from fleet.playbooks import play

SECRET = "canary-in-a-vault"
FILES = {
    "roles/base/tasks/main.yml": "- {name: of the base, raw: echo base, changed_when: false}\n",
    "roles/web/meta/main.yml": "dependencies: [base]\n",
    "roles/web/defaults/main.yml": "word: by default\n",
    "roles/web/templates/page.j2": "{{ inventory_hostname }} {{ word }}\n",
    "roles/web/handlers/main.yml": "- {name: restart, debug: {msg: restarted}}\n"
                                   "- {name: listener, debug: {msg: heard}, listen: told}\n",
    "roles/web/tasks/main.yml": """
- {name: page, template: {src: page.j2, dest: "{{ where }}/{{ inventory_hostname }}-page"}, notify: [restart, told]}
- {name: the same page, template: {src: page.j2, dest: "{{ where }}/{{ inventory_hostname }}-page"}, notify: restart}
""",
    "some.yml": "- {name: 'included for {{ item }}', debug: {msg: 'with {{ item }}'}}\n",
    "others.yml": "- {debug: {msg: imported}}\n- {fail: {msg: imported too}, when: false}\n",
    "play.yml": "- hosts: all\n  gather_facts: false\n  tasks: [{name: of another play, debug: {}}]\n",
}
# name: (the playbook, what the task's payload and ansible-playbook's options say more)
CASES = {
    "roles": ("""
- hosts: target_hosts
  gather_facts: false
  roles: [{role: web, tags: web}, base]
  post_tasks: [{include_role: {name: web}, vars: {word: again}}]
""", {}),
    "handlers": ("""
- hosts: all
  gather_facts: false
  handlers:
  - {name: one, debug: {msg: handled}}
  - {name: two, command: 'true', listen: topic}
  - {name: never, debug: {}}
  tasks:
  - {name: tell one, command: echo, notify: [one, topic]}
  - {name: tell nobody, command: echo, notify: never, changed_when: false}
  - {meta: flush_handlers}
  - {name: once more, raw: 'true', notify: one, when: of_host == 'first'}
""", {}),
    "blocks": ("""
- hosts: all
  gather_facts: false
  tasks:
  - block:
    - {name: may fail, fail: {msg: on purpose}, when: inventory_hostname in groups.web}
    - {name: not after it, debug: {}}
    rescue: [{name: rescue, debug: {msg: 'rescued {{ ansible_failed_task.name }}'}}]
    always: [{name: always, command: 'true'}]
  - block: [{name: fails, command: 'false', when: of_host == 'first'}]
    rescue: [{name: fails again, fail: {msg: again}}]
    always: [{name: always here, debug: {}}]
  - {name: the end, debug: {}}
""", {}),
    "serial": ("""
- hosts: all
  gather_facts: false
  serial: [1, 100%]
  tasks:
  - {name: one by one, raw: 'echo {{ ansible_play_batch | length }}'}
  - {name: once a batch, debug: {msg: once}, run_once: true}
- hosts: web
  gather_facts: false
  max_fail_percentage: 40
  serial: 2
  tasks:
  - {fail: {msg: the first}, when: of_host == 'first'}
  - {name: not reached, debug: {}}
- {hosts: all, gather_facts: false, tasks: [{debug: {}}]}
""", {}),
    "once and elsewhere": ("""
- hosts: all
  gather_facts: false
  tasks:
  - {name: once, command: echo once, run_once: true, register: said}
  - {name: all know, assert: {that: said.stdout == 'once'}}
  - {name: elsewhere, command: echo, delegate_to: '{{ groups.elsewhere[0] }}'}
  - {name: in many places, raw: echo, delegate_to: '{{ item }}', loop: '{{ groups.web }}', run_once: true}
""", {}),
    "loops": ("""
- hosts: all
  gather_facts: false
  tasks:
  - {name: 'each {{ inventory_hostname }}', command: 'echo {{ item }}', loop: [a, b, c], changed_when: item == 'b'}
  - {name: some, debug: {msg: '{{ item }}'}, loop: [1, 2, 3], when: item > 1}
  - {name: none, debug: {}, loop: [1, 2], when: false}
  - {name: empty, debug: {}, loop: []}
  - {name: until, raw: 'false', until: tried.rc == 0, retries: 1, delay: 0, register: tried, ignore_errors: true}
  - {name: labelled, debug: {msg: '{{ item.a }}'}, with_items: [{a: 1}, {a: 2}], loop_control: {label: '{{ item.a }}'}}
  - {name: bad items, command: 'test {{ item }} = good', loop: [good, bad, worse]}
""", {}),
    "errors": ("""
- hosts: all
  gather_facts: false
  tasks:
  - {name: ignored, command: 'false', ignore_errors: true}
  - {name: no failure, command: 'false', failed_when: false}
  - {name: changed never, command: 'true', changed_when: false}
  - {name: failed when, command: echo bad, register: r, failed_when: "'bad' in r.stdout", ignore_errors: true}
  - {name: undefined, debug: {msg: '{{ nobody_knows }}'}, ignore_errors: true}
  - {meta: end_host, when: of_host == 'first'}
  - {name: bad module arguments, file: {path: /tmp, nothing: 1}}
""", {}),
    "any errors fatal": ("""
- hosts: all
  any_errors_fatal: true
  gather_facts: false
  tasks:
  - {name: first, debug: {}}
  - {name: fatal, fail: {msg: ends all}, when: of_host == 'first'}
  - {name: not reached, debug: {}}
""", {}),
    "facts and conditions": ("""
- hosts: all
  gather_subset: ['!all', '!min', 'distribution']
  vars: {mine: 1}
  tasks:
  - {debug: {var: ansible_facts.distribution}, when: ansible_facts.distribution is defined}
  - {set_fact: {answer: '{{ mine + 1 }}', mine_too: '{{ of_host }}'}}
  - {assert: {that: [answer | int == 2, of_group == 'webs']}, when: inventory_hostname in groups.web}
  - {stat: {path: /etc/passwd}, register: found}
  - {name: by stat, debug: {msg: there}, when: [found.stat.exists, mine_too == 'first']}
""", {}),
    "includes": ("""
- import_playbook: play.yml
- hosts: all
  gather_facts: false
  tasks:
  - {include_tasks: some.yml, loop: [x, y]}
  - {import_tasks: others.yml}
  - {include_vars: {name: more, file: more.yml}}
  - {name: what they say, debug: {var: more}}
  - {include_tasks: nowhere.yml, when: of_host == 'first'}
  - {include_tasks: some.yml, vars: {item: z}}
""", {}),
    "tags": ("""
- hosts: all
  gather_facts: false
  tasks:
  - {name: one, debug: {msg: '{{ given.deep }} {{ where }}'}, tags: one}
  - {name: two, debug: {}, tags: [one, two]}
  - {name: three, debug: {}}
  - {name: always, debug: {}, tags: always}
  - {name: never, debug: {}, tags: never}
""", {"tags": ["one", "never"], "skip_tags": "two", "vars": {"given": {"deep": "as it was given: '\"{}"}}}),
    "vault": ("""
- hosts: all
  gather_facts: false
  vars_files: [vaulted.yml]
  tasks:
  - {name: opened, assert: {that: secret == 'canary-in-a-vault'}}
  - {name: kept, debug: {msg: '{{ secret }}'}, no_log: true}
  - {name: kept in a loop, command: 'echo {{ item }}', loop: ['{{ secret }}'], no_log: true}
  - {name: kept where it fails, command: 'cat /nowhere/{{ secret }}', no_log: true, ignore_errors: true}
""", {}),
    "free": ("""
- hosts: all
  strategy: free
  gather_facts: false
  tasks:
  - {name: slow, raw: sleep 0.5, when: of_host == 'first'}
  - {name: then, command: 'true', notify: end}
  - {name: some fail, fail: {msg: here}, when: of_host == 'second'}
  - {name: last, debug: {}}
  handlers: [{name: end, debug: {}}]
""", {}),
    "check": ("""
- hosts: all
  gather_facts: false
  tasks:
  - {name: file, copy: {content: "a line\\n", dest: '{{ where }}/{{ inventory_hostname }}-new', mode: '0600'}}
  - {name: not in check mode, command: 'true'}
  - {name: even then, command: 'true', check_mode: false}
""", {"check": True, "diff": True}),
    "unreachable": ("""
- hosts: all
  gather_facts: false
  tasks:
  - {name: connects, raw: 'true', ignore_unreachable: true}
  - {name: connects again, raw: 'true'}
  - {name: the others go on, debug: {}}
- {hosts: all, gather_facts: false, tasks: [{debug: {}}]}
- {hosts: elsewhere, gather_facts: false, tasks: [{name: outside of the unit, debug: {}}]}
""", {"dead": True}),
}
IN_FILES = {"roles", "includes", "vault"}


def options_of(more, where):
    """As ansible-playbook's options."""
    found = [f"--{name}" for name in ("check", "diff") if more.get(name)]
    for name in ("tags", "skip_tags"):
        value = more.get(name)
        if value:
            found.append(f"--{name.replace('_', '-')}={value if isinstance(value, str) else ','.join(value)}")
    return [*found, "--extra-vars", json.dumps({**more.get("vars", {}), "where": where})]


class Comparison:
    """What both said of each case, of one release of Ansible."""

    def __init__(self, release):
        settings = "[connection]\npipelining = true" if release == "newest" else ""
        self.theirs, self.ours, self.logs = {}, {}, {}
        with Herd(4, settings) as herd, herd.masters_ended():
            self.release, self.herd = release, herd
            self.hosts, elsewhere = herd.addresses[:3], herd.addresses[3]
            self.dead = f"{herd.prefix}.99"
            first, second, third = self.hosts
            herd.write_inventory(f"[web]\n{first} of_host=first\n{second} of_host=second\n"
                                 f"[db]\n{third} of_host=third\n"
                                 f"[web:vars]\nof_group=webs\n[elsewhere]\n{elsewhere}\n[dead]\n{self.dead} of_host=dead\n"
                                 "[target_hosts:children]\nweb\ndb\n")
            self.project = os.path.join(herd.home, "project")
            self._write_project()
            for side in ("theirs", "ours"):
                os.mkdir(os.path.join(herd.folder, side), 0o755)
            executor = herd.executor("playbook", release, inventory=[herd.inventory], playbooks=self.project,
                                     vault_password={"file": os.path.join(herd.home, "vault")})
            with Daemon({"executors": [executor], "credentials": herd.credentials()}) as daemon, \
                    concurrent.futures.ThreadPoolExecutor(2) as pool:
                theirs = [pool.submit(self._run_theirs, name) for name in CASES]
                self._run_ours(daemon)
                for each in theirs:
                    each.result()
                self.log = daemon.log()

    def _write_project(self):
        names = {**FILES, "more.yml": "key: value\n", **{f"{name}.yml": text for name, (text, _) in CASES.items()}}
        for name, text in names.items():
            path = os.path.join(self.project, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        password = os.path.join(self.herd.home, "vault")
        with open(password, "w", encoding="utf-8") as file:
            file.write("opens it\n")
        os.chmod(password, 0o600)
        path = os.path.join(self.project, "vaulted.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"secret: {SECRET}\n")
        subprocess.run([os.path.join(RELEASES[self.release][1], "ansible-vault"), "encrypt",
                        f"--vault-password-file={password}", path], check=True, capture_output=True,
                       stdin=subprocess.DEVNULL, env=self.herd.environment())

    def hosts_of(self, more):
        return self.hosts + ([self.dead] if more.get("dead") else [])

    def _run_theirs(self, name):
        _, more = CASES[name]
        self.theirs[name], done = play(
            self.herd, self.release, os.path.join(self.project, f"{name}.yml"),
            f"--vault-password-file={self.herd.home}/vault", f"--forks={len(self.hosts_of(more))}",
            *options_of(more, os.path.join(self.herd.folder, "theirs")), limit=self.hosts_of(more))
        assert self.theirs[name], done.stdout + done.stderr

    def _run_ours(self, daemon):
        for name, (text, more) in CASES.items():
            payload = {key: value for key, value in more.items() if key != "dead"}
            payload["vars"] = {**more.get("vars", {}), "where": os.path.join(self.herd.folder, "ours")}
            payload |= {"path": f"{name}.yml"} if name in IN_FILES else {"playbook": text}
            task = daemon.submit("playbook", self.hosts_of(more), payload, timeout=120)
            daemon.wait(task, 120)
            daemon.verify(task)
            self.ours[name] = {row["host"]: row for row in daemon.results(task)}
            answer, output = daemon.request("GET", f"/v1/tasks/{task}/results", raw=True)
            self.logs[name] = output.decode()


@pytest.fixture(scope="module", params=list(RELEASES))
def comparison(request):
    return Comparison(request.param)


def told(steps):
    """What both sides say alike; that a failed step was rescued is in the recap alone there."""
    return [(step["name"], step["module"], "failed" if step["status"] == "rescued" else step["status"],
             step["changed"]) for step in steps]


@pytest.mark.parametrize("name", list(CASES))
def test_steps_and_recap_are_those_of_ansible_playbook(comparison, name):
    rows = comparison.ours[name]
    for host in comparison.hosts_of(CASES[name][1]):
        theirs, row = comparison.theirs[name][host], rows[host]
        recap = dict(theirs["recap"])
        recap["failed"] = recap.pop("failures")
        assert row["recap"] == recap, row
        # An unreachable host whose step is ignored is told as what becomes of it.
        expected = [{**step, "status": "ignored"} if (step["status"], step["name"]) == ("unreachable", "connects")
                    else step for step in theirs["steps"]]
        assert told(row["steps"]) == told(expected), row
        assert sum(step["status"] == "rescued" for step in row["steps"]) == recap["rescued"]
        assert row["status"] == ("unreachable" if recap["unreachable"] else "failed" if recap["failed"] else "ok")
        assert [step["step"] for step in row["steps"]] == list(range(len(row["steps"])))
        lines = [line for line in row["stdout"].splitlines()
                 if (line, row["status"]) != ("ok: include_tasks", "failed")]
        assert lines == [f"{step['status']}: {step['name']}" for step in row["steps"]
                         if (step["name"], step["status"], row["status"]) != ("include_tasks", "ok", "failed")]
        for step, other in zip(row["steps"], theirs["steps"]):
            assert 0 <= step["duration"] < 60
            if other["status"] == "failed" and other["msg"] and "items" not in step:
                assert step["message"] == other["msg"]
        if row["status"] != "ok":
            last = next(step for step in row["steps"] if step["status"] == row["status"])
            assert row["message"].startswith(f"step {last['step'] + 1}, {last['name']}: ")


def step_of(comparison, case, name, number=0):
    row = comparison.ours[case][comparison.hosts[number]]
    return next(step for step in row["steps"] if step["name"] == name)


def test_items_of_loops_are_counted_and_the_failed_ones_named(comparison):
    host = comparison.hosts[0]
    assert step_of(comparison, "loops", f"each {host}")["items"] == {"ok": 2, "changed": 1}
    assert step_of(comparison, "loops", "some")["items"] == {"skipped": 1, "ok": 2}
    bad = step_of(comparison, "loops", "bad items")
    assert bad["items"] == {"changed": 1, "failed": 2}
    assert bad["message"].startswith("2 of 3 items failed: bad: ") and "worse: " in bad["message"]


def test_nothing_of_no_log_is_told(comparison):
    assert SECRET not in comparison.logs["vault"] and SECRET not in comparison.log
    for name in ("kept", "kept in a loop", "kept where it fails"):
        assert "no_log" in step_of(comparison, "vault", name)["message"]


def test_differences_are_shown(comparison):
    assert "+a line" in step_of(comparison, "check", "file")["diff"]


def test_hosts_that_the_errors_of_others_have_ended_say_whose(comparison):
    first, second, _ = comparison.hosts
    row = comparison.ours["any errors fatal"][second]
    assert row["message"] == f"the play was ended for this host, too, by the errors of {first}"


# ------------------------------------------------------------------------------------------ while it runs


@pytest.fixture(scope="module", name="herd")
def make_herd():
    with Herd(3) as herd:
        yield herd


@pytest.fixture(scope="module", name="project")
def make_project(herd):
    project = os.path.join(herd.home, "playbooks")
    os.makedirs(os.path.join(project, "inner/roles/greets/tasks"))
    for path, text in {
        "inner/greet.yml": "- {hosts: all, gather_facts: false, roles: [greets]}\n",
        "inner/roles/greets/tasks/main.yml": "- {name: greet, debug: {msg: hello}}\n",
        "../outside.yml": "- {hosts: all, gather_facts: false, tasks: [{name: outside, debug: {}}]}\n",
    }.items():
        with open(os.path.join(project, path), "w", encoding="utf-8") as file:
            file.write(text)
    os.symlink("../outside.yml", os.path.join(project, "leads-out.yml"))
    os.symlink("..", os.path.join(project, "out"))
    return project


@pytest.fixture(scope="module", name="daemon")
def make_daemon(herd, project):
    herd.write_inventory("\n".join([*herd.addresses, "elsewhere ansible_host=127.0.0.1"]) + "\n")
    executors = [herd.executor("playbook", inventory=[herd.inventory], playbooks=project),
                 herd.executor("adhoc", inventory=[herd.inventory]),
                 herd.executor("playbook", "newest", name="newest", playbooks=project),
                 herd.executor("playbook", name="bare")]
    with Daemon({"executors": executors, "credentials": herd.credentials()}) as daemon:
        yield daemon


def test_steps_are_told_while_it_runs(daemon, herd):
    """In the rows, and as live output; both end with what the rows hold in the end."""
    gate = os.path.join(herd.folder, "gate")
    book = f"""
- hosts: target_hosts
  gather_facts: false
  tasks:
  - {{name: before, raw: 'true'}}
  - {{name: gate, raw: 'until [ -e {gate} ]; do sleep 0.1; done'}}
  - {{name: after, debug: {{}}}}
"""
    task = daemon.submit("playbook", herd.addresses, {"playbook": book}, timeout=120)

    def known():
        rows = daemon.results(task)
        return rows if all(len(row.get("steps") or []) == 1 for row in rows) else None

    for row in wait_for("the first step in every row", known):
        assert row["status"] == "running" and row["changed"] is True
        assert (row["steps"][0]["name"], row["steps"][0]["status"]) == ("before", "changed")
    with subprocess.Popen([os.path.join(BUILD, "drover"), "--url", daemon.url(), "logs", "-f", task],
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as follower:
        wait_for("a watcher", lambda: re.search(r"^drover_http_event_clients [1-9]", metrics(daemon), re.M))
        open(gate, "w", encoding="ascii").close()
        lines = follower.stdout.read().splitlines()
    assert follower.returncode == 0
    for host in herd.addresses:
        of_host = [line for line in lines if line.split(":")[0].split()[0] == host]
        assert [line.partition(": ")[2] for line in of_host] == ["changed: before", "changed: gate", "ok: after"], lines
    daemon.verify(task)


def metrics(daemon):
    return daemon.request("GET", "/metrics", raw=True)[1].decode()


def test_nothing_runs_on_hosts_that_are_not_the_units(daemon, herd):
    """The inventory has more of them."""
    everywhere = "- {hosts: all, gather_facts: false, tasks: [{name: all, debug: {}}]}\n" \
        "- {hosts: 'elsewhere,localhost', gather_facts: false, tasks: [{name: not ours, debug: {}}]}\n"
    hosts = herd.addresses[:1]
    for kind, payload in (("playbook", {"playbook": everywhere}), ("adhoc", {"module": "debug"})):
        task = daemon.submit(kind, hosts, payload)
        daemon.wait(task)
        daemon.verify(task)
        (row,) = daemon.results(task)
        assert row["status"] == "ok" and len(row.get("steps") or [1]) == 1
    assert "not a host" not in daemon.log() and herd.addresses[1] not in daemon.log()


def test_a_playbook_by_its_path(daemon, herd):
    """With the roles beside it, wherever the executor was started."""
    task = daemon.submit("playbook", herd.addresses, {"path": "inner/greet.yml"})
    daemon.wait(task)
    for row in daemon.results(task):
        assert [(step["name"], step["message"]) for step in row["steps"]] == [("greets : greet", "hello")]


VAULTED = ("- hosts: all\n  gather_facts: false\n  vars:\n    secret: !vault |\n      $ANSIBLE_VAULT;1.1;AES256\n"
           "      6162\n  tasks: [{name: opens, debug: {var: secret}}]\n")
WRONG = {
    "no YAML": ({"playbook": "- hosts: [all\n  tasks: }"}, "YAML"),
    "no playbook": ({"playbook": "just: a map"}, "playbook"),
    "missing role": ({"playbook": "- {hosts: all, roles: [no_such_role]}"}, "the role 'no_such_role' was not found"),
    "unknown module": ({"playbook": "- {hosts: all, gather_facts: false, tasks: [{no_such_module: {}}]}"},
                       "couldn't resolve module/action 'no_such_module'"),
    "missing vault password": ({"playbook": VAULTED}, "vault"),
    "missing included role": ({"playbook": "- {hosts: all, gather_facts: false, tasks: [{debug: {}}, {include_role: "
                                           "{name: no_such_role}}]}"}, "no_such_role"),
    "undefined variable": ({"playbook": "- {hosts: all, gather_facts: false, serial: '{{ nothing }}', tasks: []}"},
                           "nothing"),
    "missing playbook": ({"path": "none.yml"}, "there is no playbook none.yml"),
    "dots": ({"path": "inner/../../outside.yml"}, "outside of the folder"),
    "a link": ({"path": "leads-out.yml"}, "outside of the folder"),
    "a linked folder": ({"path": "out/outside.yml"}, "outside of the folder"),
    "a folder": ({"path": "inner"}, "there is no playbook inner"),
}


@pytest.mark.parametrize("executor", ["ansible_playbook", "newest"])
@pytest.mark.parametrize("name", list(WRONG))
def test_what_cannot_run_is_one_clear_error_within_seconds(daemon, herd, name, executor):
    payload, words = WRONG[name]
    began = time.monotonic()
    task = daemon.submit("playbook", herd.addresses, payload, executor=executor)
    daemon.wait(task)
    assert time.monotonic() - began < 15 * PATIENCE
    daemon.verify(task)
    rows = daemon.results(task)
    assert {row["status"] for row in rows} == {"failed"}
    assert len({row["message"] for row in rows}) == 1
    assert words in rows[0]["message"], rows[0]
    assert "drover-ansible" not in rows[0]["message"] and "Traceback" not in rows[0]["message"], rows[0]


def test_an_absolute_path_or_no_folder(daemon, herd, project):
    for executor, path in (("ansible_playbook", os.path.join(project, "inner/greet.yml")), ("bare", "greet.yml")):
        task = daemon.submit("playbook", herd.addresses[:1], {"path": path}, executor=executor)
        daemon.wait(task)
        (row,) = daemon.results(task)
        assert row["status"] == "failed" and "folder" in row["message"], row
