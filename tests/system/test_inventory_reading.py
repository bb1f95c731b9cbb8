"""When an inventory is read, by commands that misbehave: what was good stays, and nothing is left of them."""

import contextlib
import json
import os
import signal
import time

import pytest
from conftest import WAYS
from daemon import PATIENCE, Daemon, Problem, alive, cmdline, descendants, drover, wait_for
from inventories import configured, hosts_of, inventory, refused, rows_of, script, wait_state, write


def test_a_changed_file_is_read_at_once(tmp_path):
    hosts = tmp_path / "hosts"
    write(hosts, "[g]\na\n")
    with Daemon(configured(hosts, refresh="1h")) as daemon:
        wait_state(daemon, "ok")
        assert hosts_of(daemon, "@g") == ["a"]
        write(hosts, "[g]\na\nb\n")
        wait_for("the new host", lambda: daemon.get("/v1/groups/g")["hosts"] == "a,b")
        (tmp_path / "group_vars").mkdir()
        write(tmp_path / "group_vars" / "g.yaml", "ansible_user: late\n")

        def user():
            return rows_of(daemon, daemon.submit("sim", "a", {}))["a"]["user"] == "late"
        wait_for("its variables", user, every=0.3)


def test_refresh_and_hangup_read_a_script_again(tmp_path):
    answer = tmp_path / "answer"
    answer.write_text('{"g": {"hosts": ["a"]}}')
    source = script(tmp_path / "dynamic", f'[ "$1" = --list ] && cat {answer} || echo "{{}}"\n')
    config = configured(source, refresh="1h")
    with Daemon(config) as daemon:
        wait_state(daemon, "ok")
        assert hosts_of(daemon, "@g") == ["a"]
        answer.write_text('{"g": {"hosts": ["b"]}}')
        daemon.process.send_signal(signal.SIGHUP)
        wait_for("SIGHUP to have it read", lambda: daemon.get("/v1/groups/g")["hosts"] == "b")
        daemon.config["inventory"]["refresh"] = "1s"
        daemon.write_config()
        daemon.process.send_signal(signal.SIGHUP)
        answer.write_text('{"g": {"hosts": ["c"]}}')
        wait_for("the next refresh", lambda: daemon.get("/v1/groups/g")["hosts"] == "c")
        del daemon.config["inventory"]
        daemon.write_config()
        daemon.process.send_signal(signal.SIGHUP)
        wait_state(daemon, "none")
        assert "no inventory" in refused(daemon, "@g")["errors"][0]["detail"]


BROKEN = {
    "missing": (lambda folder: {"sources": [folder / "missing"]}, "ended with code"),
    "syntax": (lambda folder: {"sources": [write(folder / "hosts.yaml", "a: [broken\n")]}, "hosts.yaml"),
    "cycle": (lambda folder: {"sources": [write(folder / "hosts", "[a:children]\nb\n[b:children]\na\n")]}, "recursive"),
    "exit": (lambda folder: {"command": script(folder / "fake", "echo why it is >&2; exit 7\n")},
             "fake ended with code 7: why it is"),
    "signal": (lambda folder: {"command": script(folder / "fake", "kill -11 $$\n")}, "was killed by signal 11"),
    "not json": (lambda folder: {"command": script(folder / "fake", "echo '{\"g\": {\"hosts\": [\"a\"}}'\n")},
                 "printed no inventory: it is not JSON, at byte"),
    "half": (lambda folder: {"command": script(folder / "fake", "printf '{\"g\": {\"hosts\": [\"a\"]}'\n")},
             "it ends too early"),
    "a list": (lambda folder: {"command": script(folder / "fake", "echo '[]'\n")}, "it is no object"),
    "contains itself": (lambda folder: {"command": script(
        folder / "fake", "echo '{\"a\": {\"children\": [\"b\"]}, \"b\": {\"children\": [\"a\"]}}'\n")}, "contains itself"),
    "deep": (lambda folder: {"command": script(
        folder / "fake", "printf '{\"_meta\": {\"hostvars\": {\"a\": {\"x\": '; printf '[%.0s' $(seq 200)\n")}, "nesting too deep"),
    "endless": (lambda folder: {"command": script(folder / "fake", "exec yes '[\"a\",'\n")}, "output_limit"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_from_the_start(kind, tmp_path):
    """The daemon is up, says why, takes tasks without groups, refuses those with; nothing is left running."""
    make, reason = BROKEN[kind]
    options = make(tmp_path)
    with Daemon(configured(*options.pop("sources", ["/nowhere"]), **options)) as daemon:
        state = wait_state(daemon, "failed")
        assert reason in state["message"] and state["read_at"] is None, state
        assert daemon.get("/v1/engines")["items"][0]["inventory"]["state"] == "failed"
        assert hosts_of(daemon, "x1") == ["x1"]
        assert "cannot be read" in refused(daemon, "@web", 503)["detail"]
        with pytest.raises(Problem) as away:
            daemon.get("/v1/groups/web")
        assert away.value.status == 503
        core = daemon.parts()["core"]
        wait_for("nothing to be left", lambda: not descendants(core))
        assert daemon.log().count("inventory: it cannot be read") == 1


def test_a_failure_keeps_the_last_good_one(tmp_path):
    hosts = tmp_path / "hosts"
    write(hosts, "[g]\na\n")
    with Daemon(configured(hosts, refresh="1s")) as daemon:
        good = wait_state(daemon, "ok")
        write(hosts, "[g\n")
        stale = wait_state(daemon, "stale")
        assert stale["read_at"] >= good["read_at"] and stale["hosts"] == 1 and stale["message"]
        _, metrics = daemon.request("GET", "/metrics", raw=True)
        assert b"\ndrover_inventory_up 0\n" in metrics and b"\ndrover_inventory_hosts 1\n" in metrics
        assert stale["message"][:40] in drover("engines", daemon=daemon).stderr
        assert hosts_of(daemon, "@g") == ["a"]
        tried = stale["tried_at"]
        wait_for("two more tries", lambda: inventory(daemon)["tried_at"] > tried)
        tried = inventory(daemon)["tried_at"]
        wait_for("two more tries", lambda: inventory(daemon)["tried_at"] > tried)
        assert daemon.log().count("cannot be read, and stays as it was") == 1
        write(hosts, "[g]\na\nb\n")
        wait_state(daemon, "ok")
        assert hosts_of(daemon, "@g") == ["a", "b"]


def test_how_large_it_may_be_is_an_option(tmp_path):
    """Two hosts, three groups with ansible's own, four members: each limit in turn is one less."""
    hosts = tmp_path / "hosts"
    write(hosts, "[g]\na\nb\n")
    with Daemon(configured(hosts, hosts_limit=2, groups_limit=3, members_limit=4)) as daemon:
        wait_state(daemon, "ok")
        for option, least in (("hosts_limit", 1), ("groups_limit", 2), ("members_limit", 3)):
            daemon.config["inventory"] = {**configured(hosts)["inventory"], option: least}
            daemon.write_config()
            daemon.process.send_signal(signal.SIGHUP)
            wait_for(f"{option} to be kept to", lambda: f"{least} {option.split('_')[0]}" in (
                inventory(daemon)["message"] or "") and option in inventory(daemon)["message"])
        assert hosts_of(daemon, "@g") == ["a", "b"]


HANG = """
    echo $$ >> {pids}
    sleep 1000 & echo $! >> {pids}
    setsid sh -c 'echo $$ >> {pids}; trap "" TERM INT HUP; (sleep 1000 & echo $! >> {pids}; wait)' &
    [ -n "{daemonize}" ] && exec sleep 1000
    sleep 1000
"""


@pytest.mark.parametrize("way", WAYS)
def test_a_hang_is_ended_with_all_that_it_has_started(way, tmp_path):
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/pytest"):
            parent.chmod(0o755)
    pids = tmp_path / "pids"
    pids.touch()
    pids.chmod(0o666)
    source = script(tmp_path / "dynamic", HANG.format(pids=pids, daemonize="1"))
    with Daemon(configured(source, timeout=f"{6 * PATIENCE:g}s", refresh="1h"), **way) as daemon:
        wait_for("its processes", lambda: len(pids.read_text().split()) >= 4)
        started = [int(pid) for pid in pids.read_text().split()]
        assert hosts_of(daemon, "x1") == ["x1"]  # after at most five seconds: it is the first reading
        state = wait_state(daemon, "failed")
        assert "did not end in time" in state["message"]
        wait_for("all of them to be gone", lambda: not [pid for pid in started if alive(pid)], 10)
        core = daemon.parts()["core"]
        wait_for("nothing to be left", lambda: not descendants(core))
        assert daemon.log().count("core is up") == 1
        assert not os.path.exists(os.path.join(daemon.state, "inventory"))


def test_two_reloads_during_a_reading_cut_nobody_off(tmp_path):
    """The first one breaks the reading off, and its process takes its time: the descriptor of the conversation must
    not be shut down by the second one when it is already a client's."""
    def reload(times):
        daemon.process.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: daemon.log().count("the new configuration is in force") == times)

    source = script(tmp_path / "dynamic", "sleep 1000\n")
    with Daemon(configured(source, timeout="10m")) as daemon:
        core = daemon.parts()["core"]
        reader = wait_for("its process", lambda: next((p for p in descendants(core) if "--role=inventory" in cmdline(p)), 0))
        os.kill(reader, signal.SIGSTOP)
        try:
            reload(1)
            clients = [daemon.connection(60) for _ in range(30)]
            for again in (False, True):
                if again:
                    reload(2)
                for client in clients:
                    client.request("GET", "/-/ready")
                    answer = client.getresponse()
                    answer.read()
                    assert answer.status == 200
        finally:
            os.kill(reader, signal.SIGCONT)
        wait_for("the broken reading's process to be gone", lambda: not alive(reader))
        for client in clients:
            client.close()


@pytest.mark.parametrize("how", ["stop", "kill the core", "kill the supervisor"])
def test_nothing_outlives_the_daemon(how, tmp_path):
    pids = tmp_path / "pids"
    pids.touch()
    source = script(tmp_path / "dynamic", HANG.format(pids=pids, daemonize=""))
    with Daemon(configured(source, timeout="10m")) as daemon:
        wait_for("its processes", lambda: len(pids.read_text().split()) >= 4)
        started = [int(pid) for pid in pids.read_text().split()]
        if how == "stop":
            begun = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - begun < 20
        elif how == "kill the core":
            os.kill(daemon.parts()["core"], signal.SIGKILL)
        else:
            daemon.kill()
        wait_for("all of them to be gone", lambda: not [pid for pid in started if alive(pid)], 20)


def test_what_stays_behind_a_good_answer_is_ended(tmp_path):
    pids = tmp_path / "pids"
    command = script(tmp_path / "fake", f"""
        setsid sleep 1000 & echo $! > {pids}
        echo '{{"g": {{"hosts": ["a"]}}}}'
        """)
    with Daemon(configured("/nowhere", command=command)) as daemon:
        wait_state(daemon, "ok")
        assert hosts_of(daemon, "@g") == ["a"]
        wait_for("what stayed behind to be gone", lambda: not alive(int(pids.read_text())))


def test_a_large_inventory(tmp_path):
    """20 MB of JSON, of which the core gets what it uses; the daemon answers meanwhile."""
    hosts = [f"h{i:05}" for i in range(20000)]
    big = {"web": {"hosts": hosts}, "_meta": {"hostvars": {
        h: {"ansible_host": "10.0.0.1", "facts": {"text": "x" * 900, "n": [1, 2, 3]}} for h in hosts}}}
    answer = tmp_path / "answer"
    answer.write_text(json.dumps(big))
    assert answer.stat().st_size > 18_000_000
    command = script(tmp_path / "fake", f"cat {answer}\n")
    with Daemon({**configured("/nowhere", command=command), "capacity": {"hosts": 20000}}) as daemon:
        slowest = 0.0
        first = time.monotonic()
        end = first + 60
        while daemon.get("/v1/engines")["items"][0]["inventory"]["state"] == "reading":
            begun = time.monotonic()
            daemon.get("/-/ready")
            slowest = max(slowest, time.monotonic() - begun)
            assert time.monotonic() < end
        assert slowest < max(2, (time.monotonic() - first) / 2), slowest
        assert inventory(daemon)["hosts"] == 20000
        dry = daemon.post("/v1/tasks?dry_run=true", {"type": "sim", "hosts": "@web!h00007", "payload": {}})
        assert dry["hosts"] == 19999


def memory_of(pid):
    """What the process can write to, region by region; a sanitizer's own, which are huge, are left out."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
        regions = [line.split()[:2] for line in file]
    with open(f"/proc/{pid}/mem", "rb") as memory:
        for addresses, rights in regions:
            low, high = (int(x, 16) for x in addresses.split("-"))
            if rights.startswith("rw") and high - low <= 1 << 27:
                with contextlib.suppress(OSError):
                    memory.seek(low)
                    yield memory.read(high - low)


def test_secrets_never_reach_the_core(tmp_path):
    source = write(tmp_path / "hosts", "[web]\nw1 ansible_password=cAnArY-1 api_token=cAnArY-2 note=cAnArY-3\n")
    with Daemon(configured(source, vars="all")) as daemon:
        wait_state(daemon, "ok")
        canaries = {b"cAnArY-1": 0, b"cAnArY-2": 0, b"cAnArY-3": 0}
        for part in memory_of(daemon.parts()["core"]):
            for canary in canaries:
                canaries[canary] += part.count(canary)
        assert canaries.pop(b"cAnArY-3"), "the search would find it"
        assert not any(canaries.values()), canaries
