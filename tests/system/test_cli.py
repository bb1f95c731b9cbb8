"""The command line with real daemons: the private one that it starts, shares and finds again, and the demo."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from system.daemon import PATIENCE, alive, cmdline, wait_for
from system.terminal import Terminal


class Home:
    """A user's home with a private daemon's state; short, since a socket's path has to be."""

    def __init__(self, build):
        self.build = build
        self.folder = tempfile.mkdtemp(prefix="drover-cli-")
        self.state = os.path.join(self.folder, "state", "drover")
        self.env = {"HOME": self.folder, "XDG_STATE_HOME": os.path.join(self.folder, "state"),
                    "TMPDIR": self.folder, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def start(self, *words, **options):
        return subprocess.Popen([str(self.build / "drover"), *words], env=self.env, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def drover(self, *words, timeout=60):
        process = self.start(*words)
        out, err = process.communicate(timeout=timeout * PATIENCE)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def daemon(self):
        """The pid of the private daemon that holds the state folder, or None."""
        with contextlib.suppress(OSError, ValueError):
            with open(os.path.join(self.state, "lock"), encoding="ascii") as lock:
                pid = int(lock.read())
            if alive(pid) and os.path.join(self.state, "drover.yaml") in cmdline(pid):
                return pid
        return None

    def log(self):
        with open(os.path.join(self.state, "droverd.log"), encoding="utf-8") as log:
            return log.read()

    def close(self):
        pid = self.daemon()
        if pid:
            os.kill(pid, signal.SIGTERM)
            wait_for("the private daemon's end", lambda: not alive(pid), 20)
        shutil.rmtree(self.folder)


@pytest.fixture
def home(build):
    home = Home(build)
    yield home
    home.close()


def sim(hosts, payload, *more):
    return ["run", "--standalone", "--type", "sim", "-H", hosts, "--payload", json.dumps(payload), *more]


def test_run_here_without_any_set_up_and_read_it_afterwards(home):
    done = home.drover("run", "-H", "localhost", "--", "echo", "hello;", "echo", "oops", ">&2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:4] == ["--- localhost  ok", "hello", "[stderr]", "oops"]
    assert re.search(r"^1 ok of 1 host in .* \(task \w{26}\)$", done.stdout.splitlines()[-1])
    task = json.loads(home.drover("list", "--json").stdout)["items"][0]["id"]
    # It ends by itself, and what it knew is read again.
    wait_for("the private daemon's end", lambda: home.daemon() is None, 20)
    assert json.loads(home.drover("results", "last", "--json").stdout)["items"][0]["stdout"] == "hello\n"
    assert home.drover("verify", task[:20]).returncode == 0
    assert "1 ok of 1 host" in home.drover("show", "last").stdout
    assert "private" in home.drover("engines").stdout


def test_each_exit_code_of_run(home):
    def code(*words):
        done = home.drover("run", "--standalone", *words)
        assert bool(done.stderr) == (done.returncode in (1, 2)), done.stderr
        return done.returncode

    def simulated(payload, *more):
        return code("--type", "sim", "-H", "a[1-40]", "--payload", json.dumps(payload), *more)

    assert code("-H", "localhost", "true") == 0
    assert code("-H", "localhost", "--unit-size", "0", "true") == 1
    assert code("true") == 2
    assert code("-H", "localhost", "false") == 3
    assert code("-H", "localhost", "-S", "exit 41") == 41
    assert code("-H", "localhost", "-S", "kill -9 $$") == 137
    assert code("-H", "localhost", "-S", "true") == 0
    assert simulated({"latency": "0", "fail": 1}, "--waves", "1,100%", "--max-failed", "0") == 4
    process = home.start(*sim("a1", {"hang": 1}, "--timeout", "10m", "-v"))
    wait_for("the task", lambda: process.stderr.readline().startswith("drover: task "))
    assert home.drover("cancel", "--standalone", "last").returncode == 0
    process.communicate(timeout=60)
    assert process.returncode == 5
    assert home.drover("run", "--url", "http://127.0.0.1:1", "-H", "localhost", "true").returncode == 69
    os.makedirs(os.path.join(home.folder, ".config/drover"))
    with open(os.path.join(home.folder, ".config/drover/config.yaml"), "w", encoding="ascii") as file:
        file.write("url: [x]\n")
    assert home.drover("run", "-H", "localhost", "true").returncode == 78


def test_exit_codes_and_remote_exit_code(home):
    assert home.drover("run", "--standalone", "-H", "localhost", "exit 7").returncode == 3
    assert home.drover("run", "--standalone", "-S", "-H", "localhost", "exit 7").returncode == 7
    assert home.drover(*sim("a[1-3]", {"hang": 1}, "--timeout", "500ms")).returncode == 3


def test_settings_for_other_daemons_do_not_reach_the_private_one(home):
    home.env.update({"DROVER_TOKEN": "secret", "DROVER_NODE__STATE_DIR": "/nowhere", "DROVER_NONSENSE__X": "1",
                     "http_proxy": "http://127.0.0.1:1"})
    done = home.drover("run", "--standalone", "-H", "localhost", "env")
    assert done.returncode == 0, done.stderr
    assert "DROVER_" not in done.stdout
    assert "secret" not in done.stdout


def test_reading_without_a_private_daemon_starts_none(home):
    done = home.drover("list", "--standalone")
    assert done.returncode == 69
    assert "would start one" in done.stderr
    assert not os.path.exists(home.state)


def test_run_is_quick_where_a_daemon_runs(home):
    home.drover("run", "--standalone", "-H", "localhost", "true")

    def took():
        start = time.monotonic()
        assert home.drover("run", "--standalone", "-H", "localhost", "true").returncode == 0
        return time.monotonic() - start
    # The machine may be busy with other tests for a moment: one that is slow is so each time.
    assert any(took() < 0.5 * PATIENCE for _ in range(20))


def test_two_at_once_share_one_daemon(home):
    processes = [home.start("run", "--standalone", "-H", "localhost", f"echo {i}") for i in range(5)]
    for i, process in enumerate(processes):
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert out.startswith(f"--- localhost  ok\n{i}\n")
    assert home.log().count(" supervisor: droverd ") == 1
    assert len(json.loads(home.drover("list", "--standalone", "--json").stdout)["items"]) == 5


def test_interrupt_cancels_in_a_private_daemon(home):
    process = home.start(*sim("a[1-5]", {"hang": 1}, "--timeout", "10m", "-v"))
    wait_for("the task", lambda: process.stderr.readline().startswith("drover: task "))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    assert "5 cancelled of 5 hosts" in out
    assert home.drover("verify", "--standalone", "last").returncode == 0


def test_interrupt_before_the_daemon_has_answered(home):
    """Whether there is a task nobody here can know, and that is said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20 * PATIENCE)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = home.start("run", "--url", url, "--type", "sim", "-H", "a", "--payload", "{}")
        connection, _ = server.accept()
        with connection:
            connection.recv(1)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted before the daemon has answered: `drover list'" in err, err


def test_ctrl_c_on_a_terminal_cancels_in_a_private_daemon(home):
    command = [str(home.build / "drover"), *sim("a[1-5]", {"hang": 1}, "--timeout", "10m")]
    with Terminal(command, {**home.env, "NO_COLOR": "1"}) as terminal:
        terminal.read_until(b"0/5")
        terminal.type(b"\x03")
        assert terminal.wait(60) == 5
    assert b"5 cancelled of 5 hosts" in terminal.seen


def test_a_terminal_is_asked_and_told_how_far_it_is(home):
    command = [str(home.build / "drover"), *sim("n[1-120]", {"latency": "300ms"})]
    with Terminal(command, {**home.env, "NO_COLOR": "1"}) as terminal:
        terminal.read_until(b"Run on 120 hosts? [y/N] ")
        terminal.type(b"y\n")
        assert terminal.wait(60) == 0
    assert b"/120  " in terminal.seen and b"120 ok of 120 hosts" in terminal.seen
    with Terminal(command, home.env) as terminal:
        terminal.read_until(b"[y/N] ")
        terminal.type(b"\n")
        assert terminal.wait(60) == 1
    assert b"nothing was done" in terminal.seen
    assert len(json.loads(home.drover("list", "--standalone", "--json").stdout)["items"]) == 1


def test_ctrl_c_on_a_terminal_detaches_and_a_second_one_cancels(build, daemon):
    words = ["run", "--url", daemon.url(), "--type", "sim", "-H", "a[1-3]", "--payload", '{"hang": 1}', "--timeout", "10m"]
    env = {"HOME": daemon.folder, "NO_COLOR": "1"}
    with Terminal([str(build / "drover"), *words], env) as terminal:
        terminal.read_until(b"0/3")
        terminal.type(b"\x03")
        assert terminal.wait(30) == 130
        task = re.search(rb"detached: task (\w{26}) goes on", terminal.seen)[1].decode()
    wait_for("it to run", lambda: daemon.task(task)["state"] == "running")

    def press_twice():
        with Terminal([str(build / "drover"), "watch", "--url", daemon.url(), task], env) as terminal:
            terminal.read_until(b"0/3")
            terminal.type(b"\x03")
            terminal.read_until(b"Ctrl-C again within 2 s cancels it")
            terminal.type(b"\x03")
            return terminal.wait(60)
    # On a busy machine the second one may come too late: then it was detached once more.
    assert next(code for code in (press_twice() for _ in range(5)) if code != 130) == 5
    assert daemon.task(task)["state"] == "cancelled"


def test_lines_come_while_the_command_runs(home):
    flag = os.path.join(home.folder, "flag")
    process = home.start("run", "--standalone", "--stream", "-H", "localhost",
                         f"echo first; echo oops >&2; until [ -e {flag} ]; do sleep 0.05; done; printf last")
    assert process.stdout.readline() == "localhost: first\n"
    assert process.stderr.readline() == "localhost: oops\n"
    # Somebody who comes later is shown it from its beginning.
    later = home.start("logs", "--standalone", "-f", "last")
    assert later.stdout.readline() == "first\n"
    with open(flag, "w", encoding="ascii"):
        pass
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("localhost: last\n", 0)
    assert "1 ok of 1 host" in err
    out, err = later.communicate(timeout=60)
    assert (out, err, later.returncode) == ("last", "oops\n", 0)


def test_what_a_task_wrote_is_found_again(home):
    done = home.drover(*sim("a[1-9]", {"latency": "0", "output": "text", "fail": 0.5, "seed": 3}, "-L"))
    assert done.returncode == 3
    assert set(done.stdout.splitlines()) <= {f"a{i}: text" for i in range(1, 10)}
    assert "of 9 hosts" in done.stderr
    failed = [r["host"] for r in json.loads(home.drover("results", "--standalone", "last", "--status", "failed",
                                                        "--json").stdout)["items"]]
    assert 0 < len(failed) < 9
    groups = json.loads(home.drover("outputs", "--standalone", "last", "--json").stdout)["items"]
    assert sum(g["count"] for g in groups) == 9
    assert [g["count"] for g in groups] == sorted((g["count"] for g in groups), reverse=True)
    assert home.drover("results", "--standalone", "last", "--grep", "no such text").stdout == ""
    first = json.loads(home.drover("show", "--standalone", "last", "--json").stdout)["id"]
    child = home.drover("retry", "--standalone", first).stdout.strip()
    assert home.drover("retry", "--standalone", first).stdout.strip() == child, "asked twice it is one task"
    assert home.drover("watch", "--standalone", child).returncode in (0, 3)
    task = json.loads(home.drover("show", "--standalone", child, "--json").stdout)
    assert (task["parent"], task["hosts_total"]) == (first, len(failed))
    history = json.loads(home.drover("host", "--standalone", failed[0], "--json").stdout)["items"]
    assert [r["task"] for r in history] == [child, first]


def test_waves_stop_at_too_many_failed_hosts(home):
    done = home.drover(*sim("a[1-40]", {"latency": "0", "fail": 1}, "--waves", "1,50%,100%", "--max-failed", "0"))
    assert done.returncode == 4, done.stderr
    counts = json.loads(home.drover("show", "--standalone", "last", "--json").stdout)["counts"]
    assert counts["failed"] == 1 and counts["cancelled"] == 39


def test_detached_tasks_keep_the_daemon(home):
    done = home.drover(*sim("a[1-3]", {"latency": "7s"}, "--detach"))
    assert done.returncode == 0
    pid = home.daemon()
    # Longer than it would stay without work: nobody asks it anything meanwhile.
    wait_for("its end", lambda: not alive(pid), 40)
    assert json.loads(home.drover("show", "--standalone", done.stdout.strip(), "--json").stdout)["counts"]["ok"] == 3


def test_run_survives_the_death_of_its_private_daemon(home):
    process = home.start(*sim("a[1-90]", {"latency": "3s"}, "--unit-size", "10", "-v"))
    wait_for("the task", lambda: process.stderr.readline().startswith("drover: task "))
    os.kill(home.daemon(), signal.SIGKILL)
    out, err = process.communicate(timeout=90)
    # Hosts that had begun are lost, and said to be; none is missing.
    assert process.returncode in (0, 3), err
    assert " of 90 hosts" in out
    assert home.drover("verify", "--standalone", "last").returncode == 0


def test_a_stream_survives_the_death_of_its_private_daemon(home):
    process = home.start(*sim("a[1-90]", {"latency": "2s", "output": "text"}, "--unit-size", "10", "--stream", "-v"))
    wait_for("the task", lambda: process.stderr.readline().startswith("drover: task "))
    os.kill(home.daemon(), signal.SIGKILL)
    out, err = process.communicate(timeout=90)
    assert process.returncode in (0, 3), err
    rows = json.loads(home.drover("results", "--standalone", "last", "--json").stdout)["items"]
    assert len(rows) == 90
    # Each host's line once, whatever was shown before the daemon was killed.
    assert sorted(out.splitlines()) == sorted(f"{r['host']}: text" for r in rows if r["stdout"])


def test_why_a_daemon_cannot_start_is_said_at_once(home):
    os.makedirs(os.path.join(home.state, "drover.db"), 0o700)
    os.chmod(home.state, 0o700)
    start = time.monotonic()
    done = home.drover("run", "--standalone", "-H", "localhost", "true", timeout=30)
    assert time.monotonic() - start < 10 * PATIENCE, "it does not wait for a core that will not start"
    assert done.returncode == 69
    assert "cannot start a private daemon: its core cannot open the store " in done.stderr
    assert f"its log is {home.state}/droverd.log" in done.stderr
    assert home.daemon() is None


def test_a_daemon_that_ends_at_its_start_shows_its_log(home):
    home.env["DROVER_PLUGIN_PATH"] = "/nonexistent"
    done = home.drover("run", "--standalone", "-H", "localhost", "true", timeout=30)
    assert done.returncode == 69
    assert f"--- the end of {home.state}/droverd.log" in done.stderr
    assert "the private daemon ended at its start" in done.stderr
    assert home.daemon() is None


def test_a_state_folder_that_others_may_write_in_is_not_trusted(home):
    os.makedirs(home.state)
    os.chmod(home.state, 0o777)
    done = home.drover("run", "--standalone", "-H", "localhost", "true", timeout=30)
    assert done.returncode == 69
    assert f"others may write in {home.state} (mode 0777): chmod 700 {home.state}" in done.stderr
    assert home.daemon() is None


def test_a_state_folder_too_long_for_a_socket(home):
    home.env["XDG_STATE_HOME"] = os.path.join(home.folder, "x" * 100)
    done = home.drover("run", "--standalone", "-H", "localhost", "true")
    assert done.returncode == 69
    assert "set $XDG_STATE_HOME to a shorter folder" in done.stderr


def test_demo_names_the_hung_hosts_and_leaves_nothing(home):
    start = time.monotonic()
    done = home.drover("demo")
    assert time.monotonic() - start < 30 * PATIENCE
    assert done.returncode == 0, done.stderr
    assert re.search(r"^timeout +web\[0007,0412,0771\] \(3\)  in execution: ", done.stdout, re.M)
    assert re.search(r"^\d+ ok, .*3 timeout of 1000 hosts", done.stdout, re.M)
    assert "Next:" in done.stderr
    assert os.listdir(home.folder) == [], "neither a folder of the demo nor a state of the user's"


def test_demo_of_another_size(home):
    done = home.drover("demo", "--hosts", "60")
    assert re.search(r"3 timeout of 60 hosts", done.stdout), done.stderr


def test_an_interrupted_demo_leaves_nothing(home):
    process = home.start("demo")
    def states():  # the executors' own temporary folders may be beside it
        return [os.path.join(home.folder, d) for d in os.listdir(home.folder)
                if os.path.exists(os.path.join(home.folder, d, "drover.db"))]

    wait_for("its daemon", states)
    folder = states()[0]
    with open(os.path.join(folder, "lock"), encoding="ascii") as lock:
        pid = int(lock.read())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (5, 130)
    assert os.listdir(home.folder) == []
    assert not alive(pid)


def test_many_hosts_are_folded_page_by_page(home):
    done = home.drover(*sim("n[00001-20000]", {"latency": "0", "output": "text"}, "-y", "--unit-size", "1000"))
    assert done.returncode == 0, done.stderr
    assert "20000 ok of 20000 hosts" in done.stdout


def test_config_and_plugins_are_told_without_a_daemon(home, build):
    kinds = json.loads(home.drover("plugin", "list", "--json").stdout)
    assert {"shell", "sim", "http", "sqlite", "file"} <= {p["name"] for p in kinds}
    assert "allow_localhost" in home.drover("plugin", "describe", "shell").stdout
    assert "properties" in home.drover("plugin", "describe", "shell", "--json").stdout
    assert home.drover("plugin", "describe", "shel").returncode == 1
    wrong = os.path.join(home.folder, "wrong.yaml")
    with open(wrong, "w", encoding="ascii") as f:
        f.write("node: {nam: x}\n")
    done = home.drover("config", "check", wrong)
    assert done.returncode == 78
    assert f"{wrong}:1:8: node.nam: " in done.stderr
    assert home.drover("config", "show", wrong).returncode == 78


def test_a_closed_pipe_ends_it_quietly(home):
    home.drover(*sim("a[1-2000]", {"latency": "0", "output": "text"}, "-y"))
    process = home.start("results", "--standalone", "last")
    process.stdout.readline()
    process.stdout.close()
    ended = threading.Timer(60, process.kill)
    ended.start()
    process.wait()
    ended.cancel()
    assert process.returncode in (0, 1)
