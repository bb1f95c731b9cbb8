"""Runs one unit of an executor plugin by itself, with build/tests/unit_runner."""
import json
import os
import shlex
import subprocess


def _with_files(files):
    binds = " && ".join(f"mount --bind {shlex.quote(str(new))} {shlex.quote(old)}" for old, new in files.items())
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", "--mount", *user, "/bin/sh", "-c", binds + ' && exec "$@"', "sh"]


class Unit:
    """A running unit. `wait()` gives the reports by host, and `end` is then the process's last line."""

    def __init__(self, build, plugin, payload, hosts, options=(), env=None, files=None, credential=None, **limits):
        """`files`: path -> path of what the unit's process sees there instead. `credential`: field -> text or @FILE."""
        command = _with_files(files) if files else []
        command += [str(build / "tests/unit_runner"), str(build / f"plugins/{plugin}.so")]
        command += ["--payload", payload if isinstance(payload, str) else json.dumps(payload)]
        for name, value in limits.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        for option in options:
            command += ["--option", option]
        for name, value in (credential or {}).items():
            command += ["--credential", f"{name}={value}"]
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            command + list(hosts), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env
        )
        self.end = None

    def wait(self, seconds=60, abandons=False):
        """`abandons`: something that cannot be interrupted may keep its descriptors until the process ends."""
        out, _ = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, "the unit process ended badly"
        lines = [json.loads(line) for line in out.decode("ascii").splitlines()]
        assert lines and "end" in lines[-1], f"the unit process died: {lines[-1:]}"
        self.end = lines.pop()
        reports = {}
        for report in lines:
            assert report["host"] not in reports, "reported twice"
            report["out"] = report["out"].encode("latin-1")
            report["err"] = report["err"].encode("latin-1")
            reports[report["host"]] = report
        assert self.end["refused"] == 0
        assert abandons or self.end["leaked"] == 0, "descriptors were left open"
        return reports


def run_unit(*args, **kwargs):
    return Unit(*args, **kwargs).wait()
