"""Sinks get all that happened, at least once and in order; one that hangs or crashes disturbs nobody."""

import json
import os
import signal

from daemon import Daemon, wait_for


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        # Who reads beside the writer may see a part of the last line.
        return [json.loads(line) for line in f.read().rpartition("\n")[0].splitlines()]


def hosts_of(path, task):
    return {line["host"]: line for line in lines_of(path) if line["kind"] == "host" and line["task"] == task}


def with_sinks(*sinks):
    return Daemon({"sinks": list(sinks), "executors": [{"plugin": "sim"}]})


def test_every_host_reaches_the_file_in_order():
    daemon = with_sinks()
    path = os.path.join(daemon.folder, "results.jsonl")
    daemon.config["sinks"] = [{"plugin": "file", "path": path}]
    daemon.write_config()
    with daemon:
        task = daemon.submit("sim", "h[1-500]", {"fail": ["h7"], "latency": "0-20ms"})
        daemon.wait(task)
        wait_for("all hosts in the file", lambda: len(hosts_of(path, task)) == 500)
        wait_for("the task's end in the file", lambda: any(
            line["kind"] == "task" and line["state"] == "done" for line in lines_of(path)))
        written = hosts_of(path, task)
        assert written["h7"]["status"] == "failed" and written["h8"]["status"] == "ok"
        numbers = [line["seq"] for line in lines_of(path)]
        assert numbers == sorted(numbers)


def test_a_killed_sink_or_core_misses_nothing():
    daemon = with_sinks()
    path = os.path.join(daemon.folder, "results.jsonl")
    daemon.config["sinks"] = [{"plugin": "file", "path": path}]
    daemon.write_config()
    with daemon:
        tasks = []
        for victim in ("sink: file", "core", "sink: file", "core"):
            tasks.append(daemon.submit("sim", "h[1-300]", {"latency": "0-100ms"}, on_lost="rerun"))
            wait_for("some of its hosts to be written", lambda: len(hosts_of(path, tasks[-1])) > 30)
            os.kill(daemon.parts()[victim], signal.SIGKILL)
            daemon.wait_ready()
        for task in tasks:
            daemon.wait(task)
            wait_for(f"all hosts of {task} in the file", lambda t=task: len(hosts_of(path, t)) == 300)
            rows = {row["host"]: row["status"] for row in daemon.results(task)}
            assert rows == {host: line["status"] for host, line in hosts_of(path, task).items()}


def test_sinks_that_hang_or_crash_disturb_nobody():
    daemon = with_sinks()
    path = os.path.join(daemon.folder, "results.jsonl")
    daemon.config["sinks"] = [{"plugin": "file", "path": path},
                              {"plugin": "sink_hang", "call_timeout": "1s"}, {"plugin": "sink_crash"}]
    daemon.write_config()
    with daemon:
        core = daemon.parts()["core"]
        task = daemon.submit("sim", "h[1-300]", {"latency": "0-50ms"})
        assert daemon.wait(task, 20)["outcome"] == "ok"
        wait_for("all hosts in the file", lambda: len(hosts_of(path, task)) == 300)

        def deaths():
            parts = daemon.get("/v1/engines")["items"][0]["parts"]
            return {part["name"]: part["last_death"] for part in parts if part["last_death"]}

        wait_for("both deaths to be told", lambda: len(deaths()) == 2)
        assert "hung in" in deaths()["sink: sink_hang"], deaths()
        assert "signal" in deaths()["sink: sink_crash"], deaths()
        assert daemon.parts()["core"] == core


def test_reopen_on_hup():
    daemon = with_sinks()
    path = os.path.join(daemon.folder, "results.jsonl")
    daemon.config["sinks"] = [{"plugin": "file", "path": path}]
    daemon.write_config()
    with daemon:
        first = daemon.submit("sim", "h1", {})
        wait_for("the first host in the file", lambda: hosts_of(path, first))
        os.rename(path, path + ".old")
        daemon.process.send_signal(signal.SIGHUP)
        wait_for("a new file", lambda: os.path.exists(path))
        second = daemon.submit("sim", "h2", {})
        wait_for("the second host in the new file", lambda: hosts_of(path, second))
        assert not hosts_of(path + ".old", second)
