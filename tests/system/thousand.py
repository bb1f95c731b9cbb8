"""Thousands of light ssh hosts of which 5 % are not well, and what must hold for all the others."""

import contextlib
import os

from daemon import BUILD, PATIENCE, Daemon
from fleet.light import Light

HOSTS = 1000
EVERY = 20  # one host of 20 is not well: 5 %, at least one in each unit of 30


def ill_hosts(first=0):
    """Numbers of the hosts that are not well, among the thousand from `first` on."""
    return range(first + 7, first + HOSTS, EVERY)


def milliseconds(duration):
    return f"{duration * 1000:.0f}ms"


def timeouts(limit):
    """The executor's options: no phase may last longer than `limit` seconds."""
    return {f"{phase}_timeout": milliseconds(limit) for phase in ("connect", "banner", "kex", "auth", "channel")}


class Herd:
    """A light server, a daemon, and what this machine needs for a thousand hosts that are well: the first thousand.

    `usual`: seconds until the last of these is final. `limit`: seconds that each phase, and a host in all, may last.
    `crowded`: other tests run beside it, more of them than when `usual` was measured.
    """

    def __init__(self, thousands, hosts, crowded=False):
        self.crowded = crowded
        self.light = Light(os.path.join(BUILD, "tests/light_sshd"), thousands * HOSTS, hosts)
        self.usual = self.limit = self.daemon = None
        self.open = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as opened:
            opened.enter_context(self.light)
            with Daemon({"executors": [self.light.executor()]}) as self.daemon:
                hosts = self.thousand(0)
                rows, task = self.run(hosts, host_timeout=f"{60 * PATIENCE:g}s")
                for host in hosts:
                    assert rows[host]["status"] == "ok" and rows[host]["stdout"] == f"{host}\n", rows[host]
                self.usual = took(task, rows.values())
            self.limit = round(max(6 * PATIENCE, 3 * self.usual + 2) if self.crowded else
                               max(2.5 * PATIENCE, 2 * self.usual + 1), 1)
            self.daemon = Daemon({"executors": [self.light.executor(**timeouts(self.limit))]})
            opened.enter_context(self.daemon)
            self.open = opened.pop_all()
        return self

    def __exit__(self, *error):
        return self.open.__exit__(*error)

    def thousand(self, number):
        return self.light.addresses[number * HOSTS:(number + 1) * HOSTS]

    def run(self, hosts, payload=None, daemon=None, **more):
        """A shell task; gives its rows by host, and the task."""
        daemon = daemon or self.daemon
        more.setdefault("host_timeout", self.limit and milliseconds(self.limit))
        task = daemon.submit("shell", hosts, payload or {"command": "host"}, timeout=f"{100 * PATIENCE:g}s", **more)
        answer = daemon.wait(task, 100)
        daemon.verify(task)
        rows = {row["host"]: row for row in daemon.results(task)}
        assert len(rows) == answer["hosts_total"]
        return rows, answer

    def check_others(self, rows, task, ill):
        """All but `ill` are final as if those were not there."""
        well = [row for host, row in rows.items() if host not in ill]
        for row in well:
            assert row["status"] == "ok" and row["stdout"] == f"{row['host']}\n", row
        # Twice the time and half a second more; a hang that held up anybody would cost the limit at least.
        most = self.limit if self.crowded else min(2 * self.usual + 0.5 * PATIENCE, self.limit)
        assert took(task, well) < most, f"{took(task, well)} s, without them {self.usual} s"


def seconds(stamp):
    clock = stamp[11:].rstrip("Z").split(":")
    return int(clock[0]) * 3600 + int(clock[1]) * 60 + float(clock[2])


def took(task, rows):
    """Seconds from the submission to the last of the rows' ends."""
    return (max(seconds(row["finished_at"]) for row in rows) - seconds(task["created_at"])) % 86400
