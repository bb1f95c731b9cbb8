"""One module on the unit's hosts, as the `ansible` command runs it."""

import json

import commands
import events
import results


class Handler(events.Handler):
    def __init__(self, channel, names):
        self.channel = channel
        self.left = dict.fromkeys(names)

    def on_result(self, callback, result, status):
        if self.left.pop(results.host_of(result), self) is None:
            self.channel.send(results.row(callback, result, "failed" if status == "ignored" else status))

    def give_up(self):
        for name in list(self.left):
            self.channel.send({"event": "result", "host": name, "status": "timeout", "phase": "execution",
                               "message": "not done at the unit's deadline"})


def run(request, channel, folder):
    from ansible.cli.adhoc import AdHocCLI

    payload = request["payload"]
    args = payload.get("args", "")
    argv = ["ansible", *commands.arguments({**request, **payload}, folder),
            f"--module-name={payload['module']}", f"--args={args if isinstance(args, str) else json.dumps(args)}"]
    if request.get("host_timeout"):
        argv.append(f"--task-timeout={request['host_timeout']}")
    for option, name in (("background", "async"), ("poll", "poll")):
        if name in payload:
            argv.append(f"--{option}={payload[name]}")
    handler = Handler(channel, [host["name"] for host in request["hosts"]])
    channel.on_stop = handler.give_up
    events.listen(handler)
    command = commands.bind(AdHocCLI, request)([*argv, "all"], callback="drover")
    command.parse()
    command.run()
