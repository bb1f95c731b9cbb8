"""Kills, stops and continues whatever a cluster is made of, at random, while tasks come in; and then asks for the truth.

Nothing that was acknowledged may be lost, nothing may run twice at a time, each host ends once. A run's choices follow
from its seed.
"""

import contextlib
import datetime
import os
import random
import re
import shutil
import signal
import threading
import time

from daemon import FINAL, PATIENCE

import witness
from witness import Violation

NODE_PARTS = ["supervisor", "core", "executor: sim", "units", "all"]
HOSTS = 3000


def moment(text):
    """Seconds since 1970 of an RFC 3339 time."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else 0.0


class Chaos:
    """`faults`: how many; `pause`: between them, s; `hold`: how long something is stopped, s."""

    def __init__(self, cluster, seed, faults, pause=(0.3, 2.5), hold=(3.2, 6.5), hosts=HOSTS, latency="0-400ms", open_tasks=4):
        self.cluster, self.faults, self.pause, self.hold = cluster, faults, pause, hold
        self.hosts, self.latency, self.open_tasks = hosts, latency, open_tasks
        self.choose, self.choose_task = random.Random(seed), random.Random(seed + 1)
        self.tasks = {}  # id: {"acked", "rerun", "state"}
        self.hits = []  # (from, until, node or server, what)
        self.kills = self.stops = self.reads = 0
        self.ended = threading.Event()
        self.broken = None  # the first violation that a thread saw
        self.timers = []
        self.began = time.monotonic()

    # ------------------------------------------------------------------------------------ the load

    def entry(self):
        return self.choose_task.choice(self.cluster.distributors)

    def submit_one(self, number):
        task, rerun = f"t{number}", self.choose_task.random() < 0.4
        folder = os.path.join(self.cluster.locks, task)
        os.mkdir(folder, 0o777)
        os.chmod(folder, 0o777)
        self.tasks[task] = {"acked": False, "rerun": rerun, "final": False}
        answer = self.entry().ask("POST", "/v1/tasks", {
            "id": task, "type": "sim", "hosts": f"{task}-[0001-{self.hosts:04d}]", "timeout": "60s",
            "on_lost": "rerun" if rerun else "report", "priority": self.choose_task.choice([10, 50, 90]),
            "payload": {"latency": self.latency, "lock_dir": folder}}, timeout=30)
        if answer and answer[0] < 300:
            self.tasks[task]["acked"] = True
        elif answer and answer[0] < 500 and answer[0] != 429:
            raise Violation(f"task {task} was refused: {answer}")

    def load(self):
        number = 0
        while not self.ended.is_set():
            waiting = sum(not t["final"] for t in self.tasks.values() if t["acked"])
            if waiting < self.open_tasks:
                number += 1
                self.submit_one(number)
            self.ended.wait(self.choose_task.uniform(0.1, 1.0))

    def read_one(self, task):
        """Counts add up whenever they are read; an acknowledged task is always there."""
        answer = self.entry().ask("GET", f"/v1/tasks/{task}")
        if not answer or answer[0] >= 500:
            return None
        if answer[0] == 404:
            if self.tasks[task]["acked"]:
                raise Violation(f"task {task} was acknowledged and is gone")
            return None
        shown = answer[1]
        if sum(shown["counts"].values()) != shown["hosts_total"] or shown["hosts_total"] != self.hosts:
            raise Violation(f"the counts of task {task} do not add up: {shown}")
        if self.tasks[task]["final"] and shown["state"] not in FINAL:
            raise Violation(f"task {task} had ended and is {shown['state']} again")
        self.tasks[task]["final"] = shown["state"] in FINAL
        self.reads += 1
        return shown

    def read(self):
        while not self.ended.is_set():
            for task in list(self.tasks):
                if not self.tasks[task]["final"] or self.choose_task.random() < 0.05:
                    self.read_one(task)
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

    def hit(self, what, where, seconds=0.0):
        now = time.time()
        self.hits.append((now, now + seconds, where, what))
        print(f"{time.monotonic() - self.began:8.2f} {what} {where}" + (f" for {seconds:.1f} s" if seconds else ""),
              flush=True)

    def server_fault(self, name, stop, seconds):
        server = self.servers()[name]
        if not self.busy.acquire(blocking=False):  # one server at a time is away
            return False
        if stop:
            self.hit("SIGSTOP", name, seconds)
            server.pause()

            def go_on():
                server.resume()
                self.busy.release()
            self.later(seconds, go_on)
        else:
            self.hit("SIGKILL", name)

            def restart():
                try:
                    server.kill()
                    server.start()
                finally:
                    self.busy.release()
            self.guarded(restart)
        return True

    def node_fault(self, node, part, stop, seconds):
        pids = node.pids(part)
        if not pids:
            return False
        if part == "units":
            pids = [self.choose.choice(sorted(pids))]
        number = signal.SIGSTOP if stop else signal.SIGKILL
        self.hit(number.name, f"{node.name} {part}", seconds if stop else 0.0)
        reached = node.signal_pids(pids, number)
        if stop:
            self.later(seconds, lambda: node.resume_pids(reached))
        return bool(reached)

    busy = None

    def fault(self):
        """One fault of random kind; False where there was nothing to hit."""
        stop, seconds = self.choose.random() < 0.3, self.choose.uniform(*self.hold)
        place = self.choose.random()
        node, part = self.choose.choice(self.cluster.nodes), self.choose.choice(NODE_PARTS)
        server = self.choose.choice(sorted(self.servers()))
        if place < 0.12:
            done = self.server_fault(server, stop, seconds)
        else:
            # All of a node stopped at once is no process that was stopped: nothing is left that could see to the rest.
            done = self.node_fault(node, "core" if stop and part == "all" else part, stop, seconds)
        self.stops += done and stop
        self.kills += done and not stop
        return done

    # -------------------------------------------------------------------------------------- the run

    def run(self):
        self.busy = threading.Semaphore(1)
        threads = [self.guarded(self.load), self.guarded(self.read)]
        try:
            while self.kills + self.stops < self.faults and not self.ended.wait(self.choose.uniform(*self.pause)):
                self.fault()
        finally:
            self.ended.set()
            for thread in threads:
                thread.join(90)
            self.heal()
        if self.broken:
            raise self.broken
        return self.judge()

    def heal(self):
        for timer in self.timers:
            timer.cancel()
        self.cluster.resume()
        for server in self.servers().values():
            with contextlib.suppress(OSError):
                server.resume()
        end = time.monotonic() + 90 * PATIENCE
        for server in self.servers().values():
            while server.process.poll() is not None and time.monotonic() < end:
                time.sleep(0.2)  # a restart is under way
            if server.process.poll() is not None:
                server.start()

    def judge(self):
        lost = 0
        for task, known in self.tasks.items():
            if not self.wait(task, known):
                continue
            rows = self.cluster.results(task, "&output=false")
            verification = self.cluster.get(f"/v1/tasks/{task}/verify", timeout=30)
            missing = witness.check(task, self.hosts, rows, verification,
                                    os.path.join(self.cluster.locks, task), known["rerun"])
            for row in missing:
                self.excuse(task, row)
            lost += len(missing)
            shutil.rmtree(os.path.join(self.cluster.locks, task))  # many files; those of a failure stay
        acked = sum(t["acked"] for t in self.tasks.values())
        return {"kills": self.kills, "stops": self.stops, "tasks": len(self.tasks), "acknowledged": acked, "lost hosts": lost,
                "reads": self.reads, "seconds": round(time.monotonic() - self.began)}

    def wait(self, task, known):
        """The task is final. False: it was not acknowledged, and is not there."""
        end = time.monotonic() + 120 * PATIENCE
        while True:
            status, shown = self.cluster.ask("GET", f"/v1/tasks/{task}?wait=2s")
            if status == 404:
                if known["acked"]:
                    raise Violation(f"task {task} was acknowledged and is gone")
                return False
            if sum(shown["counts"].values()) != shown["hosts_total"]:
                raise Violation(f"the counts of task {task} do not add up: {shown}")
            if shown["state"] in FINAL:
                return True
            if time.monotonic() > end:
                units = self.cluster.get(f"/v1/tasks/{task}/units")["items"]
                left = [u for u in units if u["state"] != "done"]
                raise Violation(f"task {task} does not end: {shown}\n{len(left)} units: {left[:3]}")

    def excuse(self, task, row):
        """A host is lost only where who executed it died, or was cut off."""
        began, ended = moment(row["started_at"]) - 1, moment(row["finished_at"]) + 1
        node = row["engine"]
        if any(begin < ended and until + 60 > began and where.split()[0] == node for begin, until, where, _ in self.hits):
            return
        if any(re.search(rf"node {node} \(incarnation \d+\) has not renewed its lease", other.log())
               for other in self.cluster.nodes):
            return
        raise Violation(f"lost, and nothing had happened to {node}: task {task} {row}")

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
