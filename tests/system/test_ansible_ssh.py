"""The `ssh` that Ansible's connections run: beside OpenSSH's own, and that it leaves to that what it does not know."""

import os
import pty
import shutil
import socket
import subprocess

import pytest
from daemon import BUILD
from fleet.ansible import CRYPTO, RELEASES, Herd

OURS = os.path.join(BUILD, "plugins/ansible/ssh")
REAL = shutil.which("ssh")
LEFT_TO_SSH = "it is left to ssh"
ACCEPT = "AcceptEnv GIVEN GIVEN_* LANG\n"


class Hosts(Herd):
    def __init__(self):
        super().__init__(1, config=ACCEPT)
        # In place of ssh, for what is left to it.
        self.fake = os.path.join(self.folder, "fake")
        os.mkdir(self.fake)
        with open(os.path.join(self.fake, "ssh"), "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\necho {LEFT_TO_SSH}\n")
        os.chmod(os.path.join(self.fake, "ssh"), 0o755)

    def options(self, *more, config=("-F", "none")):
        """As Ansible gives them."""
        return [*config, "-C", "-o", "ControlMaster=auto", "-o", "ControlPersist=60s", "-o",
                f"UserKnownHostsFile={self.known_hosts}", *CRYPTO.split(), "-o", f"Port={self.port}", "-o",
                f'IdentityFile="{self.key}"', "-o", f'User="{self.user}"', "-o", "ConnectTimeout=10", "-o",
                f'ControlPath="{self.folder}/cp"', *more]

    def run(self, program, *words, config=None, **options):
        """With a `config` instead of the system's file, in a mount namespace of its own."""
        before = []
        if config is not None:
            path = os.path.join(self.folder, "ssh_config")
            with open(path, "w", encoding="ascii") as file:
                file.write(config)
            before = ["unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)), "sh", "-c",
                      f'mount --bind {path} /etc/ssh/ssh_config && exec "$@"', "sh"]
        return subprocess.run([*before, program, *words], capture_output=True, check=False, timeout=60,
                              **{"stdin": subprocess.DEVNULL, **options})

    def environment(self, **more):
        """In which whatever is left to ssh says so."""
        return {**os.environ, "PATH": f"{self.fake}:{os.environ['PATH']}", **more}


@pytest.fixture(scope="module", name="hosts")
def make_hosts():
    with Hosts() as hosts:
        first = hosts.run(OURS, *hosts.options(), hosts.addresses[0], "echo first")  # makes the master
        assert (first.returncode, first.stdout) == (0, b"first\n")
        yield hosts
        hosts.run(REAL, *hosts.options("-O", "exit"), hosts.addresses[0])


def said(done):
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words, command, given", [
    ((), "echo out; echo err >&2; exit 3", b""),
    ((), "cat; echo done", b"input of several\nlines\0and bytes\xff"),
    ((), "kill -9 $$", b""),
    ((), "head -c 3000000 /dev/zero", b""),
    (("-tt",), "tty >/dev/null && echo out; echo err >&2; exit 4", b""),
    (("-o", "ServerAliveInterval=5"), "true", b""),
    (("-s",), "nothing-of-this-name", b""),
])
def test_a_session_is_as_ssh_has_it(hosts, words, command, given):
    host = hosts.addresses[0]
    real, ours = (said(hosts.run(program, *hosts.options(*words), host, command, env=env, stdin=None, input=given))
                  for program, env in ((REAL, None), (OURS, hosts.environment())))
    assert ours == real
    assert LEFT_TO_SSH.encode() not in ours[1]


def test_a_terminal_is_handed_on_and_left_as_it_was(hosts):
    found = []
    for program in (REAL, OURS):
        controller, terminal = pty.openpty()
        before = subprocess.run(["stty", "-a"], stdin=terminal, capture_output=True, check=True).stdout
        done = hosts.run(program, *hosts.options("-tt"), hosts.addresses[0], "stty -a; echo $TERM", stdin=terminal,
                         env=hosts.environment(TERM="vt100") if program == OURS else {**os.environ, "TERM": "vt100"})
        after = subprocess.run(["stty", "-a"], stdin=terminal, capture_output=True, check=True).stdout
        os.close(controller)
        os.close(terminal)
        assert after == before
        found.append(said(done))
    assert found[1] == found[0]
    assert b"vt100" in found[1][1]


def test_sftp_runs_through_it(hosts):
    batch = f"put {hosts.key}.pub {hosts.folder}/copied\n".encode()
    done = hosts.run("sftp", "-b", "-", *hosts.options("-S", OURS), f"[{hosts.addresses[0]}]", input=batch, stdin=None,
                     env=hosts.environment())
    assert done.returncode == 0, done.stderr
    with open(f"{hosts.folder}/copied", "rb") as copied, open(f"{hosts.key}.pub", "rb") as source:
        assert copied.read() == source.read()


@pytest.mark.parametrize("words", [
    ("-v",), ("-A",), ("-o", "SendEnv=GIVEN"), ("-o", "RemoteCommand=true"), ("-o", "ForwardAgent=yes"), ("-q",),
    ("-o", "ControlMaster=no"), ("-o", "ControlPath=%d/cp"), ("-O", "check"), ("-L", "1:localhost:1"), ("-o", "LogLevel=QUIET"),
])
def test_arguments_that_it_does_not_know_are_left_to_ssh(hosts, words):
    done = hosts.run(OURS, *hosts.options(*words), hosts.addresses[0], "true", env=hosts.environment())
    assert done.stdout.decode().strip() == LEFT_TO_SSH


@pytest.mark.parametrize("config, left", [
    ("Host *\n  SendEnv GIVEN LANG\n  HashKnownHosts yes\n", False),
    ("# nothing\n\nSendEnv=GIVEN_*\nHost web\n\tUser somebody\n", False),
    ("Include /etc/ssh/ssh_config.d/*.conf\nHost *\n    SendEnv GIVEN\n", False),
    ("Host 127.*\n  SendEnv GIVEN\n", True),
    ("Host *\n  SetEnv GIVEN=other\n", True),
    ("Match all\n  User root\n", True),
    ("Include elsewhere\n", True),
    ("ForwardAgent yes\n", True),
])
def test_the_configuration_of_sessions_is_followed_or_left_to_ssh(hosts, config, left):
    # A master of its own: it passes on what its configuration allows, too.
    options = [word.replace("/cp", "/own") for word in hosts.options(config=())]
    words = (*options, hosts.addresses[0], "env | grep ^GIVEN | sort")
    given = {"GIVEN": "one", "GIVEN_2": "two", "HIDDEN": "three"}
    hosts.run(REAL, *words, config=config)
    real = hosts.run(REAL, *words, config=config, env={**os.environ, **given})
    ours = hosts.run(OURS, *words, config=config, env=hosts.environment(**given))
    hosts.run(REAL, *options, "-O", "exit", hosts.addresses[0], config=config)
    if left:
        assert ours.stdout.decode().strip() == LEFT_TO_SSH
    else:
        assert said(ours) == said(real)
        assert b"GIVEN" in ours.stdout


def test_without_a_master_it_is_ssh(hosts):
    words = [word.replace("/cp", "/none") for word in hosts.options()]
    done = hosts.run(OURS, *words, hosts.addresses[0], "true", env=hosts.environment())
    assert done.stdout.decode().strip() == LEFT_TO_SSH


def test_what_listens_there_and_is_no_master_is_left_to_ssh(hosts):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{hosts.folder}/odd")
        listener.listen()
        words = [word.replace("/cp", "/odd") for word in hosts.options()]
        with subprocess.Popen([OURS, *words, hosts.addresses[0], "true"], stdout=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, env=hosts.environment()) as process:
            peer, _ = listener.accept()
            peer.sendall(b"\x7f\xff\xff\xffgarbage")
            assert process.communicate(timeout=60)[0].decode().strip() == LEFT_TO_SSH
            peer.close()


SETTLED = """
import sys; sys.path.insert(0, {folder!r})
import preload; preload.load()
from ansible import constants
for option in ("ssh_executable", "sftp_extra_args"):
    print(constants.config.get_config_value(option, plugin_type="connection", plugin_name="ssh"))
"""


@pytest.mark.parametrize("release", RELEASES)
def test_it_is_ansibles_default_and_no_more(release):
    def settled(**environment):
        done = subprocess.run([RELEASES[release][0], "-B", "-c", SETTLED.format(folder=os.path.dirname(OURS))], check=True,
                              capture_output=True, text=True, env={**os.environ, **environment})
        return done.stdout.splitlines()

    assert settled() == [OURS, f"-S {OURS}"]
    assert settled(ANSIBLE_SSH_EXECUTABLE="ssh", ANSIBLE_SFTP_EXTRA_ARGS="-S ssh") == ["ssh", "-S ssh"]
