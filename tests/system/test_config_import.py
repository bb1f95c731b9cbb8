"""`drover config import`: the first generation's files become a configuration, and nothing of them is lost in silence."""

import os
import re
import stat
import textwrap

import pytest
import yaml
from daemon import BUILD, drover

PLUGINS = {"DROVER_PLUGIN_PATH": os.path.join(BUILD, "plugins")}
ENCRYPTED = "630898019a777c984645f0b01d3fe3d4ee2bacdc1aec34995218ff8823978401"
DISTRIBUTE = f"""\
    # Kafka集群
    [Kafka_Cluster]
    BOOTSTRAP_SERVERS = 10.0.0.1:9092,10.0.0.2:9092
    GROUP_ID = adhoc
    AUTO_OFFSET_RESET = latest
    TOPIC = tasks
    [MySQL]
    IP = 10.0.0.5
    PORT = 3306
    DATABASE = execute_engine
    USER = root
    PASSWORD = {ENCRYPTED}
    [Exec_Engine]
    ; 切割单元
    NUMBER = 45
    [Gitlab]
    IP = gitlab.example
    GROUP = ci-cd
"""
ENGINE = """\
    [kafka_cluster]
    bootstrap_servers: 10.0.0.1:9092,10.0.0.2:9092
    [Zabbix]
    IP = 10.0.0.9
    ZABBIX_PORT = 10051
    ITEM = exec.engine.ping
    [Fil_EXEC_MySQL]
    IP = 10.0.0.5
    PORT = 3306
    [Ansible]
    SSH_USER = admin
    SSH_PASSWORD = CANARY "one" #%% : é
    SSH_SUDO_PASSWORD = CANARY-two
    [Data_Send]
    ZABBIX = 20
    EXEC = 1
"""


@pytest.fixture
def old(tmp_path):
    (tmp_path / "distribute.conf").write_text(textwrap.dedent(DISTRIBUTE))
    (tmp_path / "engine.conf").write_text(textwrap.dedent(ENGINE))
    return tmp_path


def run(folder, *words):
    return drover("config", "import", *words, env={**PLUGINS})


def import_both(folder):
    done = run(folder, "-o", str(folder / "drover.yaml"), str(folder / "distribute.conf"), str(folder / "engine.conf"))
    assert done.returncode == 0, done.stderr
    return done, (folder / "drover.yaml").read_text()


def test_both_files_become_a_configuration_that_is_sound(old):
    done, text = import_both(old)
    assert done.stdout == ""
    checked = drover("config", "check", str(old / "drover.yaml"), env=PLUGINS)
    assert checked.returncode == 0, checked.stderr
    config = yaml.safe_load(text)
    secrets = str(old / "secrets")
    assert config["credentials"] == {"first_generation": {
        "user": "admin", "password": {"file": f"{secrets}/ssh_password"},
        "become_password": {"file": f"{secrets}/ssh_sudo_password"}}}
    assert [(e["plugin"], e["credential"], e["become"]) for e in config["executors"]] == [
        ("ansible_adhoc", "first_generation", True), ("ansible_playbook", "first_generation", True)]
    assert config["sources"][0]["first_generation"] == {"unit_size": 45}
    assert config["store"] == {"plugin": "sqlite"}


def test_secrets_are_in_files_of_their_own_and_nowhere_else(old):
    done, text = import_both(old)
    assert "CANARY" not in text + done.stdout + done.stderr and ENCRYPTED not in text + done.stderr
    values = {"ssh_password": 'CANARY "one" #% : é', "ssh_sudo_password": "CANARY-two", "mysql_password": ENCRYPTED}
    assert {path.name for path in (old / "secrets").iterdir()} == set(values)
    for name, value in values.items():
        path = old / "secrets" / name
        assert path.read_text() == value + "\n" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((old / "secrets").stat().st_mode) == 0o700
    assert "PASSWORD looks encrypted" in done.stderr


def test_what_this_version_lacks_is_written_as_it_will_be(old):
    _, text = import_both(old)
    later = {}
    for section in ("store", "connections", "monitors", "projects"):
        lines = re.search(rf"^# ({section}:\n(?:#   .*\n)+)", text, re.M).group(1)
        later.update(yaml.safe_load(lines.replace("\n# ", "\n")))
    assert later == {
        "store": {"plugin": "mysql", "host": "10.0.0.5", "port": "3306", "database": "execute_engine", "user": "root",
                  "password": {"file": str(old / "secrets/mysql_password")}},
        "connections": {"k1": {"kafka": {"brokers": "10.0.0.1:9092,10.0.0.2:9092"}}},
        "monitors": [{"plugin": "zabbix", "servers": "10.0.0.9:10051", "item": "exec.engine.ping", "interval": "20s"}],
        "projects": {"gitlab": {"host": "gitlab.example", "group": "ci-cd"}, "first_generation_root": "/mnt"}}


def test_what_was_left_out_is_named_with_its_place(old):
    with (old / "engine.conf").open("a") as file:
        file.write("NEW_KEY = CANARY\n[Elsewhere]\nA = CANARY\n[MySQL]\nIP = 10.9.9.9\n[Zabbix]\nPORT = many\n")
    done, text = import_both(old)
    lines = (old / "engine.conf").read_text().splitlines()
    for words, expected in [("NEW_KEY", "[Data_Send] NEW_KEY is not known"), ("A = ", "[Elsewhere] A is not known"),
                            ("IP = 10.9.9.9", "[MySQL] IP differs from"), ("EXEC", "[Data_Send] EXEC is not needed")]:
        number = 1 + next(i for i, line in enumerate(lines) if line.startswith(words))
        assert f"engine.conf:{number}: {expected}" in done.stderr and f"engine.conf:{number}: {expected}" in text
    for key in ("GROUP_ID", "TOPIC", "AUTO_OFFSET_RESET"):
        assert f"[Kafka_Cluster] {key} is not needed" in done.stderr
    assert "CANARY" not in text + done.stderr


def test_every_key_is_used_or_named(old):
    """Each is dropped in turn: the answer differs each time, so that none is read and forgotten."""
    _, whole = import_both(old)
    for name in ("distribute.conf", "engine.conf"):
        lines = (old / name).read_text().splitlines()
        for i, line in enumerate(lines):
            if "=" not in line and ": " not in line or line.startswith((";", "#")):
                continue
            if name == "engine.conf" and re.match(r"(IP = 10.0.0.5|PORT = 3306|bootstrap)", line):
                continue  # said by both files
            folder = old / f"without-{name}-{i}"
            folder.mkdir()
            for other in ("distribute.conf", "engine.conf"):
                text = (old / other).read_text()
                (folder / other).write_text("\n".join(lines[:i] + lines[i + 1:]) if other == name else text)
            _, text = import_both(folder)
            assert text.replace(str(folder), str(old)) != whole, line


def test_to_standard_output(old):
    done = run(old, "--secrets", str(old / "kept"), str(old / "engine.conf"))
    assert done.returncode == 0 and yaml.safe_load(done.stdout)["credentials"]["first_generation"]["password"] == {
        "file": str(old / "kept/ssh_password")}
    again = run(old, "--secrets", str(old / "kept"), str(old / "engine.conf"))
    assert again.returncode == 0 and again.stdout == done.stdout


def test_nothing_is_overwritten(old):
    import_both(old)
    before = (old / "drover.yaml").read_text()
    done = run(old, "-o", str(old / "drover.yaml"), str(old / "engine.conf"))
    assert done.returncode == 1 and "is there already" in done.stderr and (old / "drover.yaml").read_text() == before
    (old / "engine.conf").write_text("[Ansible]\nSSH_PASSWORD = another\n")
    done = run(old, "-o", str(old / "other.yaml"), str(old / "engine.conf"))
    assert done.returncode == 1 and "holds another secret" in done.stderr and not (old / "other.yaml").exists()
    assert "CANARY" in (old / "secrets/ssh_password").read_text()


@pytest.mark.parametrize("text, message", [
    ("KEY = VALUE\n", ":1: is in no [SECTION]"), ("[A]\nwords\n", ":2: is no KEY = VALUE"), ("[A\n", ":1: the ] of a section"),
])
def test_files_that_are_none(tmp_path, text, message):
    (tmp_path / "old.conf").write_text(text)
    done = run(tmp_path, str(tmp_path / "old.conf"))
    assert done.returncode == 1 and message in done.stderr and done.stdout == ""


def test_wrong_words(tmp_path):
    assert drover("config", "import").returncode == 2
    assert drover("config", "import", str(tmp_path / "none")).returncode == 1
    assert drover("config", "check", "-o", "x", "y").returncode == 2
    assert drover("config", "check", "a", "b").returncode == 2
    assert "check, show or import" in drover("config").stderr
