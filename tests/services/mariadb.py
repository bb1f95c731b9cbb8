#!/usr/bin/python3
"""A real MariaDB server for tests, from Debian's package: a data folder and a socket of its own, a free port.

As a program:

    tests/services/mariadb.py COMMAND...

runs the command with DROVER_MARIADB_SOCKET (and DROVER_MARIADB_PORT) set to a server that ends with it.

The system's own server is neither used nor started. A fresh data folder takes seconds to make, so one is
kept as a template and copied.
"""
import contextlib
import fcntl
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # as a program

from services import ports  # noqa: E402

PATIENCE = float(os.environ.get("DROVER_TEST_PATIENCE", "1"))
USER, PASSWORD = "drover", "open sesame"


def find(program):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin")
    if not path:
        raise RuntimeError(f"{program} is missing: contrib/deps.sh test")
    return path


def as_user():
    """MariaDB refuses to run as root unless told so; the folders are ours anyway."""
    return ["--user=" + pwd.getpwuid(os.geteuid()).pw_name]


def template():
    """The kept data folder, made once for each version and user."""
    version = subprocess.run([find("mariadbd"), "--version"], stdout=subprocess.PIPE, check=True).stdout
    name = "drover-test-mariadb-%d-%s" % (os.geteuid(), version.split()[2].decode().replace("/", "_"))
    folder = pathlib.Path(tempfile.gettempdir()) / name
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            temporary = pathlib.Path(f"{folder}.tmp")
            temporary.mkdir(exist_ok=True)
            subprocess.run([find("mariadb-install-db"), "--no-defaults", f"--datadir={folder}", "--skip-test-db",
                            f"--tmpdir={temporary}",
                            "--auth-root-authentication-method=normal", "--innodb-log-file-size=16M", *as_user()],
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
            (folder / "made").touch()
    return folder


class MariaDB:
    """A running server; `options` are further ones of mariadbd, as `name=value`."""

    def __init__(self, *options, folder=None):
        self._owned = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="drover-mariadb-"))
        self.data = self.folder / "data"
        self.socket = self.folder / "s"
        # A server that starts removes what servers leave in its folder for temporary tables: those of others, too.
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.port = ports.take()
        self.password = self.folder / "password"
        self.password.write_text(PASSWORD + "\n")
        self.password.chmod(0o600)
        self.options = options
        self.process = None
        shutil.copytree(template(), self.data)
        (self.data / "made").unlink()
        self.start()
        self.sql(f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';"
                 f"GRANT ALL ON *.* TO '{USER}'@'%'; CREATE DATABASE drover")

    def start(self, deadline=60):
        command = [find("mariadbd"), "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}",
                   f"--tmpdir={self.temporary}", f"--port={self.port}", "--bind-address=127.0.0.1",
                   f"--pid-file={self.folder}/pid",
                   "--skip-name-resolve", "--innodb-log-file-size=16M", "--innodb-buffer-pool-size=64M",
                   "--innodb-flush-log-at-trx-commit=1", "--performance-schema=OFF", *as_user(),
                   *("--" + option for option in self.options)]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + deadline * PATIENCE
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"mariadbd ended with {self.process.returncode}:\n{self.log()}")
            if self.socket.exists() and self.query("SELECT 1", check=False).returncode == 0:
                return
            if time.monotonic() > end:
                raise RuntimeError(f"mariadbd does not answer:\n{self.log()}")
            time.sleep(0.02)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def query(self, text, database="", check=True):
        return subprocess.run([find("mariadb"), "--no-defaults", "-u", "root", f"--socket={self.socket}", "-N", "-B",
                               "-e", text, *([database] if database else [])], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=check)

    def sql(self, text, database=""):
        """Runs statements as root; the rows as lists of strings."""
        done = self.query(text, database, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return [line.split("\t") for line in done.stdout.decode(errors="replace").splitlines()]

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(60 * PATIENCE)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        if self._owned:
            shutil.rmtree(self.folder, ignore_errors=True)

    def store(self, database="drover"):
        """The `store` section of a configuration."""
        return {"plugin": "mysql", "socket": str(self.socket), "user": USER,
                "password": {"file": str(self.password)}, "database": database}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


@contextlib.contextmanager
def environment():
    """Of programs that test a store: where a server is."""
    with MariaDB() as server:
        yield {"DROVER_MARIADB_SOCKET": str(server.socket), "DROVER_MARIADB_PORT": str(server.port)}


def main():
    with environment() as env:
        return subprocess.run(sys.argv[1:], env=dict(os.environ, **env), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
