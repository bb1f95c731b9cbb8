"""A program on a terminal of its own, as its user sees it."""
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from system.daemon import PATIENCE


class Terminal:
    """Starts `command` as the leader of a session whose terminal this is: Ctrl-C reaches it as typed."""

    def __init__(self, command, env, columns=100):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.seen = b""
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={"PATH": "/usr/bin:/bin", "TERM": "xterm", "TZ": "UTC", **env})
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)

    def type(self, data):
        os.write(self.master, data)

    def _more(self, end):
        """False at the end of what there is."""
        assert select.select([self.master], [], [], max(0, end - time.monotonic()))[0], self.seen
        try:
            chunk = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += chunk
        return bool(chunk)

    def read_until(self, text, timeout=30):
        """All that was seen so far, with `text` in it."""
        end = time.monotonic() + timeout * PATIENCE
        while text not in self.seen:
            assert self._more(end), self.seen
        return self.seen

    def read_all(self, timeout=30):
        end = time.monotonic() + timeout * PATIENCE
        while self._more(end):
            pass
        return self.seen

    def wait(self, timeout=30):
        self.read_all(timeout)
        return self.process.wait(timeout * PATIENCE)
