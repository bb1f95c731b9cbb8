"""A store that is away: nothing that was accepted is lost, nothing half-submitted stays, no restart is needed."""

import http.client
import os
import signal
import sqlite3

from daemon import Daemon, wait_for


def database(daemon):
    return os.path.join(daemon.state, "drover.db")


def test_a_store_that_is_away_loses_nothing_and_refuses_new_tasks():
    with Daemon({"store": {"plugin": "sqlite", "busy_timeout": "500ms"}}) as daemon:
        task = daemon.submit("sim", "s[1-30]", {"latency": "3-4s"})
        wait_for("its hosts to run", lambda: daemon.task(task)["counts"]["running"] == 30)
        parts = daemon.parts()
        holder = sqlite3.connect(database(daemon), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")  # nobody else can write now
        answer, content = daemon.request("POST", "/v1/tasks", {
            "id": "refused", "type": "sim", "hosts": "r[1-10000]", "payload": {}}, raw=True)
        assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, content
        wait_for("the trouble to be told", lambda: "cannot write to the store" in daemon.log())
        assert daemon.request("GET", "/-/ready", raw=True)[0].status == 503
        assert daemon.task(task)["counts"]["running"] == 30  # questions are answered, truthfully
        wait_for("the unit to end meanwhile", lambda: not daemon.units())
        holder.execute("ROLLBACK")
        holder.close()
        assert daemon.wait(task)["counts"]["ok"] == 30
        daemon.verify(task)
        assert daemon.parts() == parts
        assert daemon.request("GET", "/v1/tasks/refused", raw=True)[0].status == 404
        assert daemon.submit("sim", "r[1-10]", {}, id="refused") == "refused"
        assert daemon.wait("refused")["outcome"] == "ok"


def test_a_submission_cut_by_a_kill_leaves_nothing():
    with Daemon() as daemon:
        connection = http.client.HTTPConnection(*daemon.address(), timeout=30)
        body = b'{"id": "cut", "type": "sim", "hosts": "c[1-200000]", "payload": {"latency": "10s"}}'
        connection.request("POST", "/v1/tasks", body, {"Content-Type": "application/json"})

        def inserted():
            with sqlite3.connect(database(daemon)) as reader:
                return reader.execute("SELECT count(*) FROM (SELECT 1 FROM hosts LIMIT 1)").fetchone()[0]

        wait_for("its first hosts to be inserted", inserted, every=0.001)
        os.kill(daemon.parts()["core"], signal.SIGKILL)
        try:
            acknowledged = connection.getresponse().status == 202
        except (OSError, http.client.HTTPException):
            acknowledged = False
        daemon.wait_ready()
        if not acknowledged and daemon.request("GET", "/v1/tasks/cut", raw=True)[0].status == 404:
            wait_for("its rows to be swept", lambda: not inserted())
            assert daemon.get("/v1/tasks")["items"] == []
        else:  # the kill came after its last commit
            daemon.verify("cut")


def test_old_tasks_are_removed():
    with Daemon({"store": {"plugin": "sqlite", "keep": "1m"}}) as daemon:
        task = daemon.submit("sim", "o[1-100]", {"output": "text"})
        daemon.wait(task)
        daemon.stop()
        with sqlite3.connect(database(daemon)) as writer:
            writer.execute("UPDATE tasks SET finished_at = finished_at - 120000")
        daemon.start()
        wait_for("the task to be removed", lambda: daemon.get("/v1/tasks")["items"] == [])
        with sqlite3.connect(database(daemon)) as reader:
            wait_for("its rows to be removed", lambda: all(
                reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
                for table in ("hosts", "units", "outputs", "submissions")))
