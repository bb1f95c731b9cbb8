"""An engine that an administrator drains: what runs ends, nothing more is taken, tasks wait in the store."""

import json

import pytest
from daemon import Daemon, Problem, drover, wait_for
from secured import Secured


def state(daemon):
    return daemon.get("/v1/engines")["items"][0]["state"]


def running(daemon, task):
    wait_for(f"{task} to run", lambda: daemon.task(task)["counts"]["running"])


def test_what_runs_ends_and_what_comes_waits():
    with Daemon() as daemon:
        before = daemon.submit("sim", "a[1-40]", {"latency": "2s"}, unit_size=10)
        running(daemon, before)
        told = drover("engines", "drain", "test", daemon=daemon)
        assert told.returncode == 0 and "takes no further units" in told.stderr
        assert state(daemon) == "draining"
        assert "draining" in drover("engines", daemon=daemon).stdout
        after = daemon.submit("sim", "b[1-3]", {})
        assert daemon.wait(before)["outcome"] == "ok"
        # Its units could have been claimed long since: an engine looks four times a second.
        assert daemon.task(after)["state"] == "queued" and daemon.task(after)["counts"]["pending"] == 3
        assert daemon.get("/-/ready")["ready"], "tasks are taken"
        assert daemon.post("/v1/engines/test/drain")["state"] == "draining", "twice is once"

        told = drover("engines", "undrain", "test", "--json", daemon=daemon)
        assert json.loads(told.stdout)["state"] == "up"
        assert daemon.wait(after)["outcome"] == "ok"


def test_it_ends_with_the_daemon_and_does_not_hinder_its_stop():
    with Daemon() as daemon:
        daemon.post("/v1/engines/test/drain")
        task = daemon.submit("sim", "b[1-3]", {})
        assert daemon.stop() == 0
        daemon.start()
        assert state(daemon) == "up"
        assert daemon.wait(task)["outcome"] == "ok"


def test_what_cannot_be_drained():
    with Daemon() as daemon:
        for path, status in (("/v1/engines/other/drain", 404), ("/v1/engines/other/undrain", 404)):
            with pytest.raises(Problem) as refused:
                daemon.post(path)
            assert refused.value.status == status
        with pytest.raises(Problem) as refused:
            daemon.post("/v1/engines/test/drain", {"for": "1h"})
        assert refused.value.status == 400 and state(daemon) == "up"
        told = drover("engines", "drain", "other", daemon=daemon)
        assert told.returncode == 1 and "no engine other" in told.stderr
        assert drover("engines", "drain", daemon=daemon).returncode == 2
        assert drover("engines", "stop", "test", daemon=daemon).returncode == 2


def test_who_did_it_is_written_down():
    daemon = Secured({"executors": [{"plugin": "sim"}]})
    path = f"{daemon.folder}/audit.jsonl"
    daemon.config["sinks"] = [{"plugin": "file", "path": path, "events": ["audit"]}]
    daemon.write_config()

    def lines():
        try:
            with open(path, encoding="utf-8") as f:
                return [json.loads(line) for line in f.read().splitlines()]
        except FileNotFoundError:
            return []

    with daemon:
        daemon.post("/v1/engines/test/drain")
        daemon.post("/v1/engines/test/undrain")
        done = wait_for("two lines", lambda: [(e["action"], e["by"]) for e in lines() if "drain" in e["action"]][1:] and
                        [(e["action"], e["by"]) for e in lines() if "drain" in e["action"]])
        assert done == [("drain", "root"), ("undrain", "root")]
