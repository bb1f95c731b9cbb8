"""The fork server: imports Ansible once, then makes a process for each unit that asks.

Run as `PYTHON server.py FD`. FD is a SOCK_SEQPACKET socket. Each message on it is a JSON object
`{"mark": "NAME=VALUE"}` with three descriptors: the unit's channel (channel.py), and what are to be its
process's standard output and error. The unit adopts the process before it does anything.
"""

import array
import ctypes
import gc
import json
import os
import select
import shutil
import socket
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import preload  # noqa: E402  (Ansible: half a second)
import unit  # noqa: E402

MESSAGE_SIZE = 4096
DESCRIPTORS = 3


def receive(listener):
    """A unit's message and descriptors; None: nobody can ask any more."""
    room = socket.CMSG_SPACE(DESCRIPTORS * array.array("i").itemsize)
    data, ancillary, _flags, _address = listener.recvmsg(MESSAGE_SIZE, room, socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[:len(content) - len(content) % fds.itemsize])
    if not data:
        return None
    return json.loads(data), list(fds)


def take_mark(mark):
    """Writes the mark where /proc/PID/environ is read from, and into what programs are started with."""
    name, value = mark.encode().split(b"=", 1)
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    place = libc.getenv(name)
    if place and len(ctypes.string_at(place)) == len(value):
        ctypes.memmove(place, value, len(value))
    os.environb[name] = value


class Server:
    """Folders of units are removed when the last process that has the unit's pipe is gone."""

    def __init__(self, listener):
        self.listener = listener
        self.root = tempfile.mkdtemp(prefix="drover-")
        self.folders = {}  # read end of the pipe: folder

    def fork(self, message, fds):
        folder = tempfile.mkdtemp(dir=self.root)
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            self.become_unit(message, fds, folder, reading, writing)
        os.close(writing)
        self.folders[reading] = folder
        for fd in fds:
            os.close(fd)
        os.waitpid(pid, 0)

    def become_unit(self, message, fds, folder, reading, writing):
        """In the child: its own child goes on, so that it is nobody's here. Does not return."""
        status = 1
        try:
            take_mark(message["mark"])
            os.setsid()
            if os.fork():
                os._exit(0)
            self.listener.close()
            for fd in [reading, *self.folders]:
                os.close(fd)
            os.set_inheritable(writing, True)  # ssh's masters have it too
            os.dup2(fds[1], 1)
            os.dup2(fds[2], 2)
            status = unit.run(socket.socket(fileno=fds[0]), folder)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def remove(self, reading):
        os.close(reading)
        shutil.rmtree(self.folders.pop(reading), ignore_errors=True)

    def serve(self):
        while True:
            ready, _, _ = select.select([self.listener, *self.folders], [], [])
            for fd in ready:
                if fd is not self.listener:
                    self.remove(fd)
            if self.listener not in ready:
                continue
            request = receive(self.listener)
            if request is None:
                return
            message, fds = request
            if len(fds) == DESCRIPTORS:
                self.fork(message, fds)


def main():
    listener = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(listener.fileno(), False)
    preload.load()
    gc.collect()
    gc.freeze()  # so that a child's collections do not copy the pages of what was loaded
    server = Server(listener)
    try:
        server.serve()
    finally:
        shutil.rmtree(server.root, ignore_errors=True)


if __name__ == "__main__":
    main()
