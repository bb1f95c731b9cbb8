"""What the faults that were made explain, and nothing else: a host that is `lost`, one that was wanted twice.

A host may be `lost` only where, between its intent and its end, the process that executed it was killed, or something
without which that process ends: its executor host, its core, its supervisor. Or where its core stood still for longer
than its lease. Nothing that happens to the database or to the broker is an excuse, nor that a supervisor, an executor host
or a unit's process stood still for a while: those go on where they were.
"""

import dataclasses
import signal

from daemon import PATIENCE

from witness import moment

# A process that is told to go on is ended within …, if others have its hosts by then.
ENDED = 1.0 * PATIENCE
# Who has lost what it depends on, or was stopped for too long, begins no host later than so (`stop_after` of the cluster).
AFTER = 2 * PATIENCE
ENDS_UNITS = {"supervisor", "core", "executor: sim", "all"}


@dataclasses.dataclass
class Hit:
    """A fault. `part` of node `where`; `pids` are those that it reached, `units` the unit processes of the node then."""
    where: str
    part: str
    number: signal.Signals
    begin: float
    until: float
    pids: set = dataclasses.field(default_factory=set)
    units: set = dataclasses.field(default_factory=set)

    def overlaps(self, begin, end):
        return self.begin <= end and begin <= self.until + AFTER

    def stops(self, *parts):
        return self.number == signal.SIGSTOP and self.part in parts


class Excuses:
    def __init__(self):
        self.hits = []
        self.overlaps = []  # those that were excused
        self.late = {}      # pid: the one host that it has begun too late

    def add(self, hit):
        self.hits.append(hit)

    # -------------------------------------------------------------------------------------- lost

    def lost(self, row, seen):
        """"" where a fault explains it, else what is wrong."""
        if row["started_at"] is None:
            return "it was never begun"
        begin, end = moment(row["started_at"]), moment(row["finished_at"])
        if begin > end:
            return "it had ended before it was begun"
        end += 1
        hits = [hit for hit in self.hits if hit.where == row["engine"] and hit.overlaps(begin, end)]
        if any(hit.number == signal.SIGKILL and hit.part in ENDS_UNITS or hit.stops("core", "all") for hit in hits):
            return ""
        killed = set().union(*(hit.pids for hit in hits if hit.part == "units" and hit.number == signal.SIGKILL))
        if killed and self.is_of(killed, row, seen):
            return ""
        return f"nothing had happened to it on {row['engine']}, only {[(h.number.name, h.part) for h in hits]}"

    def is_of(self, killed, row, seen):
        """Whether its unit's process is among them. One that had begun nothing yet is known by how it ended alone."""
        pids = {start.pid for host in seen.values() for start in host
                if (start.unit, start.attempt) == (row["unit"], row["attempt"])}
        return bool(pids & killed) if pids else "by signal 9" in row["message"]

    # -------------------------------------------------------------------- executed twice at a time

    def loose(self, pid, at):
        """Whether that unit process was out of everybody's reach: its executor host stood still, and with it its core, or
        that was killed. Nobody can end it then, and it is ended when they go on."""
        for hit in self.hits:
            if not hit.stops("executor: sim", "all") or pid not in hit.pids | hit.units:
                continue
            if not hit.begin <= at <= hit.until + ENDED:
                continue
            if hit.part == "all" or any(
                    other.where == hit.where and other.begin <= at and other.until + AFTER >= hit.begin and
                    (other.part in ("core", "all", "supervisor")) for other in self.hits):
                return True
        return False

    def overlap(self, overlap):
        if not overlap.holder or not self.loose(overlap.holder.pid, overlap.at):
            return False
        self.overlaps.append(overlap)
        return True

    def late_start(self, start):
        """Of all hosts of a unit whose process stood still, only the one that it was about to begin."""
        if self.late.setdefault(start.pid, (start.host, start.at)) != (start.host, start.at):
            return False
        return any(hit.stops("all", "units") and start.pid in hit.pids and hit.until <= start.at + 1 and
                   start.at <= hit.until + ENDED for hit in self.hits)
