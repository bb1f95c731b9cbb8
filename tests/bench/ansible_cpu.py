#!/usr/bin/python3
"""CPU of Ansible on 30 hosts: a unit of Drover beside the `ansible` and `ansible-playbook` commands, on the same hosts.

Each round runs the command, then the unit. Counted are all processes of each: Ansible's own, its workers, the ssh
clients and the masters that they leave; of Drover the daemon, too. Both negotiate the same key exchange. Both are
in a cgroup of their own, whose CPU time the kernel counts; the fork server has done before what it does once in a
daemon's life, and what that took is told. sshd and what runs on the hosts is in neither. The profile says which
processes of a unit the rest goes to.
"""

import os
import shutil
import statistics
import subprocess
import sys
import threading
import time

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [TESTS, os.path.join(TESTS, "system")]

from daemon import Daemon  # noqa: E402
from fleet.ansible import CRYPTO, RELEASES, Herd  # noqa: E402

HOSTS = int(os.environ.get("BENCH_HOSTS", "30"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
AT_MOST = {"adhoc": 0.6, "playbook": 0.75}
PIPELINED = "[connection]\npipelining = true"
# The key exchange is named, since a handshake by OpenSSH's default one hides all else, on both sides.
CASES = [("shell", "true", "", CRYPTO), ("shell", "true", PIPELINED, CRYPTO), ("ping", "", PIPELINED, CRYPTO),
         ("shell", "true", PIPELINED, "")]
# Facts, modules with and without arguments that differ by host, a loop, a handler.
BOOK = """
- hosts: all
  gather_subset: ['!all', '!min', distribution]
  handlers: [{name: restart, command: 'true'}]
  tasks:
  - {name: by facts, command: 'echo {{ ansible_facts.distribution | default("none") }}'}
  - {name: check, assert: {that: inventory_hostname is defined}}
  - {name: look, stat: {path: /etc/passwd}, register: found}
  - {name: only where, shell: 'true', when: found.stat.exists, notify: restart}
  - {name: each, command: 'echo {{ item }}', loop: [a, b]}
"""
CASES += [("playbook", BOOK, "", CRYPTO), ("playbook", BOOK, PIPELINED, CRYPTO)]
SAMPLE = 0.005
# With the second unit the fork server packs the modules that are used most: once, and told with the start.
WARM_UNITS = 2


class Group:
    """A cgroup: the CPU of all that was ever in it."""

    def __init__(self, name):
        with open("/proc/self/mountinfo", encoding="ascii", errors="replace") as file:
            mounts = [line.split() for line in file if " - cgroup2 " in line]
        with open("/proc/self/cgroup", encoding="ascii") as file:
            own = next(line.strip()[3:] for line in file if line.startswith("0::"))
        if not mounts:
            raise SystemExit("this measure needs cgroup2")
        root, where = mounts[0][3], mounts[0][4]
        inside = own[len(root):] if root != "/" and own.startswith(root) else own
        self.path = os.path.join(where, inside.strip("/"), f"drover-bench-{os.getpid()}-{name}")
        try:
            os.mkdir(self.path)
        except OSError as error:
            raise SystemExit(f"this measure needs a cgroup of its own, as root has: {error}") from None

    def enter(self):
        """In a child, before it is exec'd."""
        with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write("0")

    def seconds(self):
        with open(os.path.join(self.path, "cpu.stat"), encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("usage_usec")) / 1e6

    def pids(self):
        found = []
        for folder, _, files in os.walk(self.path):
            if "cgroup.procs" in files:
                try:
                    with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file:
                        found += [int(line) for line in file]
                except OSError:
                    continue
        return found

    def end(self):
        with open(os.path.join(self.path, "cgroup.kill"), "w", encoding="ascii") as file:
            file.write("1")
        while self.pids():
            time.sleep(0.01)
        for folder, _, _ in os.walk(self.path, topdown=False):
            os.rmdir(folder)


class Profile(threading.Thread):
    """Where the CPU of a group goes, by kind of process, sampled: what a process takes in its last ms is not seen."""

    def __init__(self, group, daemon):
        super().__init__(daemon=True)
        self.group, self.done = group, threading.Event()
        self.core = set(daemon.parts().values()) | {daemon.process.pid}
        self.before = {}
        self.took, self.kinds = {}, {}

    def look(self):
        for pid in self.group.pids():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read().split(b"\0")
                took = 0
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                        took += int(file.read().split()[0])
                with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            self.before.setdefault(pid, took if pid in self.core or not self.took else 0)
            self.took[pid] = took
            if line[0] or pid not in self.kinds:  # a zombie has none
                self.kinds[pid] = (self.kind(pid, line), parent)

    def kind(self, pid, line):
        if pid in self.core:
            return "Drover's daemon"
        if line[0].startswith(b"ssh: "):  # its title
            return "ssh's masters: each host's handshake"
        name = os.path.basename(line[0]).decode(errors="replace")
        if line[0].endswith(b"/ansible/ssh"):
            return "Drover's own ssh: sessions of the masters"
        if name in ("ssh", "sftp", "ssh-agent", "ssh-add"):
            return name
        return "Python" if b"server.py" in b"\0".join(line) else "Drover's process of the unit"

    def run(self):
        self.look()
        while not self.done.wait(SAMPLE):
            self.look()

    def finish(self):
        self.done.set()
        self.join()
        self.look()
        found = {}
        for pid, took in self.took.items():
            kind, parent = self.kinds[pid]
            if kind == "Python":
                above = self.kinds.get(parent, ("", 0))[0]
                kind = "Ansible: its workers" if above == "Python" else "Ansible: the unit's main process, the server"
            found[kind] = found.get(kind, 0) + (took - self.before[pid]) / 1e9
        return found


def run_command(herd, release, module, args):
    group = Group("theirs")
    shutil.rmtree(os.path.join(herd.home, ".ansible"), ignore_errors=True)
    begin = time.monotonic()
    if module == "playbook":
        path = os.path.join(herd.home, "book.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(args)
        words = ["ansible-playbook", release, f"--forks={HOSTS}", path]
    else:
        words = ["ansible", release, "all", f"--forks={HOSTS}", f"--module-name={module}", f"--args={args}"]
    done = herd.command(*words, preexec_fn=group.enter)
    took = time.monotonic() - begin
    assert done.returncode == 0, done.stdout + done.stderr
    cpu = group.seconds()
    group.end()
    return cpu, took


def run_unit(daemon, group, herd, module, args, profile=False):
    before, begin = group.seconds(), time.monotonic()
    watcher = Profile(group, daemon) if profile else None
    if watcher:
        watcher.start()
    payload = {"playbook": args} if module == "playbook" else {"module": module, "args": args}
    task = daemon.submit(kind_of(module), herd.addresses, payload, unit_size=HOSTS)
    answer = daemon.wait(task)
    took = time.monotonic() - begin
    assert answer["counts"]["ok"] == HOSTS, answer
    while len(daemon.units()) > 1:
        time.sleep(0.005)
    return group.seconds() - before, took, watcher.finish() if watcher else None


def kind_of(module):
    return "playbook" if module == "playbook" else "adhoc"


class Grouped(Daemon):
    """In a cgroup."""

    def __init__(self, group, config):
        super().__init__(config, isolation="cgroup")
        self.group = group

    def start(self, ready=True):
        real = subprocess.Popen
        subprocess.Popen = lambda *args, **more: real(*args, preexec_fn=self.group.enter, **more)
        try:
            return super().start(ready)
        finally:
            subprocess.Popen = real


def measure(release, module, args, settings, crypto):
    group = Group("ours")
    try:
        with Herd(HOSTS, settings, ssh_options=crypto) as herd:
            return compare(herd, group, release, module, args)
    finally:
        group.end()


def compare(herd, group, release, module, args):
    config = {"executors": [herd.executor(kind_of(module), release)], "credentials": herd.credentials()}
    with Grouped(group, config) as daemon:
        while not daemon.units():
            time.sleep(0.01)
        for _ in range(WARM_UNITS):
            run_unit(daemon, group, herd, module, args)
        start = group.seconds()
        theirs, ours = [], []
        for _ in range(ROUNDS):
            theirs.append(run_command(herd, release, module, args))
            ours.append(run_unit(daemon, group, herd, module, args)[:2])
        start -= WARM_UNITS * statistics.median(cpu for cpu, _ in ours)
        cpu, _took, parts = run_unit(daemon, group, herd, module, args, profile=True)
    return theirs, ours, start, cpu, parts


def main():
    only = " ".join(sys.argv[1:])  # of a case's name: `newest playbook`
    missed = []
    for release in [name for name in RELEASES if os.path.exists(RELEASES[name][0])]:
        for module, args, settings, crypto in CASES:
            name = f"{release} {module}{', pipelined' if settings else ''}{'' if crypto else ', default kex'}"
            if only not in name:
                continue
            theirs, ours, start, cpu, parts = measure(release, module, args, settings, crypto)
            a, b = (statistics.median(cpu for cpu, _ in side) for side in (theirs, ours))
            print(f"{name:<37} {HOSTS} hosts: ansible {a:5.2f} s CPU ({statistics.median(t for _, t in theirs):.1f} s), "
                  f"Drover {b:5.2f} s CPU ({statistics.median(t for _, t in ours):.1f} s), ratio {b / a:.2f}; "
                  f"daemon and fork server at their start, once: {start:.2f} s", flush=True)
            seen = sum(parts.values())
            for kind, took in sorted(parts.items(), key=lambda item: -item[1]):
                print(f"    {took:6.2f} s {100 * took / cpu:3.0f} %  {kind}")
            rest = max(cpu - seen, 0)
            print(f"    {rest:6.2f} s {100 * rest / cpu:3.0f} %  not seen by the samples", flush=True)
            if crypto and b / a > AT_MOST[kind_of(module)]:
                missed.append(f"{name}: {b / a:.2f}")
    print("of the CPU of Ansible's commands at most 0.6 ad-hoc, 0.75 of a playbook:",
          "missed by " + ", ".join(missed) if missed else "held")


if __name__ == "__main__":
    main()
