"""Hosts that hang under Ansible: the others go on to the end, and the hung one is named with its step."""

import contextlib
import json
import os
import signal

import pytest
from daemon import PATIENCE, Daemon, alive, cmdline, descendants, wait_for
from fleet.ansible import Herd
from fleet.relay import Relay
from fleet.sshd import kill, parent_of

pytestmark = pytest.mark.alone

HOSTS = 30
UNIT = 90 * PATIENCE  # seconds
SIX = """
- hosts: all
  gather_facts: false
  tasks:
  - {name: first, raw: 'true'}
  - {name: second, raw: 'true'}
  - {name: third, shell: '{{ third | default("true") }}'}
  - {name: fourth, raw: 'true'}
  - {name: fifth, raw: 'true'}
  - {name: sixth, raw: 'true'}
"""


def settings_of(herd):
    return {"executors": [herd.executor("playbook")], "credentials": herd.credentials()}


def programs(daemon):
    """What runs below the executor hosts."""
    return set(daemon.units())


class Six:
    """A task of thirty hosts, one of which hangs in the third of six steps."""

    def __init__(self, herd, number):
        self.herd, self.number = herd, number
        self.names = herd.addresses[number * HOSTS:(number + 1) * HOSTS]
        self.sick = self.names[7]
        self.here, self.gate = (os.path.join(herd.folder, f"{word}-{number}") for word in ("here", "gate"))
        self.task = None

    def in_third(self):
        """A command for the sick host that says that it runs, and ends when it is told to."""
        return f"touch {self.here}; until [ -e {self.gate} ]; do sleep 0.1; done"

    def submit(self, daemon, **sick):
        hosts = [{"name": name, **(sick if name == self.sick else {})} for name in self.names]
        self.task = daemon.submit("playbook", hosts, {"playbook": SIX}, timeout=UNIT)

    def wait_for_third(self):
        wait_for(f"the third step on {self.sick}", lambda: os.path.exists(self.here), UNIT)

    def open_gate(self):
        open(self.gate, "w", encoding="ascii").close()

    def check(self, daemon, phase):
        found = daemon.wait(self.task, UNIT + 10)
        daemon.verify(self.task)
        assert found["units"]["total"] == 1
        rows = {row["host"]: row for row in daemon.results(self.task)}
        row = rows.pop(self.sick)
        assert (row["status"], row["phase"]) == ("timeout", phase), row
        assert row["message"].startswith("step 3, third: not done in"), row
        assert [step["status"] for step in row["steps"]] == ["changed", "changed", "timeout"], row
        assert row["waiting_for"] is None
        for row in rows.values():
            assert row["status"] == "ok", row
            assert [step["name"] for step in row["steps"]] == ["first", "second", "third", "fourth", "fifth", "sixth"]
            assert row["recap"]["ok"] == 6 and row["recap"]["failed"] == 0 and row["message"] is None
        unit = daemon.get(f"/v1/tasks/{self.task}/units")["items"][0]
        assert unit["finished_at"] <= unit["deadline"]


def test_one_of_thirty_hosts_hangs_in_the_third_of_six_steps_in_four_ways():
    """All four at once: `sleep 600`, its sshd stopped, its network silent, and a greeting and then silence.

    The last one has no connection that steps share, so that the third step is the third to connect.
    """
    with Herd(4 * HOSTS) as herd, contextlib.ExitStack() as stack:
        sleeps, stopped, silent, greeted = (Six(herd, number) for number in range(4))
        quiet = stack.enter_context(Relay((silent.sick, herd.port)))
        greets = stack.enter_context(Relay((greeted.sick, herd.port), carried=2))
        herd.write_known_hosts(herd.host_key, [f"[{way.address}]:{way.port}" for way in (quiet, greets)])
        daemon = stack.enter_context(Daemon(settings_of(herd)))
        idle = programs(daemon)
        sleeps.submit(daemon, vars={"third": "sleep 600"})
        stopped.submit(daemon, vars={"third": stopped.in_third()})
        silent.submit(daemon, vars={"third": silent.in_third()}, address=quiet.address, port=quiet.port)
        greeted.submit(daemon, address=greets.address, port=greets.port, vars={
            "ansible_ssh_args": f"-F none -o ControlMaster=no -o UserKnownHostsFile={herd.known_hosts}"})
        stopped.wait_for_third()
        herd.stop_session(stopped.sick)
        stopped.open_gate()
        silent.wait_for_third()
        quiet.fall_silent()
        silent.open_gate()
        for case in (sleeps, stopped, silent):
            case.check(daemon, "execution")
        greeted.check(daemon, "key exchange")
        wait_for("the units' processes to be gone", lambda: not programs(daemon) - idle)
        for pid in herd.stopped:  # as a dead machine's: nobody but the test can end them
            kill(pid)
        wait_for("what ran on the hosts to be gone", lambda: not herd.processes(), 20)


THREE = """
- hosts: all
  gather_facts: false
  tasks:
  - {name: first, raw: 'true'}
  - {name: second, raw: '{{ second | default("true") }}'}
  - {name: third, raw: 'true'}
"""


def test_three_of_twenty_units_hang_and_the_others_do_not_notice():
    with Herd(40) as herd, Daemon(settings_of(herd)) as daemon:
        sick = {herd.addresses[number] for number in (4, 20, 37)}
        hosts = [{"name": name, **({"vars": {"second": "sleep 600"}} if name in sick else {})}
                 for name in herd.addresses]
        task = daemon.submit("playbook", hosts, {"playbook": THREE}, unit_size=2, timeout=40 * PATIENCE)
        daemon.wait(task, 80)
        daemon.verify(task)
        rows = {row["host"]: row for row in daemon.results(task)}
        units = {rows[name]["unit"] for name in sick}
        assert len({row["unit"] for row in rows.values()}) == 20 and len(units) == 3
        for name, row in rows.items():
            assert row["status"] == ("timeout" if name in sick else "ok"), row
            assert len(row["steps"]) == (2 if name in sick else 3), row
        others = [row for row in rows.values() if row["unit"] not in units]
        assert max(row["finished_at"] for row in others) < min(rows[name]["finished_at"] for name in sick)


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
    with Daemon(settings_of(herd)) as daemon:
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
    rows = run(daemon, hosts_of(herd, [{}, {}, {"b": f"sleep {7 * PATIENCE}"}]), steps("a", "b"), 11 * PATIENCE)
    assert [row["status"] for row in rows] == ["ok"] * 3, rows
    assert rows[2]["steps"][1]["duration"] > 6


def test_a_step_has_the_time_that_the_task_gives_it(daemon, herd):
    """For all of a loop's items together; and a rescue makes it good."""
    book = """
- hosts: all
  gather_facts: false
  tasks:
  - {name: loop, raw: '{{ a | default("true") }}', loop: [1, 2, 3, 4, 5, 6, 7, 8, 9]}
  - block: [{name: hangs, raw: '{{ b | default("true") }}'}]
    rescue: [{name: rescue, raw: 'true'}]
"""
    rows = run(daemon, hosts_of(herd, [{}, {"a": "sleep 5"}, {"b": "sleep 600"}]),
               {"playbook": book, "step_timeout": f"{10 * PATIENCE:g}s"}, 60 * PATIENCE)
    assert [row["status"] for row in rows] == ["ok", "timeout", "ok"], rows
    assert [step["status"] for step in rows[1]["steps"]] == ["timeout"]
    assert f"not done in step_timeout, {10 * PATIENCE:g} s" in rows[1]["message"]
    assert [step["status"] for step in rows[2]["steps"]] == ["changed", "rescued", "changed"]
    assert rows[2]["recap"]["rescued"] == 1


def test_all_steps_of_a_host_together_have_the_time_that_the_task_gives_it(daemon, herd):
    """Neither of its steps takes as long; a host that takes as long only by waiting for others is none of these."""
    limit, part = 12 * PATIENCE, 8 * PATIENCE
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
    task = daemon.submit("playbook", hosts, {**steps("a", "b", "c"), "step_timeout": "5m"}, timeout=10)
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
