"""Ansible's callbacks, passed on to the unit's own (events.py). Loaded by Ansible, by its name."""

import events
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: drover
    type: stdout
    short_description: tells Drover what happens on each host
    description: tells Drover what happens on each host
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "drover"

    def v2_playbook_on_start(self, playbook):
        events.handler.on_playbook(playbook)

    def v2_playbook_on_task_start(self, task, is_conditional):
        events.handler.on_task(task)

    def v2_playbook_on_handler_task_start(self, task):
        events.handler.on_task(task)

    def v2_runner_on_start(self, host, task):
        events.handler.on_start(host.get_name(), task)

    def v2_runner_on_ok(self, result):
        events.handler.on_result(self, result, "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        events.handler.on_result(self, result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result):
        events.handler.on_result(self, result, "unreachable")

    def v2_runner_on_skipped(self, result):
        events.handler.on_result(self, result, "skipped")

    def v2_on_file_diff(self, result):
        events.handler.on_diff(self, result)

    def v2_playbook_on_stats(self, stats):
        events.handler.on_stats(stats)
