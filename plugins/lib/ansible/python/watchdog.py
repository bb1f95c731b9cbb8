"""Ends the step of a host that holds up the others of its unit.

Under the linear strategy all hosts of a unit wait for the slowest before the next step. So each step has
a limit per host: the task's `step_timeout`, or, without one, as follows. A step of a host is ended when
all of this is true: other hosts wait for it; half of the time that the unit had left when the step began
is over; and it has taken three times as long as half of the hosts that are done with it. In any case it
is ended shortly before the unit's deadline, so that what the others have is told.

The means is Ansible's own: its task timeout, by SIGALRM in the worker that works on the host. Each worker
has it set to what is left of the unit; here it comes earlier.
"""

import os
import signal
import statistics
import threading
import time

PERIOD = 0.5
SHARE = 0.5
TIMES = 3
# Before the deadline, for Ansible to end the play and say so.
RESERVE_SHARE = 0.05
RESERVE_MAX = 5.0


def listens(pid):
    """Has the process a handler for SIGALRM? It would die of it otherwise, and the whole run with it."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            caught = next(line.split()[1] for line in f if line.startswith("SigCgt:"))
    except (OSError, StopIteration):
        return False
    return bool(int(caught, 16) >> (signal.SIGALRM - 1) & 1)


class Watchdog:
    def __init__(self, request, log):
        self.left = request["time_left"]
        self.deadline = time.monotonic() + self.left - min(self.left * RESERVE_SHARE, RESERVE_MAX)
        self.step_timeout = request["payload"].get("step_timeout") or 0
        self.log = log
        self.tqm = None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def set_default(self):
        """The default of every task's `timeout`."""
        from ansible.playbook.base import Base

        Base.__dict__["timeout"].default = self.task_timeout

    def task_timeout(self):
        """Whole seconds, for the workers' own alarm; a step's own `timeout` goes before it."""
        limit = int(self.step_timeout) if self.step_timeout else int(self.deadline - time.monotonic()) + 1
        return max(limit, 1)

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
                if self._is_due(name, step, running, now):
                    self._end(name)  # again and again: outside of its action a worker does not hear it

    def _is_due(self, name, step, running, now):
        if now >= self.deadline:
            return True
        if self.step_timeout:
            return False  # the workers' own alarm
        took = now - step.began
        if took < (self.deadline - step.began) * SHARE:
            return False
        done = self._durations(step)
        waiting = [host for host in self.log.hosts if host not in running]
        return bool(done and waiting) and took > TIMES * statistics.median(done)

    def _durations(self, step):
        """Of the hosts that are done with the same step."""
        with self.log.lock:
            return [entry["duration"] for host in self.log.hosts.values() for entry in host.steps
                    if entry["step"] == step.number and entry["name"] == step.name]

    def _end(self, name):
        for worker in list(self.tqm._workers or ()):
            host = getattr(worker, "_host", None)
            if host is not None and host.get_name() == name and worker.is_alive() and listens(worker.pid):
                os.kill(worker.pid, signal.SIGALRM)
