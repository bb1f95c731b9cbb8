"""Frames between a unit's process here and the unit's process of Drover: four bytes of length, then JSON.

Sending never blocks the run: a thread of its own writes what is queued.
"""

import json
import queue
import struct
import threading

HEAD = struct.Struct("<I")


class Channel:
    def __init__(self, sock):
        self.sock = sock
        self.queue = queue.SimpleQueue()
        self.thread = None
        self.on_stop = None  # called, in a thread of its own, when the unit's deadline has come

    def receive(self):
        """The next object; raises EOFError when the unit is gone."""
        (size,) = HEAD.unpack(self._read(HEAD.size))
        return json.loads(self._read(size))

    def _read(self, size):
        data = bytearray()
        while len(data) < size:
            part = self.sock.recv(min(size - len(data), 1 << 20))
            if not part:
                raise EOFError("the unit is gone")
            data += part
        return bytes(data)

    def send_now(self, message):
        data = json.dumps(message).encode()
        self.sock.sendall(HEAD.pack(len(data)) + data)

    def start(self):
        self.thread = threading.Thread(target=self._write, daemon=True)
        self.thread.start()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        try:
            self.receive()
        except (EOFError, OSError):
            return
        if self.on_stop:
            self.on_stop()
        self.send({"event": "end"})

    def send(self, message):
        """Queued; the message must not be changed afterwards."""
        self.queue.put(message)

    def _write(self):
        while (message := self.queue.get()) is not None:
            try:
                self.send_now(message)
            except OSError:
                return

    def finish(self):
        """Returns when all is written."""
        self.queue.put(None)
        self.thread.join()
