"""Hosts that hang under Ansible, at each phase of a connection: named, with the phase, and nobody else's trouble."""

import contextlib
import os
import time

import pytest
from daemon import BUILD, Daemon, wait_for
from fleet.ansible import RELEASES
from fleet.light import Light

WELL, REFUSED = [0, 7, 8], 6
# What the host does, and what Drover calls the phase.
HUNG = {1: ({"at": "accept", "do": "stall"}, "banner"),
        2: ({"at": "banner", "do": "stall"}, "key exchange"),
        3: ({"at": "key exchange", "do": "stall"}, "key exchange"),
        4: ({"at": "authentication", "do": "stall"}, "authentication"),
        5: ({"command": "echo some; stall"}, "execution")}


@contextlib.contextmanager
def fleet(release, tmp_path, **more):
    hosts = {number: does for number, (does, _) in HUNG.items()} | {REFUSED: {"login": "refused"}}
    with Light(f"{BUILD}/tests/light_sshd", 9, hosts, default={"command": "host; exit 0"}) as light:
        config = tmp_path / "ansible.cfg"
        config.write_text(f"[defaults]\nremote_port = {light.port}\n[ssh_connection]\nusetty = false\nssh_args = -F none "
                          f"-o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile={light.known_hosts} "
                          "-o GlobalKnownHostsFile=/dev/null\n", encoding="utf-8")
        executor = {"plugin": "ansible_adhoc", "python": RELEASES[release][0], "config": str(config), "credential": "fleet",
                    "environment": {"HOME": str(tmp_path)}, **more}
        credentials = {"fleet": {"user": light.user, "key": {"file": light.key}}}
        with Daemon({"executors": [executor], "credentials": credentials}) as daemon:
            yield daemon, light


def run(daemon, light, numbers, **more):
    begin = time.monotonic()
    hosts = [light.address(number) for number in numbers]
    task = daemon.submit("adhoc", hosts, {"module": "raw", "args": "host"}, **more)
    daemon.wait(task)
    daemon.verify(task)
    rows = {row["host"]: row for row in daemon.results(task)}
    return time.monotonic() - begin, {number: rows[light.address(number)] for number in numbers}


def assert_truth(rows):
    for number in WELL:
        assert rows[number]["status"] == "ok", rows[number]
    for number, (_does, phase) in HUNG.items():
        assert (rows[number]["status"], rows[number]["phase"]) == ("timeout", phase), rows[number]
    assert (rows[REFUSED]["status"], rows[REFUSED]["phase"]) == ("unreachable", "authentication"), rows[REFUSED]
    assert rows[5]["remote_process"] == "unknown"


@pytest.mark.parametrize("release", list(RELEASES))
def test_at_the_hosts_own_limit(release, tmp_path):
    """Hosts that are well were told at once; those that hang at 8 s, long before the unit's deadline."""
    with fleet(release, tmp_path) as (daemon, light):
        took, rows = run(daemon, light, range(9), host_timeout=8, timeout=60)
        assert_truth(rows)
        assert took < 30
        assert all("8 s" in rows[number]["message"] for number in HUNG)
        wait_for("nothing but the server to run", lambda: len(daemon.units()) == 1)


def test_at_the_units_deadline(tmp_path):
    with fleet("debian", tmp_path) as (daemon, light):
        _took, rows = run(daemon, light, range(9), timeout=12, connect_timeout=30)
        assert_truth(rows)
        assert all("deadline" in rows[number]["message"] for number in HUNG)
        wait_for("nothing but the server to run", lambda: len(daemon.units()) == 1)


def test_a_peer_that_is_silent_is_a_timeout_where_ansible_says_unreachable(tmp_path):
    with fleet("debian", tmp_path) as (daemon, light):
        took, rows = run(daemon, light, [0, 1], connect_timeout=5, timeout=60)
        assert (rows[1]["status"], rows[1]["phase"]) == ("timeout", "banner"), rows[1]
        assert "timed out" in rows[1]["message"] and rows[0]["status"] == "ok"
        assert took < 30


def test_with_fewer_forks_than_hosts_a_hung_one_gives_its_place_to_the_next(tmp_path):
    with fleet("debian", tmp_path, forks=1) as (daemon, light):
        took, rows = run(daemon, light, [5, 0, 1, 7], host_timeout=6, timeout=60)
        assert took < 30
        assert [rows[number]["status"] for number in (5, 0, 1, 7)] == ["timeout", "ok", "timeout", "ok"]


def test_who_was_not_begun_at_the_deadline_says_so(tmp_path):
    with fleet("debian", tmp_path, forks=1) as (daemon, light):
        _took, rows = run(daemon, light, [5, 0], timeout=10)
        assert (rows[5]["status"], rows[5]["phase"]) == ("timeout", "execution")
        assert (rows[0]["status"], rows[0]["phase"]) == ("timeout", "waiting")
        assert "not begun" in rows[0]["message"]


def test_a_fanout_is_held_and_every_host_has_its_turn(tmp_path):
    """Two at once of a unit of four."""
    with fleet("debian", tmp_path) as (daemon, light):
        _took, rows = run(daemon, light, WELL + [REFUSED], fanout=2, timeout=60)
        assert {row["status"] for number, row in rows.items() if number != REFUSED} == {"ok"}
        assert light.counts()["commands"] == 3
        spans = [(row["started_at"], row["finished_at"]) for row in rows.values()]
        assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) == 2


def test_after_too_many_failures_no_further_host_is_touched(tmp_path):
    with fleet("debian", tmp_path) as (daemon, light):
        hosts = [light.address(number) for number in [REFUSED, *WELL]]
        task = daemon.submit("adhoc", hosts, {"module": "raw", "args": "host"}, fanout=1, max_failed=0, timeout=60)
        assert daemon.wait(task)["state"] == "aborted"
        rows = {row["host"]: row["status"] for row in daemon.results(task)}
        assert rows[hosts[0]] == "unreachable" and {rows[host] for host in hosts[1:]} == {"cancelled"}
        assert light.counts()["commands"] == 0


def test_a_cancelled_task_leaves_nothing(tmp_path):
    with fleet("debian", tmp_path) as (daemon, light):
        task = daemon.submit("adhoc", [light.address(5), light.address(0)], {"module": "raw", "args": "host"}, timeout=60)
        wait_for("the healthy host's result", lambda: daemon.task(task)["counts"]["ok"] == 1, 30)
        daemon.post(f"/v1/tasks/{task}/cancel")
        assert daemon.wait(task)["counts"]["cancelled"] == 1
        wait_for("nothing but the server to run", lambda: len(daemon.units()) == 1)


@pytest.mark.parametrize("python", ["empty", "absent"])
def test_a_python_without_ansible_is_one_clear_error(tmp_path, python):
    """And it is tried again: what is installed later is found without a restart."""
    path = tmp_path / "python"
    library = tmp_path / "library"
    library.mkdir()
    path.write_text(f"#!/bin/sh\nPYTHONPATH={library} exec /usr/bin/python3 -S -E \"$@\"\n" if python == "absent" else
                    f"#!/bin/sh\nPYTHONPATH={library} exec /usr/bin/python3 -S \"$@\"\n", encoding="utf-8")
    path.chmod(0o755)
    with fleet("debian", tmp_path) as (daemon, light):
        daemon.config["executors"][0]["python"] = str(path)
        daemon.stop()
        daemon.write_config()
        daemon.start()
        took, rows = run(daemon, light, [0], timeout=60)
        assert rows[0]["status"] == "failed" and "cannot load Ansible" in rows[0]["message"] and took < 20
        if python == "empty":
            for name in os.listdir("/usr/lib/python3/dist-packages"):
                os.symlink(f"/usr/lib/python3/dist-packages/{name}", library / name)
            assert run(daemon, light, [0], timeout=60)[1][0]["status"] == "ok"
