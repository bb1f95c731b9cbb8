"""What the tests of inventories share: sources to write, and questions about groups and hosts."""

import os
import sqlite3
import textwrap

import pytest
from daemon import Problem, drover, wait_for

SIM = {"executors": [{"plugin": "sim"}]}

INI = """
lonely
[web]
web[1:3]
Web9 ansible_host=10.0.0.9 ansible_port=2222 ansible_user=deploy
[db]
db1 ansible_host=192.0.2.1
[prod:children]
web
db
[empty]
"""


def write(path, text, mode=0o644):
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    path.chmod(mode)
    return str(path)


def script(path, body, mode=0o755):
    return write(path, "#!/bin/sh\n" + textwrap.dedent(body), mode)


def configured(*sources, **options):
    return {**SIM, "inventory": {"sources": [str(s) for s in sources], **options}}


def inventory(daemon):
    return daemon.get("/v1/groups")["inventory"]


def wait_state(daemon, state, timeout=20):
    return wait_for(f"the inventory to be {state}", lambda: (now := inventory(daemon))["state"] == state and now, timeout)


def groups(daemon):
    return {g["name"]: set(expand(g["hosts"])) for g in daemon.get("/v1/groups?limit=1000")["items"]}


def expand(pattern):
    return drover("hosts", "expand", pattern).stdout.split() if pattern else []


def hosts_of(daemon, spec, **members):
    """What a task of these hosts would run on, by running it."""
    task = daemon.submit("sim", spec, {}, **members)
    daemon.wait(task)
    return [row["host"] for row in daemon.results(task)]


def refused(daemon, spec, status=422, **members):
    with pytest.raises(Problem) as problem:
        daemon.submit(members.pop("type", "sim"), spec, members.pop("payload", {}), **members)
    assert problem.value.status == status, problem.value.body
    return problem.value.body


def rows_of(daemon, task):
    """How the hosts of a task are reached, as stored."""
    with sqlite3.connect(os.path.join(daemon.state, "drover.db")) as db:
        db.row_factory = sqlite3.Row
        return {row["name"]: {key: row[key] for key in ("address", "port", "user", "vars")} for row in db.execute(
            "select h.* from hosts h, tasks t where h.task = t.key and t.id = ?", (task,))}
