"""One module on the unit's hosts, as the `ansible` command runs it."""

import json
import os
import signal
import threading
import time

import commands
import events
import phases
import results
import steps
import workers

PERIOD = 0.2


class Handler(events.Handler):
    """Each host has its row once: from Ansible, at its own limit, or at the unit's deadline."""

    def __init__(self, channel, request):
        self.channel = channel
        self.limit = request.get("host_timeout") or None
        self.lock = threading.RLock()
        self.left = dict.fromkeys(host["name"] for host in request["hosts"])  # name: since when it is worked on
        self.untold = set(self.left)  # Ansible has said nothing of them yet
        self.diffs = {}  # of hosts: as `ansible -D` shows it
        self.tqm = self.deaths = None

    def on_start(self, host, _task):
        self.deaths.note()
        with self.lock:
            if host in self.left:
                self.left[host] = time.monotonic()

    def on_diff(self, callback, result):
        found = results.data_of(result).get("diff")
        if found:
            self.diffs[results.host_of(result)] = steps.shortened(callback._get_diff(found))

    def on_result(self, callback, result, status):
        with self.lock:
            name = results.host_of(result)
            self.untold.discard(name)
            if name in self.left:
                del self.left[name]
                status = "failed" if status == "ignored" else status
                self.channel.send(results.row(callback, result, status, self.diffs.get(name)))

    def begin(self, tqm):
        self.tqm = tqm
        self.deaths = workers.Deaths(tqm, self.untold.__contains__)
        if self.limit:
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while True:
            time.sleep(PERIOD)
            with self.lock:
                late = [name for name, since in self.left.items() if since and time.monotonic() - since >= self.limit]
                for name in late:
                    self._end(name, f"not done in {self.limit:g} s")

    def _end(self, name, message):
        """Tells the truth, then ends what works on the host, so that another takes its place.

        Ansible's own task timeout would not do: it tidies up on the host afterwards, without any limit.
        """
        tree = phases.children()
        self._tell(name, phases.of_host(self.tqm, name, tree), message)
        worker = workers.find(self.tqm, name)
        if worker:
            for pid in [worker.pid, *phases.descendants(worker.pid, tree)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def _tell(self, name, phase, message):
        self.left.pop(name)
        self.channel.send({"event": "result", "host": name, "status": "timeout", "phase": phase, "message": message})

    def give_up(self):
        """The unit's deadline has come: who was hanging in what, and who had not been begun."""
        with self.lock:
            tree = phases.children()
            for name, since in list(self.left.items()):
                if since:
                    self._tell(name, phases.of_host(self.tqm, name, tree), "not done at the unit's deadline")
                else:
                    self._tell(name, "waiting", "not begun at the unit's deadline: all of the unit's forks were taken")


def arguments(request, folder):
    payload = request["payload"]
    args = payload.get("args", "")
    found = ["ansible", *commands.arguments({**request, **payload}, folder), f"--module-name={payload['module']}",
             f"--args={args if isinstance(args, str) else json.dumps(args)}"]
    for option, name in (("background", "async"), ("poll", "poll")):
        if name in payload:
            found.append(f"--{option}={payload[name]}")
    return [*found, "all"]


def run(request, channel, folder):
    from ansible.cli import adhoc as cli

    handler = Handler(channel, request)

    class Manager(cli.TaskQueueManager):
        def run(self, play):
            handler.begin(self)
            return super().run(play)

    cli.TaskQueueManager = Manager
    channel.on_stop = handler.give_up
    events.listen(handler)
    command = commands.bind(cli.AdHocCLI, request)(arguments(request, folder), callback="drover")
    command.parse()
    command.run()
