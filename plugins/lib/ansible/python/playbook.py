"""A playbook on the unit's hosts, as the `ansible-playbook` command runs it."""

import json
import os
import threading

import commands
import events
import phases
import remaining
import results
import steps as step_log
import watchdog
import workers

# Each progress is a write of the database.
PROGRESS_PERIOD = 1.0
# Hosts that a host has waited for, by name.
CULPRITS_MOST = 50


def names_of(hosts):
    found = sorted(hosts)
    more = f",+{len(found) - CULPRITS_MOST}" if len(found) > CULPRITS_MOST else ""
    return ",".join(found[:CULPRITS_MOST]) + more


class Handler(events.Handler):
    def __init__(self, channel, names, folder, more):
        self.channel = channel
        self.folder = folder
        self.remaining = more
        self.log = step_log.Steps(names)
        self.tqm = None
        self.deaths = None
        self.errors = []  # that Ansible has shown
        self.done = threading.Event()

    def listen_to_errors(self):
        from ansible.utils.display import Display

        show = Display.error

        def error(display, msg, *args, **kwargs):
            self.errors.append(str(msg))
            return show(display, msg, *args, **kwargs)

        Display.error = error

    def begin(self, tqm):
        self.tqm = tqm
        self.deaths = workers.Deaths(tqm, lambda name: name in self.log.running())
        threading.Thread(target=self._tell_progress, daemon=True).start()

    def finish(self):
        """What is known of hosts that nobody has ended stays in their rows."""
        self.done.set()
        self.flush()

    def on_playbook(self, playbook):
        self.remaining.begin_playbook(playbook)

    def on_task(self, task):
        self.log.name(task)

    def on_start(self, host, task):
        self.log.start(host, task)
        self.deaths.note()

    def _handled(self, name, counted):
        """Has Ansible counted more of these for the host than its steps say? Its counts come before its results."""
        said = sum(entry["status"] == counted for entry in self.log.hosts[name].steps)
        return getattr(self.tqm._stats, counted).get(name, 0) > said

    def _status(self, name, status, data):
        """The step's: a failed one may be rescued or ignored."""
        if status == "ok":
            return "changed" if data.get("changed") else "ok"
        if status in ("failed", "unreachable"):
            return next((word for word in ("rescued", "ignored") if self._handled(name, word)), status)
        return status

    def on_result(self, callback, result, status):
        name, data = results.host_of(result), results.data_of(result)
        with self.log.lock:
            if name not in self.log.hosts:
                return
            status = self._status(name, status, data)
            ended = status in ("failed", "unreachable")
            running = self.log.hosts[name].step
            cut = running and status not in ("ok", "changed", "skipped") and running.cut
            found, phase = results.classify(status, data) if ended else (status, None)
            if ended and cut:
                found, phase = "timeout", cut["phase"]
            closed = self.log.finish(name, results.task_of(result), found, data)
            if not closed:
                return
            host, entry = closed
            self._tidy(callback, data, entry)
            if ended:
                message = entry.get("message") or "the step failed and gave no message"
                host.last = {"status": found, "phase": phase,
                             "message": f"step {entry['step'] + 1}, {entry['name']}: {message}"}
            self.channel.send({"event": "output", "host": name, "text": "".join(host.lines),
                               "new": len(host.lines[-1].encode("utf-8", "replace"))})

    def _tidy(self, callback, data, entry):
        """Adds what it changed in files, where that was asked for; temporary folders are nobody's business."""
        diffs = [item["diff"] for item in [data, *(step_log.items_of(data) or [])] if item.get("diff")]
        if diffs:
            entry["diff"] = step_log.shortened("".join(callback._get_diff(diff) for diff in diffs))
        if "message" in entry:
            entry["message"] = entry["message"].replace(f"{self.folder}/", "")

    def _tell_progress(self):
        while not self.done.wait(PROGRESS_PERIOD):
            self.flush()

    def flush(self):
        with self.log.lock:
            for host in self.log.hosts.values():
                if not host.final and host.told < len(host.lines):
                    host.told = len(host.lines)
                    self.channel.send({"event": "progress", "status": "running", "host": host.name,
                                       "changed": any(entry["changed"] for entry in host.steps),
                                       "result": step_log.written(host.steps, None)})

    def _end(self, host, status, counts, **more):
        if host.final:
            return
        host.final = True
        self.channel.send({"event": "result", "host": host.name, "status": status,
                           "changed": any(entry["changed"] for entry in host.steps),
                           "stdout": "".join(host.lines), "result": step_log.written(host.steps, counts), **more})

    def _end_by_recap(self, host, ended):
        """`ended`: hosts whose play was ended."""
        counts = step_log.recap(self.tqm._stats, host.name)
        status, last, more = step_log.status_of(counts, host.last), host.last or {}, {}
        if status in ("failed", "unreachable", "timeout", "lost"):
            more = {"message": last.get("message") or "the play was ended", "phase": last.get("phase")}
        elif host.name in ended:
            status, more = self._ended_for_others(status)
        elif status == "skipped":
            more = {"message": self._why_skipped(host)}
        self._end(host, status, counts, **more)

    def _culprits(self):
        stats = self.tqm._stats
        return [name for name in self.log.hosts if stats.failures.get(name) or stats.dark.get(name)]

    def _ended_for_others(self, status):
        """By any_errors_fatal, max_fail_percentage: its recap has no error."""
        if self.errors:  # of an include_role, for one: this release tells them on the terminal alone
            return "failed", {"message": step_log.shortened(self.errors[-1].replace(f"{self.folder}/", ""))}
        culprits = self._culprits()
        if culprits:
            return status, {"message": f"the play was ended for this host, too, by the errors of {names_of(culprits)}"}
        return "failed", {"message": "Ansible has ended the play for this host; the daemon's log says why"}

    def _why_skipped(self, host):
        if host.steps:
            return "every step was skipped"
        culprits = self._culprits()
        return (f"no step was begun on it: the play was ended by the errors of {names_of(culprits)}" if culprits
                else "no play of the playbook applied to it")

    def on_stats(self, stats):
        with self.log.lock:
            for host in self.log.hosts.values():
                self._end_by_recap(host, self.tqm._failed_hosts)

    def give_up(self):
        """The unit's deadline: who hung, and who only waited for whom."""
        with self.log.lock:
            running, tree = self.log.running(), phases.children()
            for host in self.log.hosts.values():
                if host.name in running:
                    self._end_running(host, tree)
                elif host.last or not host.steps or self.remaining.has_more(host.name):
                    self._end_waiting(host, running)
                else:
                    self._end_by_recap(host, ())  # it was done with everything

    def _counts(self, host):
        return step_log.recap(self.tqm._stats, host.name) if self.tqm else None

    def _end_running(self, host, tree):
        step = host.step
        found = step.cut or {"message": "not done at the unit's deadline",
                             "phase": phases.of_host(self.tqm, host.name, tree)}
        step.cut = found
        self.log.cut(host)
        self._end(host, "timeout", self._counts(host), phase=found["phase"],
                  message=f"step {step.number + 1}, {step.name}: {found['message']}")

    def _end_waiting(self, host, running):
        if host.last:
            self._end(host, host.last["status"], self._counts(host), message=host.last["message"],
                      phase=host.last["phase"])
            return
        message = ("waited for other hosts of its unit until the unit's deadline" if running
                   else "not done at the unit's deadline")
        self._end(host, "timeout", self._counts(host), phase="waiting", message=message,
                  waiting_for=names_of(running) or None)


def find(root, path):
    """A playbook in the configured folder; raises AnsibleError for one that is not, whatever it leads over."""
    from ansible.errors import AnsibleError

    if not root:
        raise AnsibleError("a playbook by its path needs the executor's option `playbooks`, the folder that it is in")
    real = os.path.realpath(root)
    found = os.path.realpath(os.path.join(real, path))
    if os.path.isabs(path) or ".." in path.split("/") or os.path.commonpath([real, found]) != real:
        raise AnsibleError(f"the playbook {path} is outside of the folder of playbooks")
    if not os.path.isfile(found):
        raise AnsibleError(f"there is no playbook {path} in the folder of playbooks")
    os.chdir(real)
    return found


def prepare(request, folder):
    """The playbook's path. A text is written where its own relative paths find nothing of somebody else's."""
    payload = request["payload"]
    if "path" in payload:
        return find(request.get("playbooks"), payload["path"])
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

    more = remaining.Remaining()
    handler = Handler(channel, [host["name"] for host in request["hosts"]], folder, more)
    guard = watchdog.Watchdog(request, handler.log, more)

    class Executor(cli.PlaybookExecutor):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            handler.begin(self._tqm)
            guard.start(self._tqm)

        def _get_serialized_batches(self, play):
            batches = super()._get_serialized_batches(play)
            more.begin_play(batches)
            return batches

    cli.PlaybookExecutor = Executor
    more.watch()
    guard.set_default()
    channel.on_stop = handler.give_up
    events.listen(handler)
    handler.listen_to_errors()
    path = prepare(request, folder)
    command = commands.bind(cli.PlaybookCLI, request)([*arguments(request, folder), path])
    command.parse()
    try:
        command.run()
    finally:
        guard.finish()
        handler.finish()
