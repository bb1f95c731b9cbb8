"""A daemon that is only its HTTP: it answers what a test tells it to, and remembers what it was asked."""
import base64
import http.server
import json
import socketserver
import threading
import urllib.parse

STATUSES = ["pending", "running", "ok", "failed", "unreachable", "timeout", "skipped", "cancelled", "expired", "lost"]


def row(host, status="ok", **more):
    base = {"host": host, "status": status, "phase": None, "changed": None, "rc": 0 if status == "ok" else None,
            "signal": None, "stdout": "", "stderr": "", "stdout_encoding": "utf-8", "stderr_encoding": "utf-8",
            "truncated": False, "message": None, "remote_process": "none", "unit": 0, "attempt": 1, "engine": "e"}
    return {**base, **more}


class Stream:
    """An answer that is an event stream: the pieces that an iterable gives, each sent when it comes."""

    def __init__(self, pieces):
        self.pieces = pieces


def event(kind, data, number=None):
    return f"event: {kind}\n" + (f"id: {number}\n" if number else "") + f"data: {json.dumps(data)}\n\n"


class FakeDaemon:
    """`rows` are the results of its one task; `polls` says how many questions find it unfinished."""

    def __init__(self, rows=(), polls=0, state="done", page=1000, task_id=None, unix=None, tls=None):
        self.rows, self.polls, self.state, self.page, self.id = list(rows), polls, state, page, task_id
        self.requests, self.cancelled, self.submitted = [], threading.Event(), None
        self.asked = threading.Event()
        self.problem = None  # (status, document) for the next POST of a task
        self.events = None   # gives the pieces of an event stream for a Last-Event-ID; None: of what is final
        self.groups = []     # of GET …/outputs
        daemon = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def address_string(self):
                return "client"

            def log_message(self, *_):
                pass

            def answer(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size) if size else b""
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                status, document = daemon.handle(self.command, urllib.parse.unquote(url.path), query, body, self.headers)
                if isinstance(document, Stream):
                    self.send_response(status)
                    self.send_header("Content-Type", "text/event-stream")
                    self.send_header("Connection", "close")
                    self.end_headers()
                    for piece in document.pieces:
                        self.wfile.write(piece.encode() if isinstance(piece, str) else piece)
                    self.close_connection = True
                    return
                data = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

        if unix:
            class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
                daemon_threads = True
            self.server = Server(unix, Handler)
            self.url = f"unix:{unix}"
        else:
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            if tls:
                self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
            self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    # ------------------------------------------------------------------------------- answers

    def task(self):
        final = self.polls <= 0
        counts = {status: sum(r["status"] == status for r in self.rows) for status in STATUSES}
        if not final:
            done = len(self.rows) // 2
            counts = {**dict.fromkeys(STATUSES, 0), "ok": done, "running": len(self.rows) - done}
        state = self.state if final else "running"
        good = counts["ok"] + counts["skipped"] == len(self.rows)
        return {"id": self.id, "name": "a name", "type": "shell", "executor": "shell", "state": state,
                "outcome": ("ok" if good else "failed") if final else None, "counts": counts,
                "hosts_total": len(self.rows), "units": {"done": int(final), "total": 1}, "labels": {}, "output_limit": 65536,
                "created_at": "2024-05-01T10:00:00.000Z", "started_at": "2024-05-01T10:00:00.500Z",
                "finished_at": "2024-05-01T10:00:08.100Z" if final else None, "reason": None}

    def handle(self, method, path, query, body, headers):
        self.requests.append((method, path, query, body, dict(headers)))
        if path in ("/-/ready", "/-/healthy"):
            return 200, {"status": "ok"}
        if method == "POST" and path == "/v1/tasks":
            return self.submit(query, body)
        if path == "/v1/tasks":
            return 200, {"items": [self.task()] if self.id else []}
        if path == "/v1/engines":
            return 200, {"items": [{"name": "eng1", "version": "0.1.0", "state": "up", "incarnation": 3,
                                    "started_at": "2024-05-01T10:00:00Z", "renewed_at": "2024-05-01T10:00:01Z",
                                    "pools": ["default"], "executors": ["shell", "sim"], "isolation": "cgroup",
                                    "capacity": {"hosts": 2000, "units": 512}, "running": {"hosts": 30, "units": 1},
                                    "parts": [{"name": "executor: sim", "pid": 77, "started_at": "2024-05-01T10:00:00Z",
                                               "restarts": 2, "died_at": "2024-05-01T10:00:00Z",
                                               "last_death": "killed by signal 11"}]}]}
        if self.id and path == f"/v1/tasks/{self.id}":
            self.polls -= "wait" in query
            self.asked.set()
            return 200, self.task()
        if self.id and path == f"/v1/tasks/{self.id}/events":
            since = headers["Last-Event-ID"]
            return 200, Stream(self.events(since) if self.events else self.final_events())
        if self.id and path == f"/v1/tasks/{self.id}/outputs":
            return 200, {"items": self.groups}
        if self.id and path == f"/v1/tasks/{self.id}/retry" and method == "POST":
            if self.polls > 0:
                return 409, {"type": "/problems/conflict", "title": "Conflict", "detail": "the task has not ended"}
            self.submitted = json.loads(body or b"{}")
            self.id = self.submitted.get("id", "the-child")
            return 202, {"id": self.id, "state": "queued", "hosts": len(self.rows), "units": 1, "executor": "shell"}
        if self.id and path.startswith(f"/v1/tasks/{self.id}/hosts/"):
            return self.raw(*path.split("/")[-2:], headers["Range"])
        if path == "/v1/results":
            return 200, {"items": [{**r, "task": "t1", "finished_at": "2024-05-01T10:00:08Z"} for r in self.rows
                                   if r["host"] == query["host"]]}
        if self.id and path == f"/v1/tasks/{self.id}/results":
            return self.results(query)
        if self.id and path == f"/v1/tasks/{self.id}/cancel" and method == "POST":
            self.cancelled.set()
            self.polls, self.state = 1, "cancelled"
            return 202, {**self.task(), "state": "cancelling"}
        if self.id and path == f"/v1/tasks/{self.id}/verify":
            counts = self.task()["counts"]
            good = self.state != "wrong"
            return 200, {"ok": good, "hosts": len(self.rows), "rows": len(self.rows), "distinct": len(self.rows),
                         "counted": counts, "stored": counts, "state": "done",
                         "errors": [] if good else ["3 rows are ok, the task says 2"]}
        return 404, {"type": "/problems/not-found", "title": "Not found", "status": 404}

    def submit(self, query, body):
        if self.problem:
            return self.problem
        self.submitted = json.loads(body)
        if query.get("dry_run"):
            return 200, {"dry_run": True, "hosts": len(self.rows), "units": 1, "executor": "shell"}
        self.id = self.submitted.get("id", "made-here")
        return 202, {"id": self.id, "state": "queued", "hosts": len(self.rows), "units": 1, "executor": "shell"}

    def sizes(self, r):
        return {f"{stream}_bytes": len(self.output(r, stream)) for stream in ("stdout", "stderr")}

    def host_event(self, r):
        return event("host", {"kind": "host", "task": self.id, "host": r["host"], "status": r["status"], **self.sizes(r)})

    def final_events(self):
        yield from map(self.host_event, self.rows)
        self.polls = 0
        yield event("task", {"kind": "task", **self.task()}, 99)

    @staticmethod
    def output(r, stream):
        return base64.b64decode(r[stream]) if r[f"{stream}_encoding"] == "base64" else r[stream].encode()

    def raw(self, host, stream, wanted):
        data = next(self.output(r, stream) for r in self.rows if r["host"] == host)
        if not wanted:
            return 200, data
        first = int(wanted.removeprefix("bytes=").removesuffix("-"))
        return (206, data[first:]) if first < len(data) else (416, {"type": "/problems/range", "title": "Range"})

    def results(self, query):
        start, limit = int(query.get("after", 0)), min(int(query.get("limit", 100)), self.page)
        wanted = [r for r in self.rows if (not query.get("status") or r["status"] in query["status"].split(","))
                  and (not query.get("host") or r["host"] == query["host"])]
        answer = {"items": [{**r, **self.sizes(r)} for r in wanted[start:start + limit]]}
        if start + limit < len(wanted):
            answer["next"] = str(start + limit)
        return 200, answer
