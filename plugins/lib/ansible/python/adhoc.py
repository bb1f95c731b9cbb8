"""One module on the unit's hosts, as the `ansible` command runs it."""

import json

import commands
import results


def make_callback(channel):
    from ansible.plugins.callback import CallbackBase

    class Callback(CallbackBase):
        CALLBACK_VERSION = 2.0
        CALLBACK_TYPE = "stdout"
        CALLBACK_NAME = "drover"

        def _tell(self, result, status):
            channel.send(results.row(self, result, status))

        def v2_runner_on_ok(self, result):
            self._tell(result, "ok")

        def v2_runner_on_failed(self, result, ignore_errors=False):
            self._tell(result, "failed")

        def v2_runner_on_unreachable(self, result):
            self._tell(result, "unreachable")

        def v2_runner_on_skipped(self, result):
            self._tell(result, "skipped")

        def v2_runner_on_start(self, host, task):
            channel.send({"event": "start", "host": host.get_name()})

    return Callback()


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
    command = commands.bind(AdHocCLI, request)([*argv, "all"], callback=make_callback(channel))
    command.parse()
    command.run()
