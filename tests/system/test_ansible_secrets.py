"""How Ansible logs in and becomes others by credentials, opens vaults, and where their secrets never are."""

import glob
import json
import os
import secrets
import subprocess
import time

import pytest
from daemon import Daemon, cmdline, wait_for
from fleet.ansible import RELEASES, Herd
from fleet.sshd import ORDINARY_USER, public_key

# The password is searched in the memory that the whole machine shares: no other run has the same.
CANARIES = {"password": f"canary-password-{secrets.token_hex(6)}", "passphrase": "canary-phrase-b3d7",
            "vault": "canary-vault-51ac", "inside": "canary-inside-e09d", "argument": "canary-argument-4c66"}
PASSWORD = CANARIES["password"]
SUDOERS = {"sudoers.d/fleet": f"{ORDINARY_USER} ALL=(ALL:ALL) ALL\n{ORDINARY_USER} ALL=(ALL:ALL) NOPASSWD: /bin/true\n"}
# An agent whose socket's file is there, for a while, before anybody listens at it.
LATE_AGENT = """#!/usr/bin/python3
import os, socket, sys, time
path = sys.argv[sys.argv.index("-a") + 1]
socket.socket(socket.AF_UNIX).bind(path)
time.sleep(0.2)
os.unlink(path)
os.execv("/usr/bin/ssh-agent", sys.argv)
"""
SSHD = "UsePAM yes\nPasswordAuthentication yes\n"


def write(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return {"file": str(path)}


class Setting:
    """An ordinary user who has a password, and a key with a passphrase, and who may become root by his password."""

    def __init__(self, herd, release, folder):
        self.herd, self.release, self.folder = herd, release, folder
        locked = os.path.join(folder, "locked")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", CANARIES["passphrase"], "-f", locked], check=True)
        with open(herd.authorized_keys, "a", encoding="ascii") as file:
            file.write(f"{public_key(locked)}\n")
        self.certified = os.path.join(folder, "certified")
        for name in ("certified", "ca"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(folder, name)], check=True)
        subprocess.run(["ssh-keygen", "-q", "-s", os.path.join(folder, "ca"), "-I", "test", "-n", herd.user,
                        f"{self.certified}.pub"], check=True)
        with open(herd.authorized_keys, "a", encoding="ascii") as file:
            file.write(f"cert-authority {public_key(os.path.join(folder, 'ca'))}\n")
        self.vault = os.path.join(folder, "vault-password")
        write(self.vault, CANARIES["vault"] + "\n")
        self.inventory = os.path.join(folder, "inventory")
        os.makedirs(os.path.join(self.inventory, "group_vars"))
        write(os.path.join(self.inventory, "hosts"), "[all]\n" + "\n".join(herd.addresses) + "\n")
        write(os.path.join(self.inventory, "group_vars/all.yml"), f"hidden: {CANARIES['inside']}\n")
        subprocess.run([os.path.join(RELEASES[release][1], "ansible-vault"), "encrypt", f"--vault-password-file={self.vault}",
                        os.path.join(self.inventory, "group_vars/all.yml")], check=True, capture_output=True,
                       env=herd.environment())

    def credentials(self):
        user = self.herd.user
        password = write(os.path.join(self.folder, "password"), PASSWORD + "\n")
        phrase = write(os.path.join(self.folder, "phrase"), CANARIES["passphrase"] + "\n")
        wrong = write(os.path.join(self.folder, "wrong"), "not this one\n")
        locked = {"file": os.path.join(self.folder, "locked")}
        return {"fleet": {"user": user, "key": {"file": self.herd.key}},
                "password": {"user": user, "password": password},
                "wrong-password": {"user": user, "password": wrong},
                "locked": {"user": user, "key": locked, "passphrase": phrase},
                "wrongly-locked": {"user": user, "key": locked, "passphrase": wrong},
                "still-locked": {"user": user, "key": locked},
                "certified": {"user": user, "key": {"file": self.certified},
                              "certificate": f"{self.certified}-cert.pub"},
                "sudo": {"user": user, "key": {"file": self.herd.key}, "become_password": password},
                "wrong-sudo": {"user": user, "key": {"file": self.herd.key}, "become_password": wrong}}

    def config(self):
        plain = self.herd.executor("adhoc", self.release)
        more = self.herd.executor("adhoc", self.release, inventory=[self.inventory])
        late = os.path.join(self.folder, "late")
        os.mkdir(late)
        write(os.path.join(late, "ssh-agent"), LATE_AGENT)
        os.chmod(os.path.join(late, "ssh-agent"), 0o755)
        vaults = write(os.path.join(self.folder, "vault-option"), CANARIES["vault"])
        return {"credentials": self.credentials(),
                "executors": [plain,
                              {**more, "name": "vault", "vault_password": vaults},
                              {**more, "name": "vault-id", "vault_ids": {"prod": self.vault}},
                              {**more, "name": "no-vault"},
                              {**plain, "name": "late-agent",
                               "environment": {**plain["environment"], "PATH": f"{late}:{os.environ['PATH']}"}},
                              {**plain, "name": "silent",
                               "environment": {**plain["environment"], "ANSIBLE_NO_LOG": "true"}}]}


@pytest.fixture(scope="module", params=list(RELEASES), name="state")
def _state(request, tmp_path_factory):
    with Herd(2, config=SSHD, ordinary=True, password=PASSWORD, etc=SUDOERS) as herd:
        setting = Setting(herd, request.param, str(tmp_path_factory.mktemp("secrets")))
        daemon = Daemon(setting.config())
        with daemon:
            daemon.setting = setting
            yield daemon


def run(daemon, module, args="", payload=None, seconds=60, **more):
    hosts = daemon.setting.herd.addresses
    begin = time.monotonic()
    task = daemon.post("/v1/tasks", {"type": "adhoc", "hosts": hosts, "timeout": 60,
                                     "payload": {"module": module, "args": args, **(payload or {})},
                                     **({"executor": "ansible_adhoc"} | more)})["id"]
    daemon.wait(task)
    daemon.verify(task)
    assert time.monotonic() - begin < seconds
    rows = daemon.results(task)
    assert len(rows) == len(hosts)
    return rows


def statuses(rows):
    return {row["status"] for row in rows}


@pytest.mark.parametrize("credential", ["fleet", "password", "locked", "certified"])
def test_logging_in(state, credential):
    rows = run(state, "command", "id -un", credential=credential)
    assert statuses(rows) == {"ok"} and {row["stdout"] for row in rows} == {state.setting.herd.user}, rows


def test_an_agent_that_is_slow_to_listen(state):
    rows = run(state, "ping", executor="late-agent", credential="locked")
    assert statuses(rows) == {"ok"}, rows


@pytest.mark.parametrize("credential,words", [("wrongly-locked", "passphrase of the credential's key is wrong"),
                                              ("still-locked", "it has a passphrase, and the credential gives none")])
def test_a_key_that_does_not_open_is_one_clear_error(state, credential, words):
    rows = run(state, "ping", credential=credential)
    assert statuses(rows) == {"failed"} and all(words in row["message"] for row in rows), rows


def test_a_wrong_password(state):
    rows = run(state, "ping", credential="wrong-password")
    assert statuses(rows) == {"unreachable"} and {row["phase"] for row in rows} == {"authentication"}, rows


def test_becoming_root_by_password(state):
    rows = run(state, "command", "id -u", {"become": True}, credential="sudo")
    assert statuses(rows) == {"ok"} and {row["stdout"] for row in rows} == {"0"}, rows


def test_becoming_root_without_a_password_that_is_wanted(state):
    rows = run(state, "command", "id -u", {"become": True}, credential="fleet")
    assert statuses(rows) == {"failed"} and all("password" in row["message"].lower() for row in rows), rows


def test_becoming_root_by_a_wrong_password(state):
    rows = run(state, "command", "id -u", {"become": {"method": "sudo", "user": "root"}}, credential="wrong-sudo")
    assert statuses(rows) <= {"failed", "unreachable"} and all("sudo password" in row["message"] for row in rows), rows


@pytest.mark.parametrize("executor", ["vault", "vault-id"])
def test_variables_out_of_a_vault(state, executor):
    rows = run(state, "assert", {"that": ["hidden is match('canary-inside-')"], "quiet": True}, executor=executor)
    assert statuses(rows) == {"ok"}, rows
    assert not any(CANARIES["inside"] in json.dumps(row) for row in rows)


def test_a_vault_that_nothing_opens_is_one_clear_error(state):
    rows = run(state, "ping", executor="no-vault", seconds=30)
    assert statuses(rows) == {"failed"} and all("vault" in row["message"].lower() for row in rows), rows


def test_results_that_are_not_to_be_logged(state):
    rows = run(state, "command", f"echo {CANARIES['argument']}", executor="silent")
    assert statuses(rows) == {"ok"}
    for row in rows:
        assert row["result"]["censored"] and CANARIES["argument"] not in json.dumps(row)


def test_a_password_is_gone_with_a_host_that_hung(state):
    """Since 2.19 Ansible has it in shared memory, which outlives the process that is killed."""
    def memory():
        found = b""
        for path in glob.glob("/dev/shm/*"):
            try:
                with open(path, "rb") as file:
                    found += file.read()
            except OSError:
                continue
        return found

    herd = state.setting.herd
    begun = os.path.join(herd.folder, "remote", "hanging")
    task = state.submit("adhoc", herd.addresses[:1], {"module": "shell", "args": f"touch {begun}; sleep 60"}, timeout=60,
                        host_timeout=12, credential="password", executor="ansible_adhoc")
    wait_for("the host to be at work", lambda: os.path.exists(begun), 60)
    assert (PASSWORD.encode() in memory()) == (state.setting.release == "newest")
    state.wait(task)
    assert state.results(task)[0]["status"] == "timeout"
    wait_for("the password to be gone", lambda: PASSWORD.encode() not in memory())


def everything_about(pids):
    """Command lines and environments of the processes, as bytes."""
    found = b""
    for pid in pids:
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    found += file.read()
            except OSError:
                continue
    return found


def test_no_secret_is_in_an_argument_or_a_file(state):
    """While each kind of login works on a host, and afterwards in all that the daemon has left."""
    herd = state.setting.herd
    begun = os.path.join(herd.folder, "remote", "begun")
    for credential, payload in (("password", {}), ("locked", {}), ("sudo", {"become": True})):
        command = f"touch {begun}; while [ -e {begun} ]; do sleep 0.05; done"
        task = state.submit("adhoc", herd.addresses[:1], {"module": "shell", "args": command, **payload}, timeout=60,
                            credential=credential, executor="ansible_adhoc")
        wait_for("the host to be at work", lambda: os.path.exists(begun), 60)
        seen = everything_about(state.everything())
        assert b"server.py" in seen and b"ssh" in seen
        roots = {word for pid in state.everything() for word in cmdline(pid) if "/drover-ansible-" in word
                 and os.path.isdir(word)}
        assert roots
        kept = b"".join(open(path, "rb").read() for root in roots for path in glob.glob(f"{root}/**", recursive=True)
                        if os.path.isfile(path))
        os.unlink(begun)
        assert state.wait(task)["counts"]["ok"] == 1
        for canary in [*CANARIES.values(), "PRIVATE KEY"]:
            assert canary.encode() not in seen and canary.encode() not in kept, (credential, canary)
    left = state.log().encode()
    for path in glob.glob(os.path.join(state.state, "**"), recursive=True):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                left += file.read()
    for name in ("password", "passphrase", "vault", "inside"):
        assert CANARIES[name].encode() not in left, name
