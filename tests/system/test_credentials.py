"""Credentials from the configuration to the host: who is given them, what they do, and where their secrets never are."""

import glob
import json
import os
import stat

import pytest
from daemon import Daemon, Problem, cmdline, descendants, drover, wait_for
from fleet.sshd import ORDINARY_USER, Sshd, keygen

SECRETS = {"password": "canary-password-6c1b", "become_password": "canary-become-93fe", "passphrase": "canary-phrase-77d0"}


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def credentials(folder, sshd):
    """prod: by key, with a passphrase; pw: by password; broken: a key that nobody knows."""
    with open(sshd.key, encoding="ascii") as file:
        key = file.read()
    files = {name: {"file": write(folder, name, secret + "\n")} for name, secret in SECRETS.items()}
    return {
        "prod": {"user": sshd.user, "key": {"file": write(folder, "key", key)}, "become_password": files["become_password"]},
        "pw": {"user": sshd.user, "password": files["password"], "become_password": files["become_password"],
               "allow": ["ci"]},
        "unused": {"key": {"file": keygen(os.path.join(folder, "other"))}, "passphrase": files["passphrase"]},
    }


@pytest.fixture(scope="module", name="sshd")
def _sshd():
    config = "UsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
    with Sshd(3, config, ordinary=True, password=SECRETS["password"],
              etc={"sudoers.d/fleet": f"{ORDINARY_USER} ALL=(ALL:ALL) ALL\n"}) as sshd:
        yield sshd


@pytest.fixture(scope="module", name="daemon")
def _daemon(sshd):
    daemon = Daemon()
    daemon.config["credentials"] = credentials(daemon.folder, sshd)
    daemon.config["executors"] = [{"plugin": "shell", "credential": "prod", "port": str(sshd.port), "agent": "false",
                                   "known_hosts": [sshd.known_hosts], "ssh_config": ["none"]}, {"plugin": "sim"}]
    daemon.write_config()
    with daemon:
        yield daemon


def run(daemon, sshd, payload, **more):
    task = {"type": "shell", "hosts": sshd.addresses, "payload": payload, **more}
    answer = daemon.post("/v1/tasks", task)
    daemon.wait(answer["id"])
    return {row["host"]: row for row in daemon.results(answer["id"])}


def test_the_executors_own_credential(daemon, sshd):
    rows = run(daemon, sshd, {"command": "id -un"})
    assert {row["stdout"] for row in rows.values()} == {f"{ORDINARY_USER}\n"}, rows


def test_the_credential_that_a_task_names(daemon, sshd):
    assert {row["status"] for row in run(daemon, sshd, {"command": "true"}, credential="pw").values()} == {"ok"}
    rows = run(daemon, sshd, {"command": "true"}, credential="unused")
    assert {row["status"] for row in rows.values()} == {"unreachable"}
    assert all("credential unused" in row["message"] for row in rows.values()), rows


def test_become_by_credential(daemon, sshd):
    rows = run(daemon, sshd, {"command": "id -u", "become": True}, credential="prod")
    assert all("become_password is wrong" in row["message"] for row in rows.values()), rows
    assert not any(secret in json.dumps(rows) for secret in SECRETS.values())


def test_an_unknown_credential_touches_no_host(daemon, sshd):
    try:
        rows = run(daemon, sshd, {"command": "true"}, credential="nobody")
    except Problem as refused:  # before anything is stored
        assert refused.status in (403, 422) and "nobody" in str(refused)
        return
    assert {row["status"] for row in rows.values()} == {"failed"}
    assert all("no credential nobody" in row["message"] for row in rows.values()), rows


def test_secrets_are_nowhere(daemon, sshd):
    """In no log, no file of the daemon's, no argument and no environment; and in no memory but the executor's."""
    answer = daemon.post("/v1/tasks", {"type": "shell", "hosts": sshd.addresses[:1], "credential": "pw",
                                       "payload": {"command": "sleep 600"}})
    wait_for("the command", lambda: sshd.processes("sleep 600"))
    with open(sshd.key, encoding="ascii") as file:
        key_line = file.read().splitlines()[2]
    canaries = [secret.encode() for secret in [*SECRETS.values(), key_line]]
    pids = [daemon.process.pid, *descendants(daemon.process.pid)]
    for pid in pids:
        for part in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{part}", "rb") as file:
                text = file.read()
            assert not any(canary in text for canary in canaries), (pid, part)
        with open(f"/proc/{pid}/coredump_filter", encoding="ascii") as file:
            assert int(file.read(), 16) == 0
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            assert [line.split()[4] for line in file if line.startswith("Max core")] == ["0"]
    daemon.post(f"/v1/tasks/{answer['id']}/cancel", {})
    wait_for("its end", lambda: daemon.get(f"/v1/tasks/{answer['id']}")["state"] == "cancelled")
    files = [daemon.log_file, *glob.glob(f"{daemon.state}/**", recursive=True)]
    for path in filter(os.path.isfile, files):
        with open(path, "rb") as file:
            text = file.read()
        assert not any(canary in text for canary in canaries), path
    shown = drover("config", "show", daemon.config_file, daemon=daemon)
    assert shown.returncode == 0 and "***" in shown.stdout
    assert not any(canary.decode() in shown.stdout for canary in canaries)


def test_only_executors_that_take_credentials_have_them(daemon):
    """In their memory."""
    hosts = [pid for pid in descendants(daemon.process.pid) if "--role=executor" in cmdline(pid)]
    assert hosts
    for pid in hosts:
        with open(f"/proc/{pid}/mem", "rb") as memory, open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            kept = any(SECRETS["password"].encode() in read(memory, line) for line in maps)
        assert kept == ("--name=shell" in cmdline(pid)), cmdline(pid)


def read(memory, line):
    first, last = (int(word, 16) for word in line.split()[0].split("-"))
    if "r" not in line.split()[1] or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
        return b""
    if last - first > 1 << 30:  # a sanitizer's notes of terabytes, of which hardly any are there
        return b""
    try:
        memory.seek(first)
        return memory.read(last - first)
    except (OSError, ValueError, OverflowError):
        return b""


# The same hosts, a few at a time: the executor asks for each before it touches it.


def test_a_fanout_over_ssh(daemon, sshd, tmp_path):
    log = tmp_path / "log"
    log.touch(0o666)
    os.chmod(log, 0o666)
    for folder in (tmp_path, *tmp_path.parents):  # the fleet's users are to reach it
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o755)
    rows = run(daemon, sshd, {"command": f"echo begin >>{log}; sleep 0.3; echo end >>{log}"}, fanout=1)
    assert {row["status"] for row in rows.values()} == {"ok"}, rows
    assert log.read_text().split() == ["begin", "end"] * 3


def test_hosts_that_wait_for_their_turn_at_a_units_deadline_get_it_later(daemon, sshd):
    """They were never touched: nobody reports them, and each runs under a deadline of its own attempt."""
    answer = daemon.post("/v1/tasks", {"type": "shell", "hosts": sshd.addresses, "payload": {"command": "sleep 600"},
                                       "fanout": 1, "unit_size": 3, "timeout": 5})
    daemon.wait(answer["id"])
    rows = daemon.results(answer["id"])
    assert {(row["status"], row["phase"], row["remote_process"]) for row in rows} == {("timeout", "execution", "dead")}, rows
    assert sorted(row["attempt"] for row in rows) == [1, 2, 3]
    daemon.verify(answer["id"])
    wait_for("the remote sleep to be gone", lambda: not sshd.processes("sleep 600"))
