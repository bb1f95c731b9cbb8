"""The shared store on a real MariaDB: tasks run, and nothing is lost when the server or a node is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from daemon import BUILD, Daemon, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from services.mariadb import MariaDB  # pylint: disable=wrong-import-position


@pytest.fixture(name="server")
def fixture_server():
    with MariaDB() as server:
        yield server


def node(server, name="test", **store):
    return Daemon({"store": {**server.store(), **store}, "node": {"name": name}})


def test_tasks_run_and_are_found_again(server):
    with node(server) as daemon:
        task = daemon.submit("sim", "s[1-500]", {"latency": "0-50ms", "output": "text", "fail": 0.1})
        answer = daemon.wait(task)
        assert answer["counts"]["ok"] + answer["counts"]["failed"] == 500
        daemon.verify(task)
        assert len(daemon.results(task)) == 500
        assert daemon.get("/v1/results?host=s7")["items"][0]["task"] == task
        daemon.stop()
        daemon.start()
        assert daemon.task(task)["counts"] == answer["counts"]
        # It refuses what is there, and says so.
        status, content = daemon.request("POST", "/v1/tasks", {"id": task, "type": "sim", "hosts": "other",
                                                                   "payload": {}}, raw=True)
        assert status.status == 409, content


def test_a_killed_server_loses_nothing(server):
    """kill -9 of mariadbd while tasks come in and run, several times."""
    with node(server) as daemon:
        parts, tasks, stop = daemon.parts(), {}, threading.Event()

        def submit():
            number = 0
            while not stop.is_set():
                number += 1
                name = f"t{number}"
                while True:  # as a client does: again with the same id
                    answer, content = daemon.request("POST", "/v1/tasks", {
                        "id": name, "type": "sim", "hosts": "k[1-200]",
                        "payload": {"latency": "50-200ms", "output": "text"}}, raw=True)
                    if answer.status in (200, 202):
                        break
                    assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, content
                    time.sleep(0.05)
                tasks[name] = answer.status

        client = threading.Thread(target=submit)
        client.start()
        try:
            for kill in range(5):
                wait_for("tasks to come in", lambda least=2 * (kill + 1): len(tasks) >= least)
                server.kill()
                server.start()
        finally:
            stop.set()
            client.join(120)
        wait_for("answers", lambda: daemon.request("GET", "/v1/tasks", raw=True)[0].status == 200)
        for task in tasks:
            assert daemon.wait(task)["counts"]["ok"] == 200
            daemon.verify(task)
        listed = [t["id"] for t in daemon.get("/v1/tasks?limit=1000")["items"]]
        assert sorted(listed) == sorted(tasks)
        assert daemon.parts() == parts


def test_a_server_that_is_away_loses_nothing_and_refuses_new_tasks(server):
    with node(server, commit_wait="1s") as daemon:
        task = daemon.submit("sim", "s[1-30]", {"latency": "1-2s"})
        wait_for("its hosts to be begun", lambda: not daemon.task(task)["counts"]["pending"])
        parts = daemon.parts()
        server.kill()
        answer, content = daemon.request("POST", "/v1/tasks", {
            "id": "refused", "type": "sim", "hosts": "r[1-10000]", "payload": {}}, raw=True)
        assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0, content
        wait_for("the trouble to be told", lambda: "cannot write to the store" in daemon.log())
        assert daemon.request("GET", "/-/ready", raw=True)[0].status == 503
        wait_for("the unit to end meanwhile", lambda: not daemon.units())
        server.start()
        wait_for("the store to be back", lambda: daemon.request("GET", "/-/ready", raw=True)[0].status == 200)
        wait_for("answers", lambda: daemon.request("GET", f"/v1/tasks/{task}", raw=True)[0].status == 200)
        assert daemon.wait(task, 20)["counts"]["ok"] == 30
        daemon.verify(task)
        assert daemon.parts() == parts
        assert daemon.request("GET", "/v1/tasks/refused", raw=True)[0].status == 404
        assert daemon.submit("sim", "r[1-10]", {}, id="refused") == "refused"
        assert daemon.wait("refused")["outcome"] == "ok"


def test_two_nodes_start_at_once_on_an_empty_database(server):
    one, two = node(server, "one"), node(server, "two")
    try:
        one.start(ready=False)
        two.start(ready=False)
        one.wait_ready()
        two.wait_ready()
        assert server.sql("SELECT count(*), max(version) FROM schema_version", "drover") == [["2", "2"]]
        tasks = [daemon.submit("sim", "n[1-50]", {}) for daemon in (one, two)]
        for task in tasks:
            for daemon in (one, two):
                assert daemon.wait(task)["counts"]["ok"] == 50
            one.verify(task)
        one.__exit__(None, None, None)
    finally:
        for daemon in (one, two):
            if daemon.process and os.path.exists(daemon.folder):
                daemon.__exit__(None, None, None)


def test_a_sink_brings_the_results_of_another_store(server):
    """A node with a store of its own tells a database that others share; what it could not tell comes later, once."""
    server.sql("CREATE DATABASE results")

    def ended():
        made = server.sql("SELECT count(*) FROM information_schema.views WHERE table_name = 'results'") != [["0"]]
        query = "SELECT count(*) FROM events WHERE kind = 'task' AND json_value(event, '$.state') = 'done'"
        return int(server.sql(query, "results")[0][0]) if made else 0

    sink = {**server.store("results"), "node": "edge1"}
    with Daemon({"sinks": [sink], "executors": [{"plugin": "sim"}]}) as daemon:
        first = daemon.submit("sim", "s[1-200]", {})
        wait_for("the first task's end", lambda: ended() == 1)
        server.kill()
        second = daemon.submit("sim", "s[1-300]", {})
        assert daemon.wait(second)["counts"]["ok"] == 300
        server.start()
        wait_for("the second task's end", lambda: ended() == 2, 60)
        rows = "SELECT count(*), count(DISTINCT host) FROM results WHERE node = 'edge1' AND status = 'ok' AND task = "
        assert server.sql(f"{rows} '{first}'", "results") == [["200", "200"]]
        assert server.sql(f"{rows} '{second}'", "results") == [["300", "300"]]


def test_encryption(server, tmp_path):
    """The server's certificate is checked, and without encryption no password is sent to one that asks for it."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    server.kill(signal.SIGTERM)
    server.options = (f"ssl-cert={cert}", f"ssl-key={key}", "require-secure-transport=ON")
    server.start()
    store = {"socket": None, "host": "127.0.0.1", "port": server.port}
    store = {**server.store(), **store}
    del store["socket"]
    with Daemon({"store": {**store, "tls": {"ca": str(cert)}}}) as daemon:
        task = daemon.submit("sim", "s[1-10]", {})
        assert daemon.wait(task)["counts"]["ok"] == 10
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "k", "-out",
                    other, "-days", "2", "-subj", "/CN=other"], check=True, capture_output=True)
    for tls in ({"ca": str(other)}, None):
        daemon = Daemon({"store": {**store, **({"tls": tls} if tls else {})}})
        try:
            daemon.start(ready=False)
            wait_for("the trouble to be told", lambda d=daemon: "cannot connect to the store" in d.log())
        finally:
            daemon.__exit__(None, None, None)


@pytest.mark.parametrize("tls, said", [
    ({"cipher": "AES"}, "tls.cipher: there are only ca, cert, key and verify"),
    ({"ca": "ca.pem"}, "tls.ca: write the whole path of a PEM file, beginning with /"),
    ({"ca": "/nowhere/ca.pem"}, "tls.ca: there is no file /nowhere/ca.pem"),
    ({"verify": "maybe"}, 'tls.verify: "maybe" is not yes or no'),
    ({"cert": "/etc/hostname"}, "tls: cert and key go together"),
])
def test_a_bad_option_of_encryption_is_named_at_the_start(tls, said, tmp_path):
    config = tmp_path / "drover.json"
    config.write_text(json.dumps({"node": {"state_dir": str(tmp_path / "state")},
                                  "store": {"plugin": "mysql", "tls": tls}}))
    done = subprocess.run([os.path.join(BUILD, "droverd"), "--check", "-c", config], capture_output=True, text=True,
                          env={**os.environ, "DROVER_PLUGIN_PATH": os.path.join(BUILD, "plugins")}, check=False)
    assert done.returncode == 78, done.stderr
    assert said in done.stderr
