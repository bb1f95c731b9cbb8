"""What nobody should send: a 4xx or a closed connection, nothing stored, the daemon goes on and serves others meanwhile.

tests/system/test_requests.py and tests/plugins/test_http_requests.py look at what such requests are told.
"""

import contextlib
import functools
import http.client
import json
import resource
import socket
import struct
import threading
import time

import pytest
from daemon import PATIENCE, Daemon, wait_for

GOOD = {"type": "sim", "hosts": "h[1-3]", "payload": {}}
HEAD = b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = json.dumps(GOOD).encode()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
SERVED_WITHIN = 1.0  # s: what others wait at most
SILENCE = 1  # s: connection_timeout


def task(**members):
    """A task with some members that are wrong, as a whole request."""
    return posted(json.dumps({**GOOD, **members}).encode())


def posted(body):
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def got(path, *headers):
    return b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + b"".join(h + b"\r\n" for h in headers) + b"\r\n"


def chunked(*parts):
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(parts)


CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)

BAD = {
    # ----------------------------------------------------------------------------------- bodies
    "nothing": posted(b""),
    "no json": posted(b"hosts: h1"),
    "cut off": posted(BODY[:-5]),
    "single quotes": posted(BODY.replace(b'"', b"'")),
    "a comment": posted(b"/* x */" + BODY),
    "a trailing comma": posted(BODY[:-1] + b",}"),
    "two values": posted(BODY + BODY),
    "garbage behind": posted(BODY + b"]"),
    "NaN": task(unit_size=float("nan")),
    "infinity": task(timeout=float("inf")),
    "an array": posted(b"[" + BODY + b"]"),
    "a string": posted(b'"web1"'),
    "null": posted(b"null"),
    "key twice": posted(BODY[:-1] + b',"hosts":"h9"}'),
    "key twice, escaped": posted(BODY[:-1] + b',"h\\u006fsts":"h9"}'),
    "key twice, deep": posted(BODY[:-1] + b',"labels":{"a":"1","a":"2"}}'),
    "depth 100": posted(BODY[:-1] + b',"labels":' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}"),
    "depth 100,000": posted(b"[" * 100000),
    "depth 100,000, objects": posted(b'{"a":' * 100000),
    "bad UTF-8": posted(BODY[:-1] + b',"note":"\xff\xfe"}'),
    "overlong UTF-8": posted(BODY[:-1] + b',"note":"\xc0\xaf"}'),
    "overlong NUL": posted(BODY[:-1] + b',"note":"\xc0\x80"}'),
    "UTF-8 above U+10FFFF": posted(BODY[:-1] + b',"note":"\xf4\x90\x80\x80"}'),
    "UTF-8 of a surrogate": posted(BODY[:-1] + b',"note":"\xed\xa0\x80"}'),
    "UTF-8 cut off": posted(BODY[:-1] + b',"note":"\xe2\x82"}'),
    "a lone surrogate": posted(BODY[:-1] + b',"name":"\\ud800"}'),
    "a surrogate the wrong way round": posted(BODY[:-1] + b',"name":"\\udc00\\ud800"}'),
    "NUL": posted(BODY[:-1] + b',"name":"a\0b"}'),
    "NUL, escaped": posted(BODY[:-1] + b',"name":"a\\u0000b"}'),
    "NUL in a key": posted(BODY.replace(b'"hosts"', b'"hosts\\u0000x"')),
    "a control character": posted(BODY[:-1] + b',"name":"a\x01b"}'),
    "a byte order mark": posted(b"\xef\xbb\xbf" + BODY),
    "UTF-16": posted(BODY.decode().encode("utf-16")),
    # ----------------------------------------------------------------------------------- members
    "an unknown member": task(colour="red"),
    "an unknown member of a host": task(hosts=[{"name": "h1", "colour": "red"}]),
    "hosts: a number": task(hosts=7),
    "hosts: null": task(hosts=None),
    "hosts: an object": task(hosts={"name": "h1"}),
    "hosts: none": task(hosts=[]),
    "hosts: an option": task(hosts="-oProxyCommand=touch${IFS}/tmp/evil"),
    "hosts: an option, listed": task(hosts=["h1", {"name": "-oProxyCommand=x"}]),
    "hosts: an option in a range": task(hosts="-o[1-3]"),
    "hosts: a shell's": task(hosts="h1;reboot"),
    "hosts: a substitution": task(hosts="$(reboot)"),
    "hosts: a path": task(hosts="../../etc/passwd"),
    "hosts: a file": task(hosts="^/etc/passwd"),
    "hosts: standard input": task(hosts="-"),
    "hosts: 10^12": task(hosts="h[1-1000000000000]"),
    "hosts: 10^30": task(hosts="h[1-1000000000000000000000000000000]"),
    "hosts: 10^12 by product": task(hosts="h[1-1000]r[1-1000]s[1-1000]t[1-1000]"),
    "hosts: 10^12 excluded": task(exclude="h[1-1000000000000]"),
    "hosts: backwards": task(hosts="h[9-1]"),
    "hosts: step 0": task(hosts="h[1-9/0]"),
    "hosts: open": task(hosts="h[1-"),
    "hosts: nested": task(hosts="h[1-[2-3]]"),
    "hosts: a user's option": task(hosts=[{"name": "h1", "user": "-oProxyCommand=x"}]),
    "hosts: an address's option": task(hosts=[{"name": "h1", "address": "-oProxyCommand=x"}]),
    "hosts: port 0": task(hosts=[{"name": "h1", "port": 0}]),
    "hosts: port 65536": task(hosts=[{"name": "h1", "port": 65536}]),
    "hosts: a name of 10,000 letters": task(hosts="h" * 10000),
    "unit size 0": task(unit_size=0),
    "unit size -1": task(unit_size=-1),
    "unit size 1.5": task(unit_size=1.5),
    "unit size 10^30": task(unit_size=10**30),
    "unit size 2^64 + 1": task(unit_size=2**64 + 1),
    "unit size in text": task(unit_size="30"),
    "timeout -5": task(timeout=-5),
    "timeout 10^300": posted(BODY[:-1] + b',"timeout":1e300}'),
    "timeout 10^400": posted(BODY[:-1] + b',"timeout":1e400}'),
    "timeout in words": task(timeout="soon"),
    "timeout in hexadecimal": task(timeout="0x10"),
    "priority 101": task(priority=101),
    "priority true": task(priority=True),
    "labels: numbers": task(labels={"a": 1}),
    "labels: 65": task(labels={str(i): "x" for i in range(65)}),
    "a note of 100,000 letters": task(note="x" * 100000),
    "id with a slash": task(id="a/b"),
    "id of nothing": task(id=""),
    "id of 161 letters": task(id="x" * 161),
    "id with a line end": task(id="a\nb"),
    "type of nobody": task(type="quantum"),
    "payload: unknown": task(payload={"colour": 1}),
    "payload: text": task(payload="uptime"),
    "max_failed 101 %": task(max_failed="101%"),
    "max_failed -1": task(max_failed=-1),
    "waves that shrink": task(waves=[3, 1]),
    "waves of 10^5": task(waves=list(range(1, 100001))),
    "dry run twice": posted(BODY).replace(b"/v1/tasks ", b"/v1/tasks?dry_run=false&dry_run=false "),
    "dry run perhaps": posted(BODY).replace(b"/v1/tasks ", b"/v1/tasks?dry_run=perhaps "),
    # ----------------------------------------------------------------------------------- framing
    "two lengths": HEAD + LENGTH + LENGTH + b"\r\n" + BODY,
    "two lengths that differ": HEAD + LENGTH + b"Content-Length: 2\r\n\r\n" + BODY,
    "a list of lengths": HEAD + LENGTH.replace(b"\r\n", b", 2\r\n") + b"\r\n" + BODY,
    "a length and chunks": HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK + b"0\r\n\r\n",
    "chunks and a length": HEAD + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n" + CHUNK + b"0\r\n\r\n",
    "two encodings": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK + b"0\r\n\r\n",
    "chunked, identity": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNK + b"0\r\n\r\n",
    "xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNK + b"0\r\n\r\n",
    "a folded encoding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNK + b"0\r\n\r\n",
    "a folded header": HEAD + b"X: y\r\n z\r\n" + LENGTH + b"\r\n" + BODY,
    "lines of LF": (HEAD + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + BODY,
    "one line of LF": HEAD + b"X: y\n" + LENGTH + b"\r\n" + BODY,
    "a CR in a header": HEAD + b"X: y\rContent-Length: 1\r\n" + LENGTH + b"\r\n" + BODY,
    "a NUL in a header": HEAD + b"X: y\0z\r\n" + LENGTH + b"\r\n" + BODY,
    "a blank before the colon": HEAD + LENGTH.replace(b":", b" :") + b"\r\n" + BODY,
    "a header without a colon": HEAD + b"garbage\r\n" + LENGTH + b"\r\n" + BODY,
    "a header without a name": HEAD + b": y\r\n" + LENGTH + b"\r\n" + BODY,
    "two hosts": HEAD + b"Host: localhost\r\n" + LENGTH + b"\r\n" + BODY,
    "no host": HEAD.replace(b"Host: localhost\r\n", b"") + LENGTH + b"\r\n" + BODY,
    "another's host": HEAD.replace(b"localhost", b"evil.example") + LENGTH + b"\r\n" + BODY,
    "another's page": HEAD + b"Origin: http://evil.example\r\n" + LENGTH + b"\r\n" + BODY,
    "length -1": HEAD + b"Content-Length: -1\r\n\r\n" + BODY,
    "length +30": HEAD + b"Content-Length: +30\r\n\r\n" + BODY,
    "length 0x1e": HEAD + b"Content-Length: 0x1e\r\n\r\n" + BODY,
    "length 2^64 + 2": HEAD + b"Content-Length: 18446744073709551618\r\n\r\n" + BODY,
    "length 10^12": HEAD + b"Content-Length: 1000000000000\r\n\r\n" + BODY,
    "a chunk of 2^64 - 1": chunked(b"ffffffffffffffff\r\n", BODY),
    "a chunk of 2^68": chunked(b"100000000000000000\r\n", BODY),
    "a chunk of -1": chunked(b"-1\r\n", BODY),
    "a chunk of 0x1e": chunked(b"0x1e\r\n", BODY),
    "a chunk of nothing": chunked(b"\r\n", BODY),
    "a chunk with more behind it": chunked(CHUNK[:-2] + b"more\r\n0\r\n\r\n"),
    "HTTP/1.0 in chunks": chunked(CHUNK, b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "text/plain": posted(BODY).replace(b"application/json", b"text/plain"),
    "a form": posted(BODY).replace(b"application/json", b"application/x-www-form-urlencoded"),
    "no type": posted(BODY).replace(b"Content-Type: application/json\r\n", b""),
    # ----------------------------------------------------------------------------------- the rest
    "DELETE": got(b"/v1/tasks").replace(b"GET", b"DELETE"),
    "PUT": posted(BODY).replace(b"POST", b"PUT"),
    "TRACE": got(b"/v1/tasks").replace(b"GET", b"TRACE"),
    "CONNECT": b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\n\r\n",
    "a method of 10,000 letters": got(b"/v1/tasks").replace(b"GET", b"G" * 10000),
    "HTTP/0.9": b"GET /v1/tasks\r\n\r\n",
    "HTTP/1.1x": got(b"/v1/tasks").replace(b"HTTP/1.1", b"HTTP/1.1x"),
    "a proxy's request": got(b"http://evil.example/v1/tasks"),
    "TLS": bytes.fromhex("16030100f8010000f40303") + bytes(range(200)),
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": bytes(10000),
    "a URL of 100,000 letters": got(b"/v1/tasks?name=" + b"a" * 100000),
    "a path of 1,000 segments": got(b"/v1/tasks" + b"/x" * 1000),
    "5,000 headers": got(b"/v1/tasks", *[b"X-%d: y" % i for i in range(5000)]),
    "a header of 100,000 letters": got(b"/v1/tasks", b"X: " + b"a" * 100000),
    "1,000 parameters": got(b"/v1/tasks?" + b"&".join(b"p%d=1" % i for i in range(1000))),
    "half an escape": got(b"/v1/tasks/a%2"),
    "no escape": got(b"/v1/tasks/a%zz"),
    "an escaped NUL": got(b"/v1/tasks/a%00b"),
    "escaped bad UTF-8": got(b"/v1/tasks/%c0%af"),
    "raw bad UTF-8": got(b"/v1/tasks/\xff"),
    "half an escape in the query": got(b"/v1/tasks?name=%"),
    "an escaped slash": got(b"/v1%2Ftasks"),
    "two slashes": got(b"//v1//tasks"),
    "up and away": got(b"/v1/tasks/../../../../etc/passwd"),
    "up and away, escaped": got(b"/v1/tasks/%2e%2e%2f%2e%2e%2fetc%2fpasswd"),
    "an id of 10,000 letters": got(b"/v1/tasks/" + b"a" * 10000),
    "an id with quotes": got(b"/v1/tasks/'%20OR%20'1'='1"),
    "limit 0": got(b"/v1/tasks?limit=0"),
    "limit -1": got(b"/v1/tasks?limit=-1"),
    "limit 10^30": got(b"/v1/tasks?limit=1000000000000000000000000000000"),
    "limit 1e3": got(b"/v1/tasks?limit=1e3"),
    "limit twice": got(b"/v1/tasks?limit=1&limit=2"),
    "after what never was": got(b"/v1/tasks?after=%2e%2e"),
    "state of nothing": got(b"/v1/tasks?state="),
    "state between commas": got(b"/v1/tasks?state=done,,queued"),
    "since yesterday": got(b"/v1/tasks?since=yesterday"),
    "since the year 99999": got(b"/v1/tasks?since=99999-01-01T00:00:00Z"),
    "wait 10^18": got(b"/v1/tasks/x?wait=1000000000000000000"),
    "wait -1": got(b"/v1/tasks/x?wait=-1"),
    "100,000 hosts asked for": got(b"/v1/results?hosts=" + b",".join(b"h%d" % i for i in range(3000))),
    "a last event that is no number": got(b"/v1/tasks/x/events", b"Last-Event-ID: now"),
}


@pytest.fixture(scope="module")
def daemon():
    daemon = Daemon()
    daemon.config["sources"][0]["connection_timeout"] = f"{SILENCE}s"
    daemon.write_config()
    with daemon:
        yield daemon


@pytest.fixture(scope="module", autouse=True)
def goes_on(daemon):
    """One process from the first bad request to the last, in which nothing was stored."""
    core = daemon.parts()["core"]
    yield
    assert daemon.parts()["core"] == core
    assert daemon.get("/-/ready")["status"] == "ok"
    assert daemon.get("/v1/tasks")["items"] == []
    assert daemon.get("/v1/engines")["items"][0]["parts"][0]["restarts"] == 0


def connect(daemon):
    return socket.create_connection(daemon.address(), 60 * PATIENCE)


def statuses(data):
    """Of all answers in what was received, but for `100 Continue`."""
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:] if part[:3] != b"100"]


def answer_to(daemon, request):
    """What comes back until the connection is closed, which silence does at the latest."""
    data = b""
    with connect(daemon) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while chunk := sock.recv(65536):
                data += chunk
    return data


class Waited(AssertionError):
    """Somebody did, for too long."""


def again(test):
    """The machine may be busy with other tests for a moment: whoever waits for a client of these does so each time."""
    @functools.wraps(test)
    def run(**arguments):
        for rest in (2, 1, 0):
            try:
                return test(**arguments)
            except Waited:
                if not rest:
                    raise
    return run


@contextlib.contextmanager
def others_are_served(daemon):
    """Asks all the while, from another connection each time."""
    stop, slowest, wrong = threading.Event(), [0.0], []

    def ask():
        while not stop.is_set():
            begun = time.monotonic()
            try:
                daemon.get("/v1/tasks", timeout=30)
            except Exception as error:  # noqa: BLE001: whatever it is, it is what the test looks for
                wrong.append(error)
            slowest[0] = max(slowest[0], time.monotonic() - begun)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield
    finally:
        stop.set()
        asker.join()
    assert not wrong, wrong[:3]
    if slowest[0] >= SERVED_WITHIN * PATIENCE:
        raise Waited(f"somebody waited {slowest[0]:.2f} s")


@pytest.mark.parametrize("name", BAD)
def test_bad_request(daemon, name):
    before = [task["id"] for task in daemon.get("/v1/tasks")["items"]]
    found = statuses(answer_to(daemon, BAD[name]))
    # Behind the answer to a broken request nothing may be taken for another request that is good.
    assert all(400 <= status <= 499 for status in found), (name, found)
    assert [task["id"] for task in daemon.get("/v1/tasks")["items"]] == before


def test_there_are_sixty():
    assert len(BAD) >= 60


# ------------------------------------------------------------------------------------ slow and many clients
def drip(daemon, begin, piece):
    """Sends a piece every tenth of `connection_timeout`, until the other side has had enough."""
    begun = time.monotonic()
    with connect(daemon) as sock:
        sock.sendall(begin)
        sock.settimeout(SILENCE / 10)
        while time.monotonic() - begun < 60 * PATIENCE:
            try:
                sock.sendall(piece)
                data = sock.recv(100)
                return data, time.monotonic() - begun
            except TimeoutError:
                continue
            except ConnectionError:
                return b"", time.monotonic() - begun
    raise AssertionError("it was never closed")


@pytest.mark.parametrize("begin,piece", [
    (b"", b"\r\n"), (b"P", b"O"), (HEAD, b"X: y\r\n"), (HEAD + LENGTH + b"\r\n", b" "),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n")], ids=["lines", "request line", "headers", "body", "chunks"])
@again
def test_slow_clients_are_cut_off(daemon, begin, piece):
    with others_are_served(daemon):
        data, seconds = drip(daemon, begin, piece)
    assert not statuses(data) or 400 <= statuses(data)[0] <= 499
    assert seconds < 15 * SILENCE * PATIENCE


@again
def test_half_open_connections(daemon):
    """Clients that vanish, by a reset or without a word, at every place of a request."""
    request = posted(BODY[:-1] + b",}")
    with others_are_served(daemon):
        held = []
        for end in range(0, len(request), 3):
            sock = connect(daemon)
            sock.sendall(request[:end])
            if end % 2:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
            else:
                held.append(sock)
        for sock in held:
            with contextlib.suppress(ConnectionError):
                data = sock.recv(65536)
                assert not statuses(data) or 400 <= statuses(data)[0] <= 499
            sock.close()


@again
def test_readers_that_do_not_read(daemon):
    """They ask for much, again and again, and take nothing of it."""
    with others_are_served(daemon):
        held = []
        for _ in range(20):
            sock = connect(daemon)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                sock.sendall(got(b"/metrics") * 2000)
            held.append(sock)
        wait_for("a question among them", lambda: daemon.get("/-/ready"))
        for sock in held:
            sock.close()


def test_pipelined_garbage(daemon):
    good = got(b"/v1/tasks")
    answer = answer_to(daemon, good * 50 + task(unit_size=0) + good + HEAD + LENGTH + LENGTH + b"\r\n" + BODY + good * 50)
    found = statuses(answer)
    assert found == [200] * 50 + [422, 200, 400], found


@again
def test_bodies_above_the_limit(daemon):
    with others_are_served(daemon):
        for request in (HEAD + b"Content-Length: 67108865\r\n\r\n", chunked(b"4000001\r\n" + b" " * 100)):
            data = answer_to(daemon, request)
            assert all(400 <= status <= 499 for status in statuses(data)), data


@again
def test_ten_thousand_connections(daemon):
    """Above its limit the daemon closes the ones that have waited longest: those who ask are served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 11000
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    held = []
    try:
        with others_are_served(daemon):
            for i in range(10000):
                sock = connect(daemon)
                if i % 4 == 1:
                    sock.sendall(HEAD)
                elif i % 4 == 2:
                    sock.sendall(b"GET /v1/ta")
                held.append(sock)
        limit = daemon_limit(daemon)
        assert daemon.get("/-/ready")  # it comes after all of them: none waits any more for being accepted
        assert len(open_connections(daemon)) <= limit
        assert held[0].recv(100) == b"", "the first of them was left open"
    finally:
        for sock in held:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_for("all of them to be forgotten", lambda: len(open_connections(daemon)) < 20)


def daemon_limit(daemon):
    return daemon.config["sources"][0].get("connection_limit", 2048)


def open_connections(daemon):
    """Those of the core's own port that it holds, as the kernel sees them."""
    port = f":{daemon.address()[1]:04X}"
    with open("/proc/net/tcp", encoding="ascii") as f:
        return [line for line in f if line.split()[1].endswith(port) and line.split()[3] in ("01", "08")]


def test_a_good_request_is_still_taken(daemon):
    """Last, so that what was refused above was not refused for another reason."""
    connection = http.client.HTTPConnection(*daemon.address(), timeout=60)
    connection.request("POST", "/v1/tasks?dry_run=true", BODY, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200 and json.loads(answer.read())["hosts"] == 3
    connection.close()
    assert statuses(answer_to(daemon, chunked(CHUNK, b"0\r\n\r\n").replace(b"/v1/tasks ", b"/v1/tasks?dry_run=true "))) == [200]
