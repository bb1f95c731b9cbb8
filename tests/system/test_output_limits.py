"""However much hosts print, and whatever: the limits hold, memory stays flat, head and tail are right, others run on."""

import base64
import http.client
import os
import threading
import time

import pytest

from daemon import BUILD, PATIENCE, Daemon, descendants, pss_kb, wait_for
from fleet.light import Light, flood
from fleet.sshd import Sshd
from thousand import timeouts

pytestmark = pytest.mark.alone

MEGABYTE = 1 << 20
# What is kept of a stream where the task does not say: half from the begin, half from the end.
KEPT = 64 * 1024


class Memory:
    """The most that the daemon's processes have had together, above what they had before: PSS, in MB."""

    def __init__(self, daemon):
        self.daemon, self.most, self.stop = daemon, 0, threading.Event()
        self.before = self.now()
        self.thread = threading.Thread(target=self.watch)

    def now(self):
        top = self.daemon.process.pid
        return sum(pss_kb(pid) for pid in [top] + descendants(top)) / 1024

    def watch(self):
        while not self.stop.wait(0.1):
            self.most = max(self.most, self.now())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def within(self, most):
        """Says nothing of programs under a sanitizer: that keeps what was freed."""
        return os.environ.get("DROVER_SANITIZED") or self.most - self.before < most


def raw(daemon, task, host, stream="stdout"):
    answer, body = daemon.request("GET", f"/v1/tasks/{task}/hosts/{host}/{stream}", raw=True)
    assert answer.status == 200
    return body, int(answer.headers["Drover-Total-Bytes"])


def watch(daemon, task):
    """Reads all events of the task, output too; gives their kinds."""
    connection = http.client.HTTPConnection(*daemon.address(), timeout=300 * PATIENCE)
    connection.request("GET", f"/v1/tasks/{task}/events?output=true&last_event_id=0")
    kinds = [line[7:].strip().decode() for line in connection.getresponse() if line.startswith(b"event: ")]
    connection.close()
    return kinds


def seq_size(last):
    """Bytes of `seq 1 last`."""
    size, digits, first = 0, 1, 1
    while first <= last:
        size += (min(last, 10 * first - 1) - first + 1) * (digits + 1)
        first, digits = 10 * first, digits + 1
    return size


def test_a_gigabyte_on_one_host():
    """
    Over a real sshd: 1 GB of numbers on one host, a line of 100 MB on another, bytes of all kinds on others, all in one
    unit. What is quick is final while the gigabyte still comes.
    """
    last = 111_111_111
    size = seq_size(last)
    assert size > 10 ** 9
    with Sshd(8) as sshd:
        big, line, binary, broken, both, *quick = sshd.addresses
        command = ('set -- $SSH_CONNECTION; case $3 in '
                   f'{big}) seq 1 {last};; '
                   f"{line}) head -c 100000000 /dev/zero | tr '\\0' y; echo end;; "
                   f'{binary}) i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %o $i)"; i=$((i+1)); done;; '
                   f"{broken}) printf 'caf\\351 \\355\\240\\200 \\300\\257 end';; "
                   f'{both}) head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2; exit 3;; '
                   '*) echo quick;; esac')
        shell = {"plugin": "shell", "port": str(sshd.port), "key": [sshd.key], "agent": "false",
                 "known_hosts": [sshd.known_hosts], "user": sshd.user}
        with Daemon({"executors": [shell]}) as daemon:
            daemon.wait(daemon.submit("shell", sshd.addresses, {"command": "true"}))
            memory = Memory(daemon)
            begin = time.monotonic()
            task = daemon.submit("shell", sshd.addresses, {"command": command}, timeout=600)
            with memory:
                wait_for("all others to be final", lambda: daemon.task(task)["counts"]["running"] <= 2, 60)
                assert {r["host"] for r in daemon.results(task) if r["status"] == "running"} <= {big, line}
                daemon.wait(task, 300)
            seconds = time.monotonic() - begin
            rows = {r["host"]: r for r in daemon.results(task)}
            # Both floods keep 64 KB of each stream; libssh and the pipes have their buffers.
            assert memory.within(24), f"{memory.before:.0f} MB before, {memory.most:.0f} MB at most"
            print(f"{size / seconds / 1e6:.0f} MB/s, {memory.before:.1f} -> {memory.most:.1f} MB")
            assert size / seconds / 1e6 > 5 / PATIENCE  # nothing waits for a timer somewhere

            body, total = raw(daemon, task, big)
            assert total == size and len(body) == KEPT
            assert body.startswith(b"1\n2\n3\n") and body.endswith(f"{last - 1}\n{last}\n".encode())
            numbers = "".join(f"{i}\n" for i in range(1, 10000)).encode()
            assert body[:KEPT // 2] == numbers[:KEPT // 2]
            assert rows[big]["truncated"] and rows[big]["stdout_bytes"] == size and rows[big]["status"] == "ok"

            body, total = raw(daemon, task, line)
            assert total == 100_000_004 and body == b"y" * (KEPT - 4) + b"end\n"
            assert raw(daemon, task, binary) == (bytes(range(256)), 256)
            assert rows[binary]["stdout_encoding"] == "base64"
            assert base64.b64decode(rows[binary]["stdout"]) == bytes(range(256)) and not rows[binary]["truncated"]
            assert raw(daemon, task, broken)[0] == b"caf\xe9 \xed\xa0\x80 \xc0\xaf end"
            assert rows[broken]["stdout_encoding"] == "base64"
            assert raw(daemon, task, both) == (b"\0" * KEPT, 3_000_000)
            assert raw(daemon, task, both, "stderr") == (b"\0" * KEPT, 2_000_000)
            assert rows[both]["status"] == "failed" and rows[both]["rc"] == 3
            assert all(rows[h]["stdout"] == "quick\n" and rows[h]["status"] == "ok" for h in quick)
            daemon.verify(task)


def test_a_megabyte_on_each_of_a_thousand_hosts():
    """Over real SSH to the light server, no two outputs alike, while somebody watches as much as he is shown."""
    hosts = {number: {"command": f"flood {MEGABYTE + number} lines"} for number in range(1000)}
    with Light(os.path.join(BUILD, "tests/light_sshd"), 1000, hosts) as light:
        with Daemon({"executors": [light.executor(**timeouts(10 * PATIENCE))]}) as daemon:
            daemon.wait(daemon.submit("shell", light.address(1), {"command": "true"}))
            memory = Memory(daemon)
            with memory:
                task = daemon.submit("shell", light.nodeset(), {"command": "anything"}, timeout=600)
                kinds = watch(daemon, task)
                answer = daemon.wait(task, 300)
            assert answer["counts"]["ok"] == 1000, answer
            assert kinds.count("host") == 1000 and "output" in kinds
            # 34 unit processes; 64 KB of each of a thousand hosts there, and some of them on their ways to the store.
            assert memory.within(180), f"{memory.before:.0f} MB before, {memory.most:.0f} MB at most"
            print(f"{memory.before:.1f} -> {memory.most:.1f} MB")
            for number in (0, 1, 499, 999):
                size = MEGABYTE + number
                body, total = raw(daemon, task, light.address(number))
                assert total == size and len(body) == KEPT
                assert body[:KEPT // 2] == flood(KEPT // 2) and body[KEPT // 2:] == flood(size, begin=size - KEPT // 2)
            totals = [r["stdout_bytes"] for r in daemon.results(task, "&output=false")]
            assert sorted(totals) == [MEGABYTE + number for number in range(1000)]
            page = daemon.get(f"/v1/tasks/{task}/outputs?limit=5&diff=true")
            assert len(page["items"]) == 5 and page["next"] and all(i["truncated"] for i in page["items"])
            found = daemon.get(f"/v1/tasks/{task}/results?grep={MEGABYTE // 1024:015d}&output=false&limit=1000")["items"]
            # The record of that number begins behind the first megabyte: all but the very first 15 hosts have it whole.
            assert len(found) == 1000 - 15
            daemon.verify(task)


def test_outputs_that_are_kept_whole_do_not_pile_up():
    """1 MB of each of 1,000 hosts, all of it kept: what waits for the store is bounded by its bytes, too."""
    with Daemon() as daemon:
        daemon.wait(daemon.submit("sim", "a", {}))
        memory = Memory(daemon)
        with memory:
            task = daemon.submit("sim", "n[1-1000]", {"output": {"bytes": MEGABYTE}}, output_limit=MEGABYTE, unit_size=50)
            assert daemon.wait(task, 120)["counts"]["ok"] == 1000
        print(f"{memory.before:.1f} -> {memory.most:.1f} MB")
        # 32 MB in the core, 8 MB on the way to it, one output in each of 20 unit processes; a gigabyte went through.
        assert memory.within(220), f"{memory.before:.0f} MB before, {memory.most:.0f} MB at most"
        item, = daemon.get(f"/v1/tasks/{task}/outputs")["items"]
        assert item["count"] == 1000 and len(item["stdout"]) == MEGABYTE
