"""The fork server: imports Ansible once, then makes a process for each unit that asks.

Run as `PYTHON server.py FD FOLDER`. FD is a SOCK_SEQPACKET socket. Each message on it is a JSON object
`{"mark": "NAME=VALUE"}` with three descriptors: the unit's channel (channel.py), and what are to be its
process's standard output and error. The unit adopts the process before it does anything. Temporary files of
units go into folders of their own below FOLDER.
"""

import array
import ctypes
import fcntl
import gc
import importlib
import json
import os
import select
import shutil
import socket
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import channel as channels  # noqa: E402
import modules  # noqa: E402
import memory  # noqa: E402
import preload  # noqa: E402
import unit  # noqa: E402

MESSAGE_SIZE = 4096
DESCRIPTORS = 3
# Whose second unit has come will have more, and for those modules are packed beforehand.
PACK_AT = 2


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


class Folders:
    """Of units: each is removed when the last process is gone that has the write end of its pipe.

    Whoever has that also has the folder's lock, but for what is exec'd; by the lock a server finds what the
    units of one before it have left.
    """

    def __init__(self, root):
        self.root = root
        self.mine = {}  # read end of the pipe: folder
        self.others = [os.path.join(root, name) for name in os.listdir(root)]
        self.sweep()
        memory.sweep(root)

    def make(self):
        """The folder, its lock, both ends of its pipe."""
        folder = tempfile.mkdtemp(prefix="u", dir=self.root)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        reading, writing = os.pipe()
        self.mine[reading] = folder
        return folder, lock, reading, writing

    def remove(self, reading):
        os.close(reading)
        self._remove(self.mine.pop(reading))
        self.sweep()

    @staticmethod
    def _remove(folder):
        memory.remove(memory.prefix_of(folder))
        shutil.rmtree(folder, ignore_errors=True)

    def sweep(self):
        for folder in list(self.others):
            try:
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                self.others.remove(folder)
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._remove(folder)
                self.others.remove(folder)
            except OSError:
                pass  # its unit is still at work
            finally:
                os.close(lock)


class Server:
    def __init__(self, listener, root):
        self.listener = listener
        self.folders = Folders(root)
        self.forked = 0  # units
        self.broken = None  # why Ansible could not be imported

    def load(self):
        """Tried again with each unit while it fails: somebody may install what is missing."""
        try:
            importlib.invalidate_caches()
            preload.load()
            self.broken = None
            gc.collect()
            gc.freeze()  # so that a child's collections do not copy the pages of what was loaded
        except Exception as error:  # noqa: BLE001  (a broken installation fails in any way)
            self.broken = f"{sys.executable} cannot load Ansible: {type(error).__name__}: {error}"
            print(f"<3>{self.broken}", file=sys.stderr)

    def refuse(self, fds):
        try:
            channels.Channel(socket.socket(fileno=fds.pop(0))).send_now({"error": self.broken})
        except OSError:
            pass  # it is gone

    def fork(self, message, fds):
        folder, lock, reading, writing = self.folders.make()
        pid = os.fork()
        if not pid:
            self.become_unit(message, fds, folder, writing)
        os.close(writing)
        os.close(lock)
        os.waitpid(pid, 0)
        self.forked += 1
        if self.forked == PACK_AT:
            self.pack_modules()

    def pack_modules(self):
        """In a process that is nobody's here and ends by itself. Units do without them until they are there."""
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            return
        try:
            if not os.fork():
                self.listener.close()
                modules.build(os.path.join(self.folders.root, "modules"))
        finally:
            os._exit(0)

    def become_unit(self, message, fds, folder, writing):
        """In the child: its own child goes on, so that it is nobody's here. Does not return."""
        status = 1
        try:
            take_mark(message["mark"])
            os.setsid()
            if os.fork():
                os._exit(0)
            self.listener.close()
            for fd in self.folders.mine:
                os.close(fd)
            os.set_inheritable(writing, True)  # ssh's masters have it too
            os.dup2(fds[1], 1)
            os.dup2(fds[2], 2)
            status = unit.run(socket.socket(fileno=fds[0]), folder)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def answer(self, message, fds):
        if self.broken:
            self.load()
        if self.broken:
            self.refuse(fds)
        else:
            self.fork(message, fds)

    def serve(self):
        while True:
            ready, _, _ = select.select([self.listener, *self.folders.mine], [], [])
            for fd in ready:
                if fd is not self.listener:
                    self.folders.remove(fd)
            if self.listener not in ready:
                continue
            request = receive(self.listener)
            if request is None:
                return
            message, fds = request
            if len(fds) == DESCRIPTORS:
                self.answer(message, fds)
            for fd in fds:
                os.close(fd)


def main():
    listener = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(listener.fileno(), False)
    server = Server(listener, sys.argv[2])
    server.load()
    server.serve()


if __name__ == "__main__":
    main()
