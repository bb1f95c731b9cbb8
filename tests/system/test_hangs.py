"""A thousand ssh hosts, 5 % of which hang, at each phase: the others never notice, and each of those is named."""

import contextlib
import os
import socket

import pytest
from daemon import BUILD, Daemon
from fleet.light import Light
from thousand import EVERY, HOSTS, LIMIT, TIMEOUTS, check_others, ill_hosts, measure_usual, run, took

# What a host does that hangs, the phase that must be told, and what is known of a process on it.
HANGS = {
    "nothing is sent": ({"at": "accept", "do": "stall"}, "banner", "none"),
    "only a greeting": ({"at": "banner", "do": "stall"}, "key exchange", "none"),
    "in the key exchange": ({"at": "key exchange", "do": "stall"}, "key exchange", "none"),
    "in the authentication": ({"at": "authentication", "do": "stall"}, "authentication", "none"),
    "at a channel's opening": ({"at": "channel", "do": "stall"}, "execution", "none"),
    "at the command's start": ({"at": "exec", "do": "stall"}, "execution", "unknown"),
    "in its output": ({"command": "echo I am; flood 5000; stall"}, "execution", "unknown"),
    "after its exit status": ({"command": "echo I am", "at": "exit", "do": "stall"}, "execution", "unknown"),
}
GROUPS = ["none", *HANGS, "all of them"]


def sick(group):
    return ill_hosts(GROUPS.index(group) * HOSTS)


@pytest.fixture(scope="module", name="herd")
def make_herd():
    """A daemon, and a light server with a thousand hosts for each group."""
    hosts = {number: HANGS[group][0] for group in HANGS for number in sick(group)}
    kinds = list(HANGS.values())
    hosts |= {number: kinds[i % len(kinds)][0] for i, number in enumerate(sick("all of them"))}
    with Light(os.path.join(BUILD, "tests/light_sshd"), len(GROUPS) * HOSTS, hosts) as light:
        with Daemon({"executors": [light.executor(**TIMEOUTS)]}) as daemon:
            yield daemon, light


def addresses(light, group):
    first = GROUPS.index(group) * HOSTS
    return light.addresses[first:first + HOSTS]


@pytest.fixture(scope="module", name="usual")
def time_without_hangs(herd):
    daemon, light = herd
    return measure_usual(daemon, addresses(light, "none"))


@pytest.mark.parametrize("group", HANGS)
def test_hang(herd, usual, group):
    daemon, light = herd
    _, phase, remote = HANGS[group]
    ill = {light.addresses[number] for number in sick(group)}
    rows, task = run(daemon, addresses(light, group))
    check_others(rows, task, ill, usual)
    for host in ill:
        row = rows[host]
        assert (row["status"], row["phase"], row["remote_process"]) == ("timeout", phase, remote), row
        assert f"{light.port}" in row["message"] and f"{LIMIT:g} s" in row["message"], row
        if group == "in its output":
            assert row["stdout"].startswith("I am\n") and len(row["stdout"]) == 5005, row


def test_all_hangs_at_once(herd, usual):
    daemon, light = herd
    kinds = list(HANGS.values())
    ill = {light.addresses[number]: kinds[i % len(kinds)] for i, number in enumerate(sick("all of them"))}
    rows, task = run(daemon, addresses(light, "all of them"))
    check_others(rows, task, ill, usual)
    for host, (_, phase, remote) in ill.items():
        row = rows[host]
        assert (row["status"], row["phase"], row["remote_process"]) == ("timeout", phase, remote), row


@contextlib.contextmanager
def black_hole():
    """An address whose queue of connections is full: a connection's first packet is not answered."""
    with socket.socket() as listener, contextlib.ExitStack() as held:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()


def test_no_connection(herd, usual):
    """Nobody answers at all: by definition that is `unreachable`, and it holds up nobody either."""
    daemon, light = herd
    with black_hole() as (address, port):
        hosts = addresses(light, "none")
        ill = {f"gone{number}": {"name": f"gone{number}", "address": address, "port": port}
               for number in range(HOSTS // EVERY)}
        mixed = hosts[len(ill):]
        for i, host in enumerate(ill.values()):
            mixed.insert(i * EVERY, host)
        rows, task = run(daemon, mixed)
        check_others(rows, task, ill, usual)
        for host in ill:
            row = rows[host]
            assert (row["status"], row["phase"]) == ("unreachable", "connect"), row
            assert "no answer from" in row["message"], row


def test_hung_hosts_take_no_more_of_an_engine_than_their_places(herd):
    """200 hosts at once: the 50 that hang take 50 of these places in the end; through the others go the other 950."""
    _, light = herd
    ill = {light.addresses[number] for number in sick("in the authentication")}
    slower = {**TIMEOUTS, "auth_timeout": f"{2 * LIMIT * 1000:.0f}ms"}
    with Daemon({"executors": [light.executor(**slower)], "capacity": {"hosts": 200}}) as small:
        rows, task = run(small, addresses(light, "in the authentication"), host_timeout="60s")
        well = [row for host, row in rows.items() if host not in ill]
        assert {row["status"] for row in well} == {"ok"}
        assert {rows[host]["status"] for host in ill} == {"timeout"}
        assert took(task, well) < 2 * LIMIT < took(task, rows.values())
