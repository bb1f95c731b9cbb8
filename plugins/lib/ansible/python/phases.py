"""In what a host that says nothing hangs, by what its worker's ssh has reached."""

import ctypes
import os
import re
import socket

import workers

PIDFD_OPEN, PIDFD_GETFD = 434, 438
SYN_SENT = 2
# Of struct tcp_info (linux/tcp.h): the state is the first byte, then the 8-byte count of received ones is here.
INFO_SIZE, RECEIVED_AT = 192, 128
# A server's greeting is shorter than this; it is longer than that until its keys are exchanged, as a rule.
GREETING_MOST, KEYS_MOST = 255, 1300

CONTROL_PATH = re.compile(rb'ControlPath="?([^"\0]+)')


def children():
    """All processes: pid -> pids of its children."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):
            continue
        found.setdefault(parent, []).append(int(name))
    return found


def descendants(pid, tree):
    found = list(tree.get(pid, ()))
    for child in found:
        found += tree.get(child, ())
    return found


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def borrow_sockets(pid):
    """Copies of a process's sockets; fewer where it is not allowed."""
    syscall = ctypes.CDLL(None).syscall
    pidfd = syscall(PIDFD_OPEN, pid, 0)
    if pidfd < 0:
        return
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                continue
            fd = syscall(PIDFD_GETFD, pidfd, int(name), 0)
            if fd >= 0:
                with socket.socket(fileno=fd) as found:
                    yield found
    except OSError:
        return
    finally:
        os.close(pidfd)


def of_connection(pid):
    """How far ssh's own connection has come."""
    for found in borrow_sockets(pid):
        if found.family not in (socket.AF_INET, socket.AF_INET6):
            continue
        info = found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_SIZE)
        received = int.from_bytes(info[RECEIVED_AT:RECEIVED_AT + 8], "little")
        if info[0] == SYN_SENT:
            return "connect"
        if not received:
            return "banner"
        if received <= GREETING_MOST or received < KEYS_MOST:
            return "key exchange"
        return "authentication"
    return "connect"


def of_ssh(pid, line):
    """Logged in, it has made the socket that further sessions go through."""
    path = CONTROL_PATH.search(line)
    if path and os.path.exists(path.group(1)):
        return "execution"
    return of_connection(pid)


def of_host(tqm, name, tree=None):
    """The phase that a host is in: of its worker's ssh, else `execution`."""
    worker = workers.find(tqm, name)
    if worker is None:
        return "execution"
    for pid in descendants(worker.pid, children() if tree is None else tree):
        line = command_line(pid)
        if os.path.basename(line.split(b"\0")[0]) == b"ssh":
            return of_ssh(pid, line)
    return "execution"
