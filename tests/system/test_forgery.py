"""
Whoever can write to Kafka and to the database must not make an engine execute anything that was not signed. Each attack
is prepared while the engines are drained, so that its unit waits; then they are let go. What ran is read from files that the
simulated hosts write themselves (the executor's `lock_dir`).
"""

import os
import re
import time

import pytest
from cluster import Cluster, make_key
from daemon import Problem, wait_for

import forge

TOPIC = "drover.units.default"


class World:
    def __init__(self, cluster, folder):
        self.cluster = cluster
        self.key = forge.Key(cluster.secret, folder)
        self.foreign = forge.Key(make_key(folder, "foreign")[0], folder)
        self.tasks = 0

    def sql(self, text):
        return self.cluster.database.sql(text, "drover")

    def drain(self, verb="drain"):
        for engine in self.cluster.engines:
            status, answer = engine.ask("POST", f"/v1/engines/{engine.name}/{verb}")
            assert status == 200, answer
        if verb == "drain":
            self.held_back()

    def held_back(self):
        """Until the distributor publishes nothing to them: it reads what they are as often as it renews its own lease."""
        distributor = self.cluster.distributors[0]

        def row(name):
            rows = distributor.request("GET", "/v1/engines")["items"]
            return next(row for row in rows if row["name"] == name)

        for engine in self.cluster.engines:
            wait_for("its drain to be told", lambda name=engine.name: row(name)["state"] == "draining")
        for _ in range(2):
            before = row(distributor.name)["renewed_at"]
            wait_for("its next renewal", lambda b=before: row(distributor.name)["renewed_at"] != b)

    def submit(self, hosts, unit_size=30, **members):
        """A task that waits: (its id, its key in the store)."""
        task = self.cluster.submit("sim", hosts, {"latency": "0"}, unit_size=unit_size, **members)
        return task, int(self.sql(f"SELECT `key` FROM tasks WHERE id = '{task}'")[0][0])

    def envelope(self, key, unit=0):
        return bytes.fromhex(self.sql(f"SELECT hex(bytes) FROM envelopes WHERE task = {key} AND unit = {unit}")[0][0])

    def replace(self, key, message, unit=0):
        """In the database and as a message."""
        self.sql(f"UPDATE envelopes SET bytes = x'{message.hex()}' WHERE task = {key} AND unit = {unit}")
        self.cluster.broker.produce(TOPIC, message)

    def starts(self, host):
        """The tasks that the host itself saw begin."""
        try:
            with open(os.path.join(self.cluster.locks, host), encoding="ascii") as f:
                return [line.split()[1] for line in f if line.startswith("start ")]
        except FileNotFoundError:
            return []

    def settle(self):
        """Engines have looked at all that waits: units that were submitted after it are done, by each way twice."""
        for _ in range(2):
            self.tasks += 1
            done = self.cluster.wait(self.cluster.submit("sim", f"settle{self.tasks}-[1-8]", {"latency": "0"},
                                                         unit_size=1))
            assert done["counts"]["ok"] == 8


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    again = {"dispatcher": {"again": "1s", "again_most": "2s"}}
    with Cluster(distributors=1, engines=2, keep=False, distributor=again) as cluster:
        yield World(cluster, str(tmp_path_factory.mktemp("keys")))


@pytest.fixture
def waiting(world):
    """Engines that take nothing until `release`."""
    world.drain()
    yield world
    world.drain("undrain")


def release(world):
    world.drain("undrain")


# -------------------------------------------------------------------------------------------- rows

# What is done to the row of a task, a unit or a host: of tasks with two units of two hosts, the first unit's is changed.
EDITS = {
    "host-name": "UPDATE hosts SET name = 'evil-host-name' WHERE task = {key} AND name LIKE '%-1'",
    "host-address": "UPDATE hosts SET address = '127.6.6.6' WHERE task = {key} AND unit = 0",
    "host-port": "UPDATE hosts SET port = 666 WHERE task = {key} AND unit = 0",
    "host-user": "UPDATE hosts SET user = 'root' WHERE task = {key} AND unit = 0",
    "host-vars": "UPDATE hosts SET vars = '{{\"fail\": 1}}' WHERE task = {key} AND unit = 0",
    "host-swapped": "UPDATE hosts h JOIN hosts o ON o.task = h.task AND o.unit = h.unit AND o.id <> h.id"
                    " SET h.address = o.name WHERE h.task = {key} AND h.unit = 0",
    "host-unit": "UPDATE hosts SET unit = 0 WHERE task = {key}",
    "unit-first": "UPDATE units SET first = 2 WHERE task = {key} AND unit = 0",
    "unit-count": "UPDATE units SET count = 4 WHERE task = {key} AND unit = 0",
    "unit-shorter": "UPDATE units SET count = 1 WHERE task = {key} AND unit = 0",
    "payload": "UPDATE submissions SET payload = '{{\"latency\":\"1ms\"}}' WHERE task = {key}",
    "type": "UPDATE tasks SET type = 'shell' WHERE `key` = {key}",
    "executor": "UPDATE tasks SET executor = 'shell' WHERE `key` = {key}",
    "credential": "UPDATE tasks SET credential = 'root' WHERE `key` = {key}",
    "owner": "UPDATE tasks SET owner = 'eve' WHERE `key` = {key}",
    "priority": "UPDATE tasks SET priority = 100 WHERE `key` = {key}",
    "on-lost": "UPDATE tasks SET rerun_lost = 1 WHERE `key` = {key}",
    "timeout": "UPDATE tasks SET timeout = 1 WHERE `key` = {key}",
    "host-timeout": "UPDATE tasks SET host_timeout = 1 WHERE `key` = {key}",
    "connect-timeout": "UPDATE tasks SET connect_timeout = 1 WHERE `key` = {key}",
    "output-limit": "UPDATE tasks SET output_limit = 1 WHERE `key` = {key}",
    "fanout": "UPDATE tasks SET fanout = 2 WHERE `key` = {key}",
    "home": "UPDATE tasks SET home = 'eng1' WHERE `key` = {key}",
    "envelope-gone": "DELETE FROM envelopes WHERE task = {key}",
    "envelope-empty": "UPDATE envelopes SET bytes = '' WHERE task = {key}",
    "envelope-of-other-unit": "UPDATE envelopes e JOIN envelopes o ON o.task = e.task AND o.unit = 1"
                              " SET e.bytes = o.bytes WHERE e.task = {key} AND e.unit = 0",
}
# Of these the second unit is as it was signed.
SECOND_RUNS = {"host-name", "host-address", "host-port", "host-user", "host-vars", "host-swapped", "unit-first", "unit-count",
               "unit-shorter", "envelope-of-other-unit"}
# What nobody will ever execute is ended by the distributor.
VOID = {"envelope-gone", "envelope-empty", "envelope-of-other-unit"}
# A host's unit in its own row is for whoever reads it: what is executed goes by the hosts' numbers.
HARMLESS = {"host-unit"}


def test_edited_rows(waiting):
    tasks = {name: waiting.submit(f"{name}-[1-4]", unit_size=2) for name in EDITS}
    for name, (_, key) in tasks.items():
        waiting.sql(EDITS[name].format(key=key))
    untouched, _ = waiting.submit("untouched-[1-4]", unit_size=2)
    release(waiting)
    assert waiting.cluster.wait(untouched)["counts"]["ok"] == 4
    waiting.settle()
    ran = {name: [n for n in range(1, 5) if waiting.starts(f"{name}-{n}")] for name in EDITS}
    wrong = {name: hosts for name, hosts in ran.items()
             if not set(hosts) <= ({3, 4} if name in SECOND_RUNS else {1, 2, 3, 4} if name in HARMLESS else set())}
    assert not wrong, "executed, and not as it was signed"
    assert waiting.starts("evil-host-name") == []
    # Who asks is told why: the hosts of what was found in the database have failed, and say which member differs.
    rows = waiting.cluster.results(tasks["host-address"][0])
    assert [(row["status"], "address" in (row["message"] or "")) for row in rows[:2]] == [("failed", True)] * 2, rows
    assert [row["status"] for row in rows[2:]] == ["ok"] * 2
    for name in VOID:
        assert waiting.cluster.wait(tasks[name][0])["counts"]["failed"] == (2 if name in SECOND_RUNS else 4), name
        row = waiting.cluster.results(tasks[name][0])[0]
        assert row["message"].startswith("not executed: it differs from what was signed: "), row
        waiting.cluster.verify(tasks[name][0])
    wait_for("them to be counted", lambda: waiting.cluster.distributors[0].metric("units_voided_total") == 5)


# ---------------------------------------------------------------------------------------- messages

# What an attacker writes for a task whose rows he has changed to match. `text`: the true unit with his host in it.
FORGERIES = {
    "altered": lambda w, message, text: message[:forge.HEAD] + forge.text_of(w.key.sign(text)),
    "foreign-key": lambda w, message, text: w.foreign.sign(text),
    "foreign-key-true-id": lambda w, message, text: w.foreign.sign(text, w.key.id),
    "unsigned": lambda w, message, text: forge.text_of(w.key.sign(text)),
    "no-signature": lambda w, message, text: w.key.sign(text)[:12] + bytes(64) + forge.text_of(w.key.sign(text)),
    "cut": lambda w, message, text: w.key.sign(text)[:-1],
    "longer": lambda w, message, text: w.key.sign(text) + b" ",
    "other-cluster": lambda w, message, text: w.key.sign({**text, "cluster": "elsewhere"}),
    "expired": lambda w, message, text: w.key.sign({**text, "expires_at": int(time.time() * 1000) - 1000}),
    "next-version": lambda w, message, text: w.key.sign({**text, "version": 2}),
    "other-pool": lambda w, message, text: w.key.sign({**text, "pool": "dmz"}),
    "more-members": lambda w, message, text: w.key.sign({**text, "sudo": True}),
    "less-members": lambda w, message, text: w.key.sign({k: v for k, v in text.items() if k != "credential"}),
}


def test_forged_messages(waiting):
    """The control: the very same by the true key does run. So it is the signature that holds the others off."""
    tasks = {}
    for name in [*FORGERIES, "control"]:
        _, key = tasks[name] = waiting.submit(f"good-{name}")
        waiting.sql(f"UPDATE hosts SET name = 'evil-{name}' WHERE task = {key}")
        message = waiting.envelope(key)
        text = {**forge.read(message), "hosts": [{"n": f"evil-{name}"}]}
        forged = FORGERIES[name](waiting, message, text) if name in FORGERIES else waiting.key.sign(text)
        if name == "other-pool":  # a true unit of another pool, in this one's topic
            waiting.sql(f"UPDATE tasks SET pool = 'dmz' WHERE `key` = {key}")
        waiting.replace(key, forged)
    release(waiting)
    assert waiting.cluster.wait(tasks["control"][0])["counts"]["ok"] == 1
    assert waiting.starts("evil-control") == [tasks["control"][0]]
    waiting.settle()
    for name in FORGERIES:
        assert waiting.starts(f"evil-{name}") == [] and waiting.starts(f"good-{name}") == [], name
    # By a key that is known, and not signed by it: nobody else will execute that. Of another one nobody can tell here.
    for name in ("altered", "foreign-key-true-id", "no-signature", "cut", "longer"):
        assert waiting.cluster.wait(tasks[name][0])["counts"]["failed"] == 1, name
    told = waiting.cluster.task(tasks["foreign-key"][0])
    assert told["counts"]["pending"] == 1 and re.fullmatch(
        "unit 0 is refused: it is signed by the key [0-9a-f]{16}, which is not one of cluster.public_keys",
        told["waiting"]), told
    distributor = waiting.cluster.distributors[0]
    wait_for("it to be counted", lambda: distributor.metric("units_unverified_total") > 0)
    assert "unit 0 is claimed by nobody, and cannot be verified here: it is " in distributor.log()


def test_every_bit_and_length(world):
    """Of a message whose unit waits: none of those changes anything, and the true one is executed once."""
    world.drain()
    task, key = world.submit("bits-1")
    message = world.envelope(key)
    forged = list(forge.flipped(message)) + [message[:n] for n in range(0, len(message), 7)] + [message + b"\n"]
    world.sql(f"UPDATE hosts SET name = 'evil-bits' WHERE task = {key}")
    world.drain("undrain")
    world.cluster.broker.produce_all(TOPIC, [(m, None, None) for m in forged])
    world.settle()
    assert world.starts("evil-bits") == world.starts("bits-1") == []
    assert world.cluster.task(task)["counts"]["ok"] == 0


def test_replays(world):
    task, key = world.submit("replay-[1-4]", unit_size=2)
    world.cluster.wait(task)
    messages = [world.envelope(key, unit) for unit in range(2)]
    world.cluster.broker.produce_all(TOPIC, [(m, None, None) for m in messages * 3])
    world.settle()
    assert [world.starts(f"replay-{n}") for n in range(1, 5)] == [[task]] * 4


SET_BACK = ("UPDATE hosts SET status = 0, started_at = 0, finished_at = 0{more} WHERE task = {key} AND unit = 0;"
            "UPDATE units SET state = 0, open = 2, publish_at = 1 WHERE task = {key} AND unit = 0;"
            "UPDATE tasks SET state = 2, finished_at = 0, pending = pending + 2, ok = ok - 2, units_done = units_done - 1"
            " WHERE `key` = {key}")


def test_set_back_to_waiting(world):
    """At most that very unit, as it was signed, once more; and nothing of it where something else was changed, too."""
    again, again_key = world.submit("again-[1-4]", unit_size=2)
    other, other_key = world.submit("other-[1-4]", unit_size=2)
    for task in (again, other):
        assert world.cluster.wait(task)["counts"]["ok"] == 4
    world.sql(SET_BACK.format(key=again_key, more=""))
    world.sql(SET_BACK.format(key=other_key, more=", name = concat('evil-', name)"))
    world.cluster.broker.produce_all(TOPIC, [(world.envelope(k), None, None) for k in (again_key, other_key)])
    wait_for("the unit that was set back to run", lambda: len(world.starts("again-1")) == 2, 30)
    world.settle()
    assert [len(world.starts(f"again-{n}")) for n in range(1, 5)] == [2, 2, 1, 1]
    assert [len(world.starts(f"other-{n}")) for n in range(1, 5)] == [1, 1, 1, 1]
    assert world.starts("evil-other-1") == world.starts("evil-other-2") == []


def test_home_of_an_engine(world):
    """A task that the database says is an engine's own is not executed unsigned, also not when it starts anew."""
    world.drain()
    task, key = world.submit("home-[1-2]")
    world.sql(f"UPDATE tasks SET home = 'eng1' WHERE `key` = {key}; DELETE FROM envelopes WHERE task = {key};"
              f"UPDATE hosts SET name = concat('evil-', name) WHERE task = {key}")
    engine = world.cluster.engines[0]
    engine.stop()
    engine.start()
    world.drain("undrain")
    world.cluster.wait(task)
    assert {row["status"] for row in world.cluster.results(task)} == {"failed"}
    assert world.starts("evil-home-1") == world.starts("home-1") == []


# ---------------------------------------------------------------------------------- what is signed

def test_retry_of_edited_parents(world):
    """Only what was signed is signed anew."""
    parents = {}
    for name, edit in {"fine": None, "row": "UPDATE hosts SET name = concat('evil-', name) WHERE task = {key}",
                       "address": "UPDATE hosts SET address = '127.6.6.6' WHERE task = {key}",
                       "payload": "UPDATE submissions SET payload = '{{\"fail\": 1}}' WHERE task = {key}",
                       "credential": "UPDATE tasks SET credential = 'root' WHERE `key` = {key}",
                       "options": "UPDATE submissions SET options = '{{\"credential\": \"root\", \"exclude\": \"x\"}}'"
                                  " WHERE task = {key}",
                       "envelope": "DELETE FROM envelopes WHERE task = {key} AND unit = 1",
                       "other": "UPDATE envelopes e JOIN envelopes o ON o.task = {before} AND o.unit = e.unit"
                                " SET e.bytes = o.bytes WHERE e.task = {key}"}.items():
        task, key = world.submit(f"retry-{name}-[1-4]", unit_size=2)
        world.cluster.wait(task)
        before = next(reversed(parents.values()))[1] if parents else 0
        parents[name] = (task, key)
        if edit:
            world.sql(edit.format(key=key, before=before))
    for name, (task, _) in parents.items():
        status, answer = world.cluster.ask("POST", f"/v1/tasks/{task}/retry", {"status": "ok"})
        if name in ("fine", "row", "address", "options"):
            assert status < 300, (name, answer)
            child = world.cluster.wait(answer["id"])
            assert child["counts"]["ok"] == 4 and child["credential"] is None
            assert [len(world.starts(f"retry-{name}-{n}")) for n in range(1, 5)] == [2] * 4
        else:
            assert status == 409 and "as it was signed" in str(answer), (name, answer)


def test_tasks_are_for_distributors(world):
    with pytest.raises(Problem) as refused:
        world.cluster.submit("sim", "a", {}, node=world.cluster.engines[0])
    assert refused.value.status == 422 and "distributor" in str(refused.value.body)


def test_checked_by_what_engines_announce(world):
    listed = world.cluster.get("/v1/executors")["items"]
    assert {row["name"]: (row["state"], sorted(row["nodes"])) for row in listed} == {
        "sim": ("up", ["eng1", "eng2"]), "shell": ("up", ["eng1", "eng2"])}
    for members, pointer, words in (({"type": "adhoc"}, "/type", "served are: sim, shell"),
                                    ({"pool": "dmz"}, "/pool", "served are: default"),
                                    ({"executor": "lab"}, "/executor", "lab"),
                                    ({"payload": {"latncy": 1}}, "/payload/latncy", "is not a member"),
                                    ({"expires_in": "8d"}, "/expires_in", "unit_life")):
        status, answer = world.cluster.ask("POST", "/v1/tasks", {"type": "sim", "hosts": "a", "payload": {}, **members})
        assert status == 422 and [e["pointer"] for e in answer["errors"]] == [pointer], answer
        assert words in answer["errors"][0]["detail"], answer
