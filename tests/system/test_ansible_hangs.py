"""Many hosts under Ansible of which some hang: the others go on to the end, and the hung one is named with its step."""

import contextlib
import os

import pytest
from daemon import PATIENCE, Daemon, wait_for
from fleet.ansible import Herd
from fleet.relay import Relay
from fleet.sshd import kill

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
