"""A droverd of a test's own: its configuration, folders and port, and the questions that tests ask it.

Nothing here sleeps for luck: every wait has a condition and a deadline, and says what it waited for.
"""

import contextlib
import http.client
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("DROVER_BUILD", "build"))
FINAL = {"done", "cancelled", "aborted"}
# Programs under a sanitizer are several times slower: deadlines of waits (not of promises) grow with this.
PATIENCE = float(os.environ.get("DROVER_TEST_PATIENCE", "1"))
OUTAGE = 60 if os.environ.get("DROVER_CHAOS") == "long" else 3  # s that a server is away; the long tests' are a minute


def wait_for(what, condition, timeout=20.0, every=0.02):
    """Returns the first true value of `condition()`; fails, naming `what`, after `timeout` seconds."""
    end = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout * PATIENCE:g} s for {what}")
        time.sleep(every)


STATE, PARENT, START = 0, 1, 19  # of what `stat_of` gives


class Pid(int):
    """A process that `alive` takes for no other one that has its number later: a test that forks without end uses up all
    numbers in seconds, and they begin anew."""

    def __new__(cls, number, start):
        pid = super().__new__(cls, number)
        pid.start = start
        return pid


def stat_of(pid):
    """The fields behind the name."""
    with open(f"/proc/{int(pid)}/stat", encoding="ascii", errors="replace") as f:
        return f.read().rsplit(")", 1)[1].split()


def alive(pid):
    """True unless the process is gone or a zombie."""
    try:
        fields = stat_of(pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[STATE] != "Z" and getattr(pid, "start", fields[START]) == fields[START]


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def descendants(pid):
    """All processes below `pid`, by their parents as they are now."""
    parents = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError):
            fields = stat_of(entry)
            if fields[STATE] != "Z":
                parents.setdefault(int(fields[PARENT]), []).append(Pid(entry, fields[START]))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def pss_kb(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            for line in f:
                if line.startswith("Pss:"):
                    return int(line.split()[1])
    return 0


class Problem(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


class Daemon:
    """droverd with a configuration made from `config` (a dict, written as JSON, which is YAML)."""

    def __init__(self, config=None, user=None, isolation="auto", env=None, build=BUILD):
        self.user, self.build = user, build
        self.folder = tempfile.mkdtemp(prefix="drover-test-")
        self.state = os.path.join(self.folder, "state")
        os.mkdir(self.state, 0o700)
        self.port_file = os.path.join(self.folder, "port")
        self.config = {
            "node": {"name": "test", "state_dir": self.state, "isolation": isolation},
            "plugin_path": [os.path.join(build, "plugins"), os.path.join(BUILD, "tests/plugins")],
            "store": {"plugin": "sqlite"},
            "sources": [{"plugin": "http", "listen": "127.0.0.1:0", "port_file": self.port_file}],
            "executors": [{"plugin": "sim"}, {"plugin": "shell", "allow_localhost": True}],
        }
        for section, value in (config or {}).items():
            if isinstance(value, dict) and section in self.config:
                self.config[section] = {**self.config[section], **value}
            else:
                self.config[section] = value
        self.config_file = os.path.join(self.folder, "drover.yaml")
        self.log_file = os.path.join(self.folder, "log")
        self.env = env or {}
        self.cwd = "/"
        self.process = None
        self.write_config()
        if user:
            account = pwd.getpwnam(user)
            for path, folders, files in os.walk(self.folder):
                for name in [path] + [os.path.join(path, n) for n in folders + files]:
                    os.chown(name, account.pw_uid, account.pw_gid)

    def write_config(self):
        with open(self.config_file, "w", encoding="utf-8") as f:
            json.dump(self.config, f, indent=1)

    # ------------------------------------------------------------------------------- its life

    def start(self, ready=True):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.port_file)
        options = {}
        if self.user:
            account = pwd.getpwnam(self.user)
            options = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.build, "droverd"), "-c", self.config_file],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.cwd,
                env={**os.environ, **self.env}, **options)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=30):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"droverd ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            try:
                return self.get("/-/ready")
            except (OSError, Problem, http.client.HTTPException):
                return None
        try:
            wait_for("droverd to be ready", ready, timeout)
            names = [e["name"] for e in self.get("/v1/executors")["items"]]
            wait_for("its executors to be up", lambda: all(
                e["state"] == "up" for e in self.get("/v1/executors")["items"]) or not names, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-4000:]}") from None

    def stop(self, timeout=90):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout * PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"droverd did not stop:\n{self.log()[-4000:]}") from None
        return self.process.returncode if self.process else None

    def kill(self):
        """kill -9 of the supervisor; its children must see to themselves."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()  # nobody else would: a `with` whose beginning fails has no end
            raise

    def __exit__(self, kind, error, trace):
        if kind:
            print(self.log()[-8000:])
        children = descendants(self.process.pid) if self.process else []
        try:
            if self.process and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                self.process.send_signal(signal.SIGINT)  # a second one, at once: two of one kind may become one
                try:
                    self.process.wait(20 * PATIENCE)
                except subprocess.TimeoutExpired:
                    self.kill()
            wait_for("droverd's processes to be gone", lambda: not [p for p in children if alive(p)], 15)
            assert kind or not self.undefined(), self.undefined()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as f:
            return f.read()

    def undefined(self):
        """What the sanitizer of undefined behaviour said. Beside that of addresses it writes nowhere else."""
        return [line for line in self.log().splitlines() if ": runtime error: " in line]

    # ----------------------------------------------------------------------------- its processes

    def parts(self):
        """Its parts' processes: {"core": pid, "executor: sim": pid, …}."""
        found = {}
        for entry in descendants(self.process.pid):
            words = cmdline(entry)
            role = next((w[len("--role="):] for w in words if w.startswith("--role=")), None)
            if role and self.parent(entry) == self.process.pid:
                name = next((w[len("--name="):] for w in words if w.startswith("--name=")), None)
                found[f"{role}: {name}" if name and role not in ("core", "monitor") else role] = entry
        return found

    @staticmethod
    def parent(pid):
        with contextlib.suppress(OSError, IndexError):
            return int(stat_of(pid)[PARENT])
        return 0

    def units(self):
        """Pids below executor hosts: unit processes and what they started."""
        return [pid for part, host in self.parts().items() if part.startswith("executor") for pid in descendants(host)]

    def everything(self):
        return [Pid(self.process.pid, stat_of(self.process.pid)[START])] + descendants(self.process.pid)

    # ---------------------------------------------------------------------------------- questions

    def address(self):
        with open(self.port_file, encoding="ascii") as f:
            host, port = f.read().strip().rsplit(":", 1)
        return host.strip("[]"), int(port)

    def url(self):
        return "http://%s:%d" % self.address()

    def connection(self, timeout):
        return http.client.HTTPConnection(*self.address(), timeout=timeout)

    def request(self, method, path, body=None, headers=None, timeout=120, raw=False):
        connection = self.connection(timeout)
        try:
            data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
            connection.request(method, path, data,
                               {**({"Content-Type": "application/json"} if data is not None else {}), **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
            if raw:
                return answer, content
            value = json.loads(content) if content else None
            if answer.status >= 400:
                raise Problem(answer.status, value)
            return value
        finally:
            connection.close()

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, {} if body is None else body, **kw)

    def metric(self, name):
        """The sum over its labels."""
        found = [line for line in self.request("GET", "/metrics", raw=True)[1].decode().splitlines()
                 if line.split("{")[0].split(" ")[0] == f"drover_{name}"]
        assert found, f"there is no metric {name}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def submit(self, type_, hosts, payload, **members):
        return self.post("/v1/tasks", {"type": type_, "hosts": hosts, "payload": payload, **members})["id"]

    def task(self, task):
        return self.get(f"/v1/tasks/{task}")

    def wait(self, task, timeout=60):
        end = time.monotonic() + timeout * PATIENCE
        while True:
            answer = self.get(f"/v1/tasks/{task}?wait=5s")
            assert sum(answer["counts"].values()) == answer["hosts_total"], answer
            if answer["state"] in FINAL:
                return answer
            if time.monotonic() > end:
                raise AssertionError(f"task {task} is not final after {timeout} s: {answer}\n{self.log()[-3000:]}")

    def results(self, task, query=""):
        rows, after = [], None
        while True:
            page = self.get(f"/v1/tasks/{task}/results?limit=1000{query}" + (f"&after={after}" if after else ""))
            rows += page["items"]
            after = page.get("next")
            if not after:
                return rows

    def verify(self, task):
        answer = self.get(f"/v1/tasks/{task}/verify")
        assert answer["ok"], answer
        return answer


def drover(*arguments, daemon=None, env=None, timeout=120, stdin=None):
    """Runs the command line; returns the finished process with text outputs."""
    return subprocess.run(
        [os.path.join(BUILD, "drover"), *(["--url", daemon.url()] if daemon else []), *arguments],
        stdin=subprocess.DEVNULL if stdin is None else None, input=stdin, capture_output=True, text=True,
        timeout=timeout * PATIENCE, env={**os.environ, **(env or {})}, check=False)
