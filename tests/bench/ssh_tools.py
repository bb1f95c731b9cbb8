#!/usr/bin/python3
"""Drover beside the tools that people use today: one command on the same real sshd hosts.

pdsh, clush, parallel-ssh and `xargs ssh` start an ssh client for each host; Drover's connections are in its own
event loop, and each result is a row in SQLite. All negotiate curve25519-sha256 and aes128-gcm, check the same host
keys, log in with the same key and have 64 hosts at once. A tool's CPU is that of all of its processes, by wait4:
of the tool and its ssh clients; of `drover run` and of a daemon of its own, its start and stop included. sshd itself
is not in it: on one machine it takes 20 ms and more a host, and so bounds everybody's wall time.
"""

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, os.path.join(TESTS, "system")]

from daemon import BUILD, Daemon  # noqa: E402
from fleet.sshd import LISTEN_MOST, Sshd, public_key, wait_for  # noqa: E402

SIZES = [int(size) for size in os.environ.get("BENCH_HOSTS", "300,1000").split(",")]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
WIDTH = 64
PER_ROW = 250
CRYPTO = "KexAlgorithms curve25519-sha256\nCiphers aes128-gcm@openssh.com"
COMMAND = "true"


class Herd(Sshd):
    """More hosts than one /24 has; one line of known_hosts is for all of them, whoever reads it."""

    def __init__(self, count):
        super().__init__(1, CRYPTO)
        network, row = self.prefix.split(".")[1:]
        self.addresses = [f"127.{network}.{(int(row) + i // PER_ROW) % 256}.{i % PER_ROW + 1}" for i in range(count)]
        with open(self.known_hosts, "w", encoding="ascii") as file:
            file.write(f"[127.{network}.*]:{self.port} {public_key(self.host_key)}\n")
        self.ssh_config = os.path.join(self.folder, "ssh_config")
        with open(self.ssh_config, "w", encoding="ascii") as file:
            file.write(f"Port {self.port}\nUser {self.user}\nIdentityFile {self.key}\nIdentitiesOnly yes\nBatchMode yes\n"
                       f"UserKnownHostsFile {self.known_hosts}\nGlobalKnownHostsFile /dev/null\nLogLevel ERROR\n"
                       f"StrictHostKeyChecking yes\n{CRYPTO}\n")
        self.list = os.path.join(self.folder, "hosts")
        with open(self.list, "w", encoding="ascii") as file:
            file.write("".join(f"{address}\n" for address in self.addresses))

    def __enter__(self):
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        for first in range(0, len(self.addresses), LISTEN_MOST):
            self._start(self.addresses[first:first + LISTEN_MOST], first)
        for address in self.addresses[::LISTEN_MOST]:
            wait_for(lambda a=address: self._listens(a), what=f"sshd on {address}")
        return self


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command, stdin=None, **env):
    """Seconds that it took."""
    begin = time.monotonic()
    subprocess.run(command, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True,
                   env={**os.environ, **env})
    return time.monotonic() - begin


def pdsh(herd):
    return run(["pdsh", "-R", "ssh", "-f", str(WIDTH), "-w", f"^{herd.list}", COMMAND],
               PDSH_SSH_ARGS_APPEND=f"-F {herd.ssh_config}")


def clush(herd):
    return run(["clush", "-f", str(WIDTH), "-o", f"-F {herd.ssh_config}", "-w", ",".join(herd.addresses), COMMAND])


def parallel_ssh(herd):
    return run(["parallel-ssh", "-p", str(WIDTH), "-x", f"-F {herd.ssh_config}", "-h", herd.list, COMMAND])


def xargs_ssh(herd):
    with open(herd.list, "rb") as hosts:
        return run(["xargs", "-P", str(WIDTH), "-I{}", "ssh", "-n", "-F", herd.ssh_config, "{}", COMMAND], stdin=hosts)


@contextlib.contextmanager
def daemon_for(herd):
    shell = {"plugin": "shell", "user": herd.user, "port": str(herd.port), "key": herd.key, "agent": "false",
             "known_hosts": herd.known_hosts}
    with Daemon({"executors": [shell], "capacity": {"hosts": WIDTH}}) as daemon:
        yield daemon


def drover(herd):
    with daemon_for(herd) as daemon:
        took = run([os.path.join(BUILD, "drover"), "--url", daemon.url(), "run", "-y", "-H", f"^{herd.list}", "--timeout",
                    "600s", "--", COMMAND])
        answer = daemon.get("/v1/tasks")["items"][0]
        assert answer["counts"]["ok"] == len(herd.addresses), answer
        return took


def idle(herd):
    """What the daemon alone costs."""
    with daemon_for(herd):
        return 0.0


def loop_alone(herd):
    """The connections in one unit process: no daemon, no records."""
    options = [word for option in [*herd.options(), f"fanout={WIDTH}"] for word in ("--option", option)]
    return run([os.path.join(BUILD, "tests/unit_runner"), os.path.join(BUILD, "plugins/shell.so"), "--payload",
                '{"command": "%s"}' % COMMAND, *options, *herd.addresses])


TOOLS = {"Drover": drover, "pdsh": pdsh, "clush": clush, "parallel-ssh": parallel_ssh, "xargs ssh": xargs_ssh,
         "(Drover's loop alone)": loop_alone, "(an idle daemon)": idle}


def told(values, digits):
    return f"{statistics.median(values):8.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def compare(hosts):
    """True when what is promised holds."""
    took, cpu = {name: [] for name in TOOLS}, {name: [] for name in TOOLS}
    with Herd(hosts) as herd:
        for number in range(ROUNDS):
            names = list(TOOLS)
            for name in names[number % len(names):] + names[:number % len(names)]:
                before = children_cpu()
                took[name].append(TOOLS[name](herd))
                cpu[name].append(1000 * (children_cpu() - before) / hosts)
    print(f"{hosts} hosts: median, smallest and largest of {ROUNDS} rounds")
    for name in TOOLS:
        print(f"    {name:24} {told(took[name], 2):>28} s {told(cpu[name], 2):>32} ms of CPU a host")
    middle = {name: statistics.median(values) for name, values in cpu.items()}
    ratio = middle["Drover"] / middle["pdsh"]
    loop, rest = middle["(Drover's loop alone)"], middle["(an idle daemon)"]
    print(f"    Drover's CPU is {ratio:.3f} of pdsh's; of its {middle['Drover']:.2f} ms the connections with their "
          f"deadlines and host keys take {loop:.2f}, the daemon's start and stop {rest:.2f}, "
          f"records and command line {middle['Drover'] - loop - rest:.2f}")
    slower = [name for name in ("pdsh", "clush", "parallel-ssh", "xargs ssh")
              if statistics.median(took["Drover"]) > statistics.median(took[name])]
    if ratio > 0.1:
        print("    FAILED: at most 0.1 was promised")
    if slower:
        print(f"    FAILED: {', '.join(slower)} took less time")
    return ratio <= 0.1 and not slower


def main():
    print(f"{os.cpu_count()} processors, {WIDTH} hosts at once, {COMMAND!r} on each")
    return 0 if all([compare(hosts) for hosts in SIZES]) else 1


if __name__ == "__main__":
    sys.exit(main())
