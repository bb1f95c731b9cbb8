"""`drover secret` and `{encrypted: …}` in a configuration: only the private key reads it, and what is wrong is said."""

import json
import os
import re

import pytest
from daemon import BUILD, Daemon, drover
from system.terminal import Terminal

CANARY = "p\u00e4ss 'w\"ord} \\ canary"


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "secret.key"
    done = drover("secret", "keygen", str(path))
    assert done.returncode == 0 and done.stdout == ""
    assert path.stat().st_mode & 0o777 == 0o600
    return path


def encrypt(key, secret=CANARY):
    done = drover("secret", "encrypt", "--key", str(key), "--json", stdin=secret + "\n")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["encrypted"]


def config(tmp_path, password, **members):
    path = tmp_path / "drover.yaml"
    path.write_text(json.dumps({"node": {"state_dir": str(tmp_path)}, "store": {"plugin": "sqlite"},
                                "executors": [{"plugin": "shell", "credential": "prod"}],
                                "sources": [{"plugin": "http"}],
                                "credentials": {"prod": {"user": "u", "password": password}}, **members}))
    return str(path)


def check(path, **env):
    return drover("config", "check", path, env={"DROVER_PLUGIN_PATH": os.path.join(BUILD, "plugins"), **env})


def test_there_and_back(key):
    for public_or_private in (f"{key}.pub", key):
        text = encrypt(public_or_private)
        assert CANARY not in text and text.startswith("sealed1:")
        assert encrypt(public_or_private) != text, "never the same twice"
        whole = drover("secret", "encrypt", "--key", f"{key}.pub", stdin=CANARY).stdout
        for given in (text, whole):
            done = drover("secret", "decrypt", "--key", str(key), stdin=given)
            assert done.stdout == CANARY + "\n" and done.returncode == 0, done.stderr


def test_a_pair_is_not_replaced(key):
    before = key.read_text()
    done = drover("secret", "keygen", str(key))
    assert done.returncode == 1 and "is there already" in done.stderr and key.read_text() == before
    key.unlink()
    done = drover("secret", "keygen", str(key))
    assert done.returncode == 1 and not key.exists(), "the public one is there"


def test_what_cannot_be_decrypted(key, tmp_path):
    text = encrypt(key)
    other = tmp_path / "other.key"
    drover("secret", "keygen", str(other))
    changed = text[:30] + ("A" if text[30] != "A" else "B") + text[31:]
    for given, with_key, why in ((text, other, "another key"), (changed, key, "was changed"), ("sealed1:", key, "no text"),
                                 ("abc", key, "no text"), (text, f"{key}.pub", "public key"),
                                 (text, "/nonexistent", "No such file"), (text, __file__, "")):
        done = drover("secret", "decrypt", "--key", str(with_key), stdin=given)
        assert done.returncode == 1 and why in done.stderr and CANARY not in done.stdout, (given, done.stderr)
    assert drover("secret", "encrypt", "--key", str(key), stdin="").returncode == 1
    assert drover("secret", "encrypt", CANARY).returncode == 2, "not as an argument, which others see"


def test_in_a_configuration(key, tmp_path):
    password = {"encrypted": encrypt(f"{key}.pub")}
    assert check(config(tmp_path, password, secret_key="secret.key")).returncode == 0, "relative to the file"
    shown = drover("config", "show", config(tmp_path, password, secret_key=str(key)),
                   env={"DROVER_PLUGIN_PATH": os.path.join(BUILD, "plugins")})
    assert re.search(r"password: +\"?\*\*\*", shown.stdout) and CANARY not in shown.stdout
    (tmp_path / "drover-secret-key").write_text(key.read_text())
    (tmp_path / "drover-secret-key").chmod(0o400)
    assert check(config(tmp_path, password), CREDENTIALS_DIRECTORY=str(tmp_path)).returncode == 0


def test_what_config_check_says(key, tmp_path):
    good = {"encrypted": encrypt(key)}
    other = tmp_path / "other.key"
    drover("secret", "keygen", str(other))
    for password, members, why in (
            (good, {}, "/etc/drover/secret.key: No such file"),
            (good, {"secret_key": "other.key"}, "it was encrypted for another key, or was changed"),
            (good, {"secret_key": "secret.key.pub"}, "the public key, which encrypts"),
            ({"encrypted": "abc"}, {"secret_key": "secret.key"}, "no text that `drover secret encrypt' has printed"),
            ({"encrypted": [1]}, {"secret_key": "secret.key"}, "must be what `drover secret encrypt` printed"),
            ({**good, "env": "X"}, {"secret_key": "secret.key"}, "is a secret: write")):
        done = check(config(tmp_path, password, **members), CREDENTIALS_DIRECTORY="")
        assert done.returncode == 78 and why in done.stderr, (why, done.stderr)
        assert "credentials.prod.password: " in done.stderr and "drover.yaml:1:" in done.stderr
    key.chmod(0o644)
    assert "is open to everybody" in check(config(tmp_path, good, secret_key="secret.key")).stderr


def test_a_plugin_gets_it_and_logs_do_not(key, tmp_path):
    """The plugin `options` refuses the number 67 and quotes its password: the log knows what to redact."""
    path = tmp_path / "quoting.yaml"
    path.write_text(json.dumps({"store": {"plugin": "several"}, "secret_key": "secret.key", "executors": [
        {"plugin": "options", "needed": "a", "number": 67, "password": {"encrypted": encrypt(key)}}]}))
    done = drover("config", "check", str(path), env={"DROVER_PLUGIN_PATH": os.path.join(BUILD, "tests/plugins")})
    assert "the password *** is not liked" in done.stderr and CANARY not in done.stderr


def holds(pid, text):
    """Is it in memory that the process has allocated? (Sanitizers have no heap, but areas of their own.)"""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            words = line.split()
            begin, end = (int(part, 16) for part in words[0].split("-"))
            if words[1] == "rw-p" and (len(words) == 5 or words[5] == "[heap]") and end - begin <= 64 << 20:
                memory.seek(begin)
                if text in memory.read(end - begin):
                    return True
    return False


def test_a_daemon_gets_it(key):
    executors = [{"plugin": "options", "needed": "a", "password": {"encrypted": encrypt(key)}}, {"plugin": "sim"}]
    with Daemon({"secret_key": str(key), "executors": executors}) as daemon:
        parts = daemon.parts()
        assert [name for name, pid in parts.items() if holds(pid, CANARY.encode())] == ["executor: options"]
        assert CANARY not in daemon.log()
        for pid in (daemon.process.pid, *parts.values()):
            for name in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    assert CANARY.encode() not in f.read()


def test_on_a_terminal_it_is_not_shown(key):
    program = os.path.join(BUILD, "drover")
    with Terminal([program, "secret", "encrypt", "--key", f"{key}.pub"], {}) as terminal:
        terminal.read_until(b"The secret: ")
        terminal.type(b"canary\n")
        assert terminal.wait() == 0
        seen = terminal.seen.decode()
    assert "canary" not in seen
    text = seen.split('encrypted: "')[1].split('"')[0]
    assert drover("secret", "decrypt", "--key", str(key), stdin=text).stdout == "canary\n"
