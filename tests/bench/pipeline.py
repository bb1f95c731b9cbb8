#!/usr/bin/python3
"""What Drover adds to its store: from submission to final rows, against a bare program on SQLite.

The bare program issues the same statements on the same tables and indexes, in transactions of about as many
rows, and does nothing else. Both are measured in turn in one run; the ratio of each pair is what counts, since
machines are noisy. The CPU of one Drover run is told by process and thread: what forking, frames, JSON and
the store took.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from daemon import BUILD, Daemon  # noqa: E402

HOSTS = int(os.environ.get("BENCH_HOSTS", "200000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
TICK = os.sysconf("SC_CLK_TCK")


def bare(unit_size, group):
    """Hosts per second of the bare program over all its parts."""
    with tempfile.TemporaryDirectory(prefix="drover-bench-") as folder:
        out = subprocess.run([os.path.join(BUILD, "tests/bench/bare_sqlite"), str(HOSTS), str(unit_size), str(group), folder],
                             capture_output=True, text=True, check=True).stdout
    return float(re.search(r"all\s+([0-9.]+) s", out).group(1))


def cpu_of(stat):
    with open(stat, encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) / TICK, int(fields[12]) / TICK, (int(fields[13]) + int(fields[14])) / TICK


def cpu_by_part(daemon):
    """Seconds of CPU so far: of the core by thread, of the executor host, and of its dead children."""
    parts = daemon.parts()
    shares = {}
    for thread in os.listdir(f"/proc/{parts['core']}/task"):
        user, system, _ = cpu_of(f"/proc/{parts['core']}/task/{thread}/stat")
        with open(f"/proc/{parts['core']}/task/{thread}/comm", encoding="ascii") as f:
            name = f.read().strip()
        shares[name] = shares.get(name, 0) + user + system
    user, system, children = cpu_of(f"/proc/{parts['executor: sim']}/stat")
    shares["executor user"], shares["executor system"], shares["units"] = user, system, children
    return shares


def one_run(unit_size):
    """Seconds from submission to the last final row, transactions, and CPU by part."""
    with Daemon({"capacity": {"hosts": 20000, "units": 1000}, "executors": [{"plugin": "sim"}]}) as daemon:
        before = cpu_by_part(daemon)
        begin = time.monotonic()
        task = daemon.submit("sim", f"n[1-{HOSTS}]", {}, unit_size=unit_size, timeout=600)
        accepted = time.monotonic() - begin
        answer = daemon.wait(task, 600)
        took = time.monotonic() - begin
        assert answer["outcome"] == "ok", answer
        after = cpu_by_part(daemon)
        daemon.verify(task)
    return took, accepted, {name: after[name] - before.get(name, 0) for name in after}


def median(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def compare(unit_size, rounds):
    ratios, ours, theirs, cpu = [], [], [], {}
    for _ in range(rounds):
        took, accepted, cpu = one_run(unit_size)
        # Drover commits at most every 10 ms: about as many rows as it handles in that time.
        group = max(100, int(HOSTS / took * 0.01))
        alone = bare(unit_size, group)
        ratios.append(alone / took)
        ours.append(HOSTS / took)
        theirs.append(HOSTS / alone)
    print(f"units of {unit_size}: Drover {statistics.median(ours):,.0f} hosts/s, bare SQLite "
          f"{statistics.median(theirs):,.0f} hosts/s; ratio of pairs: {median(ratios)}; accepted after {accepted:.2f} s")
    total = sum(cpu.values())
    told = {"store (writing thread)": cpu.get("store", 0),
            "JSON and HTTP": sum(v for k, v in cpu.items() if k.startswith(("http", "MHD"))),
            "frames and scheduling (core's loop)": cpu.get("droverd", 0) + cpu.get("core", 0),
            "frames (executor host)": cpu["executor user"],
            "fork and cgroups (executor host)": cpu["executor system"],
            "unit processes (plugin, frames)": cpu["units"]}
    told["other"] = total - sum(told.values())
    for name, seconds in told.items():
        print(f"    {name:38} {seconds:6.2f} s CPU  {100 * seconds / total:5.1f} %")
    return statistics.median(ratios)


def main():
    print(f"{HOSTS} simulated hosts without latency, {os.cpu_count()} processors, {ROUNDS} rounds")
    ratio = compare(1000, ROUNDS)
    compare(30, max(1, ROUNDS // 2))
    if ratio < 0.5:
        print(f"FAILED: half of the bare program's rate was promised, it was {ratio:.2f}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
