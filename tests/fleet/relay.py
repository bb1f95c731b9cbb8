"""A way to a host that fails as networks do: it falls silent, or only greets."""

import contextlib
import random
import selectors
import socket
import threading

BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n"


class Relay:
    """Carries connections to `target` (address, port) from an address of its own. A context manager.

    `carried`: so many connections are carried; later ones are answered with a greeting and then with silence.
    """

    def __init__(self, target, carried=None):
        self.target, self.carried = target, carried
        self.silent = threading.Event()
        self.broken = threading.Event()
        self.ended = threading.Event()
        self.held = []
        self.listener = socket.socket()
        self.listener.bind((f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}", 0))
        self.address, self.port = self.listener.getsockname()

    def __enter__(self):
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.held:
            connection.close()

    def cut(self):
        """Connections break, and new ones do at once, until `mend`."""
        self.broken.set()
        for connection in self.held:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def mend(self):
        self.broken.clear()

    def fall_silent(self):
        """Nothing is carried any more, in no direction; connections stay."""
        self.silent.set()

    def _accept(self):
        while not self.ended.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if self.broken.is_set():
                connection.close()
                continue
            self.held.append(connection)
            if self.carried == 0:
                connection.sendall(BANNER)
                continue
            if self.carried:
                self.carried -= 1
            threading.Thread(target=self._carry, args=(connection, socket.create_connection(self.target)),
                             daemon=True).start()

    def _carry(self, near, far):
        self.held.append(far)
        with selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            try:
                while not self.ended.is_set():
                    for key, _ in selector.select(0.1):
                        if self.silent.is_set():
                            return
                        data = key.fileobj.recv(1 << 16)
                        if not data:
                            near.close()
                            far.close()
                            return
                        key.data.sendall(data)
            except (OSError, ValueError):
                near.close()
                far.close()
