"""Ansible's worker processes: which one works on a host, and what becomes of a host whose worker was killed."""

import time

LOOK_PERIOD = 0.25
# Between a worker's end and our doubt of it: its result may be on its way.
GRACE = 1.0
DIED = "the process that worked on this host died before it was done"


def find(tqm, name):
    """The living worker that works on a host, or None."""
    for worker in list(getattr(tqm, "_workers", None) or ()):
        host = getattr(worker, "_host", None)
        if host is not None and host.get_name() == name and exit_code(worker) is None:
            return worker
    return None


def exit_code(worker):
    """None: it is alive. One that Ansible has closed, as new releases do, was done."""
    try:
        return worker.exitcode
    except ValueError:
        return 0


class Deaths:
    """In place of Ansible's own check, which ends the whole run when one worker has died.

    The host of the dead worker is told as lost; all others go on.
    """

    def __init__(self, tqm, is_waited_for):
        self.tqm = tqm
        self.is_waited_for = is_waited_for  # of a host's name: has its step not ended yet?
        self.known = set()
        self.seen = {}  # worker: when it was seen dead
        self.next_look = 0.0
        tqm.has_dead_workers = self.look

    def look(self):
        """Called all the time while results are waited for; False: go on."""
        now = time.monotonic()
        if now < self.next_look:
            return False
        self.next_look = now + LOOK_PERIOD
        self.note()
        for worker in list(self.known):
            code = exit_code(worker)
            if code == 0:
                self.known.remove(worker)
            elif code and now - self.seen.setdefault(worker, now) >= GRACE:
                self.known.remove(worker)
                if self.is_waited_for(worker._host.get_name()):
                    self._give_result(worker)
        return False

    def note(self):
        """Where there are fewer workers than hosts: to be called at a step's start, or a dead one's place is taken
        before anybody has looked."""
        self.known.update(worker for worker in list(self.tqm._workers or ()) if worker is not None)

    def _give_result(self, worker):
        result = {"unreachable": True, "msg": DIED, "worker_died": True}
        queue, fields = worker._final_q, worker._task.dump_attrs()
        try:
            from ansible.executor.task_result import _RawTaskResult
        except ImportError:  # before 2.19
            queue.send_task_result(worker._host.name, worker._task._uuid, result, task_fields=fields)
            return
        queue.send_task_result(_RawTaskResult(host=worker._host, task=worker._task, return_data=result,
                                              task_fields=fields))
