"""
A word that is nowhere else is put into every secret that a daemon has: the credentials of each kind, a token, the TLS
key. It is then looked for in everything that the daemon leaves or shows, while it works with them and afterwards.
"""

import json
import os
import secrets
import signal
import subprocess
import threading
import time

import pytest
from daemon import BUILD, Problem, alive, descendants, wait_for
from fleet.sshd import ORDINARY_USER, Sshd, public_key
from secured import Certificate, Secured, routes

CONTROL = "control-" + secrets.token_hex(12)  # is no secret: shows that the search finds what is there


def middle_of(path):
    """A line from the middle of a PEM file's base64."""
    with open(path, encoding="ascii") as f:
        lines = f.read().splitlines()
    return lines[len(lines) // 2].strip()


class Canaries:
    """Makes secrets in files of a folder, and knows all of them."""

    def __init__(self, folder):
        self.folder = folder
        self.words = {}

    def file(self, name, word=None):
        word = word or f"canary-{name}-{secrets.token_hex(12)}"
        self.words[name] = word.encode()
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as f:
            f.write(word)
        return {"file": path}

    def key(self, name, passphrase=""):
        path = os.path.join(self.folder, name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", path], check=True)
        self.words[name] = middle_of(path).encode()
        return path

    def signing_key(self, name):
        path = os.path.join(self.folder, name)
        subprocess.run([os.path.join(BUILD, "drover"), "key", "generate", "-o", path], check=True, capture_output=True)
        with open(path, "rb") as f:
            self.words[name] = f.read().strip().partition(b":")[2]
        return {"file": path}

    def within(self, data):
        return [name for name, word in self.words.items() if word in data]


def contents(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


class Watcher(threading.Thread):
    """Reads the command line and environment of every process of this machine, over and over."""

    def __init__(self, canaries):
        super().__init__(daemon=True)
        self.canaries, self.stop = canaries, threading.Event()
        self.found, self.control, self.rounds = set(), False, 0

    def run(self):
        while not self.stop.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                for what in ("cmdline", "environ"):
                    data = contents(f"/proc/{pid}/{what}")
                    self.found.update((name, what, data[:200]) for name in self.canaries.within(data))
                    self.control |= CONTROL.encode() in data
            self.rounds += 1
            time.sleep(0.005)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.join()


def settings(canaries, fleet, folder):
    fleet_key, locked = canaries.key("key"), canaries.key("locked", "canary-passphrase-0123456789")
    passphrase = canaries.file("passphrase", "canary-passphrase-0123456789")
    for key in (fleet_key, locked):
        with open(fleet.authorized_keys, "a", encoding="ascii") as f:
            f.write(public_key(key) + "\n")
    password = {"file": os.path.join(canaries.folder, "password")}
    credentials = {
        "by_key": {"user": ORDINARY_USER, "key": {"file": fleet_key}, "become_password": password},
        "by_locked_key": {"user": ORDINARY_USER, "key": {"file": locked}, "passphrase": passphrase},
        "by_password": {"user": ORDINARY_USER, "password": password, "become_password": password},
        "wrong": {"user": ORDINARY_USER, "key": {"file": canaries.key("useless", "canary-other-9876543210")},
                  "passphrase": canaries.file("wrong-passphrase"), "password": canaries.file("wrong-password"),
                  "become_password": canaries.file("wrong-become")},
        "wrong_become": {"user": ORDINARY_USER, "key": {"file": fleet_key},
                         "become_password": canaries.file("wrong-become-2")},
        "by_variable": {"user": ORDINARY_USER, "password": {"env": "CANARY_VARIABLE"}},
    }
    shell = {"plugin": "shell", "user": ORDINARY_USER, "port": fleet.port, "known_hosts": [fleet.known_hosts],
             "ssh_config": ["none"], "agent": False}
    sinks = [{"name": "events", "plugin": "file", "path": os.path.join(folder, "events.jsonl")},
             {"name": "audit", "plugin": "file", "path": os.path.join(folder, "audit.jsonl"), "events": ["audit"],
              "chain": True}]
    cluster = {"name": "canaries", "signing_key": canaries.signing_key("signing-key")}
    return {"credentials": credentials, "executors": [shell], "sinks": sinks, "log": {"level": "debug"},
            "cluster": cluster}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("secrets"))
    canaries = Canaries(folder)
    password = canaries.file("password")
    etc = {"sudoers.d/fleet": f"{ORDINARY_USER} ALL=(ALL:ALL) ALL\n"}
    with Sshd(3, "UsePAM yes\nPasswordAuthentication yes\n", ordinary=True, password=contents(password["file"]).decode(),
              etc=etc) as fleet:
        daemon = Secured(env={"CANARY_VARIABLE": "canary-variable-0123456789", "TMPDIR": folder})
        daemon.config.update(settings(canaries, fleet, daemon.folder))
        certificate = Certificate(folder)
        canaries.words["tls-key"] = middle_of(certificate.key).encode()
        canaries.words["token"] = daemon.admin.encode()
        canaries.words["token's secret"] = daemon.admin.split("_", 2)[2].encode()
        daemon.serve_tls(certificate)
        daemon.cwd = daemon.folder
        daemon.canaries, daemon.fleet = canaries, fleet
        with daemon:
            yield daemon


def shell(daemon, credential, **payload):
    command = payload.pop("command", f"sleep 0.5; echo {CONTROL}; id -un")
    return daemon.post("/v1/tasks", {"type": "shell", "hosts": daemon.fleet.addresses, "credential": credential,
                                     "payload": {"command": command, **payload}, "host_timeout": "20s"})["id"]


@pytest.fixture(scope="module")
def worked(world):
    """Every credential was used, those that are wrong, too, and what was seen meanwhile."""
    with Watcher(world.canaries) as watcher:
        tasks = {
            "key": shell(world, "by_key"), "locked key": shell(world, "by_locked_key"),
            "password": shell(world, "by_password"), "variable": shell(world, "by_variable"),
            "become": shell(world, "by_key", become=True), "become by password": shell(world, "by_password", become=True),
            "wrong": shell(world, "wrong"), "wrong become": shell(world, "wrong_become", become=True),
            # What a hostile host would do: it shows what it is sent.
            "mirror": shell(world, "by_key", command="cat; env", stdin="x"),
        }
        for bad in (world.admin[:-1] + "!", world.admin + "x", world.admin.upper()):
            world.status("GET", "/v1/tasks", bad)
        world.status("GET", f"/v1/tasks?owner={world.admin[:20]}")
        for task in tasks.values():
            world.wait(task)
        wait_for("a look at all processes", lambda rounds=watcher.rounds: watcher.rounds > rounds + 1)
    world.tasks, world.watcher = tasks, watcher
    return world


def statuses(daemon, name):
    return {row["status"] for row in daemon.results(daemon.tasks[name])}


def test_the_secrets_were_used(worked):
    for name in ("key", "locked key", "password", "become", "become by password", "mirror"):
        assert statuses(worked, name) == {"ok"}, (name, worked.results(worked.tasks[name]))
    for name in ("wrong", "variable", "wrong become"):
        assert statuses(worked, name) <= {"unreachable", "failed"}, name
    assert {row["stdout"].split()[-1] for row in worked.results(worked.tasks["become"])} == {"root"}


def test_no_command_line_and_no_environment(worked):
    assert worked.watcher.control and worked.watcher.rounds > 5
    assert not worked.watcher.found
    # One that a configuration takes from a variable is only there where it was put: in the supervisor's.
    word = b"canary-variable-0123456789"
    assert not [pid for pid in descendants(worked.process.pid) if word in contents(f"/proc/{pid}/environ")]


def test_nothing_that_is_shown(worked):
    shown = []
    for task in worked.tasks.values():
        for route in routes():
            if route["method"] != "GET" or route["path"].endswith("/events"):
                continue
            path = route["path"].replace("{id}", task).replace("{host}", worked.fleet.addresses[0])
            query = {"/v1/results": f"?host={worked.fleet.addresses[0]}", "/v1/tasks/{id}": "?payload=true"}
            try:
                answer, content = worked.request("GET", path + query.get(route["path"], ""), raw=True)
            except Problem as problem:
                content = json.dumps(problem.body).encode()
            assert answer.status < 500
            shown.append(content)
    shown = b"\n".join(shown)
    assert CONTROL.encode() in shown
    assert not worked.canaries.within(shown)


def files_below(folder):
    return [os.path.join(path, name) for path, _, names in os.walk(folder) for name in names]


def test_nothing_on_the_disk(worked):
    """The log, the database with its WAL, spools, sinks' files, the tokens' file, whatever else lies there."""
    paths = files_below(worked.folder)
    names = {os.path.basename(path) for path in paths}
    assert {"log", "drover.db", "events.jsonl", "audit.jsonl", "tokens"} <= names, names
    found = {path: worked.canaries.within(contents(path)) for path in paths}
    assert not {path: names for path, names in found.items() if names}
    control = {os.path.basename(path) for path in paths if CONTROL.encode() in contents(path)}
    assert control & {"drover.db", "drover.db-wal"}
    # Temporary files, too: the secrets' own files are the only ones of their folder.
    known = set(worked.canaries.words) | {"server.key", "server.crt"}
    assert {name for name in os.listdir(worked.canaries.folder) if not name.endswith(".pub")} <= known


def test_reload_and_errors_tell_nothing(worked):
    """A configuration whose errors are about secrets: each is told, none with its value."""
    good = json.dumps(worked.config)
    bad = json.loads(good)
    canary = worked.canaries.words["password"].decode()
    bad["credentials"]["by_key"]["password"] = canary  # a secret written out: an error, and it must not repeat it
    bad["credentials"]["by_key"]["become_password"] = {"file": "/nonexistent", "x": canary}
    bad["sources"][0]["tokens"] = ["a", "b"]
    with open(worked.config_file, "w", encoding="utf-8") as f:
        json.dump(bad, f)
    before = len(worked.log())
    worked.process.send_signal(signal.SIGHUP)
    wait_for("the refusal", lambda: "configuration" in worked.log()[before:])
    checked = subprocess.run([os.path.join(os.path.dirname(worked.process.args[0]), "drover"), "config", "show",
                              worked.config_file], capture_output=True, check=False)
    with open(worked.config_file, "w", encoding="utf-8") as f:
        f.write(good)
    assert not worked.canaries.within(worked.log().encode())
    assert checked.returncode == 78 and not worked.canaries.within(checked.stdout + checked.stderr)
    shown = subprocess.run([os.path.join(os.path.dirname(worked.process.args[0]), "drover"), "config", "show",
                            worked.config_file], capture_output=True, check=False,
                           env={**os.environ, "CANARY_VARIABLE": "canary-variable-0123456789"})
    assert shown.returncode == 0 and not worked.canaries.within(shown.stdout + shown.stderr)
    assert b"canary-variable" not in shown.stdout + shown.stderr


def test_no_core_dump_has_them(worked):
    """Every process: its limit forbids a dump, and where that is lifted, a dump leaves its memory out."""
    task = shell(worked, "by_key", command="sleep 600")
    wait_for("the task to run", lambda: worked.task(task)["counts"]["running"])
    everything = worked.everything()
    for pid in everything:
        limit = next(line for line in contents(f"/proc/{pid}/limits").decode().splitlines() if "core file" in line)
        assert limit.split()[4:6] == ["0", "0"], (pid, limit)
        assert int(contents(f"/proc/{pid}/coredump_filter"), 16) == 0, pid
    # They do hold them: or this test would prove nothing.
    executor, core = worked.parts()["executor: shell"], worked.parts()["core"]
    assert "password" in worked.canaries.within(memory_of(executor))
    assert not {"password", "key", "wrong-password"} & set(worked.canaries.within(memory_of(core)))
    # What units are signed with is the core's, and no executor's.
    assert "signing-key" in worked.canaries.within(memory_of(core))
    assert "signing-key" not in worked.canaries.within(memory_of(executor))
    lifted = True
    for pid in (executor, core, worked.process.pid):
        # Within a container not even root may: then the limit is what there is to see.
        lifted &= not subprocess.run(["prlimit", "--pid", str(pid), "--core=unlimited"], check=False,
                                     stderr=subprocess.DEVNULL).returncode
        os.kill(pid, signal.SIGABRT)  # SIGSEGV would be a sanitizer's to report
        if pid == worked.process.pid:
            worked.process.wait(20)
        wait_for("its end", lambda p=pid: not alive(p))
    wait_for("all of them to be gone", lambda: not [p for p in everything if alive(p)], 30)
    pattern = contents("/proc/sys/kernel/core_pattern").decode().strip()
    dumps = [path for path in files_below(worked.folder) if os.path.basename(path).startswith("core")]
    if lifted and "/" not in pattern and not pattern.startswith("|"):
        assert dumps, "the kernel writes dumps into the working folder, and there is none"
    for path in dumps:
        assert not worked.canaries.within(contents(path)), path


def memory_of(pid):
    """What a process can write to, as far as it can be read."""
    data = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            area, rights = line.split()[:2]
            start, end = (int(part, 16) for part in area.split("-"))
            if "rw" not in rights or end - start > 256 << 20:
                continue
            memory.seek(start)
            try:
                data.append(memory.read(end - start))
            except OSError:
                pass
    return b"".join(data)
