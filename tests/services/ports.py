"""TCP ports for the servers of tests: each is one process's own until that ends, whatever runs beside it.

A port that is asked for by bind(0) and closed again is anybody's until its server listens: another test's server may be
given the same, and an outgoing connection may take it, also while its server is down to be started again. So
these are none of those that the system gives by itself, and who takes one locks it for as long as the process lives.
"""
import fcntl
import os
import random
import socket
import tempfile
import threading

RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
FIRST, LAST = 10000, 65535
ENOUGH = 1000  # where the system gives nearly all by itself, there are no better ones
FILE = os.path.join(tempfile.gettempdir(), f"drover-test-ports-{os.geteuid()}.lock")


class Ports:
    """The process's own. A port is a byte of the file: its lock ends with the process, however that ends."""

    def __init__(self):
        self.lock = threading.Lock()
        self.pid = self.file = None
        self.taken = set()

    def open(self):
        """The file stays open: closing any descriptor of it would give all locks back. A child locks for itself."""
        if self.pid != os.getpid():
            self.pid, self.taken = os.getpid(), set(self.taken)
            self.file = os.open(FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def try_lock(self, port):
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            return True
        except OSError:
            return False

    def take(self):
        with self.lock:
            self.open()
            choice = candidates()
            start = random.SystemRandom().randrange(len(choice))
            for port in choice[start:] + choice[:start]:
                if port not in self.taken and self.try_lock(port):
                    self.taken.add(port)
                    if is_free(port):
                        return port
        raise RuntimeError("no port is free")


def candidates():
    """Those that no outgoing connection and no bind(0) gets."""
    with open(RANGE, encoding="ascii") as file:
        low, high = map(int, file.read().split())
    fixed = [port for port in range(FIRST, LAST + 1) if not low <= port <= high]
    return fixed if len(fixed) >= ENOUGH else list(range(FIRST, LAST + 1))


def is_free(port):
    """As a server would have it: what is left of closed connections is in nobody's way."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("", port))
        except OSError:
            return False
    return True


OWN = Ports()


def take():
    """A port of 127.0.0.1 (and any other address) that nobody else here is given."""
    return OWN.take()
