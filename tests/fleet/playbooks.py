"""What `ansible-playbook` says of each step on each host, for comparison: by a callback of the tests' own."""

import json
import os
import subprocess

from fleet.ansible import RELEASES

# Written apart from Drover's own. Each line of the file $RECORD is one outcome or the recap of one host.
RECORDER = '''
import json, os
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = "{name: recorder, type: notification, short_description: records, description: records}"

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "recorder"

    def __init__(self):
        super().__init__()
        self.names = {}
        self.file = open(os.environ["RECORD"], "a", encoding="utf-8")

    def write(self, **line):
        self.file.write(json.dumps(line) + "\\n")
        self.file.flush()

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.names[task._uuid] = task.get_name()

    v2_playbook_on_handler_task_start = lambda self, task: self.v2_playbook_on_task_start(task, False)

    def outcome(self, result, status):
        task, data = result._task, result._result
        self.write(host=result._host.get_name(), task=task._uuid, name=self.names[task._uuid], module=task.action,
                   status=status, changed=bool(data.get("changed", False)), msg=str(data.get("msg", "")))

    def v2_runner_on_ok(self, result):
        self.outcome(result, "changed" if result._result.get("changed") else "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.outcome(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result):
        self.outcome(result, "unreachable")

    def v2_runner_on_skipped(self, result):
        self.outcome(result, "skipped")

    def v2_playbook_on_stats(self, stats):
        for host in stats.processed:
            self.write(host=host, recap=stats.summarize(host))
'''


def play(herd, release, path, *options, limit=None):
    """Runs ansible-playbook in the playbook's folder: host -> {"steps": […], "recap": {…}}, and the process."""
    plugins = os.path.join(herd.home, "recorder")
    record = os.path.join(herd.home, f"record-{os.path.basename(path)}")
    os.makedirs(plugins, exist_ok=True)
    with open(os.path.join(plugins, "recorder.py"), "w", encoding="utf-8") as file:
        file.write(RECORDER)
    open(record, "w", encoding="utf-8").close()
    program = os.path.join(RELEASES[release][1], "ansible-playbook")
    limits = [f"--limit={','.join(limit)}"] if limit else []
    done = subprocess.run([program, f"--inventory={herd.inventory}", f"--user={herd.user}",
                           f"--private-key={herd.key}", *limits, *options, path],
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                          cwd=os.path.dirname(path),
                          env={**herd.environment(), "ANSIBLE_CALLBACK_PLUGINS": plugins, "RECORD": record,
                               "ANSIBLE_CALLBACKS_ENABLED": "recorder"})
    hosts = {}
    with open(record, encoding="utf-8") as file:
        for line in map(json.loads, file):
            found = hosts.setdefault(line.pop("host"), {"steps": [], "recap": None})
            if "recap" in line:
                found["recap"] = line["recap"]
                continue
            if found["steps"] and found["steps"][-1]["task"] == line["task"]:
                found["steps"].pop()  # an include that was found, and then was no good
            found["steps"].append(line)
    return hosts, done
