"""A node that is stopped (SIGSTOP) for longer than its lease, while others share its store: its units die without it,
others take them over, and what it writes when it goes on changes nothing."""

import contextlib
import os
import signal
import sys
import time

import pytest

from daemon import Daemon, PATIENCE, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from services.mariadb import MariaDB  # pylint: disable=wrong-import-position

SHORT = {"renew": "300ms", "permit": "300ms", "permit_lost": "1s", "stop_after": "1s", "read_gap": "1s",
         "take_over": "3s"}


def started_and_ended(folder):
    """Of each host, the moments of its own file's lines, in seconds."""
    found = {}
    for name in os.listdir(folder):
        assert name != "overlaps", "two processes executed a host at once"
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            found[name] = [(line.split()[0], int(line.split()[5]) / 1000) for line in f]
    return found


class OtherOutages:
    """On nodes of their own, while another test waits: a database that is away, and a stopped core whose supervisor
    is well. Everything at its defaults."""

    def __enter__(self):
        self.server = MariaDB()
        self.away = Daemon({"store": self.server.store()})
        self.alone = Daemon()
        try:
            self.away.start()
            self.alone.start()
            self.parts = self.away.parts()
            self.task = self.away.submit("sim", "a[1-90]", {"latency": "10-20s", "output": "text"}, unit_size=30)
            self.stopped = self.alone.submit("sim", "s[1-40]", {"latency": "200s"}, timeout=300, unit_size=10)
            for daemon, task, hosts in ((self.away, self.task, 90), (self.alone, self.stopped, 40)):
                wait_for("the hosts to run", lambda d=daemon, t=task, n=hosts: d.task(t)["counts"]["running"] == n)
            self.core = self.alone.parts()["core"]
            self.server.kill()
            os.kill(self.core, signal.SIGSTOP)
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def check(self):
        """After a minute."""
        answer, content = self.away.request("POST", "/v1/tasks", {"type": "sim", "hosts": "r[1-9]", "payload": {}},
                                            raw=True)
        assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, content
        assert not self.away.units() and not self.alone.units()
        self.server.start()
        wait_for("answers", lambda: self.away.request("GET", "/v1/tasks", raw=True)[0].status == 200)
        assert self.away.wait(self.task)["counts"]["ok"] == 90
        self.away.verify(self.task)
        assert [t["id"] for t in self.away.get("/v1/tasks")["items"]] == [self.task]
        assert self.away.parts() == self.parts
        # The supervisor has ended the core, and there is another.
        self.alone.wait_ready(60)
        assert self.alone.parts()["core"] != self.core
        assert self.alone.wait(self.stopped)["counts"]["lost"] == 40
        self.alone.verify(self.stopped)

    def __exit__(self, *why):
        for daemon in (self.away, self.alone):
            if daemon.process:
                daemon.__exit__(*why)
        self.server.stop()


@pytest.mark.parametrize("lease, permit_lost, stopped_for", [(SHORT, 1, 0), ({}, 20, 60)], ids=["short", "defaults"])
def test_a_stopped_node(tmp_path, lease, permit_lost, stopped_for):
    with OtherOutages() if stopped_for else contextlib.nullcontext() as others:
        stop_a_node(tmp_path, lease, permit_lost, stopped_for)
        if others:
            others.check()


def stop_a_node(tmp_path, lease, permit_lost, stopped_for):
    locks = str(tmp_path / "locks")
    os.mkdir(locks)

    def node(name):
        return Daemon({"node": {"name": name}, "store": server.store(), "lease": lease,
                       "executors": [{"plugin": "sim", "lock_dir": locks}]})

    with MariaDB() as server, node("one") as one, node("two") as two:
        core, supervisor = one.parts()["core"], one.process.pid
        lasting = one.submit("sim", "l[1-60]", {"latency": "100s"}, timeout=200, unit_size=20)
        # Their results wait in the link to the core while that is stopped.
        ending = one.submit("sim", "e[1-60]", {"latency": "1-2s" if lease else "3-12s"}, timeout=200, unit_size=20)
        wait_for("the hosts to run", lambda: one.task(lasting)["counts"]["running"] == 60
                 and one.task(ending)["counts"]["pending"] == 0)  # the first of them may have ended by then
        units = one.units()
        assert units
        os.kill(supervisor, signal.SIGSTOP)
        os.kill(core, signal.SIGSTOP)
        begun, begun_utc = time.monotonic(), time.time()
        try:
            wait_for("the units to be dead", lambda: not one.units(), permit_lost + 5)
            dead = time.monotonic() - begun
            assert dead < permit_lost + 2 * PATIENCE, f"the units lived on for {dead:.1f} s"
            # The other node ends its lease and takes its units over.
            wait_for("the units to be taken over", lambda: two.task(lasting)["counts"]["running"] == 0
                     and two.task(ending)["counts"]["running"] == 0, 75)
            if stopped_for:
                wait_for("the time to pass", lambda: time.monotonic() - begun > stopped_for, stopped_for + 5)
            before = {task: (two.task(task), two.results(task)) for task in (lasting, ending)}
            assert before[lasting][0]["counts"]["lost"] == 60
            assert before[ending][0]["counts"]["lost"] + before[ending][0]["counts"]["ok"] == 60
        finally:
            os.kill(core, signal.SIGCONT)
            time.sleep(1)  # a moment in which it may do harm before its supervisor sees how silent it was
            os.kill(supervisor, signal.SIGCONT)
        wait_for("a new core", lambda: one.parts().get("core", core) != core)
        one.wait_ready(60)
        for task, (told, rows) in before.items():
            assert one.wait(task)["counts"] == told["counts"]
            now = one.results(task)
            assert [(r["host"], r["status"], r["attempt"]) for r in now] == \
                [(r["host"], r["status"], r["attempt"]) for r in rows]
            one.verify(task)
        # Nothing of it ran later, nor twice.
        for host, lines in started_and_ended(locks).items():
            assert [what for what, _ in lines] in (["start"], ["start", "end"]), (host, lines)
            assert all(at < begun_utc + dead + 0.1 for _, at in lines), (host, lines)
        # Both go on.
        assert one.wait(one.submit("sim", "o[1-5]", {}))["outcome"] == "ok"
        assert two.wait(two.submit("sim", "t[1-5]", {}))["outcome"] == "ok"
