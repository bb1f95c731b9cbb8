"""`drover doctor`: a daemon that is well, and each thing that it looks at broken once."""

import json
import os
import pwd
import signal
import sqlite3

import pytest
from daemon import Daemon, drover, wait_for
from secured import Certificate, Secured


def doctor(daemon, *words, config=None, env=None):
    """Its exit code, and what it says as {(level, what): [why; do]}."""
    settings = {"DROVER_URL": "", "DROVER_TOKEN": getattr(daemon, "admin", ""), "HOME": daemon.folder,
                "XDG_STATE_HOME": daemon.folder, "XDG_CONFIG_HOME": daemon.folder, **(env or {})}
    done = drover("doctor", "-c", config or daemon.config_file, "--json", *words, env=settings)
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["ok"] else 1), done.stdout
    found = {}
    for check in said["checks"]:
        assert (check["do"] is None) == (check["level"] == "ok"), check
        found.setdefault((check["level"], check["what"]), []).append(f"{check['why']}; {check['do']}")
    return done.returncode, found


def snapshot(folder):
    """Names, modes, owners, times of change of all files below."""
    found = {}
    for path, folders, files in os.walk(folder):
        for name in folders + files:
            info = os.lstat(os.path.join(path, name))
            found[os.path.join(path, name)] = (info.st_mode, info.st_uid, info.st_size, info.st_mtime_ns)
    return found


@pytest.fixture
def stopped():
    """A daemon that has run, with one task."""
    daemon = Daemon()
    with daemon:
        daemon.wait(daemon.submit("sim", "a[1-3]", {}))
        daemon.stop()
        yield daemon


def test_a_daemon_that_is_well():
    daemon = Secured({"executors": [{"plugin": "sim"}]})
    daemon.config["sinks"] = [{"name": "audit", "plugin": "file", "path": f"{daemon.folder}/audit.jsonl",
                               "events": ["audit"], "chain": True}]
    daemon.write_config()
    with daemon:
        daemon.wait(daemon.submit("sim", "a[1-3]", {}))
        wait_for("the audit log", lambda: os.path.exists(f"{daemon.folder}/audit.jsonl"))
        code, said = doctor(daemon)
        assert code == 0, said
        for what in ("configuration", "tokens", "state folder", "store", "daemon", "engine", "executor", "results", "sink",
                     "descriptors", "audit log"):
            assert ("ok", what) in said, (what, said)
        done = drover("doctor", "-c", daemon.config_file, env={"DROVER_TOKEN": daemon.admin, "DROVER_URL": ""})
        assert done.returncode == 0
        assert all(line.split()[0] in ("ok", "warning", "error") for line in done.stdout.splitlines())
        assert "ok       engine: test runs" in done.stdout


def test_it_changes_nothing(stopped):
    before = snapshot(stopped.folder)
    code, said = doctor(stopped)
    assert code == 1 and ("error", "daemon") in said
    assert "systemctl start" in said["error", "daemon"][0]
    assert "is sound: schema version" in said["ok", "store"][0]
    assert snapshot(stopped.folder) == before
    assert not os.path.exists(os.path.join(stopped.folder, "drover")), "no private daemon was made"


def test_a_wrong_configuration(stopped):
    stopped.config["capacity"] = {"hosts": "many"}
    stopped.config["nod"] = {}
    stopped.write_config()
    code, said = doctor(stopped)
    assert code == 1 and len(said["error", "configuration"]) == 2
    assert "capacity.hosts" in "".join(said["error", "configuration"])
    os.chmod(stopped.config_file, 0o666)
    assert "owns the daemon" in "".join(doctor(stopped)[1]["error", "configuration"])
    code, said = doctor(stopped, config="/nonexistent.yaml")
    assert code == 1 and "/nonexistent.yaml" in said["error", "configuration"][0]


def test_what_an_executor_checks_by_itself(stopped):
    stopped.config["executors"] = [{"plugin": "sim", "latency": "never"}]
    stopped.write_config()
    code, said = doctor(stopped)
    assert code == 1 and "latency" in said["error", "configuration"][0]


def test_the_state_folder(stopped):
    os.chmod(stopped.state, 0o755)
    assert "chmod 0700" in doctor(stopped)[1]["warning", "state folder"][0]
    os.chmod(stopped.state, 0o700)
    other = pwd.getpwnam("nobody").pw_uid
    os.chown(stopped.state, other, -1)
    assert f"belongs to user {other}" in doctor(stopped)[1]["error", "state folder"][0]
    os.chown(stopped.state, 0, -1)
    stopped.config["node"]["state_dir"] = os.path.join(stopped.folder, "gone")
    stopped.write_config()
    assert "No such file" in doctor(stopped)[1]["warning", "state folder"][0]


def test_a_damaged_store(stopped):
    path = os.path.join(stopped.state, "drover.db")
    with open(path, "r+b") as f:
        f.seek(0, os.SEEK_END)
        size = f.tell()
        for page in range(4096, size, 8192):
            f.seek(page)
            f.write(b"\xff" * 4096)
    code, said = doctor(stopped)
    assert code == 1 and "backup" in said["error", "store"][0]
    with open(path, "wb") as f:
        f.write(b"not a database" * 1000)
    assert "not a database" in doctor(stopped)[1]["error", "store"][0]


def test_a_store_of_a_newer_version_and_of_something_else(stopped):
    path = os.path.join(stopped.state, "drover.db")
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO schema_version VALUES (99, 0, 99)")
    db.close()
    assert "schema version 99" in doctor(stopped)[1]["error", "store"][0]
    os.unlink(path)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (a)")
    db.close()
    assert "something else" in doctor(stopped)[1]["error", "store"][0]
    os.unlink(path)
    assert "not there yet" in doctor(stopped)[1]["ok", "store"][0]


def test_a_store_that_was_not_closed():
    with Daemon() as daemon:
        daemon.wait(daemon.submit("sim", "a[1-3]", {}))
        daemon.kill()
        before = wait_for("its parts' end", lambda: doctor(daemon)[1].get(("ok", "store")))
        assert "not closed in order" in before[0]


def test_a_daemon_that_hangs():
    with Daemon() as daemon:
        core = daemon.parts()["core"]
        os.kill(core, signal.SIGSTOP)
        try:
            code, said = doctor(daemon)
        finally:
            os.kill(core, signal.SIGCONT)
        assert code == 1 and f"pid {daemon.process.pid}, and does not answer" in said["error", "daemon"][0]


def test_a_drained_engine_and_a_part_that_died():
    with Daemon() as daemon:
        daemon.post("/v1/engines/test/drain")
        os.kill(daemon.parts()["executor: sim"], signal.SIGKILL)
        wait_for("the executor's restart", lambda: [
            p for p in daemon.get("/v1/engines")["items"][0]["parts"] if p["name"] == "executor: sim" and p["restarts"] and p["pid"]])
        code, said = doctor(daemon)
        assert code == 0 or ("error", "executor") in said
        assert "undrain" in said["warning", "engine"][0]
        assert "killed by signal 9" in said["warning", "executor: sim"][0]


def test_an_executor_that_is_down():
    with Daemon() as daemon:
        executor = daemon.parts()["executor: sim"]
        os.kill(executor, signal.SIGKILL)

        def told():
            return doctor(daemon)[1].get(("error", "executor"))

        # Dying again and again keeps it down for longer and longer.
        def down():
            pid = daemon.parts().get("executor: sim")
            if pid:
                os.kill(pid, signal.SIGKILL)
            return told()

        assert "sim (sim) is down" in wait_for("the executor to be seen down", down)[0]


def test_tokens_and_no_token():
    daemon = Secured({"executors": [{"plugin": "sim"}]})
    with daemon:
        assert "DROVER_TOKEN" in doctor(daemon, env={"DROVER_TOKEN": ""})[1]["warning", "engine"][0]
        daemon.create("brief", "read", expires="1d")
        assert "brief expires" in doctor(daemon)[1]["warning", "tokens"][0]
        os.chmod(daemon.tokens_file, 0o644)
        code, said = doctor(daemon)
        assert code == 1 and "chmod 0600" in said["error", "tokens"][0]
        os.chmod(daemon.tokens_file, 0o600)
        os.chown(daemon.tokens_file, pwd.getpwnam("nobody").pw_uid, -1)
        assert "belongs to user" in doctor(daemon)[1]["error", "tokens"][0]
        os.chown(daemon.tokens_file, 0, -1)
        with open(daemon.tokens_file, "a", encoding="utf-8") as f:
            f.write("garbage\n")
        assert "correct that line" in doctor(daemon)[1]["error", "tokens"][0]
        os.rename(daemon.tokens_file, daemon.tokens_file + ".gone")
        assert "token create" in doctor(daemon)[1]["error", "tokens"][0]


def test_a_certificate_at_its_end_and_an_open_key(tmp_path):
    daemon = Secured({"executors": [{"plugin": "sim"}]})
    certificate = Certificate(str(tmp_path))
    with daemon.serve_tls(certificate):
        trusted = {"DROVER_CA": certificate.cert}
        code, said = doctor(daemon, env=trusted)
        assert code == 0 and "the certificate expires in " in said["warning", "TLS"][0], said
        assert ("ok", "TLS") in said
        code, said = doctor(daemon)
        assert code == 1 and "is not trusted" in said["error", "daemon"][0]
        os.chmod(certificate.key, 0o644)
        code, said = doctor(daemon, env=trusted)
        assert code == 1 and any("o=" in why or "everybody" in why for key in said for why in said[key] if key[0] == "error")


def test_a_sink_that_is_behind():
    sinks = [{"plugin": "sink_hang", "spool_limit": "1M", "call_timeout": "2s"}]
    with Daemon({"executors": [{"plugin": "sim"}], "sinks": sinks}) as daemon:
        daemon.wait(daemon.submit("sim", "a[1-4000]", {"output": "x" * 300}))
        said = wait_for("the spool to be seen", lambda: [
            s for s in [doctor(daemon)[1]] if ("warning", "sink") in s or ("error", "sink") in s])[0]
        assert "sink_hang is behind" in (said.get(("warning", "sink")) or said["error", "sink"])[0]


def test_an_audit_log_that_was_changed():
    daemon = Secured({"executors": [{"plugin": "sim"}]})
    path = f"{daemon.folder}/audit.jsonl"
    daemon.config["sinks"] = [{"name": "audit", "plugin": "file", "path": path, "events": ["audit"], "chain": True}]
    daemon.write_config()
    with daemon:
        for number in range(3):
            daemon.wait(daemon.submit("sim", "a", {}, id=f"t{number}"))
        wait_for("its lines", lambda: os.path.exists(path) and open(path, encoding="utf-8").read().count('"submit"') == 3)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace("t1", "t9"))
        code, said = doctor(daemon)
        assert code == 1 and path in said["error", "audit log"][0] and "keep the files" in said["error", "audit log"][0]


def test_a_stale_inventory():
    daemon = Daemon({"executors": [{"plugin": "sim"}]})
    hosts = os.path.join(daemon.folder, "hosts.ini")
    with open(hosts, "w", encoding="ascii") as f:
        f.write("[web]\nweb1\n")
    daemon.config["inventory"] = {"sources": [hosts], "refresh": "1s"}
    daemon.write_config()
    with daemon:
        wait_for("the inventory", lambda: "1 hosts" in doctor(daemon)[1].get(("ok", "inventory"), [""])[0])
        os.unlink(hosts)
        os.symlink("/nonexistent", hosts)
        said = wait_for("it to be stale", lambda: doctor(daemon)[1].get(("warning", "inventory")), timeout=40)
        assert "ansible-inventory" in said[0]


def test_few_descriptors_ssh_and_isolation(stopped):
    home = os.path.join(stopped.folder, "home")
    os.mkdir(home)
    stopped.config["capacity"] = {"units": 100000}
    stopped.config["executors"] = [{"plugin": "shell", "known_hosts": ["/nonexistent/known_hosts"]}]
    stopped.write_config()
    said = doctor(stopped, env={"SSH_AUTH_SOCK": ""})[1]
    assert "LimitNOFILE" in said["warning", "descriptors"][0]
    assert "/nonexistent/known_hosts" in said["error", "ssh"][0]
    assert ("ok", "isolation") in said
    stopped.config["executors"] = [{"plugin": "shell", "run_as": "nobody"}]
    stopped.write_config()
    said = doctor(stopped)[1]
    assert any("no key" in why for why in said["warning", "ssh"])
