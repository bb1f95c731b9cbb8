"""What simulated hosts saw themselves, held against what Drover says of them: an oracle outside the database.

Each host keeps a file that it locks while it is executed; a lock that was refused is an overlap (plugins/sim/oracle.h).
"""

import dataclasses
import os

FINAL_STATUSES = {"ok", "failed", "unreachable", "timeout", "skipped", "cancelled", "expired", "lost"}


class Violation(AssertionError):
    """Something that must never be was seen. `facts`: what to look at."""


@dataclasses.dataclass
class Start:
    unit: int
    attempt: int
    pid: int
    at: float
    ended: str = ""


def read(folder):
    """({host: its starts in order}, lines of overlaps) of one task's folder."""
    hosts, overlaps = {}, []
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            lines = f.read().splitlines()
        if name == "overlaps":
            overlaps = lines
            continue
        starts = hosts.setdefault(name, [])
        for line in lines:
            words = line.split()
            if words[0] == "start":
                starts.append(Start(int(words[2]), int(words[3]), int(words[4]), int(words[5]) / 1000))
            elif starts and starts[-1].pid == int(words[4]):
                starts[-1].ended = words[6]
    return hosts, overlaps


def check(task, hosts, rows, verification, folder, rerun):
    """Every host once, with one final status that its own file bears out. Returns the rows that are `lost`."""
    seen, overlaps = read(folder)
    if overlaps:
        raise Violation(f"task {task}: hosts were executed twice at a time: {overlaps[:5]}")
    by_host = {row["host"]: row for row in rows}
    if len(rows) != hosts or len(by_host) != hosts:
        raise Violation(f"task {task}: {len(rows)} rows of {len(by_host)} hosts, not {hosts}")
    if not verification["ok"]:
        raise Violation(f"task {task}: {verification}")
    for host, row in by_host.items():
        starts = seen.get(host, [])
        facts = f"task {task} host {host}: {starts} {row}"
        if row["status"] not in FINAL_STATUSES:
            raise Violation(f"no final status: {facts}")
        if starts and not (row["started_at"] or row.get("late")):
            raise Violation(f"begun without an intent: {facts}")
        if any(start.attempt > row["attempt"] for start in starts):
            raise Violation(f"begun by an attempt that the store does not know: {facts}")
        if [s.attempt for s in starts] != sorted({s.attempt for s in starts}):
            raise Violation(f"begun twice by one attempt, or by an older one later: {facts}")
        if len(starts) > 1 and not rerun:
            raise Violation(f"begun twice: {facts}")
        if row["status"] == "ok" and not any(start.ended == "ok" for start in starts):
            raise Violation(f"ok, and it never ended so: {facts}")
    return [row for row in rows if row["status"] == "lost"]
