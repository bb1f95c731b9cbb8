"""The oracle itself: each thing that must never be is seen, and only our own faults excuse anything."""

import os
import signal

import pytest

import witness
from excuses import Excuses, Hit

T = 1_800_000_000.0  # a moment
KILL, STOP = signal.SIGKILL, signal.SIGSTOP


def time(at):
    return witness.datetime.datetime.fromtimestamp(T + at, witness.datetime.timezone.utc).isoformat()


def row(status="ok", attempt=1, started=0.0, finished=1.0, host="h1", **more):
    return {"host": host, "status": status, "attempt": attempt, "unit": 3, "engine": "eng1", "message": "",
            "started_at": time(started) if started is not None else None, "finished_at": time(finished), **more}


def start(at, attempt=1, pid=10, ended=None):
    lines = [f"start t1 3 {attempt} {pid} {int((T + at) * 1000)}"]
    if ended:
        lines.append(f"end t1 3 {attempt} {pid} {int((T + at) * 1000) + 200} {ended}")
    return "\n".join(lines) + "\n"


def check(folder, rows, files, rerun=False, excuses=witness.Strict(), hosts=1):
    for name, text in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    return witness.check("t1", hosts, rows, {"ok": True}, folder, rerun, excuses)


OK = start(0.1, ended="ok")
WRONG = {
    "no final status": ([row("running")], OK, False),
    "not 1": ([], OK, False),
    "begun without an intent": ([row(started=None)], OK, False),
    "begun before its intent": ([row(started=5.0, finished=6.0)], OK, False),
    "begun when it was final": ([row("lost")], start(3.0), False),
    "begun by an attempt that the store does not know": ([row()], OK + start(0.5, 2), True),
    "begun twice by one attempt": ([row()], OK + start(0.5, 1, 11), True),
    "or by an older one later": ([row(attempt=2)], start(0.3, 2, 11, "ok") + start(0.5), True),
    "begun twice:": ([row(attempt=2)], OK + start(0.5, 2, 11, "ok"), False),
    "that attempt never ended so": ([row(attempt=2)], OK + start(0.5, 2, 11), True),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_must_never_be_is_seen(tmp_path, wrong):
    rows, file, rerun = WRONG[wrong]
    with pytest.raises(witness.Violation, match=wrong):
        check(tmp_path, rows, {"h1": file}, rerun)


def test_what_is_well(tmp_path):
    lost, seen = check(tmp_path, [row(attempt=2), row("lost", host="h2")],
                       {"h1": start(0.1) + start(0.5, 2, 11, "ok"), "h2": start(0.2)}, True, hosts=2)
    assert [r["host"] for r in lost] == ["h2"] and len(seen["h1"]) == 2


LOST = row("lost", started=10.0, finished=20.0)


def hit(part, number, begin, until=None, where="eng1", **more):
    return Hit(where, part, number, T + begin, T + (begin if until is None else until), **more)


@pytest.mark.parametrize("fault,excused", [
    (hit("core", KILL, 15), True),
    (hit("supervisor", KILL, 15), True),
    (hit("executor: sim", KILL, 15), True),
    (hit("all", KILL, 9.5), True),
    (hit("core", STOP, 4, 11), True),
    (hit("all", STOP, 15, 30), True),
    (hit("units", KILL, 15, pids={10}), True),
    (hit("units", KILL, 15, pids={11}), False),
    (hit("units", STOP, 15, 20, pids={10}), False),
    (hit("executor: sim", STOP, 12, 18), False),
    (hit("supervisor", STOP, 12, 18), False),
    (hit("core", KILL, 5), False),
    (hit("core", KILL, 25), False),
    (hit("core", KILL, 15, where="eng2"), False),
    (hit("", KILL, 15, where="database"), False),
    (hit("", STOP, 12, 18, where="database"), False),
])
def test_what_excuses_that_a_host_is_lost(fault, excused):
    excuses = Excuses()
    excuses.add(fault)
    seen = {"h1": [witness.Start("h1", 3, 1, 10, T + 10.1)]}
    assert (not excuses.lost(LOST, seen)) == excused


@pytest.mark.parametrize("faults,excused", [
    ([hit("all", STOP, 0, 8, pids={10})], True),
    ([hit("all", STOP, 0, 8, pids={11})], False),
    ([hit("all", STOP, 0, 4, pids={10})], False),
    ([hit("executor: sim", STOP, 0, 8, units={10})], False),
    ([hit("executor: sim", STOP, 0, 8, units={10}), hit("core", STOP, 1, 8)], True),
    ([hit("core", STOP, 0, 8, units={10})], False),
])
def test_what_excuses_that_a_host_was_wanted_twice(tmp_path, faults, excused):
    excuses = Excuses()
    for fault in faults:
        excuses.add(fault)
    overlaps = f"h1 t1 3 2 20 {int((T + 6) * 1000)}\n"
    args = (tmp_path, [row("failed", 2, 5.9, 6.1)], {"h1": start(-0.1), "overlaps": overlaps})
    for rerun in (True, False):
        if excused and rerun:
            check(*args, rerun=rerun, excuses=excuses)
        else:
            with pytest.raises(witness.Violation, match="twice at a time"):
                check(*args, rerun=rerun, excuses=excuses)


def test_a_node_that_goes_on_begins_one_host_at_most(tmp_path):
    excuses = Excuses()
    excuses.add(hit("all", STOP, 0, 8, pids={10}))
    rows = [row("lost", started=-1.0, finished=5.0, host=f"h{n}") for n in (1, 2)]
    check(tmp_path, rows, {"h1": start(8.1), "h2": start(-0.5)}, excuses=excuses, hosts=2)
    with pytest.raises(witness.Violation, match="begun when it was final"):
        check(tmp_path, rows, {"h1": start(8.1), "h2": start(8.1)}, excuses=excuses, hosts=2)
