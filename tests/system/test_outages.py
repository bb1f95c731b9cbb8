"""The database is away, hangs, or dies again and again, and the node dies meanwhile: nothing is lost or done twice."""

import datetime
import glob
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time

import pytest

from daemon import OUTAGE, PATIENCE, Daemon, drover, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from services.mariadb import MariaDB  # pylint: disable=wrong-import-position


@pytest.fixture(name="server")
def fixture_server():
    with MariaDB() as server:
        yield server


def node(server, config=None, **store):
    return Daemon({"store": {**server.store(), "connect_timeout": "1s", "commit_wait": "1s", **store},
                   **(config or {})})


def waiting_files(daemon):
    return glob.glob(os.path.join(daemon.state, "results", "*.results"))


def on_disk(daemon, place):
    """The sum of a number of the files' heads."""
    total = 0
    for path in waiting_files(daemon):
        with open(path, "rb") as f:
            head = f.read(40)
        if len(head) == 40:
            total += struct.unpack_from("=I", head, place)[0]
    return total


def results_on_disk(daemon):
    return on_disk(daemon, 20)


def ends_on_disk(daemon):
    """Of units."""
    return on_disk(daemon, 36)


def count(daemon, task, status):
    return daemon.task(task)["counts"][status]


def at_work(daemon, task, hosts, units):
    """They run by the store's word, and here: the store knows of a claim before the node has its answer."""
    wait_for("its hosts to run", lambda: count(daemon, task, "running") >= hosts and len(daemon.units()) >= units)


def kill_core(daemon):
    """kill -9 of the core while the database is away; waits for another one, which cannot come up: it is there for moments."""
    os.kill(daemon.parts()["core"], signal.SIGKILL)
    wait_for("another core", lambda: "core: cannot start" in daemon.log())


def test_results_outlive_the_core_while_the_database_is_away(server):
    with node(server) as daemon:
        task = daemon.submit("sim", "s[1-300]", {"latency": "3-4s", "output": "text"}, unit_size=30)
        at_work(daemon, task, 300, 10)
        server.kill()
        wait_for("the units to end", lambda: not daemon.units())
        wait_for("their results on disk", lambda: results_on_disk(daemon) == 300)
        for path in waiting_files(daemon):
            assert os.stat(path).st_mode & 0o777 == 0o600
        kill_core(daemon)
        server.start()
        daemon.wait_ready(60)
        answer = daemon.wait(task)
        assert answer["counts"]["ok"] == 300, daemon.log()[-3000:]
        daemon.verify(task)
        wait_for("the files to be gone", lambda: not waiting_files(daemon))
        assert "stored what an earlier life of this node could not: 300 results" in daemon.log()
        assert {r["attempt"] for r in daemon.results(task)} == {1}


def test_deadlines_outlive_the_core_while_the_database_is_away(server):
    """Hosts without a result: what is known of them is how their unit ended."""
    with node(server) as daemon:
        task = daemon.submit("sim", "s[1-60]", {"hang": "1/2", "latency": "0"}, unit_size=30, timeout="4s")
        at_work(daemon, task, 30, 2)
        server.kill()
        wait_for("the units to end", lambda: not daemon.units())
        wait_for("their ends on disk", lambda: ends_on_disk(daemon) == 2)
        doctor = drover("doctor", "-c", daemon.config_file, env={"DROVER_URL": daemon.url()}).stdout
        assert re.search(r"^ok  +results: [1-9][0-9]* KB wait in [^ ]*/results for the store, of", doctor, re.M), doctor
        assert daemon.metric("results_spool_bytes") > 0 and daemon.metric("results_spool_files") > 0
        kill_core(daemon)
        back = time.time() + 5  # so that a time of storing differs from that of ending
        wait_for("some time to pass", lambda: time.time() > back)
        server.start()
        daemon.wait_ready(60)
        answer = daemon.wait(task)
        assert answer["counts"]["timeout"] == 30 and answer["counts"]["ok"] == 30, daemon.log()[-3000:]
        daemon.verify(task)
        rows = daemon.results(task, "&status=timeout")
        assert {r["attempt"] for r in rows} == {1} and "no result by the unit's deadline" in rows[0]["message"]
        for row in rows:
            assert moment(row["finished_at"]) < back, row
        assert "2 ends of units" in daemon.log()
        wait_for("the files to be gone", lambda: not waiting_files(daemon))
        assert daemon.metric("results_spool_bytes") == 0


def ask(daemon, method, path, body=None):
    """Status, Retry-After, and how long it took."""
    begun = time.monotonic()
    answer, _ = daemon.request(method, path, body, raw=True)
    return answer.status, answer.headers.get("Retry-After"), time.monotonic() - begun


def everything_is_refused(daemon, task, limit):
    """Each kind of request, several at once: none is accepted, none takes longer than `limit` seconds."""
    new = {"type": "sim", "hosts": "refused[1-9000]", "payload": {}}
    requests = [("POST", "/v1/tasks", new), ("POST", "/v1/tasks", {**new, "hosts": "refused1"}),
                ("POST", "/v1/tasks", {**new, "id": "refused"}), ("POST", f"/v1/tasks/{task}/cancel", {}),
                ("POST", f"/v1/tasks/{task}/retry", {}), ("GET", "/v1/tasks", None), ("GET", f"/v1/tasks/{task}", None),
                ("GET", f"/v1/tasks/{task}/results", None), ("GET", f"/v1/tasks/{task}/units", None),
                ("GET", "/v1/results?host=s1", None)] * 2
    answers = [None] * len(requests)

    def one(i):
        answers[i] = ask(daemon, *requests[i])

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    for request, (status, again, took) in zip(requests, answers):
        assert status == 503 and int(again) > 0, (request, answers)
        assert took < limit * PATIENCE, (request, answers)


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def nothing_was_left_behind(daemon, server, tasks):
    assert sorted(t["id"] for t in daemon.get("/v1/tasks?limit=1000")["items"]) == sorted(tasks)
    wait_for("nothing half accepted", lambda: server.sql(
        "SELECT count(*) FROM tasks WHERE state = 0 OR id LIKE 'refused%'", "drover") == [["0"]])
    assert server.sql("SELECT count(*) FROM hosts WHERE name LIKE 'refused%'", "drover") == [["0"]]


def test_the_database_is_away(server):
    """Running units finish and their results come afterwards, with the times at which they ended."""
    with node(server) as daemon:
        parts = daemon.parts()
        task = daemon.submit("sim", "s[1-200]", {"latency": "1-3s", "fail": 0.2, "output": "text"}, unit_size=20)
        waiting = daemon.submit("sim", "w[1-50]", {}, concurrency_key="k", fanout=5)
        wait_for("its hosts to run", lambda: count(daemon, task, "running") > 100)
        daemon.wait(waiting)
        server.kill()
        everything_is_refused(daemon, task, 15)
        wait_for("the units to end", lambda: not daemon.units())
        wait_for("it to be told", lambda: ask(daemon, "GET", "/-/ready")[0] == 503)
        assert ask(daemon, "GET", "/-/healthy")[0] in (200, 503)
        time.sleep(OUTAGE)  # the outage itself; a time of storing differs from that of ending
        back = time.time() - 1
        server.start()
        wait_for("it to be ready", lambda: ask(daemon, "GET", "/-/ready")[0] == 200)
        wait_for("answers", lambda: ask(daemon, "GET", "/v1/tasks")[0] == 200)
        answer = daemon.wait(task)
        assert answer["counts"]["ok"] + answer["counts"]["failed"] == 200
        daemon.verify(task)
        for row in daemon.results(task):
            assert moment(row["started_at"]) + 0.9 < moment(row["finished_at"]) < back, row
        nothing_was_left_behind(daemon, server, [task, waiting])
        wait_for("the files to be gone", lambda: not waiting_files(daemon))
        assert daemon.parts() == parts
        assert daemon.wait(daemon.submit("sim", "after[1-10]", {}))["outcome"] == "ok"


def test_the_database_hangs(server):
    """SIGSTOP: nothing answers, and nothing says no. Every question to it has a limit."""
    with node(server, {"limits": {"store_patience": "1s", "results_patience": "500ms"}}, read_timeout="2s",
              write_timeout="2s") as daemon:
        parts = daemon.parts()
        task = daemon.submit("sim", "s[1-60]", {"latency": "4-5s"}, unit_size=10)
        at_work(daemon, task, 60, 6)
        server.pause()
        try:
            everything_is_refused(daemon, task, 15)
            wait_for("it to be told", lambda: ask(daemon, "GET", "/-/ready")[0] == 503)
            wait_for("the units to end", lambda: not daemon.units())
            wait_for("their results on disk", lambda: results_on_disk(daemon) == 60)
        finally:
            server.resume()
        wait_for("it to be ready", lambda: ask(daemon, "GET", "/-/ready")[0] == 200)
        wait_for("answers", lambda: ask(daemon, "GET", "/v1/tasks")[0] == 200)
        assert daemon.wait(task)["counts"]["ok"] == 60
        daemon.verify(task)
        nothing_was_left_behind(daemon, server, [task])
        assert daemon.parts() == parts


def test_a_database_that_is_killed_twenty_times(server, tmp_path):
    """In the middle of commits: nothing is lost, nothing is done twice."""
    oracle = tmp_path / "oracle"
    oracle.mkdir()
    with node(server, {"executors": [{"plugin": "sim", "lock_dir": str(oracle)}], "capacity": {"hosts": 150}}) as daemon:
        parts = daemon.parts()
        task = daemon.submit("sim", "s[1-4000]", {"latency": "300-900ms", "output": "text"}, unit_size=10)
        for kill in range(20):
            done = count(daemon, task, "ok")
            wait_for("it to go on", lambda d=done: count(daemon, task, "ok") > d or d == 4000)
            server.kill()
            server.start()
            wait_for(f"the node to see it again after kill {kill}", lambda: ask(daemon, "GET", "/v1/tasks")[0] == 200)
        answer = daemon.wait(task, 120)
        assert answer["counts"]["ok"] == 4000, answer
        daemon.verify(task)
        assert daemon.parts() == parts
    assert executions(oracle) == {f"s{i}": 1 for i in range(1, 4001)}


def executions(oracle):
    """How often each host was begun, as its own file tells."""
    return {path.name: sum(1 for line in path.read_text().splitlines() if line.startswith("start "))
            for path in oracle.rglob("*") if path.is_file()}


def test_hosts_that_wait_for_their_intent_when_their_executor_dies(server, tmp_path):
    """While the store hangs no host is begun; those that an executor asked for before it died are not `lost`: they are
    begun by the next."""
    oracle = tmp_path / "oracle"
    oracle.mkdir()
    with node(server, {"executors": [{"plugin": "sim", "lock_dir": str(oracle)}]}) as daemon:
        task = daemon.submit("sim", "s[1-24]", {"latency": "300ms"}, fanout=4)
        wait_for("some to end", lambda: count(daemon, task, "ok") >= 4)
        server.pause()
        try:
            wait_for("those that were begun to end, and no more to begin", lambda: quiet(oracle))
            os.kill(daemon.parts()["executor: sim"], signal.SIGKILL)
            wait_for("its units to be ended", lambda: "the executor host sim died" in daemon.log())
        finally:
            server.resume()
        answer = daemon.wait(task)
        assert answer["counts"]["ok"] == 24, answer["counts"]
    assert executions(oracle) == {f"s{i}": 1 for i in range(1, 25)}


def quiet(oracle):
    """Every host that was begun has ended, and for a while: those to which the store had just agreed are among them."""
    files = [path for path in oracle.rglob("*") if path.is_file()]
    return all((path.read_text().splitlines() or [""])[-1].startswith("end ") for path in files) and \
        max(path.stat().st_mtime for path in files) < time.time() - 1.5


@pytest.mark.parametrize("how", ["limit", "disk"] if os.geteuid() == 0 else ["limit"])
def test_no_room_for_results(server, how):
    """It says so, reads no more from the executors, and goes on when the database is back."""
    limits = {"results": 100, "results_patience": "100ms"}
    if how == "limit":
        limits["results_spool"] = "2M"  # more than one batch
    daemon = node(server, {"limits": limits, "capacity": {"hosts": 2000, "reserve": 0}})
    folder = os.path.join(daemon.state, "results")
    if how == "disk":
        os.mkdir(folder, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", folder], check=True)
    try:
        with daemon:
            parts = daemon.parts()
            # More than there is room for, also where some have ended before the last one was begun.
            task = daemon.submit("sim", "s[1-2000]", {"latency": "2-3s", "output": "x" * 2500}, unit_size=100)
            at_work(daemon, task, 1501, 16)
            server.kill()
            wait_for("the lack of room to be told", lambda: "cannot be kept on the disk" in daemon.log())
            assert 0 < results_on_disk(daemon) < 2000
            server.start()
            wait_for("answers", lambda: ask(daemon, "GET", "/v1/tasks")[0] == 200)
            answer = daemon.wait(task)
            assert answer["counts"]["ok"] == 2000, answer
            daemon.verify(task)
            wait_for("the room to be told", lambda: "can be kept on the disk again" in daemon.log())
            wait_for("the files to be gone", lambda: not waiting_files(daemon))
            assert daemon.parts() == parts
            if how == "disk":
                subprocess.run(["umount", "-l", folder], check=True)
    finally:
        if how == "disk":
            subprocess.run(["umount", "-l", folder], check=False, stderr=subprocess.DEVNULL)


def test_a_start_without_the_database(server):
    """The node waits for it, and says so; then what the last life could not store comes first."""
    with node(server) as daemon:
        task = daemon.submit("sim", "s[1-40]", {"latency": "3s"}, unit_size=10)
        at_work(daemon, task, 40, 4)
        server.kill()
        wait_for("the units to end", lambda: not daemon.units())
        daemon.stop()
        assert results_on_disk(daemon) == 40
        # What a crash tears, and what was never one.
        with open(waiting_files(daemon)[0], "rb") as f:
            whole = f.read()
        for number, content in ((700, whole[:-1]), (701, whole[:20]), (702, b""), (703, whole[:60] + b"?" + whole[61:])):
            with open(os.path.join(daemon.state, "results", f"{number:012d}.results"), "wb") as f:
                f.write(content)
        daemon.start(ready=False)
        wait_for("the lack to be told", lambda: daemon.log().count("cannot start: cannot connect to the store") > 2)
        server.start()
        daemon.wait_ready(90)
        assert daemon.wait(task)["counts"]["ok"] == 40
        daemon.verify(task)
        wait_for("the files to be gone", lambda: not waiting_files(daemon))
        for number in range(700, 704):
            assert f"the results in {number:012d}.results are not stored" in daemon.log()
            assert os.path.exists(os.path.join(daemon.state, "results", f"{number:012d}.unusable"))
