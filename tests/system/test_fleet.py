"""The promise on real sshd hosts: hung ones are named, with their phase, and hold up nobody."""

import contextlib
import json
import threading
import time

import pytest
from daemon import Daemon, drover, wait_for
from fleet.sshd import Peer, Sshd

pytestmark = pytest.mark.alone

STOPPED, SLEEPING = 4, 11  # positions in the fleet


@contextlib.contextmanager
def herd():
    """28 hosts of a real sshd, a listener that never speaks, one that stops after its banner; and a daemon for them."""
    with Sshd(28) as sshd, Peer("silent", sshd.port) as silent, Peer("banner", sshd.port) as banner:
        shell = {"plugin": "shell", "port": str(sshd.port), "key": [sshd.key], "agent": "false",
                 "known_hosts": [sshd.known_hosts], "user": sshd.user}
        with Daemon({"executors": [shell]}) as daemon:
            yield daemon, sshd, silent, banner


def run_herd(daemon, sshd, silent, banner, *options):
    """Runs one command on all; stops one host's session in the middle of it. Its hosts tell apart what they do."""
    stopped, sleeping = sshd.addresses[STOPPED], sshd.addresses[SLEEPING]
    # The third word of $SSH_CONNECTION is the address that was connected to: the host.
    command = (f'set -- $SSH_CONNECTION; case $3 in {sleeping}) sleep 600;; {stopped}) sleep 30;; esac; echo "I am $3"')
    freezer = threading.Thread(target=sshd.stop_session, args=(stopped,))
    freezer.start()
    begin = time.monotonic()
    answer = drover("run", "-H", ",".join([*sshd.addresses, silent.address, banner.address]), "--json", *options, "--",
                    command, daemon=daemon)
    took = time.monotonic() - begin
    freezer.join()
    assert answer.returncode == 3, answer.stdout + answer.stderr
    return took, {stopped, sleeping, silent.address, banner.address}, sleeping, stopped


@pytest.mark.parametrize("options,limit", [(["--host-timeout", "5", "--timeout", "20"], 10), (["--timeout", "8"], 12)],
                         ids=["host-timeout", "unit-deadline"])
def test_hung_hosts_are_named_and_hold_up_nobody(options, limit):
    with herd() as (daemon, sshd, silent, banner):
        took, hung, sleeping, stopped = run_herd(daemon, sshd, silent, banner, *options)
        assert took < limit
        task = daemon.get("/v1/tasks")["items"][0]
        rows = {row["host"]: row for row in daemon.results(task["id"])}
        assert {host for host, row in rows.items() if row["status"] == "timeout"} == hung
        healthy = {host: row for host, row in rows.items() if host not in hung}
        assert len(healthy) == 26
        for host, row in healthy.items():
            assert row["status"] == "ok" and row["stdout"] == f"I am {host}\n" and row["rc"] == 0, row
        assert rows[silent.address]["phase"] == "banner"
        assert rows[banner.address]["phase"] == "key exchange"
        assert rows[sleeping]["phase"] == "execution"
        assert rows[stopped]["phase"] in ("banner", "key exchange", "authentication", "execution")
        # The healthy ones were recorded as they came, not when the hung ones were given up.
        assert max(row["finished_at"] for row in healthy.values()) < min(rows[h]["finished_at"] for h in hung)
        assert rows[sleeping]["remote_process"] == "dead"
        daemon.verify(task["id"])
        assert not daemon.units()
        wait_for("the remote sleep to be gone", lambda: not sshd.processes("sleep 600"), 3)


def test_command_line_shows_who_hung():
    with herd() as (daemon, sshd, _silent, banner):
        answer = drover("run", "-H", f"{sshd.addresses[0]},{banner.address}", "--host-timeout", "2", "--", "echo", "hello",
                        daemon=daemon)
        assert answer.returncode == 3
        assert "hello" in answer.stdout and banner.address in answer.stdout + answer.stderr
        assert "timeout" in answer.stdout + answer.stderr and "key exchange" in answer.stdout + answer.stderr
        task = json.loads(drover("list", "--json", daemon=daemon).stdout)["items"][0]["id"]
        assert drover("verify", task, daemon=daemon).returncode == 0
