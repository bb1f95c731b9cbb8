"""A fleet of thousands of hosts: one light SSH server (light_sshd.c) that is every address of 127/8.

What a host does is told by a dict, `{"at": "key exchange", "do": "stall"}`; tests/fleet/README.md has the
words. The server needs no sshd, no process and no folder per host, and about 0.7 ms of CPU a session.
"""
import getpass
import json
import os
import random
import shutil
import subprocess
import tempfile

from fleet.sshd import keygen, public_key

PHASES = ["accept", "banner", "key exchange", "authentication", "channel", "exec", "exit"]
RECORD = 1024
PER_ROW = 250  # addresses of one /24 that are hosts


class Light:
    """Hosts 127.x.0.1 to 127.x.0.250, 127.x.1.1 and so on, on one port. A context manager."""

    def __init__(self, program, count, hosts=None, default=None, password=None):
        """`hosts`: number of the host -> what it does; `default`: what all others do."""
        self.program = str(program)
        self.network = random.randint(1, 250)
        self.addresses = [self.address(number) for number in range(count)]
        self.count = count
        self.user = getpass.getuser()
        self.folder = tempfile.mkdtemp(prefix="light-")
        self.key = keygen(os.path.join(self.folder, "key"))
        self.host_key = keygen(os.path.join(self.folder, "host_key"))
        self.other_key = keygen(os.path.join(self.folder, "other_key"))
        self.known_hosts = os.path.join(self.folder, "known_hosts")
        self.script = {
            "key": self.host_key, "other_key": self.other_key, "authorized": f"{self.key}.pub",
            "default": default or {},
            "hosts": {self.address(number): what for number, what in (hosts or {}).items()},
        }
        if password:
            self.script["password"] = password
        self.process = self.port = None

    def address(self, number):
        return f"127.{self.network}.{number // PER_ROW}.{number % PER_ROW + 1}"

    def nodeset(self):
        """All hosts as HOSTS of a task."""
        rows, rest = divmod(self.count, PER_ROW)
        parts = [f"127.{self.network}.{row}.[1-{PER_ROW}]" for row in range(rows)]
        if rest:
            parts.append(f"127.{self.network}.{rows}.[1-{rest}]")
        return ",".join(parts)

    def __enter__(self):
        script = os.path.join(self.folder, "script.json")
        with open(script, "w", encoding="ascii") as file:
            json.dump(self.script, file)
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [self.program, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, text=True
        )
        line = self.process.stdout.readline()
        assert line.strip(), f"{self.program} did not start"
        self.port = int(line)
        self.write_known_hosts()
        return self

    def write_known_hosts(self, one_by_one=False, hashed=False):
        """One line for the whole fleet, or one for each host, with its name in the open or hashed."""
        one_by_one |= hashed
        names = self.addresses if one_by_one else [f"127.{self.network}.*"]
        with open(self.known_hosts, "w", encoding="ascii") as file:
            for name in names:
                file.write(f"[{name}]:{self.port} {public_key(self.host_key)}\n")
        if hashed:
            subprocess.run(["ssh-keygen", "-H", "-f", self.known_hosts], check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            os.unlink(f"{self.known_hosts}.old")

    def counts(self):
        """accepted, logged_in, commands, open, open_most."""
        self.process.stdin.write("?")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def cpu(self):
        """Seconds of CPU that the server has taken so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert code == 0, f"the light SSH server ended with {code}"

    def options(self):
        """The shell executor's options for this fleet, as NAME=VALUE."""
        return [f"{name}={value}" for name, value in self.executor().items() if name != "plugin"]

    def executor(self, **options):
        """A shell executor for this fleet, as a part of a configuration."""
        return {"plugin": "shell", "user": self.user, "port": str(self.port), "key": self.key, "agent": "false",
                "known_hosts": self.known_hosts, **options}


def flood(size, kind="lines", begin=0):
    """Bytes `begin` to `size` of what the step `flood` writes."""
    made = b""
    for number in range(begin // RECORD, -(-size // RECORD)):
        if kind == "binary":
            body = bytes(i & 0xFF for i in range(16, RECORD))
        else:
            body = b"x" * (RECORD - 17) + (b"\n" if kind == "lines" else b"x")
        made += b"%015d " % number + body
    return made[begin % RECORD:][:size - begin]
