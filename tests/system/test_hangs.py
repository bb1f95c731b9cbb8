"""A thousand ssh hosts, 5 % of which hang, drop, flood or lie: the others never notice, and each of those is named."""

import contextlib
import os
import socket
import sys

import pytest
from daemon import BUILD, PATIENCE, Daemon

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from fleet.light import Light  # noqa: E402

HOSTS = 1000
EVERY = 20  # one host of 20 is not well: 5 %, at least one in each unit
LIMIT = 2.5 * PATIENCE  # seconds that each phase may last
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


def ms(duration):
    return f"{duration * 1000:.0f}ms"


def sick(group):
    """Numbers of the hosts of a group that are not well."""
    first = GROUPS.index(group) * HOSTS
    return range(first + 7, first + HOSTS, EVERY)


@pytest.fixture(scope="module", name="herd")
def make_herd():
    """A daemon, and a light server with a thousand hosts for each group."""
    hosts = {number: HANGS[group][0] for group in HANGS for number in sick(group)}
    kinds = list(HANGS.values())
    hosts |= {number: kinds[i % len(kinds)][0] for i, number in enumerate(sick("all of them"))}
    with Light(os.path.join(BUILD, "tests/light_sshd"), len(GROUPS) * HOSTS, hosts) as light:
        limits = {f"{phase}_timeout": ms(LIMIT) for phase in ("connect", "banner", "kex", "auth", "channel")}
        with Daemon({"executors": [light.executor(**limits)]}) as daemon:
            yield daemon, light


def addresses(light, group):
    first = GROUPS.index(group) * HOSTS
    return light.addresses[first:first + HOSTS]


def run(daemon, hosts, **more):
    """The task's rows by host, and when it began and the rows ended, in seconds."""
    task = daemon.submit("shell", hosts, {"command": "host"}, host_timeout=ms(LIMIT), timeout="60s", **more)
    daemon.wait(task, 60)
    daemon.verify(task)
    rows = {row["host"]: row for row in daemon.results(task)}
    assert len(rows) == HOSTS
    return rows, daemon.task(task)


def seconds(stamp):
    clock = stamp[11:].rstrip("Z").split(":")
    return int(clock[0]) * 3600 + int(clock[1]) * 60 + float(clock[2])


def took(task, rows):
    """Seconds from the submission to the last of the rows' ends."""
    return (max(seconds(row["finished_at"]) for row in rows) - seconds(task["created_at"])) % 86400


@pytest.fixture(scope="module", name="usual")
def time_without_hangs(herd):
    """Seconds until the last of a thousand hosts is final when all of them are well."""
    daemon, light = herd
    hosts = addresses(light, "none")
    rows, task = run(daemon, hosts)
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert all(rows[host]["stdout"] == f"{host}\n" for host in hosts)
    return took(task, rows.values())


def check_others(rows, task, ill, usual):
    """All but `ill` are final as if those were not there."""
    well = [row for host, row in rows.items() if host not in ill]
    for row in well:
        assert row["status"] == "ok" and row["stdout"] == f"{row['host']}\n", row
    # Twice the time and half a second more: a hang that held up anybody would cost LIMIT at least.
    assert took(task, well) < min(2 * usual + 0.5 * PATIENCE, LIMIT), f"{took(task, well)}, without hangs {usual}"


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
        assert {row["stdout"][:5] for host, row in rows.items() if host in ill} == {"I am\n"}


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
        rows, task = run(daemon, [*hosts[len(ill):], *ill.values()])
        check_others(rows, task, ill, usual)
        for host in ill:
            row = rows[host]
            assert (row["status"], row["phase"]) == ("unreachable", "connect"), row
            assert "no answer from" in row["message"], row


def test_hung_hosts_leave_the_rest_of_a_small_engine_usable(herd):
    """200 hosts at once: the 50 that hang take 50 of these places, and no unit or place more."""
    _, light = herd
    ill = {light.addresses[number] for number in sick("in the authentication")}
    limits = {"auth_timeout": ms(2 * LIMIT)}
    with Daemon({"executors": [light.executor(**limits)], "capacity": {"hosts": 200}}) as small:
        rows, task = run(small, addresses(light, "in the authentication"))
        well = [row for host, row in rows.items() if host not in ill]
        assert {row["status"] for row in well} == {"ok"}
        assert {rows[host]["status"] for host in ill} == {"timeout"}
        assert took(task, well) < LIMIT
