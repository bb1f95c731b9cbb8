"""Fairness and size: hung hosts cost the others nothing, small tasks do not wait, memory stays bounded."""

import threading
import time

import pytest

from daemon import Daemon, PATIENCE, pss_kb

pytestmark = pytest.mark.alone


def seconds_of(text):
    """RFC 3339 to seconds of the day, for differences within one test."""
    hours, minutes, seconds = text[11:-1].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def last_healthy(daemon, hang):
    """Seconds from a task's start until the last host that does not hang is final."""
    payload = {"latency": "50-150ms", **({"hang": "1/30"} if hang else {})}
    task = daemon.submit("sim", "h[00001-12000]", payload, timeout=10)
    answer = daemon.wait(task, 240)
    rows = daemon.results(task, "&output=false")
    healthy = [row for row in rows if row["status"] == "ok"]
    assert len(healthy) == (12000 - 400 if hang else 12000), answer["counts"]
    assert all(row["status"] == "timeout" for row in rows if row["status"] != "ok")
    begin = min(seconds_of(row["started_at"]) for row in rows)
    return max(seconds_of(row["finished_at"]) for row in healthy) - begin


def test_one_hung_host_in_every_unit_delays_no_healthy_one():
    with Daemon() as daemon:
        without, with_hangs = last_healthy(daemon, False), last_healthy(daemon, True)
        print(f"last healthy host: {without:.2f} s without hangs, {with_hangs:.2f} s with one hung host in each unit")
        assert with_hangs < 2 * without


def test_small_tasks_start_during_a_huge_one():
    with Daemon() as daemon:
        huge = daemon.submit("sim", "big[000001-100000]", {"latency": "100-400ms"}, timeout=60)
        small = []
        for number in range(20):
            before = daemon.task(huge)["counts"]
            assert before["pending"] > 2000, f"the huge task is nearly over when small task {number} comes: {before}"
            small.append(daemon.submit("sim", f"one{number}", {}))
            daemon.get(f"/v1/tasks/{small[-1]}?wait=5s")
        starts = sorted(seconds_of(row["started_at"]) for row in started_rows(daemon, huge))
        for task in small:
            answer = daemon.wait(task)
            row = daemon.results(task)[0]
            accepted, started = seconds_of(answer["created_at"]), seconds_of(row["started_at"])
            overtaken = sum(1 for s in starts if accepted < s < started)
            assert overtaken < 1000, f"{overtaken} hosts of the huge task started before {task} did"
        assert daemon.wait(huge, 120)["outcome"] == "ok"
        daemon.verify(huge)


def started_rows(daemon, task):
    return [row for row in daemon.results(task, "&output=false") if row["started_at"]]


def test_a_hundred_thousand_hosts_in_bounded_memory():
    with Daemon() as daemon:
        peak, stop = [0], threading.Event()

        def measure():
            while not stop.wait(0.2):
                peak[0] = max(peak[0], sum(pss_kb(pid) for pid in daemon.everything()))

        meter = threading.Thread(target=measure)
        meter.start()
        begin = time.monotonic()
        task = daemon.submit("sim", "n[000001-100000]", {"latency": "0-50ms"}, timeout=100)
        accepted = time.monotonic() - begin
        answer = daemon.wait(task, 240)
        took = time.monotonic() - begin
        stop.set()
        meter.join()
        print(f"100,000 hosts: accepted in {accepted:.1f} s, final after {took:.1f} s, peak {peak[0] / 1024:.0f} MB PSS")
        assert answer["counts"]["ok"] == 100000 and answer["outcome"] == "ok"
        daemon.verify(task)
        if PATIENCE == 1:  # a sanitizer's shadow memory is not the program's
            assert peak[0] < 300 * 1024
