"""What simulated hosts saw themselves, held against what Drover says of them: an oracle outside the database.

Each host keeps a file that it locks while it is executed; a lock that was refused is an overlap (plugins/sim/oracle.h).
"""

import dataclasses
import datetime
import os

FINAL_STATUSES = {"ok", "failed", "unreachable", "timeout", "skipped", "cancelled", "expired", "lost"}
SLACK = 1.0  # s, between this machine's clock and what a node takes for the database's


class Violation(AssertionError):
    """Something that must never be was seen. `facts`: what to look at."""


@dataclasses.dataclass
class Start:
    host: str
    unit: int
    attempt: int
    pid: int
    at: float
    ended: str = ""


@dataclasses.dataclass
class Overlap:
    """Somebody wanted to begin a host whose lock `holder` had."""
    host: str
    attempt: int
    pid: int
    at: float
    holder: Start = None


class Strict:
    """Nothing is excused. Others say of what they know to have done themselves that it explains something."""

    def overlap(self, overlap):
        return False

    def late_start(self, start):
        """Of a host that was begun when its attempt had ended."""
        return False


def moment(text):
    """Seconds since 1970 of an RFC 3339 time; 0: there is none."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else 0.0


def read_host(folder, host):
    starts = []
    with open(os.path.join(folder, host), encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if words[0] == "start":
                starts.append(Start(host, int(words[2]), int(words[3]), int(words[4]), int(words[5]) / 1000))
            elif starts and starts[-1].pid == int(words[4]):
                starts[-1].ended = words[6]
    return starts


def read_overlaps(folder, hosts):
    found = []
    with open(os.path.join(folder, "overlaps"), encoding="utf-8") as f:
        for line in f:
            words = line.split()
            overlap = Overlap(words[0], int(words[3]), int(words[4]), int(words[5]) / 1000)
            before = [s for s in hosts.get(overlap.host, []) if s.at <= overlap.at]
            overlap.holder = before[-1] if before else None
            found.append(overlap)
    return found


def read(folder):
    """({host: its starts in order}, the overlaps) of one task's folder."""
    names = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    hosts = {name: read_host(folder, name) for name in names - {"overlaps"}}
    return hosts, read_overlaps(folder, hosts) if "overlaps" in names else []


def check_starts(row, starts, rerun, excuses):
    """What is wrong with one host's starts, or ""."""
    final, began = moment(row["finished_at"]), moment(row["started_at"])
    late = [s for s in starts if s.at > final + SLACK]
    if late and not all(excuses.late_start(start) for start in late):
        return "begun when it was final"
    starts = [s for s in starts if s not in late]
    if starts and not (began or row.get("late")):
        return "begun without an intent"
    if any(s.attempt > row["attempt"] for s in starts):
        return "begun by an attempt that the store does not know"
    if any(s.attempt == row["attempt"] and s.at < began - SLACK for s in starts):
        return "begun before its intent"
    in_order = [s for i, s in enumerate(starts)
                if not any(s.attempt < e.attempt for e in starts[:i]) or not excuses.late_start(s)]
    if [s.attempt for s in in_order] != sorted({s.attempt for s in in_order}):
        return "begun twice by one attempt, or by an older one later"
    if len(starts) > 1 and not rerun:
        return "begun twice"
    if row["status"] == "ok" and not any(s.ended == "ok" and s.attempt == row["attempt"] for s in starts):
        return "ok, and that attempt never ended so"
    return ""


def check(task, hosts, rows, verification, folder, rerun, excuses=Strict()):
    """Every host once, with one final status that its own file bears out. Returns (the rows that are `lost`, what the
    hosts saw)."""
    seen, overlaps = read(folder)
    unexplained = [o for o in overlaps if not (rerun and excuses.overlap(o))]
    if unexplained:
        raise Violation(f"task {task}: hosts were executed twice at a time: {unexplained[:5]}")
    by_host = {row["host"]: row for row in rows}
    if len(rows) != hosts or len(by_host) != hosts:
        raise Violation(f"task {task}: {len(rows)} rows of {len(by_host)} hosts, not {hosts}")
    if not verification["ok"]:
        raise Violation(f"task {task}: {verification}")
    for host, row in by_host.items():
        starts = seen.get(host, [])
        if row["status"] not in FINAL_STATUSES:
            raise Violation(f"task {task} host {host}: no final status: {starts} {row}")
        wrong = check_starts(row, starts, rerun, excuses)
        if wrong:
            raise Violation(f"task {task} host {host}: {wrong}: {starts} {row}")
    return [row for row in rows if row["status"] == "lost"], seen
