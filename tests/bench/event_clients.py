#!/usr/bin/python3
"""What 1,000 event streams cost: the time of one task of 10,000 simulated hosts without them and with them.

Pairs of both are measured in turn in one run; the ratio of their times is what counts. The clients are a process
of their own on the same machine, at the lowest priority: what they take to read is theirs, not the daemon's.
"""

import multiprocessing
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))

from daemon import Daemon, pss_kb, wait_for  # noqa: E402
from test_event_clients import Crowd, metrics  # noqa: E402

HOSTS = int(os.environ.get("BENCH_HOSTS", "10000"))
CLIENTS = int(os.environ.get("BENCH_CLIENTS", "1000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
LATENCY = "2-6s"  # of a host: 2,000 at once, so that the task takes some 20 s
TICK = os.sysconf("SC_CLK_TCK")


def read_all(daemon, task, there, done):
    os.nice(19)
    crowd = Crowd(daemon, task, CLIENTS)
    there.set()
    crowd.read(600)
    crowd.close()
    done.put(crowd.ended)


def core_cpu(daemon):
    with open(f"/proc/{daemon.parts()['core']}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def final(task):
    return task if task["state"] == "done" else None


def one_run(clients):
    """Seconds from submission to the last final row, the core's CPU, and its memory at the end."""
    with Daemon({"executors": [{"plugin": "sim"}]}) as daemon:
        there, done = multiprocessing.Event(), multiprocessing.Queue()
        cpu = core_cpu(daemon)
        begun = time.monotonic()
        task = daemon.submit("sim", f"h[1-{HOSTS}]", {"latency": LATENCY}, timeout=600)
        if clients:
            reader = multiprocessing.Process(target=read_all, args=(daemon, task, there, done))
            reader.start()
            there.wait()
            assert f"drover_http_event_clients {CLIENTS}\n" in metrics(daemon)
        # Not by `wait=`, for which no place is left among the streams.
        answer = wait_for("the task's end", lambda: final(daemon.task(task)), 600, 0.1)
        seconds = time.monotonic() - begun
        result = seconds, core_cpu(daemon) - cpu, pss_kb(daemon.parts()["core"]) / 1024
        assert answer["counts"]["ok"] == HOSTS, answer["counts"]
        daemon.verify(task)
        if clients:
            assert done.get(timeout=600) == CLIENTS
            reader.join()
        return result


def main():
    ratios = []
    print(f"one task of {HOSTS} hosts; {CLIENTS} event streams; pairs in turn")
    for i in range(ROUNDS):
        alone, crowded = one_run(False), one_run(True)
        ratios.append(crowded[0] / alone[0])
        for name, (seconds, cpu, memory) in (("alone", alone), ("with the streams", crowded)):
            print(f"  {i + 1}  {name:<17} {seconds:6.2f} s  core: {cpu:6.2f} s of CPU, {memory:6.1f} MB")
    ratio = statistics.median(ratios)
    print(f"the task's time with the streams: {ratio:.2f} of that without (median of {ROUNDS}; wanted: below 1.20)")
    return 0 if ratio < 1.2 else 1


if __name__ == "__main__":
    sys.exit(main())
