"""A playbook on the unit's hosts, as the `ansible-playbook` command runs it."""

import json
import os
import time

import commands
import events
import results
import steps as step_log
import watchdog


PROGRESS_PERIOD = 1.0


class Handler(events.Handler):
    def __init__(self, channel, names):
        self.channel = channel
        self.log = step_log.Steps(names)

    def on_start(self, host, task):
        self.log.start(host, task)

    def on_result(self, callback, result, status):
        name, data = results.host_of(result), results.data_of(result)
        if status == "ok" and data.get("changed"):
            status = "changed"
        found, phase = results.classify("ok" if status in ("changed", "ignored") else status, data)
        entry = self.log.finish(name, results.task_of(result), found if found == "timeout" else status, data)
        if not entry:
            return
        if found in ("failed", "unreachable", "timeout") and status != "ignored":
            message = results.message_of(data) or "the step failed and gave no message"
            self.log.hosts[name].last = {"status": found, "phase": phase,
                                         "message": f"step {entry['step'] + 1}, {entry['name']}: {message}"}
        self._tell_progress(self.log.hosts[name])

    def _tell_progress(self, host):
        """Each one is a write of the database: the first step, then not more than one a second."""
        now = time.monotonic()
        if now - host.told < PROGRESS_PERIOD:
            return
        host.told = now
        self.channel.send({"event": "progress", "status": "running", "host": host.name,
                           "changed": any(entry["changed"] for entry in host.steps),
                           "result": self._result(host, None)})

    @staticmethod
    def _result(host, counts):
        found = {"steps": list(host.steps)}
        if counts:
            found["recap"] = counts
        return json.dumps(found, separators=(",", ":"))

    def _end(self, host, status, counts, **more):
        if host.final:
            return
        host.final = True
        self.channel.send({"event": "result", "host": host.name, "status": status,
                      "changed": any(entry["changed"] for entry in host.steps),
                      "stdout": "".join(f"{entry['status']}: {entry['name']}\n" for entry in host.steps),
                      "result": self._result(host, counts), **more})

    def on_stats(self, stats):
        with self.log.lock:
            for host in self.log.hosts.values():
                counts = step_log.recap(stats, host.name)
                status, last = step_log.status_of(counts, host.last), host.last or {}
                more = {}
                if status in ("failed", "unreachable", "timeout"):
                    more = {"message": last.get("message") or "the play was ended", "phase": last.get("phase")}
                elif status == "skipped":
                    more = {"message": "no play of the playbook applied to it" if not host.steps
                            else "every step was skipped"}
                self._end(host, status, counts, **more)

    def give_up(self):
        """The unit's deadline: who hung, and who only waited for whom."""
        with self.log.lock:
            running = self.log.running()
            for host in self.log.hosts.values():
                step = running.get(host.name)
                if host.last:
                    self._end(host, host.last["status"], None, message=host.last["message"],
                              phase=host.last["phase"])
                elif step:
                    self._end(host, "timeout", None, phase="execution",
                              message=f"step {step.number + 1}, {step.name}: not done at the unit's deadline")
                else:
                    culprits = ",".join(sorted(running))
                    self._end(host, "timeout", None, phase="waiting", waiting_for=culprits or None,
                              message="waited for other hosts of its unit until the unit's deadline")


def prepare(request, folder):
    """The playbook's path. A text is written where its own relative paths find nothing of somebody else's."""
    payload = request["payload"]
    if "path" in payload:
        return os.path.join(request["project"], payload["path"])
    book = os.path.join(folder, "playbook")
    os.mkdir(book, 0o700)
    path = os.path.join(book, "playbook.yml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(payload["playbook"])
    os.chdir(book)
    return path


def arguments(request, folder):
    payload = request["payload"]
    argv = ["ansible-playbook", *commands.arguments({**request, **payload}, folder)]
    if payload.get("vars"):
        argv.append("--extra-vars=" + json.dumps(payload["vars"]))
    for option, name in (("tags", "tags"), ("skip-tags", "skip_tags")):
        value = payload.get(name)
        if value:
            argv.append(f"--{option}={value if isinstance(value, str) else ','.join(value)}")
    return argv


def run(request, channel, folder):
    from ansible.cli import playbook as cli

    handler = Handler(channel, [host["name"] for host in request["hosts"]])
    guard = watchdog.Watchdog(request, handler.log)

    class Executor(cli.PlaybookExecutor):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            guard.start(self._tqm)

    cli.PlaybookExecutor = Executor
    guard.set_default()
    channel.on_stop = handler.give_up
    events.listen(handler)
    path = prepare(request, folder)
    command = commands.bind(cli.PlaybookCLI, request)([*arguments(request, folder), path])
    command.parse()
    try:
        command.run()
    finally:
        guard.finish()
