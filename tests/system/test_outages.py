"""The database is away, hangs, or dies again and again, and the node dies meanwhile: nothing is lost or done twice."""

import glob
import os
import signal
import struct
import sys

import pytest

from daemon import Daemon, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from services.mariadb import MariaDB  # pylint: disable=wrong-import-position


@pytest.fixture(name="server")
def fixture_server():
    with MariaDB() as server:
        yield server


def node(server, config=None, **store):
    return Daemon({"store": {**server.store(), "connect_timeout": "1s", "commit_wait": "1s", **store},
                   **(config or {})})


def waiting_files(daemon):
    return glob.glob(os.path.join(daemon.state, "results", "*.results"))


def results_on_disk(daemon):
    """As the heads of the files say."""
    total = 0
    for path in waiting_files(daemon):
        with open(path, "rb") as f:
            head = f.read(40)
        if len(head) == 40:
            total += struct.unpack_from("=I", head, 20)[0]
    return total


def count(daemon, task, status):
    return daemon.task(task)["counts"][status]


def kill_core(daemon):
    """kill -9 of the core; waits for another one, which need not have come up."""
    old = daemon.parts()["core"]
    os.kill(old, signal.SIGKILL)
    wait_for("another core", lambda: daemon.parts().get("core", old) != old)


def test_results_outlive_the_core_while_the_database_is_away(server):
    with node(server) as daemon:
        task = daemon.submit("sim", "s[1-300]", {"latency": "1-2s", "output": "text"}, unit_size=30)
        wait_for("its hosts to run", lambda: count(daemon, task, "running") == 300)
        server.kill()
        wait_for("the units to end", lambda: not daemon.units())
        wait_for("their results on disk", lambda: results_on_disk(daemon) == 300)
        for path in waiting_files(daemon):
            assert os.stat(path).st_mode & 0o777 == 0o600
        kill_core(daemon)
        server.start()
        daemon.wait_ready(60)
        answer = daemon.wait(task)
        assert answer["counts"]["ok"] == 300, daemon.log()[-3000:]
        daemon.verify(task)
        assert not waiting_files(daemon)
        assert "stored what an earlier life of this node could not: 300 results" in daemon.log()
        assert {r["attempt"] for r in daemon.results(task)} == {1}
