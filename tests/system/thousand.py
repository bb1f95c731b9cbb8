"""A task on a thousand light ssh hosts of which 5 % are not well, and what must hold for all the others."""

from daemon import PATIENCE

HOSTS = 1000
EVERY = 20  # one host of 20 is not well: 5 %, at least one in each unit of 30
LIMIT = 2.5 * PATIENCE  # seconds that each phase may last, and a host in all
TIMEOUTS = {f"{phase}_timeout": f"{LIMIT * 1000:.0f}ms" for phase in ("connect", "banner", "kex", "auth", "channel")}


def ill_hosts(first=0):
    """Numbers of the hosts that are not well, among the thousand from `first` on."""
    return range(first + 7, first + HOSTS, EVERY)


def run(daemon, hosts, payload=None, **more):
    """A shell task; gives its rows by host, and the task."""
    more = {"host_timeout": f"{LIMIT * 1000:.0f}ms", "timeout": "60s", **more}
    task = daemon.submit("shell", hosts, payload or {"command": "host"}, **more)
    answer = daemon.wait(task, 60)
    daemon.verify(task)
    rows = {row["host"]: row for row in daemon.results(task)}
    assert len(rows) == answer["hosts_total"]
    return rows, answer


def seconds(stamp):
    clock = stamp[11:].rstrip("Z").split(":")
    return int(clock[0]) * 3600 + int(clock[1]) * 60 + float(clock[2])


def took(task, rows):
    """Seconds from the submission to the last of the rows' ends."""
    return (max(seconds(row["finished_at"]) for row in rows) - seconds(task["created_at"])) % 86400


def check_others(rows, task, ill, usual):
    """All but `ill` are final as if those were not there; `usual`: seconds without them."""
    well = [row for host, row in rows.items() if host not in ill]
    for row in well:
        assert row["status"] == "ok" and row["stdout"] == f"{row['host']}\n", row
    # Twice the time and half a second more; a hang that held up anybody would cost LIMIT at least.
    assert took(task, well) < min(2 * usual + 0.5 * PATIENCE, LIMIT), f"{took(task, well)}, without them {usual}"


def measure_usual(daemon, hosts):
    """Seconds until the last of them is final when all are well."""
    rows, task = run(daemon, hosts)
    for host in hosts:
        assert rows[host]["status"] == "ok" and rows[host]["stdout"] == f"{host}\n", rows[host]
    return took(task, rows.values())
