"""Kills, stops and continues whatever a cluster is made of, at random, while tasks come in; and asks for the truth, of
each task when it has ended and of all at the end.

Nothing that was acknowledged may be lost, nothing may run twice at a time, each host ends once, and is `lost` only where
a fault of ours explains it (excuses.py). A run's choices follow from its seed.
"""

import contextlib
import os
import random
import re
import shutil
import signal
import threading
import time
import zlib

from cluster import Away
from daemon import FINAL, PATIENCE, Problem

import witness
from excuses import Excuses, Hit
from witness import Violation

NODE_PARTS = ["supervisor", "core", "executor: sim", "units", "all"]
HOSTS = 3000
KILLS_A_TASK = 12  # at most, of those that were acknowledged
# What tasks ask of their hosts: short ones; some at a time, so that hosts are begun all the while; a few that last
# longer than it takes to be taken over from; hosts that are asked for one by one.
KINDS = [
    {"payload": {"latency": "0-400ms"}},
    {"payload": {"latency": "100-500ms", "step": 6}},
    {"payload": {"latency": "0-400ms", "hang": 0.01}, "host_timeout": "8s"},
    {"payload": {"latency": "0-300ms"}, "fanout": 900, "on_lost": "report"},
]
# The numbers of the statuses in the store.
STATUSES = ["pending", "running", "ok", "failed", "unreachable", "timeout", "skipped", "cancelled", "expired", "lost"]
DIGESTS = ("SELECT t.id, h.digest FROM tasks t JOIN (SELECT task, BIT_XOR(CRC32(CONCAT(name, ' ', status, ' ', attempt)))"
           " AS digest FROM hosts GROUP BY task) AS h ON h.task = t.`key`")


def digest(rows):
    """As DIGESTS has it."""
    found = 0
    for row in rows:
        found ^= zlib.crc32(f"{row['host']} {STATUSES.index(row['status'])} {row['attempt']}".encode())
    return found


class Known:
    """A task as we know it."""

    def __init__(self, name, hosts, rerun, folder):
        self.name, self.hosts, self.rerun, self.folder = name, hosts, rerun, folder
        self.acked = self.final = self.removed = False
        self.judged_at = self.digest = self.lost = None


class Chaos:
    """`kills`: how many; stops come beside them. `pause`: between faults, s; `hold`: how long something is stopped, s."""

    def __init__(self, cluster, seed, kills, pause=(0.2, 1.4), hold=(3.2, 8.0), hosts=HOSTS, kinds=None, open_tasks=4,
                 parts=None, stops=0.3, servers=0.12):
        self.cluster, self.wanted, self.pause, self.hold = cluster, kills, pause, hold
        self.hosts, self.kinds, self.open_tasks = hosts, kinds or KINDS, open_tasks
        self.parts, self.share_of_stops, self.share_of_servers = parts or NODE_PARTS, stops, servers
        self.choose, self.choose_task = random.Random(seed), random.Random(seed + 1)
        self.tasks = {}
        self.excuses = Excuses()
        self.kills = self.stops = self.reads = 0
        self.ended = threading.Event()
        self.broken = None  # the first violation that a thread saw
        self.timers, self.restarts = [], []
        self.waits = 45 * PATIENCE  # s: so long faults may wait for tasks, in all
        self.busy = threading.Semaphore(1)  # one server at a time is away
        self.began = time.monotonic()
        self.times = {}

    # ------------------------------------------------------------------------------------ the load

    def entry(self):
        return self.choose_task.choice(self.cluster.distributors)

    def submit_one(self, number):
        name, kind = f"t{number}", self.choose_task.choice(self.kinds)
        on_lost = kind.get("on_lost") or ("rerun" if self.choose_task.random() < 0.5 else "report")
        folder = os.path.join(self.cluster.locks, name)
        os.mkdir(folder, 0o777)
        os.chmod(folder, 0o777)
        known = self.tasks[name] = Known(name, self.hosts, on_lost == "rerun", folder)
        answer = self.entry().ask("POST", "/v1/tasks", {
            "id": name, "type": "sim", "hosts": f"{name}-[0001-{self.hosts:04d}]", "timeout": "60s",
            **kind, "on_lost": on_lost, "priority": self.choose_task.choice([10, 50, 90]),
            "payload": {**kind["payload"], "lock_dir": folder}}, timeout=30)
        if answer and answer[0] < 300:
            known.acked = True
        elif answer and answer[0] < 500 and answer[0] != 429:
            raise Violation(f"task {name} was refused: {answer}")

    def load(self):
        number = 0
        while not self.ended.is_set():
            if sum(not t.final for t in self.tasks.values() if t.acked) < self.open_tasks:
                number += 1
                self.submit_one(number)
            self.ended.wait(self.choose_task.uniform(0.1, 1.0))

    def read_one(self, known):
        """Counts add up whenever they are read; an acknowledged task is always there."""
        answer = self.entry().ask("GET", f"/v1/tasks/{known.name}")
        if answer and answer[0] < 500:
            self.take_shown(known, *answer)

    def take_shown(self, known, status, shown):
        """False: it is not there, and need not be."""
        if status == 404:
            if known.acked:
                raise Violation(f"task {known.name} was acknowledged and is gone")
            return False
        if sum(shown["counts"].values()) != shown["hosts_total"] or shown["hosts_total"] != known.hosts:
            raise Violation(f"the counts of task {known.name} do not add up: {shown}")
        if known.final and shown["state"] not in FINAL:
            raise Violation(f"task {known.name} had ended and is {shown['state']} again")
        known.final = shown["state"] in FINAL
        self.reads += 1
        return True

    def read(self):
        while not self.ended.is_set():
            for known in list(self.tasks.values()):
                if not known.final or self.choose_task.random() < 0.05:
                    self.read_one(known)
            self.ended.wait(0.2)

    def guarded(self, work):
        def run():
            try:
                work()
            except BaseException as error:  # pylint: disable=broad-exception-caught
                self.broken = self.broken or error
                self.ended.set()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    # ----------------------------------------------------------------------------------- the faults

    def servers(self):
        return {name: server for name, server in (("database", self.cluster.database), ("broker", self.cluster.broker))
                if server}

    def later(self, seconds, work):
        timer = threading.Timer(seconds, work)
        timer.daemon = True
        timer.start()
        self.timers.append(timer)

    def hit(self, number, where, part="", seconds=0.0, **more):
        now = time.time()
        self.excuses.add(Hit(where, part, number, now, now + seconds, **more))
        print(f"{time.monotonic() - self.began:8.2f} {number.name} {where} {part}" +
              (f" for {seconds:.1f} s" if seconds else ""), flush=True)

    def server_fault(self, name, stop, seconds):
        server = self.servers()[name]
        if not self.busy.acquire(blocking=False):
            return False
        if stop:
            self.hit(signal.SIGSTOP, name, seconds=seconds)
            server.pause()

            def go_on():
                server.resume()
                self.busy.release()
            self.later(seconds, go_on)
        else:
            self.hit(signal.SIGKILL, name)

            def restart():
                try:
                    server.kill()
                    server.start()
                finally:
                    self.busy.release()
            self.restarts.append(self.guarded(restart))
        return True

    def stop_part(self, node, part, pids, seconds):
        """What its processes have begun before they stood still is stopped, too."""
        units = set(node.pids("units"))
        self.hit(signal.SIGSTOP, node.name, part, seconds, pids=set(pids), units=units)
        reached = node.signal_pids(pids, signal.SIGSTOP)
        while part == "all":
            new = [pid for pid in node.pids("all") if pid not in reached]
            if not new:
                break
            self.excuses.hits[-1].pids.update(new)
            reached += node.signal_pids(new, signal.SIGSTOP)

        def go_on(hit=self.excuses.hits[-1]):
            node.resume_pids(reached)
            hit.until = time.time()
        self.later(seconds, go_on)
        return bool(reached)

    def node_fault(self, node, part, stop, seconds):
        pids = node.pids(part)
        if not pids:
            return False
        if part == "units":
            pids = [self.choose.choice(sorted(pids))]
        if stop:
            return self.stop_part(node, part, pids, seconds)
        self.hit(signal.SIGKILL, node.name, part, pids=set(pids))
        return bool(node.signal_pids(pids, signal.SIGKILL))

    def fault(self):
        """One fault of random kind; False where there was nothing to hit."""
        stop, seconds = self.choose.random() < self.share_of_stops, self.choose.uniform(*self.hold)
        place = self.choose.random()
        node, part = self.choose.choice(self.cluster.nodes), self.choose.choice(self.parts)
        server = self.choose.choice(sorted(self.servers()))
        if place < self.share_of_servers:
            done = self.server_fault(server, stop, seconds)
        else:
            done = self.node_fault(node, part, stop, seconds)
        self.stops += done and stop
        self.kills += done and not stop
        return done

    # -------------------------------------------------------------------------------------- the run

    def run(self):
        threads = [self.guarded(self.load), self.guarded(self.read), self.guarded(self.judge_as_they_end)]
        try:
            while self.kills < self.wanted and not self.ended.wait(self.choose.uniform(*self.pause)):
                self.await_work()
                for _ in range(5):
                    if self.fault():
                        break
        finally:
            self.ended.set()
            self.note("faults")
            for thread in threads:
                thread.join(90)
            self.heal()
            self.note("healed")
        if self.broken:
            raise self.broken
        self.judge_the_rest()
        self.note("ended")
        self.compare()
        self.note("compared")
        return self.summary()

    def await_work(self):
        """Faults that come faster than a slow machine begins anew would strike nothing that works."""
        while self.kills > KILLS_A_TASK * sum(t.acked for t in self.tasks.values()) and self.waits > 0:
            self.waits -= 0.1
            if self.ended.wait(0.1):
                return

    def note(self, what):
        self.times[what] = round(time.monotonic() - self.began)

    def heal(self):
        for timer in self.timers:
            timer.cancel()
        self.cluster.resume()
        for hit in self.excuses.hits:
            hit.until = min(hit.until, time.time())
        for server in self.servers().values():
            with contextlib.suppress(OSError):
                server.resume()
        for thread in self.restarts:
            thread.join(90 * PATIENCE)
        for server in self.servers().values():
            if server.process.poll() is not None:
                server.start()

    def summary(self):
        known = self.tasks.values()
        return {"kills": self.kills, "stops": self.stops, "tasks": len(known), "acknowledged": sum(t.acked for t in known),
                "lost hosts": sum(t.lost or 0 for t in known), "excused overlaps": len(self.excuses.overlaps),
                "reads": self.reads, "seconds": self.times}

    # ---------------------------------------------------------------------------------- the judgement

    def judge(self, known):
        """A task that is final. Raises Violation."""
        began = time.time()
        rows = self.cluster.results(known.name, "&output=false")
        verification = self.cluster.get(f"/v1/tasks/{known.name}/verify", timeout=30)
        lost, seen = witness.check(known.name, known.hosts, rows, verification, known.folder, known.rerun, self.excuses)
        for row in lost:
            why = self.excuses.lost(row, seen)
            if why:
                raise Violation(f"lost, and {why}: task {known.name} {row} {seen.get(row['host'])}")
        known.lost, known.digest, known.judged_at = len(lost), digest(rows), began

    def judge_as_they_end(self):
        while not self.ended.is_set():
            for known in list(self.tasks.values()):
                if known.final and known.judged_at is None and not self.ended.is_set():
                    with contextlib.suppress(Away, Problem):  # later, then
                        self.judge(known)
                elif known.judged_at and known.judged_at < time.time() - 3 * self.hold[1]:
                    with contextlib.suppress(Away, Problem):
                        self.look_again(known)
            self.ended.wait(0.5)

    def judge_the_rest(self):
        """Everything is well again: each task ends, and is as it should be."""
        end = time.monotonic() + 120 * PATIENCE
        left = [known for known in self.tasks.values() if known.judged_at is None]
        while left:
            for known in list(left):
                if not self.take_shown(known, *self.cluster.ask("GET", f"/v1/tasks/{known.name}")):
                    left.remove(known)
                elif known.final:
                    self.judge(known)
                    left.remove(known)
                elif time.monotonic() > end:
                    units = self.cluster.get(f"/v1/tasks/{known.name}/units")["items"]
                    open_units = [u for u in units if u["state"] != "done"]
                    raise Violation(f"task {known.name} does not end\n{len(open_units)} units: {open_units[:3]}")
            time.sleep(0.1)

    def look_again(self, known):
        """What has stood still when it was judged goes on by now: nothing of that task is begun any more."""
        if known.removed:
            return
        with os.scandir(known.folder) as entries:
            touched = any(entry.stat().st_mtime > known.judged_at for entry in entries)
        if touched:
            self.judge(known)
        shutil.rmtree(known.folder)  # many files; those of a failure stay
        known.removed = True

    def compare(self):
        """At the very end: no status has changed since, and no host was begun."""
        for node in self.cluster.nodes:
            crashed = re.search(r".* died after .*: killed by signal (?!9 ).*", node.log())
            if crashed:
                raise Violation(f"{node.name} crashed by itself: {crashed[0]}")
        now = {name: int(found) for name, found in self.cluster.database.sql(DIGESTS, "drover")}
        for known in self.tasks.values():
            if known.judged_at is None:
                continue
            if known.removed and os.path.exists(known.folder):
                raise Violation(f"hosts of task {known.name} were begun long after its end")
            self.look_again(known)
            if known.digest != now.get(known.name):
                raise Violation(f"task {known.name} was final, and its hosts are not what they were")

    def explain(self, error):
        """For who reads of a failure: what the database says of the task that it names."""
        found = re.search(r"\b(t\d+)\b", str(error))
        if not found:
            return ""
        with contextlib.suppress(Exception):
            key = self.cluster.database.sql(f"SELECT `key` FROM tasks WHERE id = '{found[1]}'", "drover")[0][0]
            task = self.cluster.database.query(f"SELECT * FROM tasks WHERE `key` = {key}\\G", "drover").stdout.decode()
            units = self.cluster.database.query(
                f"SELECT * FROM units WHERE task = {key} AND state <> 2 LIMIT 5\\G", "drover").stdout.decode()
            lives = self.cluster.database.query("SELECT * FROM incarnations ORDER BY id DESC LIMIT 20\\G",
                                                "drover").stdout.decode()
            return f"\n{task}\n{units}\n{lives}"
        return ""
