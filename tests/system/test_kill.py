"""kill -9 of any part at random moments: nothing acknowledged is lost, nothing runs twice, all hosts end.

The witness is outside of Drover: each simulated host keeps a file of its own, which it locks while it
executes and appends to. DROVER_SEED repeats a run, DROVER_KILLS says how many kills in each way of isolation.
"""

import http.client
import os
import random
import signal
import threading
import time

import pytest
from conftest import WAYS
from daemon import Daemon, Problem, alive, wait_for

HOSTS = 3000
KILLS = int(os.environ.get("DROVER_KILLS", "30"))


def witness_of(folder):
    """What the hosts of one task saw: {host: its lines}, and the overlaps."""
    lines, overlaps = {}, []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            if name == "overlaps":
                overlaps = f.read().splitlines()
            else:
                lines[name] = f.read().splitlines()
    return lines, overlaps


def submit_in_background(daemon, task, locks, on_lost):
    """The acknowledgement may or may not come: the kill may hit the submission, too."""
    answer = {}

    def submit():
        try:
            answer["accepted"] = daemon.post("/v1/tasks", {
                "id": task, "type": "sim", "hosts": f"{task}-[0001-{HOSTS}]", "on_lost": on_lost, "timeout": 60,
                "payload": {"latency": "0-400ms", "lock_dir": locks}})
        except (OSError, http.client.HTTPException, Problem) as error:
            answer["error"] = error

    thread = threading.Thread(target=submit)
    thread.start()
    return thread, answer


def victim_of(daemon, choice):
    if choice == "supervisor":
        return daemon.process.pid
    return daemon.parts().get(choice)


def check_task(daemon, task, locks, rerun):
    answer = daemon.wait(task, 120)
    daemon.verify(task)
    rows = {row["host"]: row for row in daemon.results(task, "&output=false")}
    assert len(rows) == HOSTS
    lines, overlaps = witness_of(locks)
    assert not overlaps, overlaps[:5]
    for host, seen in lines.items():
        starts = [line for line in seen if line.startswith("start ")]
        row = rows[host]
        assert row["started_at"], f"{host} was started without an intent: {seen} {row}"
        if not rerun:
            assert len(starts) <= 1, f"{host} ran twice: {seen}"
    for host, row in rows.items():
        if row["status"] == "ok":
            assert any(line.startswith("end ") for line in lines[host]), f"{host} is ok and never ran"
        else:
            assert row["status"] == "lost" and row["message"], row
            assert not rerun, f"{host} should have been run again: {row}"
    return answer["counts"]["lost"]


@pytest.mark.parametrize("way", WAYS)
def test_kill_anything_at_any_moment(way):
    seed = int(os.environ.get("DROVER_SEED", random.randrange(1 << 32)))
    print(f"DROVER_SEED={seed} repeats this run")
    choose = random.Random(seed)
    daemon = Daemon(**way)
    locks = os.path.join(daemon.folder, "locks")
    os.mkdir(locks, 0o777)
    os.chmod(locks, 0o777)
    daemon.config["executors"] = [{"plugin": "sim", "lock_dir": locks}]
    daemon.config["sinks"] = [{"plugin": "file", "path": os.path.join(daemon.state, "results.jsonl")}]
    daemon.write_config()
    with daemon:
        tasks, lost = [], 0
        for number in range(KILLS):
            choice = choose.choice(["supervisor", "core", "executor: sim", "sink: file"])
            rerun = choose.random() < 0.3
            task = f"t{number}"
            folder = os.path.join(locks, task)
            os.mkdir(folder)
            os.chmod(folder, 0o777)
            delay = choose.uniform(0, 0.9)
            thread, answer = submit_in_background(daemon, task, folder, "rerun" if rerun else "report")
            time.sleep(delay)  # the random moment itself, not a wait for something
            victim = victim_of(daemon, choice)
            before = daemon.everything()
            if victim:
                os.kill(victim, signal.SIGKILL)
            if choice == "supervisor":
                daemon.process.wait()
                daemon.start()
                assert not [p for p in before if alive(p)], "processes of the earlier life live on"
            elif victim:
                wait_for(f"the end of the killed {choice}", lambda pid=victim: not alive(pid))
                daemon.wait_ready()
            thread.join()
            try:
                daemon.task(task)
            except Problem as problem:
                assert problem.status == 404 and "accepted" not in answer, f"acknowledged and gone: {answer}"
                continue
            tasks.append(task)
            lost += check_task(daemon, task, folder, rerun)
        assert tasks
        print(f"{len(tasks)} tasks of {HOSTS} hosts, {lost} hosts lost")
