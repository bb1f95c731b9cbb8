"""The audit log: who did what, on the disk before it is done, in a chain that shows what was changed."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from daemon import BUILD, Problem, alive, drover, wait_for
from secured import Secured, routes

ZEROS = "0" * 64


def lines_of(path):
    """Of the file and those that it was rotated to, oldest first."""
    folder, name = os.path.split(path)
    rotated = [f for f in os.listdir(folder) if f.startswith(name + ".") and f.rsplit(".", 1)[1].isdigit()]
    rotated.sort(key=lambda f: -int(f.rsplit(".", 1)[1]))
    lines = []
    for each in rotated + [name]:
        with open(os.path.join(folder, each), encoding="utf-8") as f:
            text = f.read()
        assert text == "" or text.endswith("\n")
        lines += [json.loads(line) for line in text.splitlines()]
    return lines


class Audited(Secured):
    def __init__(self, sink=None, config=None, **options):
        super().__init__({"executors": [{"plugin": "sim"}], **(config or {})}, **options)
        self.path = os.path.join(self.folder, "audit.jsonl")
        self.config["sinks"] = [{"plugin": "file", "path": self.path, "events": ["audit"], "chain": True, **(sink or {})},
                                *self.config.get("sinks", [])]
        self.write_config()

    def lines(self, **members):
        """Those that are there; the sink may be writing some more, or be about to rename the file."""
        if not os.path.exists(self.path):
            return []
        for rest in range(100, -1, -1):
            try:
                lines = lines_of(self.path)
                break
            except (FileNotFoundError, AssertionError):
                if not rest:
                    raise
                time.sleep(0.05)
        return [line for line in lines if all(line.get(k) == v for k, v in members.items())]

    def wait_line(self, **members):
        """Also until PATH.chain knows of it, which is written when the disk has the line."""
        def written():
            found = self.lines(**members)
            return found if found and self.head() >= found[0]["n"] else None
        return wait_for(f"a line with {members}", written)[0]

    def head(self):
        try:
            with open(self.path + ".chain", encoding="ascii") as f:
                return json.loads(f.read() or '{"n": 0}')["n"]
        except FileNotFoundError:
            return 0

    def check(self, *arguments):
        return drover("audit", "verify", self.path, *arguments)


def test_what_is_written():
    daemon = Audited()
    daemon.ci = daemon.create("ci", "submit", hosts="web[1-9]")
    with daemon:
        body = {"type": "sim", "hosts": "web[1-3]", "payload": {"latency": "600s"}, "id": "t1", "note": "CANARY-note"}
        daemon.post("/v1/tasks", body, token=daemon.ci)
        line = daemon.wait_line(action="submit", task="t1")
        assert line["result"] == "allowed" and line["by"] == "ci" and line["role"] == "submit"
        assert line["token"] == daemon.ci.split("_")[1] and line["from"].startswith("127.0.0.1:")
        assert line["node"] == "test" and line["time"].endswith("Z") and "web[1-3]" in line["detail"]
        daemon.post("/v1/tasks", body, token=daemon.ci)  # the same once more: nothing is done
        daemon.post("/v1/tasks/t1/cancel", {}, token=daemon.ci)
        assert daemon.wait_line(action="cancel", task="t1")["result"] == "allowed"
        daemon.wait("t1")
        with pytest.raises(Problem):
            daemon.post("/v1/tasks/t1/cancel", {})
        failed = daemon.wait_line(action="cancel", result="failed")
        assert failed["by"] == "root" and "ended" in failed["detail"]
        child = daemon.post("/v1/tasks/t1/retry", {})["id"]
        assert "t1" in daemon.wait_line(action="retry", task=child)["detail"]
        with pytest.raises(Problem):
            daemon.post("/v1/tasks", {**body, "id": "t2", "hosts": "db1"}, token=daemon.ci)
        refused = daemon.wait_line(result="refused", by="ci")
        assert "db1" in refused["detail"] and "403" in refused["detail"]
        assert daemon.status("GET", "/v1/tasks", "drover_x_y") == 401
        assert daemon.wait_line(result="refused", by=None)["from"].startswith("127.0.0.1:")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_line(action="reload")
        assert not daemon.lines(task="t2") and len(daemon.lines(action="submit", task="t1")) == 1
        daemon.stop()
        assert [line["action"] for line in daemon.lines() if line["action"] in ("start", "drain", "stop")] == [
            "start", "drain", "stop"]
        text = open(daemon.path, encoding="utf-8").read()
        assert "CANARY" not in text and daemon.ci not in text
        assert daemon.check().returncode == 0
        lines = daemon.lines()
        assert [line["n"] for line in lines] == list(range(1, len(lines) + 1)) and lines[0]["prev"] == ZEROS
        assert [line["seq"] for line in lines] == sorted({line["seq"] for line in lines})


@pytest.mark.parametrize("route", [r for r in routes() if r["method"] == "POST"], ids=lambda r: r["path"])
def test_every_route_that_does_something_is_written(route):
    """A new one fails here until this test knows a body for it."""
    first = {"task_id": "1", "task_name": "n", "ips": "h1.invalid"}
    bodies = {"/v1/tasks": {"type": "sim", "hosts": "h1", "payload": {}, "id": "new"},
              "/v1/tasks/{id}/cancel": {}, "/v1/tasks/{id}/retry": {},
              "/v1/engines/{name}/drain": {}, "/v1/engines/{name}/undrain": {},
              "/api/v1/distribute/adhoc/": {**first, "module": "ping"},
              "/api/v1/distribute/playbook/": {**first, "playbook_content": "[]", "playbook_name": "n", "type": "playbook"}}
    executors = [{"plugin": "sim"}] + [{"plugin": f"ansible_{kind}", "preload": False} for kind in ("adhoc", "playbook")]
    with Audited(config={"executors": executors}) as daemon:
        retry = route["path"].endswith("retry")
        daemon.submit("sim", "h1", {} if retry else {"latency": "600s"}, id="t1")
        if retry:
            daemon.wait("t1")
        before = len(daemon.wait_line(action="submit") and daemon.lines())
        body = {"status": ["ok"]} if retry else bodies[route["path"]]
        daemon.post(route["path"].replace("{id}", "t1").replace("{name}", "test"), body)
        wait_for("its line", lambda: len(daemon.lines()) > before)
        assert daemon.lines()[before]["by"] == "root" and daemon.lines()[before]["result"] == "allowed"


def test_an_attacker_does_not_fill_the_disk():
    with Audited() as daemon:
        daemon.create("reader", "read")
        for i in range(400):
            assert daemon.status("GET", f"/v1/tasks/{i}", f"drover_id{i}_{'x' * 43}") == 401
        daemon.wait_line(result="refused")
        daemon.stop()
        refused = daemon.lines(result="refused")
        assert len(refused) == 2, refused  # the first, and how many came after it
        assert sum(line.get("times", 1) for line in refused) == 400
        assert daemon.log().count("refused") < 10


def test_kill_9_loses_no_line_of_what_was_answered():
    """Clients submit while the core is killed again and again: what was answered is written, and what is stored, too."""
    with Audited() as daemon:
        answered, stop = [], threading.Event()

        def submit(number):
            i = 0
            while not stop.is_set():
                task = f"w{number}-{i}"
                i += 1
                try:
                    daemon.submit("sim", "h1", {}, id=task)
                    answered.append(task)
                except (OSError, Problem, http.client.HTTPException, ValueError):
                    stop.wait(0.01)

        threads = [threading.Thread(target=submit, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        try:
            for part in ("core", "sink: file", "core", "sink: file", "core"):
                goal = len(answered) + 30
                wait_for("some answers", lambda g=goal: len(answered) >= g, 60)
                # One that was killed before, or whose core was, may be about to be started again.
                victim = wait_for(f"the {part}", lambda p=part: daemon.parts().get(p))
                os.kill(victim, signal.SIGKILL)
                wait_for("its end", lambda v=victim: not alive(v))
                daemon.wait_ready()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        daemon.submit("sim", "h1", {}, id="last")
        daemon.wait_line(task="last", action="submit")
        written = {line["task"] for line in daemon.lines(action="submit", result="allowed")}
        assert set(answered) <= written
        stored, after = set(), ""
        while after is not None:
            page = daemon.get(f"/v1/tasks?limit=1000{after}")
            stored |= {task["id"] for task in page["items"]}
            after = f"&after={page['next']}" if page.get("next") else None
        assert stored <= written
        numbers = [line["seq"] for line in daemon.lines()]
        assert len(numbers) == len(set(numbers)), "a line that was written again"
        assert daemon.check().returncode == 0, daemon.check().stderr
        print(f"{len(answered)} answered, {len(stored)} stored, {len(written)} written")


def test_the_chain_goes_on_over_rotation_and_restarts():
    daemon = Audited({"rotate_size": "4K", "keep": 20})
    with daemon:
        for i in range(60):
            daemon.submit("sim", "h1", {}, id=f"t{i}")
        daemon.wait_line(task="t59")
        assert os.path.exists(daemon.path + ".3")
        done = daemon.check("--json")
        first = json.loads(done.stdout)
        assert first["ok"] and first["first"] == 1 and first["files"] > 3
        daemon.stop()
        # As logrotate would: the file is somewhere else at the next start.
        os.rename(daemon.path, daemon.path + ".moved")
        before = json.loads(open(daemon.path + ".moved", encoding="utf-8").readlines()[-1])
        for i in range(1, 21):
            if os.path.exists(f"{daemon.path}.{i}"):
                os.unlink(f"{daemon.path}.{i}")
        daemon.start()
        daemon.submit("sim", "h1", {}, id="after")
        daemon.wait_line(task="after")
        assert daemon.lines()[0]["n"] == before["n"] + 1 and daemon.lines()[0]["prev"] != ZEROS
        assert daemon.check().returncode == 0
        # An earlier verification's line must still be there, where its file is.
        at = json.loads(daemon.check("--json").stdout)
        daemon.submit("sim", "h1", {}, id="more")
        daemon.wait_line(task="more")
        assert daemon.check("--at", f"{at['last']}:{at['hash']}").returncode == 0
        assert daemon.check("--at", f"{at['last']}:{ZEROS}").returncode == 1
        assert daemon.check("--at", f"{at['last'] + 1000}:{at['hash']}").returncode == 1


def change_line(lines):
    lines[3] = lines[3].replace('"by":"root"', '"by":"toor"')


def remove_line(lines):
    del lines[3]


def swap_lines(lines):
    lines[3], lines[4] = lines[4], lines[3]


def insert_line(lines):
    lines.insert(4, lines[3])


def cut_end(lines):
    del lines[-1]


def change_last(lines):
    lines[-1] = lines[-1].replace('"by":"root"', '"by":"toor"')


def cut_half(lines):
    lines[-1] = lines[-1][:40]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("audit"))
    with Audited() as daemon:
        for i in range(8):
            daemon.submit("sim", "h1", {}, id=f"t{i}")
        daemon.wait_line(task="t7")
        shutil.copy(daemon.path, folder)
        shutil.copy(daemon.path + ".chain", folder)
    return folder


@pytest.mark.parametrize("change,words", [
    (change_line, "the line before it"), (remove_line, "comes after line"), (swap_lines, "comes after line"),
    (insert_line, "comes after line"), (cut_end, "the end is missing"), (change_last, "was another when it was written"),
    (cut_half, "no end"), (lambda lines: lines.__setitem__(2, "{}\n"), "no line of a chain"),
    (lambda lines: lines.__setitem__(2, lines[2].replace('"prev":"', '"prev":"g')), "no line of a chain")])
def test_what_was_changed_shows(written, tmp_path, change, words):
    path = str(tmp_path / "audit.jsonl")
    for end in ("", ".chain"):
        shutil.copy(os.path.join(written, "audit.jsonl" + end), path + end)
    assert drover("audit", "verify", path).returncode == 0
    with open(path, encoding="utf-8") as f:
        lines = f.readlines()
    change(lines)
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(lines)
    done = drover("audit", "verify", path)
    assert done.returncode == 1 and words in done.stderr, done.stderr
    assert not json.loads(drover("audit", "verify", path, "--json").stdout)["ok"]


def test_an_end_that_was_cut_off_is_not_glossed_over():
    """Whoever stops the daemon, cuts the log's end and starts it again leaves a gap that shows."""
    with Audited() as daemon:
        for i in range(5):
            daemon.submit("sim", "h1", {}, id=f"t{i}")
        daemon.wait_line(task="t4")
        daemon.stop()
        with open(daemon.path, encoding="utf-8") as f:
            lines = f.readlines()
        with open(daemon.path, "w", encoding="utf-8") as f:
            f.writelines(lines[:-3])
        daemon.start()
        daemon.wait_line(action="start", n=len(lines) + 1)
        assert "its end is missing" in daemon.log()
        assert "comes after line" in daemon.check().stderr


def test_nothing_is_done_that_cannot_be_written():
    """A sink that takes nothing, and a spool that is full: actions are refused, questions are answered."""
    daemon = Audited(config={"sinks": [{"plugin": "sink_hang", "events": ["audit"], "spool_limit": "1M",
                                        "call_timeout": "1h"}]})
    hosts = [f"{'x' * 60}{i}" for i in range(8)]

    def submit(number):
        task = f"{'t' * 150}{number}"
        try:
            daemon.post("/v1/tasks", {"type": "sim", "hosts": hosts, "payload": {"latency": "600s"}, "id": task})
        except Problem as problem:
            return task, problem
        return None

    with daemon, ThreadPoolExecutor(8) as pool:
        task, problem = next(refused for refused in pool.map(submit, range(4000)) if refused)
        pool.shutdown(cancel_futures=True)
        assert problem.status == 503 and "the audit log cannot be written" in str(problem.body)
        assert daemon.status("GET", f"/v1/tasks/{task}", daemon.admin) == 404
        with pytest.raises(Problem) as error:
            daemon.post(f"/v1/tasks/{'t' * 150}0/cancel", {})
        assert error.value.status == 503
        assert daemon.get("/v1/tasks?limit=1")["items"]


def test_configuration(tmp_path):
    def check(**sink):
        path = tmp_path / "drover.yaml"
        path.write_text(json.dumps({"node": {"name": "x", "state_dir": "/tmp/x"},
                                    "plugin_path": [os.path.join(BUILD, "plugins")],
                                    "sinks": [{"plugin": "file", "path": "/tmp/x/y", **sink}]}))
        done = subprocess.run([os.path.join(BUILD, "drover"), "config", "check", str(path)], capture_output=True,
                              text=True, check=False)
        return done.stdout + done.stderr if done.returncode else ""

    assert check(events=["audit"], chain=True) == "" and check(events=["task", "host"]) == ""
    assert check(events="host") == ""
    assert "a sink of their own" in check(events=["audit", "host"])
    assert "no kind of event" in check(events=["unit"]) and "sinks[0].events" in check(events=["unit"])
    assert "keep at least 1" in check(events=["audit"], chain=True, keep=0)


def test_other_sinks_get_what_they_ask_for():
    daemon = Audited()
    other = os.path.join(daemon.folder, "tasks.jsonl")
    daemon.config["sinks"].append({"name": "tasks", "plugin": "file", "path": other, "events": ["task"]})
    daemon.write_config()
    with daemon:
        daemon.wait(daemon.submit("sim", "h[1-5]", {}))
        wait_for("the task's end", lambda: os.path.exists(other) and '"state":"done"' in open(other, encoding="utf-8").read())
        kinds = {json.loads(line)["kind"] for line in open(other, encoding="utf-8")}
        assert kinds == {"task"}
        assert {line["kind"] for line in daemon.lines()} == {"audit"}
