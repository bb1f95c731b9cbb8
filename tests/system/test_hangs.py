"""A thousand ssh hosts, 5 % of which hang, at each phase: the others never notice, and each of those is named."""

import contextlib
import socket

import pytest
from daemon import Daemon
from thousand import EVERY, HOSTS, Herd, ill_hosts, milliseconds, timeouts, took

pytestmark = pytest.mark.alone

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
    """A thousand hosts for each group."""
    hosts = {number: HANGS[group][0] for group in HANGS for number in sick(group)}
    kinds = list(HANGS.values())
    hosts |= {number: kinds[i % len(kinds)][0] for i, number in enumerate(sick("all of them"))}
    with Herd(len(GROUPS), hosts) as herd:
        yield herd


def addresses(herd, group):
    return herd.thousand(GROUPS.index(group))


@pytest.mark.parametrize("group", HANGS)
def test_hang(herd, group):
    _, phase, remote = HANGS[group]
    ill = {herd.light.addresses[number] for number in sick(group)}
    rows, task = herd.run(addresses(herd, group))
    herd.check_others(rows, task, ill)
    for host in ill:
        row = rows[host]
        assert (row["status"], row["phase"], row["remote_process"]) == ("timeout", phase, remote), row
        assert f"{herd.light.port}" in row["message"] and f"{herd.limit:g} s" in row["message"], row
        if group == "in its output":
            assert row["stdout"].startswith("I am\n") and len(row["stdout"]) == 5005, row


def test_all_hangs_at_once(herd):
    kinds = list(HANGS.values())
    ill = {herd.light.addresses[number]: kinds[i % len(kinds)] for i, number in enumerate(sick("all of them"))}
    rows, task = herd.run(addresses(herd, "all of them"))
    herd.check_others(rows, task, ill)
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


def test_no_connection(herd):
    """Nobody answers at all: by definition that is `unreachable`, and it holds up nobody either."""
    with black_hole() as (address, port):
        hosts = addresses(herd, "none")
        ill = {f"gone{number}": {"name": f"gone{number}", "address": address, "port": port}
               for number in range(HOSTS // EVERY)}
        mixed = hosts[len(ill):]
        for i, host in enumerate(ill.values()):
            mixed.insert(i * EVERY, host)
        rows, task = herd.run(mixed)
        herd.check_others(rows, task, ill)
        for host in ill:
            row = rows[host]
            assert (row["status"], row["phase"]) == ("unreachable", "connect"), row
            assert "no answer from" in row["message"], row


def test_hung_hosts_take_no_more_of_an_engine_than_their_places(herd):
    """200 hosts at once: the 50 that hang take 50 of these places in the end; through the others go the other 950."""
    ill = {herd.light.addresses[number] for number in sick("in the authentication")}
    slower = {**timeouts(herd.limit), "auth_timeout": milliseconds(2 * herd.limit)}
    with Daemon({"executors": [herd.light.executor(**slower)], "capacity": {"hosts": 200}}) as small:
        rows, task = herd.run(addresses(herd, "in the authentication"), daemon=small, host_timeout="60s")
        well = [row for host, row in rows.items() if host not in ill]
        assert {row["status"] for row in well} == {"ok"}
        assert {rows[host]["status"] for host in ill} == {"timeout"}
        assert took(task, well) < 2 * herd.limit < took(task, rows.values())
