"""What each host of a playbook's unit is in, was in, and how it ended."""

import json
import threading
import time

import results

# Characters of a step's message or diff that are kept.
MESSAGE_MOST = 10000
# Failed items of a loop that a step's message names.
ITEMS_MOST = 3


class Host:
    def __init__(self, name):
        self.name = name
        self.steps = []  # as its row has them
        self.done = {}  # id of a step's task: seconds that it took, where it was not ended before its time
        self.spent = 0.0  # seconds in steps that are done
        self.lines = []
        self.step = None  # that it is in
        self.final = False
        self.told = 0  # lines that its row knows
        self.last = None  # what ended it: status, phase, message
        self.last_task = None  # id of what its last step is


class Step:
    def __init__(self, number, task, name=None):
        self.number = number
        self.task = task._uuid
        self.name = name or task.get_name().strip()
        self.module = task.action
        self.began = time.monotonic()
        self.cut = None  # why and in what phase the watchdog ended it
        self.cut_at = 0.0


def shortened(text):
    more = len(text) - MESSAGE_MOST
    return text if more <= 0 else f"{text[:MESSAGE_MOST]}… ({more} more characters)"


def items_of(data):
    """The results of a loop's items, or None: it is no loop."""
    found = data.get("results")
    return found if isinstance(found, list) and found and all(isinstance(item, dict) for item in found) else None


def outcome_of(item):
    if item.get("unreachable"):
        return "unreachable"
    if item.get("failed"):
        return "failed"
    if item.get("skipped"):
        return "skipped"
    return "changed" if item.get("changed") else "ok"


def label_of(item):
    name = item.get("_ansible_item_label", item.get(item.get("ansible_loop_var") or "item", ""))
    return name if isinstance(name, str) else json.dumps(name, default=str)


def summarise(items):
    """How many items ended how, and what the failed ones say."""
    counts, failed = {}, []
    for item in items:
        word = outcome_of(item)
        counts[word] = counts.get(word, 0) + 1
        if word in ("failed", "unreachable"):
            failed.append(f"{label_of(item)}: {results.message_of(item) or 'no message'}")
    if not failed:
        return counts, None
    more = f"; and {len(failed) - ITEMS_MOST} more" if len(failed) > ITEMS_MOST else ""
    return counts, f"{len(failed)} of {len(items)} items failed: {'; '.join(failed[:ITEMS_MOST])}{more}"


def describe(status, data, cut):
    """What a step's entry says beside its name: `items` of a loop, `message`, each where there is one."""
    found = {}
    items, message = items_of(data), results.message_of(data)
    if items:
        found["items"], told = summarise(items)
        message = told or (None if status in ("ok", "changed") else message)
    elif status in ("ok", "changed") and data.get("msg") is None:
        message = None  # an error that somebody has handled, or a module's noise
    if "censored" in data:
        message = data["censored"]
    if cut:
        message = cut["message"]
    if message:
        found["message"] = shortened(message)
    return found


class Steps:
    """Called in the run's threads and in the watchdog's; one lock for all."""

    def __init__(self, names):
        self.lock = threading.RLock()
        self.hosts = {name: Host(name) for name in names}
        self.names = {}  # id of a task: its name, as shown

    def name(self, task):
        """As Ansible shows it: its variables are filled in only while it says so."""
        with self.lock:
            self.names[task._uuid] = task.get_name().strip()

    def start(self, name, task):
        with self.lock:
            host = self.hosts.get(name)
            if host and not host.final:
                host.step = Step(len(host.steps), task, self.names.get(task._uuid))

    def finish(self, name, task, status, data):
        """A step of a host ended; the host and what its row will have of it, or None: it is not one of the unit's."""
        with self.lock:
            host = self.hosts.get(name)
            if not host or host.final:
                return None
            if not host.step and host.steps and host.last_task == task._uuid:
                host.steps.pop()  # an include that was found, and then was no good
            step = host.step or Step(len(host.steps), task, self.names.get(task._uuid))
            return host, self._close(host, step, status, data)

    def cut(self, host):
        """The step that a host is in will not end any more: it is told as it is."""
        return self._close(host, host.step, "timeout", {})

    @staticmethod
    def _close(host, step, status, data):
        took = time.monotonic() - step.began
        entry = {"step": step.number, "name": step.name, "module": step.module, "status": status,
                 "changed": bool(data.get("changed", False)), "duration": round(took, 3),
                 **describe(status, data, step.cut)}
        host.step, host.last_task = None, step.task
        if not step.cut:
            host.done[step.task] = took
        host.spent += took
        host.steps.append(entry)
        host.lines.append(f"{status}: {step.name}\n")
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
    said = last["status"] if last else None
    if counts["unreachable"]:
        return said if said in ("timeout", "lost") else "unreachable"
    if counts["failed"]:
        return "timeout" if said == "timeout" else "failed"
    if not any(counts[key] for key in ("ok", "changed", "rescued", "ignored")):
        return "skipped"
    return "ok"


def written(steps, counts):
    """`steps` and `recap` as JSON. Where that is too large, what matters least is left out, and that is said."""
    def dump(**members):
        found = {**members, **({"recap": counts} if counts else {})}
        return json.dumps(found, separators=(",", ":"))

    text = dump(steps=steps)
    if len(text) >= results.RESULT_MOST:
        bare = [{key: value for key, value in entry.items() if key not in ("message", "diff")} for entry in steps]
        text = dump(steps=bare, steps_shortened=True)
        while len(text) >= results.RESULT_MOST:
            bare = bare[len(bare) // 2:]
            text = dump(steps=bare, steps_left_out=len(steps) - len(bare))
    return text
