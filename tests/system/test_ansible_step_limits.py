"""Steps of a playbook that take too long, or whose worker is no more: which hosts are ended, and what is said of each."""

import json
import os
import signal

import pytest
from daemon import PATIENCE, Daemon, alive, cmdline, descendants, wait_for
from fleet.ansible import Herd
from fleet.sshd import kill, parent_of


def steps(*commands):
    """A playbook of a step for each of these variables: what it holds, or nothing to be done."""
    tasks = [{"name": f"step {number}", "raw": f"{{{{ {command} | default('true') }}}}"}
             for number, command in enumerate(commands, 1)]
    return {"playbook": json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}])}


@pytest.fixture(scope="module", name="herd")
def make_herd():
    with Herd(4) as herd:
        yield herd


@pytest.fixture(scope="module", name="daemon")
def make_daemon(herd):
    with Daemon({"executors": [herd.executor("playbook")], "credentials": herd.credentials()}) as daemon:
        yield daemon


def hosts_of(herd, variables):
    """The herd's first hosts, one for each entry: what its variables are."""
    return [{"name": name, "vars": entry} for name, entry in zip(herd.addresses, variables)]


def run(daemon, hosts, payload, timeout, **members):
    task = daemon.submit("playbook", hosts, payload, timeout=timeout, **members)
    daemon.wait(task, 3 * timeout)
    daemon.verify(task)
    return [next(row for row in daemon.results(task) if row["host"] == host["name"]) for host in hosts]


def test_several_hung_hosts_are_ended_and_the_last_good_one_goes_on(daemon, herd):
    sleeps = {"a": "sleep 600"}
    rows = run(daemon, hosts_of(herd, [sleeps, sleeps, {}, sleeps]), steps("a", "b", "c"), 20 * PATIENCE)
    assert [row["status"] for row in rows] == ["timeout", "timeout", "ok", "timeout"], rows
    assert len(rows[2]["steps"]) == 3


def test_a_long_last_step_that_nobody_waits_for_is_not_ended(daemon, herd):
    """It takes more than half of the unit's time, and many times as long as on the other hosts."""
    rows = run(daemon, hosts_of(herd, [{}, {}, {"b": f"sleep {14 * PATIENCE}"}]), steps("a", "b"), 26 * PATIENCE)
    assert [row["status"] for row in rows] == ["ok"] * 3, rows
    assert rows[2]["steps"][1]["duration"] > 13


def test_a_step_has_the_time_that_the_task_gives_it(daemon, herd):
    """For all of a loop's items together; and a rescue makes it good."""
    book = """
- hosts: all
  gather_facts: false
  tasks:
  - {name: loop, raw: '{{ a | default("true") }}', loop: [1, 2, 3]}
  - block: [{name: hangs, raw: '{{ b | default("true") }}'}]
    rescue: [{name: rescue, raw: 'true'}]
"""
    rows = run(daemon, hosts_of(herd, [{}, {"a": f"sleep {5 * PATIENCE:g}"}, {"b": "sleep 600"}]),
               {"playbook": book, "step_timeout": f"{10 * PATIENCE:g}s"}, 60 * PATIENCE)
    assert [row["status"] for row in rows] == ["ok", "timeout", "ok"], rows
    assert [step["status"] for step in rows[1]["steps"]] == ["timeout"]
    assert f"not done in step_timeout, {10 * PATIENCE:g} s" in rows[1]["message"]
    assert [step["status"] for step in rows[2]["steps"]] == ["changed", "rescued", "changed"]
    assert rows[2]["recap"]["rescued"] == 1


def test_all_steps_of_a_host_together_have_the_time_that_the_task_gives_it(daemon, herd):
    """Neither of its steps takes as long; a host that takes as long only by waiting for others is none of these."""
    limit, part = 16 * PATIENCE, 10 * PATIENCE
    hosts = hosts_of(herd, [{"a": f"sleep {part}", "b": f"sleep {part}"}, {}, {"c": f"sleep {part}"}])
    rows = run(daemon, hosts, steps("a", "b", "c"), 90 * PATIENCE, host_timeout=limit)
    assert [row["status"] for row in rows] == ["timeout", "ok", "ok"], rows
    assert rows[0]["message"].startswith(f"step 2, step 2: the host has taken longer than host_timeout, {limit:g} s")
    assert [step["status"] for step in rows[0]["steps"]] == ["changed", "timeout"]
    assert rows[0]["steps"][1]["duration"] < part


def worker_of(daemon, address):
    """The process of Ansible that works on a host."""
    for pid in daemon.units():
        words = cmdline(pid)
        if words and os.path.basename(words[0]) == "ssh" and address in words and "sleep 600" in " ".join(words):
            return parent_of(pid)
    return None


def test_at_the_deadline_those_who_waited_say_for_whom(daemon, herd):
    """The worker of the hung host is stopped, so that nothing of Ansible's can end its step."""
    hosts = hosts_of(herd, [{}, {"b": "sleep 600"}, {}])
    task = daemon.submit("playbook", hosts, {**steps("a", "b", "c"), "step_timeout": "5m"}, timeout=15)
    sick = hosts[1]["name"]
    worker = wait_for("its worker", lambda: worker_of(daemon, sick))
    assert worker in [pid for unit in daemon.units() for pid in descendants(unit)]
    os.kill(worker, signal.SIGSTOP)
    daemon.wait(task)
    daemon.verify(task)
    rows = {row["host"]: row for row in daemon.results(task)}
    row = rows.pop(sick)
    assert (row["status"], row["phase"], row["waiting_for"]) == ("timeout", "execution", None), row
    assert row["message"].startswith("step 2, step 2: not done"), row
    assert [step["status"] for step in row["steps"]] == ["changed", "timeout"]
    for row in rows.values():
        assert (row["status"], row["phase"], row["waiting_for"]) == ("timeout", "waiting", sick), row
        assert [step["status"] for step in row["steps"]] == ["changed", "changed"]
        assert row["recap"]["ok"] == 2
    wait_for("the worker's end", lambda: not alive(worker))


def test_a_killed_worker_loses_its_host_and_no_other(daemon, herd):
    hosts = hosts_of(herd, [{}, {"b": "sleep 600"}, {}])
    task = daemon.submit("playbook", hosts, steps("a", "b", "c"), timeout=60)
    sick = hosts[1]["name"]
    kill(wait_for("its worker", lambda: worker_of(daemon, sick)))
    daemon.wait(task)
    rows = {row["host"]: row for row in daemon.results(task)}
    row = rows.pop(sick)
    assert (row["status"], row["remote_process"]) == ("lost", "unknown"), row
    assert [step["status"] for step in row["steps"]] == ["changed", "lost"], row
    assert {row["status"] for row in rows.values()} == {"ok"}
