"""A daemon's life: start, reload, drain, stop, start again; and what it says when it cannot."""

import os
import signal
import socket
import subprocess

import pytest
from conftest import WAYS
from daemon import BUILD, Daemon, Problem, alive, wait_for


def running(daemon, task, count):
    wait_for(f"{count} hosts to run", lambda: daemon.task(task)["counts"]["running"] == count)


def gate(daemon):
    """A command that lasts until what comes with it is called."""
    path = os.path.join(daemon.folder, "gate")
    return f"while [ ! -e {path} ]; do sleep 0.1; done", lambda: open(path, "w", encoding="ascii").close()


@pytest.mark.parametrize("way", WAYS)
def test_term_drains_and_what_waits_is_done_after_the_next_start(way):
    daemon = Daemon({"capacity": {"hosts": 30}}, **way)
    with daemon:
        task = daemon.submit("sim", "d[1-90]", {"latency": "1s"})
        running(daemon, task, 30)
        family = daemon.everything()
        assert daemon.stop() == 0
        wait_for("all its processes to be gone", lambda: not [p for p in family if alive(p)])
        daemon.start()
        counts = daemon.task(task)["counts"]
        assert counts["ok"] >= 30 and counts["lost"] == 0, counts
        assert daemon.wait(task, 20)["counts"]["ok"] == 90
        assert not any(row["attempt"] > 1 for row in daemon.results(task))


def test_a_second_term_stops_now():
    with Daemon() as daemon:
        task = daemon.submit("sim", "d[1-30]", {"latency": "50s"}, timeout=100)
        running(daemon, task, 30)
        family = daemon.everything()
        daemon.process.send_signal(signal.SIGTERM)
        wait_for("the drain to begin", lambda: "stopping" in daemon.log())
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait(20)
        wait_for("all its processes to be gone", lambda: not [p for p in family if alive(p)])
        daemon.start()
        assert daemon.wait(task)["counts"]["lost"] == 30


def test_no_new_tasks_while_it_drains():
    with Daemon() as daemon:
        wait, go = gate(daemon)
        running(daemon, daemon.submit("shell", "localhost", {"command": wait}), 1)
        daemon.process.send_signal(signal.SIGTERM)
        wait_for("the drain to begin", lambda: "stopping:" in daemon.log())
        wait_for("the core to drain", lambda: daemon.get("/v1/engines")["items"][0]["state"] == "draining")
        with pytest.raises(Problem) as refused:
            daemon.submit("sim", "late", {})
        assert refused.value.status == 503
        go()
        assert daemon.process.wait(30) == 0


def test_reload_takes_a_good_configuration_and_refuses_a_bad_one():
    with Daemon({"executors": [{"plugin": "sim"}]}) as daemon:
        parts = daemon.parts()
        daemon.config["executors"] = [{"plugin": "sim", "latency": "never"}]
        daemon.write_config()
        daemon.process.send_signal(signal.SIGHUP)
        wait_for("the bad configuration to be refused", lambda: "latency" in daemon.log())
        assert daemon.parts() == parts
        daemon.config["executors"] = [{"plugin": "sim", "output": "reloaded"}]
        daemon.write_config()
        daemon.process.send_signal(signal.SIGHUP)
        wait_for("the executor to be a new process", lambda: daemon.parts().get("executor: sim") not in
                 (None, parts["executor: sim"]))
        daemon.wait_ready()
        task = daemon.submit("sim", "h1", {})
        daemon.wait(task)
        assert daemon.results(task)[0]["stdout"].strip() == "reloaded"


def test_reload_takes_a_new_capacity_and_says_what_it_cannot_take():
    with Daemon({"executors": [{"plugin": "shell", "transport": "local", "allow_localhost": True}],
                 "capacity": {"hosts": 2}}) as daemon:
        parts = daemon.parts()
        wait, go = gate(daemon)
        task = daemon.submit("shell", "r[1-4]", {"command": wait}, unit_size=2)
        running(daemon, task, 2)
        daemon.config["capacity"] = {"hosts": 4}
        daemon.config["sources"][0]["workers"] = 2
        daemon.write_config()
        daemon.process.send_signal(signal.SIGHUP)
        running(daemon, task, 4)
        go()
        wait_for("it to be told", lambda: daemon.get("/v1/engines")["items"][0]["capacity"]["hosts"] == 4)
        wait_for("the rest to be named", lambda: "`sources` has changed" in daemon.log())
        assert "`store`" not in daemon.log()
        assert daemon.wait(task)["outcome"] == "ok"
        assert daemon.parts() == parts


def test_two_daemons_do_not_share_a_state_folder(daemon):
    other = subprocess.run([os.path.join(BUILD, "droverd"), "-c", daemon.config_file], capture_output=True, text=True,
                           timeout=30, check=False)
    assert other.returncode != 0
    assert str(daemon.process.pid) in other.stderr, other.stderr


def test_readiness_is_told_to_systemd(tmp_path):
    """sd_notify(3): READY=1 when the node works, STOPPING=1 at its end."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(address)
        notify.settimeout(20)
        daemon = Daemon(env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"})

        def heard(word):
            while True:
                if word in notify.recv(4096).decode():
                    return True

        with daemon:
            assert heard("READY=1")
            assert heard("WATCHDOG=1")
            daemon.process.send_signal(signal.SIGTERM)
            assert heard("STOPPING=1")
            daemon.process.wait(20)


def test_a_task_expires_in_the_queue():
    with Daemon({"capacity": {"hosts": 30}}) as daemon:
        long = daemon.submit("sim", "a[1-30]", {"latency": "60s"})
        running(daemon, long, 30)
        late = daemon.submit("sim", "b[1-60]", {}, expires_in="1s")
        answer = daemon.wait(late, 10)
        assert answer["counts"]["expired"] == 60 and answer["outcome"] == "failed", answer
        assert daemon.task(long)["counts"]["running"] == 30


def test_cancel_ends_what_runs_and_what_waits():
    with Daemon({"capacity": {"hosts": 30}}) as daemon:
        task = daemon.submit("sim", "c[1-90]", {"latency": "0-40s", "hang": ["c5"]}, timeout=100)
        wait_for("some hosts to run", lambda: daemon.task(task)["counts"]["running"])
        daemon.post(f"/v1/tasks/{task}/cancel")
        answer = daemon.wait(task, 10)
        assert answer["state"] == "cancelled" and answer["counts"]["cancelled"] >= 80, answer
        daemon.verify(task)
        wait_for("its units to be gone", lambda: not daemon.units(), 10)
        with pytest.raises(Problem) as again:
            daemon.post(f"/v1/tasks/{task}/cancel")
        assert again.value.status == 409


def test_priority_goes_first():
    with Daemon({"capacity": {"hosts": 30}}) as daemon:
        first = daemon.submit("sim", "a[1-30]", {"latency": "60s"})
        running(daemon, first, 30)
        low = daemon.submit("sim", "l[1-60]", {"latency": "300ms"}, priority=10)
        high = daemon.submit("sim", "h[1-60]", {"latency": "300ms"}, priority=90)
        daemon.post(f"/v1/tasks/{first}/cancel")
        daemon.wait(high)
        daemon.wait(low)
        last_high = max(row["started_at"] for row in daemon.results(high))
        assert last_high < min(row["started_at"] for row in daemon.results(low))


def test_the_same_task_twice_is_one(daemon):
    body = {"id": "twice", "type": "sim", "hosts": "h[1-3]", "payload": {}}
    assert daemon.post("/v1/tasks", body)["id"] == "twice"
    answer, _ = daemon.request("POST", "/v1/tasks", dict(reversed(body.items())), raw=True)
    assert answer.status == 200 and answer.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(Problem) as other:
        daemon.post("/v1/tasks", {**body, "hosts": "h[1-4]"})
    assert other.value.status == 409


def test_a_monitor_is_told_the_truth_of_the_core(tmp_path):
    path = str(tmp_path / "ticks")

    def told():
        with open(path, encoding="utf-8") as f:
            return f.read().splitlines()[-1]

    with Daemon({"monitors": [{"plugin": "tick_file", "path": path, "interval": "100ms"}]}) as daemon:
        wait_for("a tick", lambda: os.path.exists(path) and os.path.getsize(path))
        wait_for("a core that is told as alive", lambda: "alive=1" in told())
        core = daemon.parts()["core"]
        os.kill(core, signal.SIGSTOP)
        try:
            wait_for("a stopped core that is not told as alive", lambda: "alive=0" in told(), 10)
        finally:
            os.kill(core, signal.SIGCONT)


def test_a_drain_has_an_end():
    with Daemon({"node": {"drain": "5s"}}) as daemon:
        task = daemon.submit("sim", "d[1-30]", {"latency": "50s"}, timeout=100)
        running(daemon, task, 30)
        assert daemon.stop(12) == 0
        daemon.start()
        answer = daemon.wait(task, 10)
        assert answer["counts"]["lost"] == 30, answer
        assert "droverd was stopped" in daemon.results(task)[0]["message"]
