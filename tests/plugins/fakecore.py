"""Drives tests/sdk/fake_core.c: one process a test, with the source `http` in it."""
import http.client
import json
import os
import socket
import subprocess
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("DROVER_BUILD", "build"))
PATIENCE = 30  # seconds after which something is taken for hung
STATUSES = ["pending", "running", "ok", "failed", "unreachable", "timeout", "skipped", "cancelled", "expired", "lost"]
JSON = b"Content-Type: application/json\r\n"


def task(**more):
    return {"type": "shell", "hosts": ["a", "b"], **more}


class FakeCore:
    def __init__(self, folder, **options):
        self.port_file = os.path.join(folder, "address")
        options = {"listen": "127.0.0.1:0", "port_file": self.port_file, **options}
        words = [f"{k}={v}" for k, values in options.items()
                 for v in (values if isinstance(values, list) else [values])]
        env = dict(os.environ, DROVER_PLUGIN_PATH=os.path.join(BUILD, "plugins"))
        self.log = open(os.path.join(folder, "stderr"), "w+")
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/fake_core"), "http", *words], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, bufsize=1)
        self.started = self.process.stdout.readline() == "ready\n"
        self.closed = False
        self.address = open(self.port_file).read().strip() if self.started else None

    def errors(self):
        self.process.wait(PATIENCE)
        self.log.seek(0)
        return self.log.read()

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        answer = self.process.stdout.readline().strip()
        assert answer, f"the core died at: {command}\n{self.errors()}"
        return answer

    def close(self):
        """As a core does, once. A hang or an abort fails the test."""
        if self.closed:
            return
        self.closed = True
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        self.tell("close")
        self.process.stdin.close()
        left = self.process.stdout.read().strip()
        code = self.process.wait(PATIENCE)
        timer.cancel()
        errors = self.errors()
        assert code == 0, (code, errors)
        assert left == "left 0", (left, errors)
        assert "Sanitizer" not in errors and "runtime error" not in errors, errors

    # ------------------------------------------------------------------------------ as a client
    def connect(self):
        if self.address.startswith("unix:"):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(PATIENCE)
            sock.connect(self.address[5:])
            return sock
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host.strip("[]"), int(port)), PATIENCE)

    def connection(self):
        c = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        c.sock = self.connect()
        return c

    def call(self, method, path, body=None, headers=None, json_type=True):
        """(status, headers, body): the body parsed where it is JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None and json_type:
            headers.setdefault("Content-Type", "application/json")
        c = self.connection()
        c.request(method, path, body, headers)
        r = c.getresponse()
        data = r.read()
        c.close()
        if data and "json" in (r.getheader("Content-Type") or ""):
            data = json.loads(data)
        return r.status, r.headers, data

    def get(self, path, **headers):
        status, _, data = self.call("GET", path, headers=headers)
        assert status == 200, (status, data)
        return data

    def raw(self, data):
        """Sends bytes as they are, and reads until the server closes."""
        sock = self.connect()
        sock.sendall(data)
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
        sock.close()
        return answer

    def events(self, path, last=None):
        return Events(self.connection(), path, last)


class Events:
    """A stream of server-sent events, read one by one."""

    def __init__(self, connection, path, last):
        self.connection = connection
        connection.request("GET", path, headers={"Last-Event-ID": str(last)} if last is not None else {})
        self.response = connection.getresponse()
        self.id = None  # as a browser keeps it

    def next(self):
        """The next event as a dict with `event` and `data`, or None at the end."""
        fields = {}
        while line := self.response.readline().decode().rstrip("\n"):
            if line.startswith(":"):
                continue
            name, value = line.split(": ", 1)
            fields[name] = value
        if not fields:
            return None
        self.id = fields.get("id", self.id)
        return {**fields, "data": json.loads(fields["data"])}

    def all(self):
        return list(iter(self.next, None))
