"""What hosts print is shown to those who watch while they print it, and to nobody's harm."""

import base64
import http.client
import json
import os
import socket
import threading
import time

import pytest
from daemon import FINAL, PATIENCE, Daemon, wait_for
from fleet.sshd import Sshd


class Stream:
    """The events of a task, as they come: (kind, data)."""

    def __init__(self, daemon, task, query="?output=true", timeout=60):
        self.connection = http.client.HTTPConnection(*daemon.address(), timeout=timeout * PATIENCE)
        self.connection.request("GET", f"/v1/tasks/{task}/events{query}")
        self.response = self.connection.getresponse()
        assert self.response.status == 200
        self.printed = {}   # (host, stream): {offset: bytes}
        self.kinds = []

    def events(self):
        kind, data = None, None
        for line in self.response:
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                data = json.loads(line[6:])
            elif not line.strip() and kind:
                self.kinds.append(kind)
                if kind == "output":
                    self.take(data)
                yield kind, data
                kind = None

    def take(self, data):
        assert data["stream"] in ("stdout", "stderr") and data["kind"] == "output"
        text = data["data"].encode() if "data" in data else base64.b64decode(data["data_base64"])
        assert len(text) == data["bytes"]
        self.printed.setdefault((data["host"], data["stream"]), {})[data["offset"]] = text

    def until(self, what):
        """Reads on until what() is true; false where the stream ends first."""
        return what() or any(what() for _ in self.events())

    def whole(self, host, stream="stdout"):
        """The bytes in the order of their offsets, and the number of those that are missing between them."""
        text, missing = b"", 0
        at = 0
        for offset, part in sorted(self.printed.get((host, stream), {}).items()):
            missing += max(offset - at, 0)
            text += part[max(at - offset, 0):]
            at = max(at, offset + len(part))
        return text, missing

    def close(self):
        self.connection.close()
        self.response.close()


@pytest.fixture(scope="module")
def d():
    shell = {"plugin": "shell", "transport": "local", "allow_localhost": True}
    with Daemon({"executors": [{"plugin": "sim"}, shell]}) as daemon:
        yield daemon


def gate(d, name):
    """A file for which commands wait, and what makes it."""
    path = os.path.join(d.folder, name)
    return f"while [ ! -e {path} ]; do sleep 0.05; done", lambda: open(path, "w", encoding="ascii").close()


def test_output_comes_while_the_host_prints(d):
    wait, go = gate(d, "shown")
    task = d.submit("shell", "a,b", {"command": f"echo one; echo two >&2; {wait}; echo three; printf 'caf\\351 '"})
    stream = Stream(d, task)
    assert stream.until(lambda: stream.whole("a")[0] == stream.whole("b")[0] == b"one\n" and
                        stream.whole("a", "stderr")[0] == b"two\n")
    assert d.task(task)["state"] == "running"
    go()
    for _ in stream.events():
        pass
    assert stream.whole("a") == stream.whole("b") == (b"one\nthree\ncaf\xe9 ", 0)
    assert stream.kinds[-1] == "task" and stream.kinds.count("host") == 2
    # The host's end comes after what it printed.
    assert max(i for i, kind in enumerate(stream.kinds) if kind == "output") < stream.kinds.index("host")


def test_nobody_gets_what_nobody_asked_for(d):
    wait, go = gate(d, "asked")
    task = d.submit("shell", "a,b", {"command": f"{wait}; echo hello; {wait}; echo again"})
    with_output, without = Stream(d, task), Stream(d, task, "")
    reader = threading.Thread(target=lambda: list(without.events()))
    reader.start()
    go()
    list(with_output.events())
    reader.join()
    assert "output" not in without.kinds
    assert with_output.whole("a") == with_output.whole("b") == (b"hello\nagain\n", 0)
    other = Stream(d, task, "?output=true&last_event_id=0")
    list(other.events())
    assert sorted(other.kinds) == ["host", "host", "task"]  # it is told live only


def test_who_comes_later_gets_what_there_was(d):
    wait, go = gate(d, "later")
    task = d.submit("shell", "a", {"command": f"echo before; {wait}; echo after"})
    wait_for("the command to run", lambda: d.task(task)["counts"]["running"])
    first = Stream(d, task)
    assert first.until(lambda: first.whole("a")[0] == b"before\n")
    second = Stream(d, task)
    assert second.until(lambda: second.whole("a")[0] == b"before\n")
    second.close()
    third = Stream(d, task)
    assert third.until(lambda: third.whole("a")[0] == b"before\n")
    go()
    list(first.events())
    list(third.events())
    assert first.whole("a") == third.whole("a") == (b"before\nafter\n", 0)


def test_over_ssh():
    """Three hosts of a real sshd, watched from the middle on; binary on one of them."""
    with Sshd(3) as sshd:
        shell = {"plugin": "shell", "port": str(sshd.port), "key": [sshd.key], "agent": "false",
                 "known_hosts": [sshd.known_hosts], "user": sshd.user}
        with Daemon({"executors": [shell]}) as daemon:
            wait, go = gate(daemon, "ssh")
            task = daemon.submit("shell", sshd.addresses,
                                 {"command": f"echo before; echo oops >&2; {wait}; printf 'a\\0\\377'"})
            wait_for("the commands to run", lambda: len(sshd.processes("sleep 0.05")) > 0)
            stream = Stream(daemon, task)
            assert stream.until(lambda: all(stream.whole(h)[0] == b"before\n" and
                                            stream.whole(h, "stderr")[0] == b"oops\n" for h in sshd.addresses))
            go()
            list(stream.events())
            assert all(stream.whole(h) == (b"before\na\0\xff", 0) for h in sshd.addresses)


def test_units_that_start_later_are_watched_too(d):
    wait, go = gate(d, "units")
    task = d.submit("shell", "n[1-20]", {"command": f"{wait}; printf 01234; sleep 0.1; printf 56789"}, unit_size=2, fanout=4)
    stream = Stream(d, task)
    go()
    list(stream.events())
    shown = [h for h in range(1, 21) if stream.whole(f"n{h}") == (b"0123456789", 0)]
    assert len(shown) >= 16, stream.printed.keys()  # those that ran before we came are not ours to see


def test_a_character_is_not_torn(d):
    text = "ä€😀" * 9000  # 81,000 bytes: several frames
    for _ in range(5):  # who comes when the host has ended is shown nothing
        task = d.submit("sim", "a", {"output": text, "pieces": 1, "latency": "500ms"}, output_limit=1 << 20)
        stream = Stream(d, task)
        parts = [data for kind, data in stream.events() if kind == "output"]
        if parts:
            break
    assert all("data" in part for part in parts) and len(parts) > 1
    assert stream.whole("a") == (text.encode(), 0)


def test_a_flood_is_thinned_and_seen_as_a_gap(d):
    """50 MB through a watched host: it is as fast as without a watcher, the gaps are told, the result is whole."""
    size = 50_000_000
    wait, go = gate(d, "flood")
    task = d.submit("shell", "a,quiet", {"command": f"{wait}; head -c {size} /dev/zero | tr '\\0' x; echo; echo end"},
                    output_limit=1 << 16)
    stream = Stream(d, task)
    go()
    list(stream.events())
    rows = d.results(task)
    assert [r["status"] for r in rows] == ["ok", "ok"]
    assert all(r["stdout_bytes"] == size + 5 and r["stdout"].endswith("x\nend\n") for r in rows)
    text, missing = stream.whole("a")
    assert 0 < len(text) < size and missing > 0


def test_the_rates_are_options():
    """One command each on three executors: as they come, with a rate of their units, with one of their own."""
    local = {"plugin": "shell", "transport": "local", "allow_localhost": True}
    slow = [{**local, "name": rate, "match": {"hosts": host}, rate: "16K"}
            for host, rate in (("unit", "live_unit_rate"), ("executor", "live_rate"))]
    with Daemon({"executors": [*slow, local]}) as daemon:
        wait, go = gate(daemon, "rates")
        piece = "head -c 10000 /dev/zero | tr '\\0' x; sleep 0.02"
        streams = {}
        for host in ("unit", "executor", "free"):
            task = daemon.submit("shell", host, {"command": f"printf a; {wait}; for i in $(seq 30); do {piece}; done"},
                                 output_limit=1 << 20)
            streams[host] = Stream(daemon, task)
            assert streams[host].until(lambda: streams[host].whole(host)[0] == b"a")
        go()
        for stream in streams.values():
            list(stream.events())
        shown = {host: len(stream.whole(host)[0]) for host, stream in streams.items()}
        assert shown["free"] == 300_001
        assert all(10_000 < shown[host] < 250_000 for host in ("unit", "executor")), shown


def test_a_reader_that_reads_nothing_harms_nobody(d):
    """Its buffers fill and output is left out; the task, its results and other watchers go on."""
    task = d.submit("sim", "n[1-40]", {"output": {"bytes": 400_000}, "pieces": 100, "latency": "3s"}, unit_size=10,
                    output_limit=1 << 20)
    deaf = socket.create_connection(d.address())
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(f"GET /v1/tasks/{task}/events?output=true HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    stream = Stream(d, task)
    list(stream.events())
    assert d.wait(task)["counts"]["ok"] == 40
    assert stream.kinds.count("host") == 40 and "output" in stream.kinds
    deaf.close()


def test_a_slow_reader_is_told_how_much_it_missed():
    """Once it reads again it hears how many events were left out, and of every host's end."""
    http_source = {"plugin": "http", "listen": "127.0.0.1:0", "event_buffer": "256K"}
    with Daemon() as d:
        d.stop()
        d.config["sources"] = [{**http_source, "port_file": d.port_file}]
        d.write_config()
        d.start()
        # 16 MB of output: more than the sockets' buffers and a quarter of the stream's take.
        task = d.submit("sim", "n[1-20]", {"output": {"bytes": 800_000}, "pieces": 50, "latency": "4s"}, unit_size=1,
                        output_limit=1 << 20)
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # before it connects, or it is only asked for
        raw.connect(d.address())
        raw.sendall(f"GET /v1/tasks/{task}/events?output=true HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wait_for("half of the task's time", lambda: time.time() - d_started(d, task) > 3)
        raw.settimeout(60 * PATIENCE)
        got = bytearray()
        while True:
            part = raw.recv(65536)
            got += part
            if not part or got.endswith(b"\r\n0\r\n\r\n"):
                break
        raw.close()
        gaps = [json.loads(line[6:]) for line in bytes(got).split(b"\n") if line.startswith(b'data: {"kind":"gap"')]
        assert gaps and all(gap["events"] > 0 for gap in gaps)
        assert got.count(b"event: host\n") == 20
        assert d.wait(task)["state"] in FINAL


def d_started(d, task):
    created = d.task(task)["created_at"]
    return time.mktime(time.strptime(created[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


def test_watching_ends_with_the_watcher():
    """Output frames stop when nobody watches: the executor host's traffic says so."""
    with Daemon() as d:
        task = d.submit("sim", "n[1-10]", {"output": {"bytes": 1_000_000}, "pieces": 1000, "latency": "20s"},
                        output_limit=1 << 20)
        stream = Stream(d, task)
        assert stream.until(lambda: len(stream.printed) == 10)
        core = d.parts()["core"]
        stream.close()

        def read_bytes():
            with open(f"/proc/{core}/io", encoding="ascii") as f:
                return int(f.readline().split()[1])
        # Each second of watching is half a megabyte.
        wait_for("the core to be shown nothing any more", lambda: quiet(read_bytes), 15)
        assert d.task(task)["state"] == "running"
        d.post(f"/v1/tasks/{task}/cancel")
        d.wait(task)


def quiet(read_bytes):
    before = read_bytes()
    time.sleep(1)
    return read_bytes() - before < 20_000
