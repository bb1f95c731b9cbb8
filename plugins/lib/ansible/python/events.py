"""Who is told what happens in this process's run; there is one run in a process."""

import os

handler = None


class Handler:
    """What a kind of run overrides. Called in the run's own threads."""

    def on_playbook(self, playbook):
        pass

    def on_task(self, task):
        pass

    def on_start(self, host, task):
        pass

    def on_result(self, callback, result, status):
        pass

    def on_diff(self, callback, result):
        """What changed in files, where that was asked for; before the result itself."""

    def on_stats(self, stats):
        pass


def listen(found):
    """Makes Ansible tell `found` and nobody else; before the run."""
    global handler
    from ansible import constants
    from ansible.plugins.loader import callback_loader

    handler = found
    constants.DEFAULT_STDOUT_CALLBACK = "drover"
    callback_loader.add_directory(os.path.join(os.path.dirname(os.path.abspath(__file__)), "callbacks"))
