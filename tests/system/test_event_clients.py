"""Many event streams at once: clients that come and go miss nothing, and one that reads nothing harms nobody."""

import http.client
import json
import random
import selectors
import socket
import threading
import time

import pytest

from daemon import PATIENCE, Daemon, wait_for


class Stream:
    """A stream as EventSource keeps it: it goes on from the last id, and is used by one thread."""

    def __init__(self, daemon, task, last=None):
        self.connection = http.client.HTTPConnection(*daemon.address(), timeout=60 * PATIENCE)
        self.connection.request("GET", f"/v1/tasks/{task}/events", headers={} if last is None else {"Last-Event-ID": last})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.last = last

    def __iter__(self):
        """Events as (kind, data); ends with the stream."""
        kind, data = None, None
        while line := self.answer.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "id":
                self.last = value
            elif name == "data":
                data = json.loads(value)
            elif kind and data:
                yield kind, data
                kind, data = None, None

    def close(self):
        # As one that is cut off: what is still in the socket is never read.
        self.connection.sock and self.connection.sock.close()
        self.answer.close()
        self.connection.close()


def follow(daemon, task, seed):
    """Reads a task's events to its end over many connections, each dropped somewhere; {host: status} and the last task."""
    rng, hosts, drops, last = random.Random(seed), {}, 0, "0"
    while True:
        stream = Stream(daemon, task, last)
        # Where the task was quicker than all clients, only a long life gets through what is replayed.
        room = rng.choice([1, 2, 10, 100, 700, 3000] + [9000] * (drops > 3))
        for kind, data in stream:
            if kind == "host":
                assert hosts.setdefault(data["host"], data["status"]) == data["status"], "a final status changed"
            elif kind == "task" and data["state"] == "done":
                stream.close()
                return hosts, data, drops
            room -= 1
            if not room:
                break
        last = stream.last
        stream.close()
        drops += 1


def test_reconnecting_misses_nothing(daemon):
    """What several clients have seen, each cut off at random, is exactly what the results say."""
    task = daemon.submit("sim", "h[1-4000]", {"latency": "0-3s", "fail": "1/30"}, timeout=60)
    seen = [None] * 6

    def run(i):
        seen[i] = follow(daemon, task, i)

    clients = [threading.Thread(target=run, args=(i,)) for i in range(len(seen))]
    for client in clients:
        client.start()
    for client in clients:
        client.join(120 * PATIENCE)
    whole = {row["host"]: row["status"] for row in daemon.results(task, "&output=false")}
    assert len(whole) == 4000
    for answer in seen:
        assert answer, "a client did not come to the end"
        hosts, end, drops = answer
        assert hosts == whole
        assert end["counts"]["ok"] == list(whole.values()).count("ok")
        assert drops > 3


@pytest.mark.alone
def test_one_that_reads_nothing_harms_nobody(daemon):
    """Neither the task nor who reads: it is cut off when its buffer is full, and its memory is given back."""
    quick = daemon.submit("sim", "h1", {})
    daemon.wait(quick)
    task = daemon.submit("sim", "h[1-8000]", {"latency": "0-2s"}, timeout=60)
    dead = []
    for _ in range(50):
        sock = socket.create_connection(daemon.address())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(f"GET /v1/tasks/{task}/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 0\r\n\r\n".encode())
        dead.append(sock)
    hosts = [data["host"] for kind, data in Stream(daemon, task, "0") if kind == "host"]
    assert sorted(hosts) == sorted(f"h{i}" for i in range(1, 8001))
    assert daemon.task(task)["counts"]["ok"] == 8000
    begun = time.monotonic()
    daemon.wait(daemon.submit("sim", "h1", {}))
    assert time.monotonic() - begun < 2 * PATIENCE
    for sock in dead:
        sock.close()
    wait_for("the streams to be forgotten", lambda: "drover_http_event_clients 0\n" in metrics(daemon))


def metrics(daemon):
    return daemon.request("GET", "/metrics", raw=True)[1].decode()


class Crowd:
    """Clients of one thread that read what comes and keep only its last bytes."""

    def __init__(self, daemon, task, count):
        self.selector = selectors.DefaultSelector()
        self.tails = {}
        self.ended = 0
        for _ in range(count):
            sock = socket.create_connection(daemon.address())
            sock.sendall(f"GET /v1/tasks/{task}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            sock.setblocking(False)
            self.tails[sock] = b""
            self.selector.register(sock, selectors.EVENT_READ)

    def read(self, timeout):
        """Reads for that long, or until all streams have ended."""
        end = time.monotonic() + timeout
        while self.ended < len(self.tails) and time.monotonic() < end:
            for key, _ in self.selector.select(0.1):
                data = key.fileobj.recv(1 << 16)
                self.tails[key.fileobj] = (self.tails[key.fileobj] + data)[-2000:]
                if not data or data.endswith(b"0\r\n\r\n"):
                    self.selector.unregister(key.fileobj)
                    self.ended += 1

    def close(self):
        self.selector.close()
        for sock in self.tails:
            sock.close()


@pytest.mark.alone
def test_a_thousand_clients():
    """All of them hear a task's end, and more are told to wait."""
    with Daemon() as daemon:
        task = daemon.submit("sim", "h[1-50]", {"hang": ["h50"]}, timeout=600)
        wait_for("all but one to end", lambda: daemon.task(task)["counts"]["ok"] == 49)
        crowd = Crowd(daemon, task, 1000)
        wait_for("all to be there", lambda: "drover_http_event_clients 1000\n" in metrics(daemon), 60)
        answer, _ = daemon.request("GET", f"/v1/tasks/{task}/events", raw=True)
        assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0
        begun = time.monotonic()
        daemon.post(f"/v1/tasks/{task}/cancel")
        assert time.monotonic() - begun < 5 * PATIENCE
        crowd.read(60 * PATIENCE)
        assert crowd.ended == 1000
        assert all(b'"state":"cancelled"' in tail for tail in crowd.tails.values())
        crowd.close()
        wait_for("all to be forgotten", lambda: "drover_http_event_clients 0\n" in metrics(daemon))
