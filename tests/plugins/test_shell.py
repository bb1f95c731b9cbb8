"""The executor `shell` against real sshd processes, and against peers that are none."""
import ctypes
import json
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import time

import pytest

from fleet.sshd import PATIENCE, Peer, Sshd, keygen, kill, public_key, ssh_agent, wait_for
from fleet.unit import Unit, run_unit

LOCAL = ["transport=local", "allow_localhost=true"]


@pytest.fixture(scope="module", name="fleet")
def _fleet():
    with Sshd(30) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def _nothing_left(request):
    """What a test's sessions left behind on purpose is not the next one's concern."""
    yield
    if "fleet" in request.fixturenames:
        for pid in list(request.getfixturevalue("fleet").stopped) + request.getfixturevalue("fleet").processes():
            kill(pid)


# Whether it is dead must be found out within the seconds that the product has for that; a sanitized one cannot always.
DEAD = {"dead"} if PATIENCE == 1 else {"dead", "unknown"}


def gone(fleet):
    """Everything that the sessions started has ended: they themselves need a moment to."""
    wait_for(lambda: not fleet.processes(), 10, "the end of every remote process")


def one(build, fleet, payload, options=(), env=None, **limits):
    """What became of the fleet's first host."""
    if isinstance(payload, str):
        payload = {"command": payload}
    limits.setdefault("timeout", 20000)
    report = run_unit(build, "shell", payload, [fleet.addresses[0]], fleet.options() + list(options), env, **limits)
    return report[fleet.addresses[0]]


def local(build, payload, **limits):
    if isinstance(payload, str):
        payload = {"command": payload}
    limits.setdefault("timeout", 20000)
    return run_unit(build, "shell", payload, ["here"], LOCAL, **limits)["here"]


# ------------------------------------------------------------------------------- what a command does


def test_output_exit_code_and_transport(build, fleet):
    r = one(build, fleet, "echo out; echo err >&2; exit 3")
    assert (r["status"], r["rc"], r["out"], r["err"], r["via"]) == ("failed", 3, b"out\n", b"err\n", "ssh")
    assert r["message"] == "exit code 3"
    r = one(build, fleet, "true")
    assert (r["status"], r["rc"], r["message"], r["remote"], r["phase"]) == ("ok", 0, None, "none", "")


def test_every_exit_code_comes_through(build, fleet):
    for code in (1, 2, 126, 127, 128, 255):
        assert one(build, fleet, f"exit {code}")["rc"] == code


def test_a_signal_is_told_by_its_name(build, fleet):
    for name in ("KILL", "TERM", "SEGV"):
        r = one(build, fleet, f"kill -{name} $$")
        assert (r["status"], r["rc"], r["signal"]) == ("failed", None, name)


def test_the_connection_dies_while_the_command_runs(build, fleet, tmp_path):
    began = tmp_path / "began"
    address = fleet.addresses[0]
    unit = Unit(build, "shell", {"command": f"touch {began}; sleep 600"}, [address], fleet.options(), timeout=20000)
    wait_for(began.exists)
    for pid in fleet.session_pids(address):
        os.kill(pid, signal.SIGKILL)
    r = unit.wait()[address]
    assert (r["status"], r["remote"]) == ("lost", "unknown")
    assert "outcome is unknown" in r["message"]


def test_bytes_of_any_kind(build, fleet, tmp_path):
    data = os.urandom(30000) + bytes(range(256))
    (tmp_path / "data").write_bytes(data)
    r = one(build, fleet, f"cat {tmp_path}/data; cat {tmp_path}/data >&2")
    assert r["out"] == data and r["err"] == data


@pytest.mark.parametrize("where", ["ssh", "local"])
@pytest.mark.parametrize("size, limit", [(0, 10), (9, 10), (10, 10), (11, 10), (12345, 1000), (70000, 4097), (5, 1)])
def test_head_and_tail_are_kept(build, fleet, tmp_path, where, size, limit):
    data = os.urandom(size)
    (tmp_path / "data").write_bytes(data)
    command = f"dd if={tmp_path}/data bs=777 2>/dev/null"
    if where == "ssh":
        r = one(build, fleet, command, output_limit=limit)
    else:
        r = local(build, command, output_limit=limit)
    if size <= limit:
        assert r["out"] == data and r["out_total"] == 0
    else:
        tail = limit // 2
        assert r["out"] == data[: limit - tail] + (data[-tail:] if tail else b"")
        assert r["out_total"] == size


def test_100_mb_cost_no_memory(build, fleet):
    unit = Unit(build, "shell", {"command": "head -c 100000000 /dev/zero; printf end"}, [fleet.addresses[0]],
                fleet.options(), timeout=60000, output_limit=65536)
    r = unit.wait()[fleet.addresses[0]]
    assert (r["status"], r["out_total"], len(r["out"])) == ("ok", 100000003, 65536)
    assert r["out"].endswith(b"\0end")
    assert unit.end["peak_kb"] < (20000 if "san" not in build.name else 500000)


# ------------------------------------------------------------------------------------- what is sent


WORDS = ["printf", "%s\\n", "", "a b", "it's", "$HOME", "`id`", "*", "~", "a\nb", "\\", '"', "!x", "#", "é", "-n", "=ls"]


@pytest.mark.parametrize("where", ["ssh", "local"])
def test_words_arrive_as_they_are(build, fleet, where):
    r = one(build, fleet, {"argv": WORDS}) if where == "ssh" else local(build, {"argv": WORDS})
    assert r["out"].decode() == "".join(word + "\n" for word in WORDS[2:])


@pytest.mark.parametrize("where", ["ssh", "local"])
def test_environment_and_input(build, fleet, where):
    value = "it's \"$HOME\"\nand more\n"
    payload = {"command": "printf %s \"$VALUE\"; cat", "env": {"VALUE": value, "N": 5}, "stdin": "in\0put"}
    r = one(build, fleet, payload) if where == "ssh" else local(build, payload)
    assert r["out"].decode() == value + "in\0put"


def test_the_environment_is_not_in_the_process_table(build, fleet):
    r = one(build, fleet, {"command": "cat /proc/$$/cmdline /proc/$PPID/cmdline; echo $WORD | wc -c",
                           "env": {"WORD": "hidden-word"}})
    assert b"hidden" not in r["out"] and r["out"].endswith(b"12\n")


@pytest.mark.parametrize("where", ["ssh", "local"])
@pytest.mark.parametrize("script, expected", [
    ("echo \"$X $(cat)\"\nexit 4\n", ("failed", 4, b"x in\n")),
    ("#!/usr/bin/python3 -u\nimport sys\nprint(sys.stdin.read())", ("ok", 0, b"in\n")),
    ("#!/bin/sh -e\nfalse\necho no", ("failed", 1, b"")),
])
def test_scripts(build, fleet, where, script, expected):
    payload = {"script": script, "env": {"X": "x"}, "stdin": "in"}
    r = one(build, fleet, payload) if where == "ssh" else local(build, payload)
    assert (r["status"], r["rc"], r["out"]) == expected


def test_a_script_leaves_no_file_even_when_killed(build, fleet, tmp_path):
    r = one(build, fleet, {"script": "kill -KILL $$", "env": {"TMPDIR": str(tmp_path)}})
    assert r["signal"] == "KILL"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", ["ssh", "local"])
def test_large_input(build, fleet, tmp_path, where):
    (tmp_path / "payload").write_text(json.dumps({"command": "sleep 0.3; wc -c", "stdin": "0123456789" * 700000}))
    hosts, options = ([fleet.addresses[0]], fleet.options()) if where == "ssh" else (["here"], LOCAL)
    r = run_unit(build, "shell", f"@{tmp_path}/payload", hosts, options, timeout=20000)[hosts[0]]
    assert r["out"].strip() == b"7000000"


@pytest.mark.parametrize("payload, word", [
    ("[]", "object"), ({}, "exactly one"), ({"command": "a", "argv": ["b"]}, "exactly one"), ({"argv": []}, "argv"),
    ({"argv": [1]}, "argv[0]"), ({"command": "a", "env": {"A=B": "c"}}, "A=B"), ({"command": "a\0b"}, "NUL"),
])
def test_bad_payloads_name_the_member(build, fleet, payload, word):
    unit = Unit(build, "shell", payload, [fleet.addresses[0]], fleet.options(), timeout=5000)
    assert unit.wait() == {}
    assert unit.end["end"] == -1 and word in unit.end["message"]


# ------------------------------------------------------------------------- hosts that are not as hoped


def test_thirty_hosts_of_which_four_hang(build, fleet, tmp_path):
    """The issue's own case: one session stopped, one silent, one that only greets, one that sleeps."""
    stopped, sleeping = fleet.addresses[0], fleet.addresses[1]
    began = tmp_path / "began"
    command = (f"case $SSH_CONNECTION in *' {stopped} '*) touch {began}; sleep 600;; "
               f"*' {sleeping} '*) sleep 600;; *) echo fine;; esac")
    with Peer("silent") as silent, Peer("banner") as greeting:
        hosts = fleet.addresses[:28] + [f"silent={silent.address}:{silent.port}",
                                        f"greeting={greeting.address}:{greeting.port}"]
        start = time.monotonic()
        unit = Unit(build, "shell", {"command": command}, hosts, fleet.options(), timeout=20000, host_timeout=7000)
        wait_for(began.exists)
        fleet.stop_session(stopped)
        reports = unit.wait()
    assert time.monotonic() - start < 15
    assert len(reports) == 30
    late = {host: (r["phase"], r["remote"]) for host, r in reports.items() if r["status"] == "timeout"}
    assert late == {"silent": ("banner", "none"), "greeting": ("key exchange", "none"),
                    stopped: ("execution", "unknown"), sleeping: ("execution", "dead")}
    assert sum(r["status"] == "ok" and r["at"] < 6.5 for r in reports.values()) == 26
    assert len(fleet.processes("sleep 600")) == 1  # of the session that is stopped


def test_the_units_deadline_ends_everybody(build, fleet):
    start = time.monotonic()
    with Peer("silent") as silent:
        reports = run_unit(build, "shell", {"command": "sleep 600"},
                           fleet.addresses[:10] + [f"silent={silent.address}:{silent.port}"],
                           fleet.options() + ["fanout=9"], timeout=1500)
    assert time.monotonic() - start < 10 * PATIENCE
    assert {r["status"] for r in reports.values()} == {"timeout"}
    assert {reports[a]["remote"] for a in fleet.addresses[:9]} <= DEAD
    assert [reports[h]["phase"] for h in ("silent", fleet.addresses[9])] == ["waiting", "waiting"]
    assert "deadline" in reports["silent"]["message"]
    gone(fleet)


def test_a_cancel_is_no_timeout(build, fleet):
    r = one(build, fleet, "sleep 600", timeout=60000, stop_after=700)
    assert r["status"] == "cancelled" and r["remote"] in DEAD


@pytest.mark.parametrize("behaviour, phase, status", [("silent", "banner", "timeout"),
                                                      ("banner", "key exchange", "timeout"),
                                                      ("close", "banner", "unreachable")])
def test_each_phase_has_a_deadline_of_its_own(build, fleet, behaviour, phase, status):
    with Peer(behaviour) as peer:
        r = run_unit(build, "shell", {"command": "true"}, [f"peer={peer.address}:{peer.port}"],
                     fleet.options() + ["banner_timeout=300ms", "kex_timeout=400ms"], timeout=20000)["peer"]
    assert (r["status"], r["phase"]) == (status, phase)
    assert r["at"] < 6 and str(peer.port) in r["message"]  # the defaults are 10 s
    if status == "timeout":
        assert "_timeout" in r["message"]


def test_nobody_there(build, fleet):
    with Peer("silent") as gone:
        pass
    reports = run_unit(build, "shell", {"command": "true"},
                       [f"refused={gone.address}:{gone.port}", "no-such-host.invalid"], fleet.options(), timeout=30000)
    for name, word in (("refused", "refused"), ("no-such-host.invalid", "resolve")):
        r = reports[name]
        assert (r["status"], r["phase"], r["remote"]) == ("unreachable", "connect", "none")
        assert word in r["message"]


def test_a_silent_name_server_holds_nobody_up(build, fleet, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((f"127.53.{os.getpid() % 250}.{random.randint(1, 250)}", 53))
        (tmp_path / "resolv.conf").write_text(f"nameserver {server.getsockname()[0]}\noptions timeout:30\n")
        (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n")
        files = {"/etc/resolv.conf": tmp_path / "resolv.conf", "/etc/nsswitch.conf": tmp_path / "nsswitch.conf"}
        hosts = ["a.example", "b.example", fleet.addresses[0]]
        unit = Unit(build, "shell", {"command": "true"}, hosts, fleet.options(), files=files, timeout=20000,
                    connect_timeout=400)
        r = unit.wait(abandons=True)  # glibc's threads go on asking
    assert r[fleet.addresses[0]]["status"] == "ok"
    for name in hosts[:2]:
        assert (r[name]["status"], r[name]["phase"]) == ("unreachable", "connect")
        assert "0.4 s (connect_timeout)" in r[name]["message"] and r[name]["at"] < 8


def test_each_address_of_a_name_is_tried(build, fleet, tmp_path):
    with Peer("silent", fleet.port) as dead:
        pass
    (tmp_path / "hosts").write_text(f"{dead.address} many\n{fleet.addresses[0]} many\n")
    (tmp_path / "host.conf").write_text("multi on\n")
    options = fleet.options() + [f"known_hosts={tmp_path}/known", "host_keys=accept-new"]
    options.remove(f"known_hosts={fleet.known_hosts}")
    files = {"/etc/hosts": tmp_path / "hosts", "/etc/host.conf": tmp_path / "host.conf"}
    r = run_unit(build, "shell", {"command": "true"}, ["many"], options, files=files, timeout=20000)["many"]
    assert r["status"] == "ok", r


def test_a_full_backlog_is_unreachable(build, fleet):
    """A listener whose queue is full drops what asks to connect: as a host that is switched off."""
    with Peer("silent") as peer:
        peer.listener.listen(0)
        held = []
        for _ in range(4):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex((peer.address, peer.port))
            held.append(connection)
        r = run_unit(build, "shell", {"command": "true"}, [f"full={peer.address}:{peer.port}"], fleet.options(),
                     timeout=20000, connect_timeout=500)["full"]
        for connection in held:
            connection.close()
    assert (r["status"], r["phase"]) == ("unreachable", "connect")
    assert "0.5 s (connect_timeout)" in r["message"]


# ----------------------------------------------------------------------- the end of the remote process


def out_of_time(build, fleet, command, end_timeout="10s"):
    """What became of a command that was still running when its host's time was over, and how long after that it was told.
    On a machine that has much else to do that time may pass before it has begun: then it gets more."""
    for limit in (700, 3000, 9000):
        r = one(build, fleet, command, [f"end_timeout={end_timeout}"], timeout=60000, host_timeout=limit)
        if r["phase"] == "execution":
            break
    return r, r["at"] - limit / 1000


@pytest.mark.parametrize("command", [
    "sleep 600", "sh -c 'sleep 600 & wait'", "nohup sleep 600", "sleep 600 | sleep 600",
    "trap '' TERM INT HUP; sleep 600; sleep 600", "sh -c 'trap \"\" TERM; sleep 600 & sleep 600' & wait",
    "sh -mc 'sleep 600 & wait'", "kill -STOP $$",
])
def test_the_remote_process_is_gone_after_its_time(build, fleet, command):
    r, after = out_of_time(build, fleet, command)
    assert (r["status"], r["phase"]) == ("timeout", "execution") and r["remote"] in DEAD
    assert after < 5 * PATIENCE
    gone(fleet)


def test_what_left_its_session_is_not_claimed_dead(build, fleet):
    r, _ = out_of_time(build, fleet, "setsid sleep 600 & exit 0", "3s")
    assert (r["status"], r["rc"], r["remote"]) == ("timeout", 0, "unknown")
    assert "left behind" in r["message"]
    assert len(fleet.processes("sleep 600")) == 1


def test_an_ordinary_user_whose_server_separates_privileges(build):
    with Sshd(1, ordinary=True) as fleet:
        assert one(build, fleet, "id -un")["out"] == b"drover-test\n"
        for command in ("sleep 600", "trap '' TERM; sleep 600 & sleep 600; sleep 600"):
            r, _ = out_of_time(build, fleet, command)
            assert (r["status"], r["remote"]) == ("timeout", "dead")
            gone(fleet)


def test_a_server_with_one_session_only(build):
    """No second channel: the channel's signal ends it."""
    with Sshd(1, "MaxSessions 1", ordinary=True) as fleet:
        r, _ = out_of_time(build, fleet, "sleep 600")
        assert (r["status"], r["remote"]) == ("timeout", "dead")
        gone(fleet)


def test_a_root_login_with_one_session_only(build):
    """OpenSSH takes no signals for root's sessions: then nothing can be done, and dead is not claimed."""
    with Sshd(1, "MaxSessions 1") as fleet:
        r, after = out_of_time(build, fleet, "sleep 600", "3s")
        assert r["status"] == "timeout" and after < 6
        assert (r["remote"] == "dead") == (not fleet.processes("sleep 600"))


def test_the_time_between_term_and_kill_is_an_option(build, fleet):
    """A command that takes a while to say something more when it is told to end: less than it takes, and more."""
    def end_of_each():
        units = {}
        for grace, takes in (("100ms", "0.6"), ("1500ms", "1")):
            payload = {"command": f"trap 'sleep {takes}; echo late; exit' TERM; sleep 608 & wait"}
            for host, options in ((fleet.addresses[0], fleet.options()), ("here", LOCAL)):
                options = options + [f"term_grace={grace}", "kill_grace=400ms"]
                units[grace, host] = Unit(build, "shell", payload, [host], options, timeout=20000,
                                          host_timeout=int(500 * PATIENCE))
        return {(grace, host): unit.wait()[host] for (grace, host), unit in units.items()}

    for _ in range(3):  # half a second lies between the times: a machine that stands still for that long decides otherwise
        reports = end_of_each()
        assert {r["status"] for r in reports.values()} == {"timeout"}, reports
        if all(r["out"] == (b"late\n" if grace == "1500ms" else b"") for (grace, _), r in reports.items()):
            return
    raise AssertionError(reports)


def test_an_end_that_does_not_come_is_given_up(build, fleet, tmp_path):
    """The sessions stand still: each way to end a command has a time of its own."""
    begins = int(1500 * PATIENCE)  # ms: until then they must stand still
    ways = [(["end_timeout=800ms"], {"host_timeout": begins}, {}), (["stop_timeout=800ms"], {"stop_after": begins}, {}),
            (["end_timeout_become=800ms"], {"host_timeout": begins}, {"become": {"method": "su"}})]
    units = []
    for address, (options, limits, payload) in zip(fleet.addresses, ways):
        payload = {"command": f"touch {tmp_path}/{address}; sleep 609", **payload}
        units.append(Unit(build, "shell", payload, [address], fleet.options() + options, timeout=20000, **limits))
    for address in fleet.addresses[:len(ways)]:
        wait_for((tmp_path / address).exists)
        fleet.stop_session(address)
    for address, unit, (options, *_) in zip(fleet.addresses, units, ways):
        r = unit.wait()[address]
        assert r["status"] in ("timeout", "cancelled") and r["remote"] == "unknown", (options, r)
        assert 0.7 < r["at"] - begins / 1000 < 1.5 * PATIENCE, (options, r)


def test_other_commands_of_the_user_are_left_alone(build, fleet):
    other = Unit(build, "shell", {"command": "sleep 601"}, [fleet.addresses[1]], fleet.options(), timeout=60000)
    wait_for(lambda: fleet.processes("sleep 601"))
    one(build, fleet, "sleep 600", host_timeout=500)
    (pid,) = fleet.processes("sleep 601")
    os.kill(pid, signal.SIGTERM)
    assert other.wait()[fleet.addresses[1]]["status"] == "failed"


# ------------------------------------------------------------------------------------- host keys, keys


def test_an_unknown_host_key_prints_the_command_that_accepts_it(build, fleet, tmp_path):
    known = tmp_path / "known_hosts"
    options = [f"known_hosts={known}"]
    fleet_options = [option for option in fleet.options() if not option.startswith("known_hosts")]
    address = fleet.addresses[0]

    def attempt(more=()):
        return run_unit(build, "shell", {"command": "true"}, [address], fleet_options + options + list(more),
                        timeout=20000)[address]

    r = attempt()
    assert (r["status"], r["phase"]) == ("unreachable", "key exchange")
    assert "SHA256:" in r["message"]
    command = re.search("`(ssh-keyscan .*)`", r["message"]).group(1)
    assert not known.exists()
    subprocess.run(command, shell=True, check=True, stderr=subprocess.DEVNULL)
    assert attempt()["status"] == "ok"

    known.unlink()
    assert attempt(["host_keys=accept-new"])["status"] == "ok"
    assert public_key(fleet.host_key) in known.read_text()
    assert attempt()["status"] == "ok"


def test_a_changed_host_key_is_loud(build, fleet, tmp_path):
    other = keygen(tmp_path / "other")
    known = tmp_path / "known_hosts"
    known.write_text(f"# a comment\n[{fleet.addresses[0]}]:{fleet.port} {public_key(other)}\n")
    for mode in ("strict", "accept-new"):
        r = one(build, fleet, "true", [f"known_hosts={known}", f"host_keys={mode}"])
        # The fleet's own known_hosts comes first in the list: it knows the right key too.
        assert r["status"] == "ok"
        options = [o for o in fleet.options() if not o.startswith("known_hosts")]
        r = run_unit(build, "shell", {"command": "true"}, [fleet.addresses[0]],
                     options + [f"known_hosts={known}", f"host_keys={mode}"], timeout=20000)[fleet.addresses[0]]
        assert (r["status"], r["phase"]) == ("unreachable", "key exchange")
        assert "CHANGED" in r["message"] and f"{known} line 2" in r["message"]
        assert "ssh-keygen" in r["message"]


@pytest.mark.parametrize("line, status", [
    ("@revoked [{a}]:{p} {key}\n[{a}]:{p} {key}", "unreachable"), ("* {key}", "ok"), ("[127.*]:{p} {key}", "ok"),
    ("[127.*]:{p},![{a}]:{p} {key}", "unreachable"), ("@cert-authority * {key}", "unreachable"), ("{a} {key}", "unreachable"),
    ("[{a}]:{p}\t{key}", "ok"), ("hashed", "ok"),
])
def test_known_hosts_syntax(build, fleet, tmp_path, line, status):
    known = tmp_path / "known_hosts"
    plain = line == "hashed"
    text = "[{a}]:{p} {key}" if plain else line
    known.write_text(text.format(a=fleet.addresses[0], p=fleet.port, key=public_key(fleet.host_key)) + "\n")
    if plain:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, stderr=subprocess.DEVNULL)
        assert fleet.addresses[0] not in known.read_text()
    options = [o for o in fleet.options() if not o.startswith("known_hosts")] + [f"known_hosts={known}"]
    r = run_unit(build, "shell", {"command": "true"}, [fleet.addresses[0]], options, timeout=20000)
    assert r[fleet.addresses[0]]["status"] == status, r


def test_a_host_key_is_also_known_by_its_name(build, fleet, tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text(f"[web1]:{fleet.port} {public_key(fleet.host_key)}\n")
    options = [o for o in fleet.options() if not o.startswith("known_hosts")] + [f"known_hosts={known}"]
    r = run_unit(build, "shell", {"command": "true"}, [f"web1={fleet.addresses[0]}:{fleet.port}"], options, timeout=20000)
    assert r["web1"]["status"] == "ok"


def test_a_key_that_is_refused_names_what_was_tried(build, fleet, tmp_path):
    wrong = keygen(tmp_path / "wrong")
    options = [o for o in fleet.options() if not o.startswith("key=")]
    r = run_unit(build, "shell", {"command": "true"}, [fleet.addresses[0]],
                 options + [f"key={wrong}", f"key={tmp_path}/missing"], timeout=20000)[fleet.addresses[0]]
    assert (r["status"], r["phase"]) == ("unreachable", "authentication")
    assert f"{wrong} (refused)" in r["message"] and "missing (No such file" in r["message"]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_kinds_of_keys(build, fleet, tmp_path, kind):
    key = keygen(tmp_path / "key", kind)
    with open(fleet.authorized_keys, "a", encoding="ascii") as file:
        file.write(public_key(key) + "\n")
    wrong = keygen(tmp_path / "wrong")
    options = [o for o in fleet.options() if not o.startswith("key=")] + [f"key={wrong}", f"key={key}"]
    r = run_unit(build, "shell", {"command": "true"}, fleet.addresses[:2], options, timeout=20000)
    assert [r[a]["status"] for a in fleet.addresses[:2]] == ["ok", "ok"], r


@pytest.fixture(name="agent")
def _agent(tmp_path):
    with ssh_agent(tmp_path / "agent") as process:
        yield {**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "agent")}, process


def with_agent(build, fleet, env, key, more=()):
    options = [o for o in fleet.options() if not o.startswith(("key=", "agent="))]
    return run_unit(build, "shell", {"command": "true"}, fleet.addresses[:5], options + [f"key={key}", *more], env,
                    timeout=20000)


def test_the_agents_keys_are_used(build, fleet, agent, tmp_path):
    env, _ = agent
    wrong = keygen(tmp_path / "wrong")
    r = with_agent(build, fleet, env, wrong)
    assert {x["status"] for x in r.values()} == {"unreachable"}
    assert "holds no key" in r[fleet.addresses[0]]["message"]
    subprocess.run(["ssh-add", "-q", wrong, fleet.key], env=env, check=True)
    r = with_agent(build, fleet, env, wrong)
    assert {x["status"] for x in r.values()} == {"ok"}, r


def test_an_agent_that_hangs_holds_nobody_up(build, fleet, agent, tmp_path):
    env, process = agent
    process.send_signal(signal.SIGSTOP)
    r = with_agent(build, fleet, env, fleet.key, ["agent_timeout=9s"])
    assert {x["status"] for x in r.values()} == {"ok"}, r
    assert max(x["at"] for x in r.values()) < 8  # nobody waits for the agent's 9 s
    options = [o for o in fleet.options() if not o.startswith(("key=", "agent="))]
    unit = Unit(build, "shell", {"command": "true"}, fleet.addresses[:5],
                options + [f"key={keygen(tmp_path / 'no')}", "agent_timeout=700ms"], env, timeout=20000)
    r = unit.wait()[fleet.addresses[0]]
    assert (r["status"], r["phase"]) == ("unreachable", "authentication")
    assert "it did not answer within 0.7 s (agent_timeout)" in r["message"]
    assert 0.7 < r["at"] < 8
    assert unit.end["cpu_ms"] < (100 if "san" not in build.name else 1000)  # it waited and did not spin


def test_another_user(build, fleet):
    r = one(build, fleet, "true", ["user=nosuchuser"])
    assert (r["status"], r["phase"]) == ("unreachable", "authentication")
    assert "nosuchuser" in r["message"]


# ------------------------------------------------------------------------------------------- cost


def test_waiting_costs_nothing(build, fleet):
    """30 hosts that sleep 2 s: the same CPU time as hosts that sleep not at all, within a few ms."""
    def cpu(command):
        unit = Unit(build, "shell", {"command": command}, fleet.addresses, fleet.options(), timeout=30000)
        assert {r["status"] for r in unit.wait().values()} == {"ok"}
        return unit.end["cpu_ms"]

    at_once = min(cpu("true") for _ in range(2))
    # Of three the first that does: others make a processor's caches cold.
    assert any(cpu("sleep 2") < at_once + (15 if "san" not in build.name else 150) for _ in range(3))


# ------------------------------------------------------------------------------------------- local


def test_local_needs_leave(build):
    r = run_unit(build, "shell", {"command": "true"}, ["localhost"], timeout=5000)["localhost"]
    assert r["status"] == "failed" and "allow_localhost" in r["message"]
    r = run_unit(build, "shell", {"command": "echo hi"}, ["localhost"], ["allow_localhost=true"], timeout=5000)
    assert (r["localhost"]["status"], r["localhost"]["via"], r["localhost"]["out"]) == ("ok", "local", b"hi\n")


def test_local_commands_become_nobody(build):
    r = run_unit(build, "shell", {"command": "id", "become": True}, ["localhost"], ["allow_localhost=true"], timeout=5000)
    assert r["localhost"]["status"] == "failed" and "becomes nobody else" in r["localhost"]["message"]
    assert r["localhost"]["out"] == b""


def test_local_signals_and_codes(build):
    assert local(build, "exit 7")["rc"] == 7
    assert local(build, "kill -QUIT $$")["signal"] == "QUIT"


def test_local_environment_holds_no_secret_of_the_daemon(build):
    env = {**os.environ, "DROVER_TOKEN": "secret", "AWS_SECRET": "secret"}
    r = run_unit(build, "shell", {"command": "env; echo in=$(cat)"}, ["here"], LOCAL, env, timeout=5000)["here"]
    assert b"secret" not in r["out"] and b"PATH=" in r["out"] and r["out"].endswith(b"in=\n")


@pytest.mark.parametrize("command", ["sleep 607", "sleep 607 & wait", "trap '' TERM; sleep 607; sleep 607",
                                     "kill -STOP $$", "nohup sleep 607"])
def test_local_commands_end_with_their_group(build, command):
    r = local(build, command, host_timeout=300)
    assert (r["status"], r["phase"], r["remote"]) == ("timeout", "execution", "dead")
    # What is killed takes a moment to be gone.
    wait_for(lambda: subprocess.run(["pgrep", "-f", "^sleep 607"], stdout=subprocess.DEVNULL, check=False).returncode == 1)


def test_a_local_end_that_does_not_come_is_given_up(build, tmp_path):
    """While somebody traces a process its parent does not hear of its end."""
    libc = ctypes.CDLL(None, use_errno=True)
    said = tmp_path / "pid"
    unit = Unit(build, "shell", {"command": f"echo $$ >{said}.new; mv {said}.new {said}; sleep 607"}, ["here"],
                LOCAL + ["term_grace=100ms", "kill_grace=1500ms"], timeout=20000,
                host_timeout=int(700 * PATIENCE))
    wait_for(said.exists)
    pid = int(said.read_text())
    assert libc.ptrace(0x4206, pid, None, None) == 0, os.strerror(ctypes.get_errno())  # PTRACE_SEIZE
    try:
        r = unit.wait()["here"]
    finally:
        os.waitpid(pid, 0)
    assert (r["status"], r["remote"]) == ("timeout", "unknown") and "may still be running" in r["message"]
    assert r["at"] > 0.7 * PATIENCE + 1.5, r


def test_local_hosts_take_turns(build, tmp_path):
    log = tmp_path / "log"
    command = f"echo begin >> {shlex.quote(str(log))}; sleep 0.05; echo end >> {shlex.quote(str(log))}"
    hosts = [f"h{i}" for i in range(6)]
    r = run_unit(build, "shell", {"command": command}, hosts, LOCAL, timeout=20000, fanout=1)
    assert {x["status"] for x in r.values()} == {"ok"} and len(r) == 6
    assert log.read_text().split() == ["begin", "end"] * 6
