"""A thousand ssh hosts, 5 % of which drop, refuse, lie, crawl or flood: the others never notice."""

import os

import pytest
from daemon import BUILD, PATIENCE, Daemon, pss_kb
from fleet.light import PHASES, Light, flood
from thousand import HOSTS, Herd, ill_hosts, took

# What a host does; the statuses and phases that may be told; a part of the message.
GONE = {  # a connection that ends; a reset may outrun what was sent before it
    "accept": ("unreachable", {"banner", "connect"}, ""),
    "banner": ("unreachable", {"key exchange", "banner", "connect"}, ""),
    "key exchange": ("unreachable", {"key exchange", "banner"}, ""),
    "authentication": ("unreachable", {"authentication", "key exchange"}, ""),
    "channel": ("unreachable", {"execution", "authentication"}, ""),
    "exec": ("lost", {"execution"}, "outcome is unknown"),
    "in its output": ("lost", {"execution"}, "outcome is unknown"),
}
DROPS = [({"at": at, "do": how} if at in PHASES else {"command": f"flood 5000; {how}"}, *told)
         for at, told in GONE.items() for how in ("close", "reset")]
DROPS.append(({"at": "exit", "do": "close", "command": "echo done; exit 3"}, "failed", {None}, "connection was lost after"))
REFUSALS = [
    ({"other_key": True}, "unreachable", {"key exchange"}, "HAS CHANGED"),
    ({"login": "refused"}, "unreachable", {"authentication"}, "(refused)"),
    ({"login": "refused", "many_methods": True}, "unreachable", {"authentication"}, "(refused)"),
    ({"login": "more"}, "unreachable", {"authentication"}, "it wants more than"),
    ({"refuse": "channel"}, "failed", {"execution"}, "refused to open a session"),
    ({"refuse": "exec"}, "failed", {"execution"}, "refused to run the command"),
    ({"banner": "HTTP/1.1 400 Bad Request\r\n\r\n"}, "timeout", {"banner"}, "greeting"),
    ({"banner": "SSH-1.5-ancient\r\n"}, "unreachable", {"banner", "key exchange"}, ""),
    ({"banner": "SSH-2.0-x\r\nno packet of the protocol" + 40 * "!"}, "unreachable", {"key exchange"}, ""),
]
SLOW = [
    ({"banner": f"SSH-2.0-crawling-{'x' * 150}\r\n", "rate": 1}, "timeout", {"banner"}, "greeting"),
    ({"command": f"echo a word and {'more ' * 30}words", "rate": 1}, "timeout", {"execution"}, "host_timeout"),
    ({"command": "read", "rate": 1}, "timeout", {"execution"}, "host_timeout"),
    ({"at": "exec", "do": "stall"}, "timeout", {"execution"}, "waiting for the command to be started"),
]
SANITIZED = os.environ.get("DROVER_SANITIZED")  # it keeps what was freed: memory says nothing
LONG = f"{100 * PATIENCE:g}s"
GROUPS = {"none": [], "drops": DROPS, "refusals": REFUSALS, "slow": SLOW,
          "floods": [({"command": "flood 0"}, "timeout", {"execution"}, "host_timeout"),
                     ({"command": "flood 0 line"}, "timeout", {"execution"}, "host_timeout")]}


def first_of(group):
    return list(GROUPS).index(group) * HOSTS


def kinds_of(group):
    """Number of each host that is not well: what it does and what must be told."""
    return {number: GROUPS[group][i % len(GROUPS[group])] for i, number in enumerate(ill_hosts(first_of(group)))}


@pytest.fixture(scope="module", name="herd")
def make_herd():
    hosts = {number: kind[0] for group in GROUPS if GROUPS[group] for number, kind in kinds_of(group).items()}
    with Herd(len(GROUPS), hosts, crowded=True) as herd:
        yield herd


def run_group(herd, group, **more):
    """Runs it on its thousand hosts; gives the rows, the task, and the hosts that are not well with what must be told."""
    ill = {herd.light.addresses[number]: kind for number, kind in kinds_of(group).items()}
    rows, task = herd.run(herd.thousand(list(GROUPS).index(group)), **more)
    for host, (does, status, phases, words) in ill.items():
        row = rows[host]
        assert row["status"] == status and row["phase"] in phases, (does, row)
        assert words in (row["message"] or ""), (does, row)
    return rows, task, ill


@pytest.mark.parametrize("group", ["drops", "refusals"])
def test_hosts_that_end_the_connection(herd, group):
    rows, task, ill = run_group(herd, group)
    herd.check_others(rows, task, ill)
    if group == "drops":  # and none of these costs anybody time
        assert took(task, rows.values()) < herd.limit
        for host, (does, *_) in ill.items():
            if does.get("command", "").startswith("echo done"):
                assert rows[host]["rc"] == 3 and rows[host]["stdout"] == "done\n", rows[host]


def test_hosts_that_crawl(herd):
    rows, task, ill = run_group(herd, "slow", payload={"command": "host", "stdin": "x" * 50_000})
    herd.check_others(rows, task, ill)
    for host, (does, *_) in ill.items():
        if does.get("command", "").startswith("echo"):
            assert rows[host]["stdout"] and does["command"][5:].startswith(rows[host]["stdout"]), rows[host]


def memory(daemon):
    """MB of all of the daemon's processes together."""
    return sum(pss_kb(pid) for pid in daemon.everything()) / 1024


def test_hosts_that_print_without_end(herd):
    """5 % of the hosts print as fast as they can until their time is over."""
    rows, task, ill = run_group(herd, "floods", output_limit=10_000)
    well = [row for host, row in rows.items() if host not in ill]
    assert all(row["status"] == "ok" and row["stdout"] == f"{row['host']}\n" for row in well)
    # Two processors are busy with the floods; but nobody waits for these to end.
    assert took(task, well) < herd.limit + 2 * PATIENCE
    for host, (does, *_) in ill.items():
        row = rows[host]
        kind = "line" if "line" in does["command"] else "lines"
        assert row["truncated"] and row["stdout_bytes"] > 1_000_000, row
        check_ends(herd.daemon, task["id"], host, row["stdout_bytes"], kind, 10_000)
        assert row["remote_process"] == "dead", row


def check_ends(daemon, task, host, size, kind, limit):
    """What is kept is the head and the tail of a flood of `size` bytes."""
    answer, kept = daemon.request("GET", f"/v1/tasks/{task}/hosts/{host}/stdout", raw=True)
    assert answer.status == 200 and len(kept) == limit
    half = limit - limit // 2
    assert kept[:half] == flood(half, kind), "the head is another one"
    assert kept[half:] == flood(size, kind, size - limit // 2), "the tail is another one"


@pytest.mark.parametrize("size,kind", [(1_000_000_000, "lines"), (100_000_000, "line"), (20_000_000, "binary")])
def test_one_host_that_prints_much(size, kind):
    with Light(os.path.join(BUILD, "tests/light_sshd"), 30, {7: {"command": f"flood {size} {kind}"}}) as light:
        with Daemon({"executors": [light.executor()]}) as daemon:
            before = memory(daemon)
            task = daemon.submit("shell", light.addresses, {"command": "host"}, timeout=LONG)
            most = 0
            while daemon.task(task)["state"] not in ("done", "aborted"):
                most = max(most, memory(daemon) - before)
            assert daemon.wait(task)["outcome"] == "ok"
            rows = {row["host"]: row for row in daemon.results(task)}
            loud = light.addresses[7]
            assert rows[loud]["stdout_bytes"] == size and rows[loud]["truncated"], rows[loud]
            check_ends(daemon, task, loud, size, kind, 65536)
            well = [row for host, row in rows.items() if host != loud]
            assert all(row["stdout"] == f"{row['host']}\n" for row in well)
            if size >= 100_000_000:  # less is over in the time that results are gathered for one commit
                assert took(daemon.task(task), well) < took(daemon.task(task), rows.values())
            assert SANITIZED or most < 30, f"{most} MB more"
            daemon.verify(task)


def test_a_thousand_hosts_that_print_a_megabyte_each():
    with Light(os.path.join(BUILD, "tests/light_sshd"), HOSTS) as light:
        with Daemon({"executors": [light.executor()]}) as daemon:
            before, most = memory(daemon), 0
            task = daemon.submit("shell", light.nodeset(), {"command": "flood 1000000"}, timeout=LONG)
            while daemon.task(task)["state"] not in ("done", "aborted"):
                most = max(most, memory(daemon) - before)
            assert daemon.wait(task)["outcome"] == "ok"
            rows = daemon.results(task)
            assert len(rows) == HOSTS and all(row["stdout_bytes"] == 1_000_000 and row["truncated"] for row in rows)
            for row in rows[::97]:
                check_ends(daemon, task, row["host"], 1_000_000, "lines", 65536)
            assert SANITIZED or most < 150, f"{most} MB more"
            daemon.verify(task)
