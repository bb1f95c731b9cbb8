"""ssh_config as the executor `shell` takes it: what is honoured, what is refused by name, what is passed over."""
import os
import signal
import socket
import subprocess

import pytest

from fleet.sshd import Peer, Sshd, keygen, public_key, ssh_agent, wait_for
from fleet.unit import Unit, run_unit


@pytest.fixture(scope="module", name="fleet")
def _fleet():
    with Sshd(3, "AcceptEnv WORD OTHER\nAllowTcpForwarding yes") as fleet:
        yield fleet


class Attempt:
    """Runs a command on hosts with a ssh_config of its own, and nothing in the executor's options."""

    def __init__(self, build, fleet, folder):
        self.build, self.fleet, self.folder = build, fleet, folder
        self.home = folder / "home"
        (self.home / ".ssh").mkdir(parents=True)
        self.config = self.home / ".ssh" / "config"

    def __call__(self, text, hosts=("web1",), options=(), command="true", env=None, **limits):
        if isinstance(hosts, str):
            hosts = (hosts,)
        fleet = self.fleet
        self.config.write_text(text.format(a=fleet.addresses[0], b=fleet.addresses[1], p=fleet.port, key=fleet.key,
                                           known=fleet.known_hosts, user=fleet.user, home=self.home))
        limits.setdefault("timeout", 20000)
        everything = {**os.environ, "HOME": str(self.home), **(env or {})}
        everything.pop("SSH_AUTH_SOCK", None)
        everything.update(env or {})
        r = run_unit(self.build, "shell", {"command": command}, hosts, options, everything, **limits)
        return r[hosts[0]] if len(hosts) == 1 else r


@pytest.fixture(name="attempt")
def _attempt(build, fleet, tmp_path):
    return Attempt(build, fleet, tmp_path)


LOGIN = "Host *\n  Port {p}\n  User {user}\n  IdentityFile {key}\n  UserKnownHostsFile {known}\n"


# -------------------------------------------------------------------------------------- honoured


def test_nothing_but_ssh_config(attempt, fleet):
    r = attempt("Host web*\n  HostName {a}\n" + LOGIN, command="echo $SSH_CONNECTION")
    assert r["status"] == "ok" and r["out"].split()[2:] == [fleet.addresses[0].encode(), str(fleet.port).encode()], r


@pytest.mark.parametrize("text, ok", [
    ("Host web? !web1\n HostName {a}\n", False), ("Host other WEB1\n\tHostName={a}\n", True), ("hostname {a}\n", True),
    ("Host \"web1\"\n  HostName \"{a}\" # said\n", True), ("Match host web1\n HostName {a}\n", True),
    ("Match originalhost w*,!web2\n HostName {a}\n", True), ("Match !host web1\n HostName {a}\n", False),
    ("Match user nobody\n HostName {a}\n", False), ("Match all\n HostName {a}\n", True), ("Match canonical\n HostName {a}\n", False),
    ("Match final host web1\n HostName {a}\n", True), ("HostName {a}\nHostName 127.0.0.1\n", True),
    ("Host web1\n HostName {a}\nMatch host {a}\n Port {p}\n", True), ("Host web1\nInclude more\n", True),
    ("Host other\nInclude more\n", False), ("Include {home}/.ssh/m*\n", True),
])
def test_which_lines_hold(attempt, fleet, text, ok):
    (attempt.home / ".ssh" / "more").write_text(f"Host web*\n  HostName {fleet.addresses[0]}\n")
    r = attempt(text + LOGIN)
    assert (r["status"] == "ok") == ok, r
    if not ok:
        assert "resolve" in r["message"]


def test_the_first_word_counts_and_identities_add_up(attempt, tmp_path):
    wrong = keygen(tmp_path / "wrong")
    r = attempt(f"Host web1\n HostName {{a}}\n IdentityFile {wrong}\n User {{user}}\nHost *\n User nobody\n" + LOGIN)
    assert r["status"] == "ok", r
    r = attempt(f"Host web1\n HostName {{a}}\n IdentityFile {wrong}\n Port {{p}}\n UserKnownHostsFile {{known}}\n")
    assert r["status"] == "unreachable" and f"{wrong} (refused)" in r["message"]


def test_tokens(attempt, fleet):
    os.symlink(fleet.key, attempt.home / f"id_{fleet.addresses[0]}_{fleet.user}")
    r = attempt("Host web1\n HostName {a}\nHost *\n Port {p}\n User {user}\n IdentityFile ~/id_%h_%r\n"
                " UserKnownHostsFile ${{KNOWN}} %d/nothing\n", env={"KNOWN": fleet.known_hosts})
    assert r["status"] == "ok", r
    r = attempt("Host *\n HostName {a}\n IdentityFile ~/%Q\n")
    assert r["status"] == "unreachable" and "IdentityFile at" in r["message"] and "%Q" in r["message"]


def test_the_executor_wins_over_ssh_config(attempt, fleet):
    r = attempt("Host web1\n HostName {a}\n Port 1\n User nobody\n IdentityFile /nowhere\n",
                options=fleet.options())
    assert r["status"] == "ok", r


def test_the_tasks_host_wins_over_both(attempt, fleet):
    attempt("HostName 127.0.0.1\nPort 2\nUser ssh-config\n")
    options = ["user=executor", "port=1", f"key={fleet.key}", "agent=false", f"known_hosts={fleet.known_hosts}",
               f"ssh_config={attempt.config}"]
    r = run_unit(attempt.build, "shell", {"command": "true"},
                 [f"web1={fleet.user}@{fleet.addresses[0]}:{fleet.port}"], options, timeout=20000)["web1"]
    assert r["status"] == "ok", r


def test_host_key_alias(attempt, fleet, tmp_path):
    (tmp_path / "known").write_text(f"the-alias {public_key(fleet.host_key)}\n")
    login = LOGIN.replace("{known}", str(tmp_path / "known"))
    assert attempt("Host web1\n HostName {a}\n HostKeyAlias the-alias\n" + login)["status"] == "ok"
    assert attempt("Host web1\n HostName {a}\n" + login)["phase"] == "key exchange"


def test_strict_host_key_checking(attempt, fleet, tmp_path):
    known = tmp_path / "known"
    login = "HostName {a}\n" + LOGIN.replace("{known}", str(known))
    for word in ("yes", "ask"):
        assert attempt(f"StrictHostKeyChecking {word}\n" + login)["phase"] == "key exchange"
    assert attempt("StrictHostKeyChecking accept-new\n" + login, options=["host_keys=strict"])["phase"] == "key exchange"
    assert attempt("StrictHostKeyChecking accept-new\n" + login)["status"] == "ok"
    assert f"[{fleet.addresses[0]}]:{fleet.port} {public_key(fleet.host_key)}" in known.read_text()
    known.write_text(f"[{fleet.addresses[0]}]:{fleet.port} {public_key(keygen(tmp_path / 'other'))}\n")
    r = attempt("StrictHostKeyChecking no\n" + login)  # ssh would go on; a changed key is always an error here
    assert r["status"] == "unreachable" and "CHANGED" in r["message"]


def test_connect_timeout(attempt):
    with Peer("silent") as peer:
        peer.listener.listen(0)
        held = []
        for _ in range(4):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex((peer.address, peer.port))
            held.append(connection)
        text = f"HostName {peer.address}\nPort {peer.port}\nConnectTimeout 1\n"
        r = attempt(text)
        assert (r["status"], r["phase"]) == ("unreachable", "connect") and "1 s (ConnectTimeout" in r["message"]
        r = attempt(text, connect_timeout=300)
        assert "0.3 s (connect_timeout)" in r["message"]
        for connection in held:
            connection.close()


@pytest.mark.parametrize("line, ok", [
    ("Ciphers aes256-ctr", True), ("KexAlgorithms curve25519-sha256", True), ("MACs hmac-sha2-512", True),
    ("HostKeyAlgorithms ssh-ed25519", True), ("PubkeyAcceptedAlgorithms ssh-ed25519", True), ("Compression yes", True),
    ("AddressFamily inet", True), ("BindAddress 127.0.0.1", True), ("Ciphers nothing-known", False),
    ("KexAlgorithms sntrup761x25519-sha512@openssh.com", False), ("Compression maybe", False), ("AddressFamily ipx", False),
    ("ConnectTimeout soon", False), ("ServerAliveInterval -1", False), ("Port 70000", False),
    ("StrictHostKeyChecking perhaps", False),
])
def test_algorithms_and_values(attempt, line, ok):
    r = attempt("HostName {a}\n" + line + "\n" + LOGIN)
    if ok:
        assert r["status"] == "ok", r
    else:
        assert r["status"] == "unreachable" and f"{line.split()[0]} at {attempt.config}:2" in r["message"], r


def test_set_env(attempt):
    r = attempt("HostName {a}\nSetEnv WORD=\"a b\" REFUSED=x\nSetEnv OTHER=c\n" + LOGIN,
                command="echo $WORD $OTHER $REFUSED.")
    assert r["out"] == b"a b c .\n", r


def test_methods(attempt):
    r = attempt("HostName {a}\nPubkeyAuthentication no\n" + LOGIN)
    assert (r["status"], r["phase"]) == ("unreachable", "authentication")
    r = attempt("HostName {a}\nPreferredAuthentications gssapi-with-mic,publickey\n" + LOGIN)
    assert r["status"] == "ok"


def test_agents(attempt, fleet, tmp_path):
    path = str(tmp_path / "agent")
    with ssh_agent(path):
        subprocess.run(["ssh-add", "-q", fleet.key], env={**os.environ, "SSH_AUTH_SOCK": path}, check=True)
        login = "HostName {a}\nPort {p}\nUserKnownHostsFile {known}\n"
        assert attempt(f"IdentityAgent {path}\n" + login)["status"] == "ok"
        assert attempt(login, env={"SSH_AUTH_SOCK": path})["status"] == "ok"
        assert attempt("IdentityAgent none\n" + login, env={"SSH_AUTH_SOCK": path})["status"] == "unreachable"
        assert attempt("IdentitiesOnly yes\n" + login, env={"SSH_AUTH_SOCK": path})["status"] == "unreachable"
        assert attempt("IdentityAgent $AGENT\n" + login, env={"AGENT": path})["status"] == "ok"
        r = attempt(f"IdentityAgent {path}x\n" + login)
        assert "the agent (it cannot be reached)" in r["message"]


# ------------------------------------------------------------------------------------- by way of


def test_a_proxy_command(attempt, tmp_path):
    relay = tmp_path / "relay"
    relay.write_text("#!/usr/bin/python3\nimport os,socket,sys,threading\n"
                     "s=socket.create_connection((sys.argv[1],int(sys.argv[2])))\n"
                     "def go():\n"
                     "    while True:\n"
                     "        d=os.read(0,65536)\n"
                     "        if not d: s.shutdown(1); return\n"
                     "        s.sendall(d)\n"
                     "threading.Thread(target=go,daemon=True).start()\n"
                     "while True:\n    d=s.recv(65536)\n    if not d: break\n    os.write(1,d)\n")
    relay.chmod(0o755)
    r = attempt(f"HostName {{a}}\nProxyCommand {relay} %h %p # no comment\n" + LOGIN, command="head -c 1000000 /dev/zero",
                output_limit=2000000)
    assert r["status"] == "ok" and len(r["out"]) == 1000000, r
    wait_for(lambda: not running(str(relay)), what="the end of the relay")


def running(word):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if word.encode() in file.read() and int(name) != os.getpid():
                        found.append(int(name))
            except OSError:
                pass
    return found


def test_proxy_commands_that_fail_and_hang(attempt):
    r = attempt("HostName {a}\nProxyCommand exit 3\n" + LOGIN)
    assert (r["status"], r["phase"]) == ("unreachable", "banner") and f"ProxyCommand of {attempt.config}:2" in r["message"]
    r = attempt("HostName {a}\nProxyCommand sleep 6131\n" + LOGIN, options=["banner_timeout=400ms"])
    assert (r["status"], r["phase"], r["at"] < 8) == ("timeout", "banner", True)
    wait_for(lambda: not running("sleep\0006131"), what="the end of the ProxyCommand")


def test_a_jump(attempt, fleet):
    jump = "Host hop\n HostName {b}\nHost web1\n HostName {a}\n ProxyJump hop\n"
    r = attempt(jump + LOGIN, command="echo $SSH_CONNECTION", options=[f"ssh_config={attempt.config}"])
    assert r["status"] == "ok", r
    connection = r["out"].decode().split()
    assert connection[2] == fleet.addresses[0]
    r = attempt(jump.replace("ProxyJump hop", "ProxyJump x.invalid") + LOGIN, options=[f"ssh_config={attempt.config}"])
    assert r["status"] == "unreachable" and "ProxyJump of" in r["message"]


@pytest.mark.parametrize("words", ["-oProxyCommand=x", "a;id", "$(id)", "a,-x", "a b"])
def test_a_jump_is_no_command_line(attempt, words):
    r = attempt(f"HostName {{a}}\nProxyJump {words}\n" + LOGIN)
    assert r["status"] == "unreachable" and f"ProxyJump at {attempt.config}:2" in r["message"]


def test_proxy_none(attempt):
    assert attempt("Host web1\n HostName {a}\n ProxyJump none\nHost *\n ProxyCommand exit 1\n" + LOGIN)["status"] == "ok"


# ----------------------------------------------------------------------------- refused, passed over


@pytest.mark.parametrize("line", [
    "CanonicalizeHostname yes", "KnownHostsCommand /bin/true", "PKCS11Provider /usr/lib/x.so", "RemoteCommand id",
    "RevokedHostKeys /etc/revoked", "BindInterface eth0", "SessionType subsystem", "NoSuchDirective yes", "User",
    "HostName \"x", "Match exec /bin/true", "Match tagged x",
])
def test_refused_by_name(attempt, line):
    r = attempt(f"HostName {{a}}\n{line}\n" + LOGIN)
    assert (r["status"], r["phase"], r["remote"]) == ("unreachable", "connect", "none")
    assert r["message"].startswith(f"{line.split()[0]} at {attempt.config}:2: "), r
    # For other hosts that line says nothing.
    r = attempt(f"Host web1\n HostName {{a}}\nHost other\n {line}\n" + LOGIN) if "Match" not in line else \
        attempt(f"{LOGIN} HostName {{a}}\n{line} host other\n")
    assert r["status"] == "ok", r


def test_one_hosts_line_is_its_own_affair(attempt):
    r = attempt("Host a\n RemoteCommand id\nHost b\n HostName {b}\nHost a\n HostName {a}\n" + LOGIN, hosts=("a", "b"))
    assert (r["a"]["status"], r["b"]["status"]) == ("unreachable", "ok"), r


def test_passed_over(attempt):
    lines = ["RequestTTY force", "ForwardX11 yes", "ControlMaster auto", "ControlPath /tmp/%C", "ControlPersist 1h",
             "LocalForward 1 a:2", "SendEnv LANG LC_*", "HashKnownHosts yes", "GSSAPIAuthentication yes", "BatchMode no",
             "CanonicalizeHostname no", "PermitLocalCommand yes", "LocalCommand touch {home}/ran", "IgnoreUnknown Und*",
             "Undreamt of", "LogLevel DEBUG", "ForwardAgent yes", "TCPKeepAlive yes", "RekeyLimit 1G", "EscapeChar none"]
    r = attempt("HostName {a}\n" + "\n".join(lines) + "\n" + LOGIN)
    assert r["status"] == "ok", r
    assert not (attempt.home / "ran").exists()


def test_a_file_that_others_may_write_is_refused(attempt):
    attempt.config.write_text("")
    attempt.config.chmod(0o666)
    r = attempt("HostName {a}\n" + LOGIN)
    assert r["status"] == "unreachable" and str(attempt.config) in r["message"] and "others" in r["message"]


def test_includes_that_never_end(attempt):
    r = attempt("HostName {a}\nInclude {home}/.ssh/config\n" + LOGIN)
    assert r["status"] == "unreachable" and "Include at" in r["message"] and "deep" in r["message"]


def test_none(attempt, fleet):
    r = attempt("Nonsense\n", hosts=fleet.addresses[0], options=fleet.options() + ["ssh_config=none"])
    assert r["status"] == "ok", r


# ------------------------------------------------------------------------------------- keep-alives


def test_a_server_that_is_stopped_while_the_command_runs(attempt, fleet, tmp_path):
    """TCP answers for it; only asking sshd itself tells."""
    began = tmp_path / "began"
    attempt.config.write_text("")
    unit = Unit(attempt.build, "shell", {"command": f"touch {began}; sleep 600"}, [fleet.addresses[2]],
                fleet.options() + ["keepalive=300ms"], timeout=20000)
    wait_for(began.exists)
    fleet.stop_session(fleet.addresses[2])
    r = unit.wait()[fleet.addresses[2]]
    for pid in fleet.stopped:
        os.kill(pid, signal.SIGKILL)
    for pid in fleet.processes("sleep 600"):
        os.kill(pid, signal.SIGKILL)
    assert (r["status"], r["phase"], r["remote"]) == ("timeout", "execution", "unknown"), r
    assert "keepalive" in r["message"] and r["at"] < 10


def test_a_silent_command_is_left_alone(attempt, fleet):
    r = run_unit(attempt.build, "shell", {"command": "sleep 5; echo done"}, fleet.addresses,
                 fleet.options() + ["keepalive=1s"], timeout=20000)
    assert {x["out"] for x in r.values()} == {b"done\n"}, r


def test_server_alive_interval(attempt):
    r = attempt("HostName {a}\nServerAliveInterval 1\nServerAliveCountMax 1\n" + LOGIN, command="kill -STOP $PPID",
                options=["keepalive=0"])
    assert (r["status"], r["phase"]) == ("timeout", "execution") and "no answer for 1" in r["message"], r
