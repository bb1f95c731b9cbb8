"""Ends the step of a host that holds up the others of its unit.

Under the linear strategy all hosts of a unit wait for the slowest before the next step. So each step has
a limit per host: the task's `step_timeout`, or, without one, as follows. A step of a host is ended when
all of this is true: other hosts that are done with it have more to do; half of the time that the unit had
left when the step began is over; and it has taken three times as long as half of the hosts that are done
with it. In any case it is ended shortly before the unit's deadline, so that what the others have is told.
All the steps of a host together have the task's `host_timeout`.

The means is Ansible's own: its task timeout, by SIGALRM in the worker that works on the host. What the
worker waits for is ended, too, since Ansible tidies up on the host afterwards, without any limit.
"""

import os
import signal
import statistics
import threading
import time

import phases
import workers

PERIOD = 0.5
SHARE = 0.5
TIMES = 3
# Before the deadline, for Ansible to end the play and say so.
RESERVE_SHARE = 0.1
RESERVE_MAX = 10.0
# A worker that neither hears SIGALRM nor ends without its children is killed after so long.
LAST_RESORT = 2.0

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration):
    """Of a payload: a number of seconds, or `90s`, `5m`; the core has checked it. None: 0."""
    if not isinstance(duration, str):
        return float(duration or 0)
    number = duration.rstrip("msdh")
    return float(number) * UNITS.get(duration[len(number):], 1)


def listens(pid):
    """Has the process a handler for SIGALRM? It would die of it otherwise, and the whole run with it."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            caught = next(line.split()[1] for line in f if line.startswith("SigCgt:"))
    except (OSError, StopIteration):
        return False
    return bool(int(caught, 16) >> (signal.SIGALRM - 1) & 1)


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Watchdog:
    def __init__(self, request, log, remaining):
        self.left = request["time_left"]
        self.deadline = time.monotonic() + self.left - min(self.left * RESERVE_SHARE, RESERVE_MAX)
        self.step_timeout = seconds(request["payload"].get("step_timeout"))
        self.host_timeout = seconds(request.get("host_timeout"))
        self.log = log
        self.remaining = remaining
        self.tqm = None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def set_default(self):
        """The default of every step's `timeout`, where the configuration of Ansible gives none."""
        from ansible.playbook.base import Base

        timeout = Base.__dict__["timeout"]
        if not timeout.default:
            timeout.default = self.task_timeout

    def task_timeout(self):
        """Whole seconds. By this alarm each worker hears SIGALRM; that comes from here, and sooner."""
        return max(int(self.deadline - time.monotonic()) + 2, 2)

    def start(self, tqm):
        self.tqm = tqm
        self.thread.start()

    def finish(self):
        self.done.set()

    def _watch(self):
        while not self.done.wait(PERIOD):
            now = time.monotonic()
            running = self.log.running()
            for name, step in running.items():
                why = step.cut or self._reason(name, step, running, now)
                if why:
                    self._end(name, step, why, now)  # again and again: its loop may go on, or its tidying up hang

    def _reason(self, name, step, running, now):
        """Why it is to be ended, for people; None: it is not."""
        took = now - step.began
        if now >= self.deadline:
            return "not done shortly before the unit's deadline"
        if self.host_timeout and self.log.hosts[name].spent + took >= self.host_timeout:
            return f"the host has taken longer than host_timeout, {self.host_timeout:g} s"
        if self.step_timeout:
            return f"not done in step_timeout, {self.step_timeout:g} s" if took >= self.step_timeout else None
        if took < (self.deadline - step.began) * SHARE:
            return None
        done = self._durations(step)
        if done and took > TIMES * statistics.median(done) and self._is_waited_for(step, running):
            return f"not done in {took:.0f} s, in half of the unit's time, while other hosts waited for it"
        return None

    def _durations(self, step):
        """Of the hosts that are done with the same step."""
        with self.log.lock:
            return [host.done[step.task] for host in self.log.hosts.values() if step.task in host.done]

    def _is_waited_for(self, step, running):
        with self.log.lock:
            waiting = [name for name, host in self.log.hosts.items()
                       if name not in running and host.last_task == step.task]
        return any(self.remaining.has_more(name) for name in waiting)

    def _end(self, name, step, why, now):
        tree = phases.children()
        if not step.cut:
            step.cut_at = now
            step.cut = {"message": why, "phase": phases.of_host(self.tqm, name, tree)}
        worker = workers.find(self.tqm, name)
        if not worker:
            return
        if now - step.cut_at >= LAST_RESORT:
            send(worker.pid, signal.SIGKILL)  # workers.Deaths tells its end
        elif listens(worker.pid):
            send(worker.pid, signal.SIGALRM)
        for pid in phases.descendants(worker.pid, tree):
            send(pid, signal.SIGKILL)
