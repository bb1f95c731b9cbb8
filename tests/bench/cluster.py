#!/usr/bin/python3
"""Many engines: how much of their capacity is used, and what Drover adds to a database that nodes share.

Efficiency: units that take 1 s each, engines with room for 4 of them, 240 units an engine, by Kafka and MariaDB;
from the first claim to the last end, against the time that the units alone would take. Rate: one distributor, one
engine, simulated hosts without latency in units of 1,000, from submission to final rows, against a bare program that
issues the same statements in the same batches to the same server, in turn in one run. Size: 100,000 hosts in one task
over 4 engines, every host counted and verified, and 20 tasks of one host that come at once after it, while the engines
fill: how many further hosts of the large one were begun between the answer to each and its own begin.
"""

import bisect
import datetime
import os
import re
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(HERE, "system"), HERE]

from cluster import Cluster  # noqa: E402
from daemon import BUILD  # noqa: E402

ENGINES = [int(n) for n in os.environ.get("BENCH_ENGINES", "1 2 4 8").split()]
UNITS = int(os.environ.get("BENCH_UNITS", "240"))  # an engine
HOSTS = int(os.environ.get("BENCH_HOSTS", "100000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
AT_ONCE = 4


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def efficiency(engines):
    roomy = {"capacity": {"hosts": 1000, "units": AT_ONCE}, "lease": {}}
    with Cluster(distributors=1, engines=engines, engine=roomy, lease=False, partitions=4 * max(ENGINES)) as cluster:
        warm = cluster.submit("sim", f"w[1-{engines * AT_ONCE}]", {"latency": "100ms"}, unit_size=1)
        cluster.wait(warm)
        task = cluster.submit("sim", f"h[1-{UNITS * engines}]", {"latency": "1s"}, unit_size=1, timeout=600)
        cluster.wait(task, 600)
        rows = cluster.results(task)
        times = [seconds(row[key]) for row in rows for key in ("started_at", "finished_at")]
        assert {row["status"] for row in rows} == {"ok"}
        shares = [sum(row["engine"] == name for row in rows) for name in sorted({row["engine"] for row in rows})]
    took = max(times) - min(times)
    ideal = UNITS / AT_ONCE
    print(f"{engines} engines: {took:6.1f} s for {ideal:.0f} s of units: efficiency {ideal / took:.3f}; "
          f"units by engine {shares}")
    return ideal / took


def bare(socket, group):
    out = subprocess.run([os.path.join(BUILD, "tests/bench/bare_mysql"), str(HOSTS), "1000", str(group), "drover"],
                         capture_output=True, text=True, check=True,
                         env=dict(os.environ, DROVER_MARIADB_SOCKET=str(socket))).stdout
    return float(re.search(r"all\s+([0-9.]+) s", out).group(1))


def rate():
    ratios = []
    wide = {"capacity": {"hosts": 20000, "units": 1000}}
    with Cluster(distributors=1, engines=1, engine=wide, lease=False) as cluster:
        for _ in range(ROUNDS):
            begin = time.monotonic()
            task = cluster.submit("sim", f"h[1-{HOSTS}]", {}, unit_size=1000, timeout=600)
            cluster.wait(task, 600)
            took = time.monotonic() - begin
            alone = bare(cluster.database.socket, max(100, int(HOSTS / took * 0.01)))
            ratios.append(alone / took)
            print(f"{HOSTS} hosts, units of 1,000: Drover {HOSTS / took:,.0f} hosts/s, bare statements {HOSTS / alone:,.0f}: "
                  f"ratio {alone / took:.2f}")
    return statistics.median(ratios)


def begun_between(starts, accepted, started):
    return bisect.bisect_left(starts, started) - bisect.bisect_left(starts, accepted)


def large():
    """The most hosts that were begun before a small task was, by the database's clock."""
    hosts, small = 100000, {}
    with Cluster(distributors=1, engines=4, engine={"capacity": {"hosts": 600, "units": 64}}, lease=False) as cluster:
        cluster.wait(cluster.submit("sim", "warm[1-400]", {}, unit_size=5))
        begin = time.monotonic()
        status, answer = cluster.ask("POST", "/v1/tasks", {"type": "sim", "hosts": f"big[000001-{hosts}]", "timeout": 600,
                                                           "payload": {"latency": "1s"}}, timeout=60)
        assert status < 300, answer
        accepted = time.monotonic() - begin
        while len(small) < 20:
            task = cluster.submit("sim", f"one{len(small)}", {})
            small[task] = time.time()
        for task in small:
            cluster.wait(task)
        assert cluster.task(answer["id"])["counts"]["pending"] > 1000, "the large task was over too soon"
        assert cluster.wait(answer["id"], 600)["counts"]["ok"] == hosts
        took = time.monotonic() - begin
        cluster.verify(answer["id"])
        rows = cluster.results(answer["id"], "&output=false")
        assert len({row["host"] for row in rows}) == hosts
        starts = sorted(seconds(row["started_at"]) for row in rows)
        overtaken = [begun_between(starts, at, seconds(cluster.results(task)[0]["started_at"])) for task, at in small.items()]
        shares = [sum(row["engine"] == n.name for row in rows) for n in cluster.engines]
    print(f"{hosts} hosts over 4 engines: accepted after {accepted:.1f} s, all ok and verified after {took:.1f} s; by engine "
          f"{shares}; begun before each of 20 small tasks: at most {max(overtaken)}, median {statistics.median(overtaken):.0f}")
    return max(overtaken)


def judge_efficiency():
    efficiencies = {engines: efficiency(engines) for engines in ENGINES}
    found = efficiencies[max(ENGINES)]
    return found >= 0.95, f"efficiency at {max(ENGINES)} engines was to be 0.95, it was {found:.3f}"


def judge_rate():
    ratio = rate()
    return ratio >= 0.5, f"half of the bare statements' rate was promised, it was {ratio:.2f}"


def judge_large():
    overtaken = large()
    return overtaken < 1000, f"a task of one host was to begin before 1,000 of a large one, it was {overtaken}"


PARTS = {"efficiency": judge_efficiency, "rate": judge_rate, "large": judge_large}


def main():
    """All parts, or those that are named."""
    judged = [PARTS[part]() for part in sys.argv[1:] or PARTS]
    for kept, text in judged:
        if not kept:
            print(f"FAILED: {text}")
    return 0 if all(kept for kept, _ in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
