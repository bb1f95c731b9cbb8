"""kill -9 of what runs Ansible: the hosts end truthfully, nothing stays behind, and the next unit runs."""

import contextlib
import os
import signal

import pytest
from daemon import Daemon, alive, cmdline, descendants, wait_for
from fleet.ansible import RELEASES, Herd
from fleet.sshd import parent_of

PART = "executor: ansible_adhoc"


class Running:
    """A daemon, three hosts, and a task whose hosts wait for a word, each for its own."""

    def __init__(self, daemon, herd):
        self.daemon, self.herd = daemon, herd
        self.gate = os.path.join(herd.folder, "gate")
        os.mkdir(self.gate, 0o755)
        self.submit(herd.addresses[:1])  # so that the server is there, and its first work done

    def submit(self, hosts, command="true"):
        task = self.daemon.submit("adhoc", hosts, {"module": "shell", "args": command}, timeout=120)
        assert self.daemon.wait(task)["counts"]["ok"] == len(hosts)
        self.daemon.verify(task)

    def begin(self):
        command = (f"touch {self.gate}/{{{{ inventory_hostname }}}}-begun; "
                   f"while [ ! -e {self.gate}/{{{{ inventory_hostname }}}} ]; do sleep 0.05; done")
        task = self.daemon.submit("adhoc", self.herd.addresses, {"module": "shell", "args": command}, timeout=120)
        for host in self.herd.addresses:
            wait_for(f"{host} to have begun", lambda h=host: os.path.exists(f"{self.gate}/{h}-begun"), 60)
        return task

    def release(self, *hosts):
        for host in hosts:
            with open(os.path.join(self.gate, host), "w", encoding="ascii"):
                pass

    def below(self):
        return descendants(self.daemon.parts()[PART])

    def pythons(self):
        """Processes that are forks of the server, and itself: pid -> the like below it."""
        found = [pid for pid in self.below() if any(word.endswith("/ansible/server.py") for word in cmdline(pid))]
        return {pid: [other for other in found if parent_of(other) == pid] for pid in found}

    def server(self):
        """While no unit runs it is the only one."""
        def alone():
            found = self.pythons()
            return next(iter(found)) if len(found) == 1 else None
        return wait_for("the fork server to be alone", alone)

    def unit(self):
        """The one that has workers."""
        return next(pid for pid, workers in self.pythons().items() if workers)

    def rows(self, task):
        self.daemon.wait(task)
        self.daemon.verify(task)
        return {row["host"]: row for row in self.daemon.results(task)}

    def assert_clean(self):
        """Only the server is there, the next unit runs, and no temporary file is left of the last one."""
        server = self.server()
        wait_for("nothing but the server to run", lambda: set(self.below()) == {server})
        self.submit(self.herd.addresses)
        root = cmdline(server)[-2]
        assert os.path.basename(root).startswith("drover-ansible-")
        # What is beside the units' folders is packed once for all of them.
        wait_for("the units' folders to be gone", lambda: set(os.listdir(root)) <= {"modules"})


@contextlib.contextmanager
def running(release="debian", isolation="auto"):
    with Herd(3) as herd, Daemon({"executors": [herd.executor("adhoc", release)], "credentials": herd.credentials()},
                                 isolation=isolation) as daemon:
        state = Running(daemon, herd)
        try:
            yield state
        finally:
            state.release(*herd.addresses)


def test_the_fork_server_is_killed_between_units():
    with running() as state:
        server = state.server()
        os.kill(server, signal.SIGKILL)
        wait_for("its end", lambda: not alive(server))
        state.assert_clean()


@pytest.mark.parametrize("isolation", ["cgroup", "subreaper"])
def test_the_fork_server_is_killed_while_a_unit_runs(isolation):
    with running(isolation=isolation) as state:
        server = state.server()
        task = state.begin()
        os.kill(server, signal.SIGKILL)
        wait_for("its end", lambda: not alive(server))
        wait_for("another server", lambda: len([p for p in state.pythons() if parent_of(p) not in state.pythons()]) == 2)
        state.release(*state.herd.addresses)
        assert {row["status"] for row in state.rows(task).values()} == {"ok"}
        state.assert_clean()


@pytest.mark.parametrize("release", list(RELEASES))
def test_a_worker_is_killed(release):
    """Ansible ends the whole run with `A worker was found in a dead state`; here its host alone is lost."""
    with running(release) as state:
        task = state.begin()
        victim, *others = state.herd.addresses
        worker = next(pid for pid in state.pythons()[state.unit()]
                      if any(victim in cmdline(child) for child in descendants(pid)))
        os.kill(worker, signal.SIGKILL)
        wait_for("its host to be lost", lambda: {row["host"]: row["status"] for row in state.daemon.results(task)}.get(
            victim) == "lost")
        state.release(*others)
        rows = state.rows(task)
        assert {host: row["status"] for host, row in rows.items()} == {victim: "lost", **dict.fromkeys(others, "ok")}
        assert "died" in rows[victim]["message"] and rows[victim]["remote_process"] == "unknown"
        state.assert_clean()


def test_the_process_of_a_unit_is_killed():
    """What it has told stands; what it was working on is lost."""
    with running() as state:
        task = state.begin()
        done, *others = state.herd.addresses
        state.release(done)
        wait_for("the first result", lambda: {row["host"]: row["status"] for row in state.daemon.results(task)}.get(
            done) == "ok")
        os.kill(state.unit(), signal.SIGKILL)
        rows = state.rows(task)
        assert {host: row["status"] for host, row in rows.items()} == {done: "ok", **dict.fromkeys(others, "lost")}
        assert all("died" in rows[host]["message"] for host in others)
        state.assert_clean()


def test_drovers_process_of_a_unit_is_killed():
    with running() as state:
        task = state.begin()
        mine = [pid for pid in state.below() if pid not in state.pythons() and parent_of(pid) == state.daemon.parts()[PART]
                and any(word.startswith("--role=executor") for word in cmdline(pid))]
        assert len(mine) == 1, [(pid, cmdline(pid)) for pid in state.below()]
        os.kill(mine[0], signal.SIGKILL)
        assert {row["status"] for row in state.rows(task).values()} == {"lost"}
        state.assert_clean()


@pytest.mark.parametrize("part", ["core", PART])
def test_a_part_of_the_daemon_is_killed(part):
    with running() as state:
        task = state.begin()
        before, victim = state.below(), state.daemon.parts()[part]
        root = next(cmdline(pid)[-2] for pid in state.pythons())
        os.kill(victim, signal.SIGKILL)
        wait_for("the end of all that ran", lambda: not any(alive(pid) for pid in before))
        wait_for("the parts to be up again", lambda: {"core", PART} <= set(state.daemon.parts()))
        state.daemon.wait_ready()
        assert {row["status"] for row in state.rows(task).values()} == {"lost"}
        state.assert_clean()
        assert not os.path.exists(root)


def test_nothing_is_left_behind_by_a_daemon_that_ends():
    with running() as state:
        root = cmdline(state.server())[-2]
        assert os.path.isdir(root)
        state.daemon.stop()
        assert not os.path.exists(root)
