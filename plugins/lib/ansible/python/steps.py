"""What each host of a playbook's unit is in, was in, and how it ended."""

import threading
import time

import results

STATUSES = ("ok", "failures", "unreachable", "skipped", "rescued", "ignored")


class Host:
    def __init__(self, name):
        self.name = name
        self.steps = []
        self.step = None  # that it is in
        self.final = False
        self.told = float("-inf")  # monotonic time of the last progress
        self.last = None  # what ended it, as results.row tells: status, phase, message


class Step:
    def __init__(self, number, task):
        self.number = number
        self.name = task.get_name().strip()
        self.module = task.action
        self.began = time.monotonic()


class Steps:
    """Called in the run's threads and in the watchdog's; one lock for all."""

    def __init__(self, names):
        self.lock = threading.RLock()
        self.hosts = {name: Host(name) for name in names}

    def start(self, name, task):
        with self.lock:
            host = self.hosts.get(name)
            if host and not host.final:
                host.step = Step(len(host.steps), task)

    def finish(self, name, task, status, data):
        """A step of a host ended; what a host's row will have of it, or None: it is not one of the unit's."""
        with self.lock:
            host = self.hosts.get(name)
            if not host or host.final:
                return None
            step = host.step or Step(len(host.steps), task)
            host.step = None
            entry = {"step": step.number, "name": step.name, "module": step.module, "status": status,
                     "changed": bool(data.get("changed", False)), "duration": round(time.monotonic() - step.began, 3)}
            message = results.message_of(data)
            if message and (status not in ("ok", "changed") or data.get("msg") is not None):
                entry["message"] = message
            host.steps.append(entry)
            return entry

    def running(self):
        """Hosts that are in a step, by name."""
        with self.lock:
            return {name: host.step for name, host in self.hosts.items() if host.step and not host.final}


def recap(stats, name):
    found = stats.summarize(name)
    return {"ok": found["ok"], "changed": found["changed"], "unreachable": found["unreachable"],
            "failed": found["failures"], "skipped": found["skipped"], "rescued": found["rescued"],
            "ignored": found["ignored"]}


def status_of(counts, last):
    """A host's status by its recap; `last` is the step that ended it, where one did."""
    if counts["unreachable"]:
        return last["status"] if last and last["status"] in ("timeout", "unreachable") else "unreachable"
    if counts["failed"]:
        return "timeout" if last and last["status"] == "timeout" else "failed"
    if not any(counts[key] for key in ("ok", "changed", "rescued", "ignored")):
        return "skipped"
    return "ok"
