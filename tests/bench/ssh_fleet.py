#!/usr/bin/python3
"""One task on thousands of ssh hosts, recorded: wall time, CPU and memory, with both ends on this machine.

The hosts are the light server of tests/fleet: real ssh connections with curve25519, host keys checked, each
result a row in SQLite. Told beside it is what the same connections cost in a bare loop of libssh, which has
no deadlines, knows no host keys and writes nothing down (bare_ssh.c), and in one unit process of its own.
"""

import os
import resource
import statistics
import subprocess
import sys
import threading
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, os.path.join(TESTS, "system")]

from daemon import BUILD, Daemon, pss_kb  # noqa: E402
from fleet.light import Light  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
GOALS = {5000: 15.0, 10000: 30.0}  # hosts: seconds
MEMORY = 150  # MB at most, of all of Drover's processes
COMMAND = "echo a line as a healthy host would print it"
LIGHT = os.path.join(BUILD, "tests/light_sshd")


def children_cpu():
    """Seconds of CPU of all children that were waited for, with theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Memory(threading.Thread):
    """The largest sum of PSS of all of a daemon's processes, sampled ten times a second."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.watched, self.most, self.ended = daemon, 0, threading.Event()

    def run(self):
        while not self.ended.wait(0.1):
            self.most = max(self.most, sum(pss_kb(pid) for pid in self.watched.everything()) / 1024)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


def recorded(hosts, sample=True, **known_hosts):
    """Seconds, ms of CPU a host of Drover and of the server, and MB, of one task on so many hosts."""
    with Light(LIGHT, hosts) as light:
        light.write_known_hosts(**known_hosts)
        before, memory = children_cpu(), None
        with Daemon({"executors": [light.executor()]}) as daemon:
            memory = Memory(daemon)
            if sample:
                memory.start()
            begin = time.monotonic()
            task = daemon.submit("shell", light.nodeset(), {"command": COMMAND}, timeout="100s")
            answer = daemon.wait(task, 120)
            took = time.monotonic() - begin
            memory.ended.set()
            assert answer["outcome"] == "ok" and answer["counts"]["ok"] == hosts, answer
            daemon.verify(task)
        cpu = children_cpu() - before
        return took, 1000 * cpu / hosts, 1000 * light.cpu() / hosts, memory.most


def unit_alone(hosts):
    """ms of CPU a host in one unit process, without a daemon: deadlines, host keys, results as text."""
    with Light(LIGHT, hosts) as light:
        command = [os.path.join(BUILD, "tests/unit_runner"), os.path.join(BUILD, "plugins/shell.so"),
                   "--payload", '{"command": "%s"}' % COMMAND]
        for option in light.options():
            command += ["--option", option]
        return cpu_of(command + light.addresses, hosts)


def bare_loop(hosts):
    """ms of CPU a host of a bare loop of libssh with as many connections at once."""
    with Light(LIGHT, hosts) as light:
        return cpu_of([os.path.join(BUILD, "tests/bench/bare_ssh"), str(light.port), light.user, light.key, "256",
                       COMMAND, *light.addresses], hosts)


def cpu_of(command, hosts):
    before = children_cpu()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return 1000 * (children_cpu() - before) / hosts


def told(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def compare(hosts):
    """What each part adds, measured in turn."""
    ways = {"bare loop of libssh": bare_loop, "one unit process: deadlines, host keys": unit_alone,
            "Drover: units, records, one line of known_hosts": lambda n: recorded(n, sample=False)[1],
            f"Drover, known_hosts of {hosts} lines": lambda n: recorded(n, one_by_one=True, sample=False)[1],
            f"Drover, known_hosts of {hosts} hashed lines": lambda n: recorded(n, hashed=True, sample=False)[1]}
    found = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            found[name].append(way(hosts))
    print(f"{hosts} hosts, ms of CPU a host on the client's side (median, smallest and largest of {ROUNDS} rounds):")
    for name, values in found.items():
        print(f"    {name:50} {told(values)}")


def main():
    print(f"{os.cpu_count()} processors, {ROUNDS} rounds; Drover's CPU is that of all its processes, with the daemon's "
          "start and stop")
    failed = 0
    for hosts, goal in GOALS.items():
        runs = [recorded(hosts) for _ in range(ROUNDS)]
        took, cpu, server, memory = (list(values) for values in zip(*runs))
        print(f"{hosts} hosts: {told(took)} s, CPU {told(cpu)} ms a host (the server's: {told(server)}), "
              f"memory at most {max(memory):.0f} MB")
        for what, value, limit in (("seconds", statistics.median(took), goal), ("MB", max(memory), MEMORY)):
            if value > limit:
                print(f"FAILED: {value:.1f} {what}, at most {limit} were promised")
                failed = 1
    compare(1000)
    return failed


if __name__ == "__main__":
    sys.exit(main())
