"""Tasks from a topic of a real Kafka broker: who may write them, what becomes of bad ones, outages, repeats; topics and options."""

import base64
import itertools
import json
import os
import time

import pytest
from daemon import PATIENCE, Daemon, drover, wait_for

from services.kafka import Kafka
from services.mariadb import MariaDB

NUMBERS = itertools.count(1)
CLUSTER = "lab"


@pytest.fixture(scope="module", name="broker")
def one_broker():
    """It makes topics that are asked for, as Kafka does by default: a topic made by accident is seen."""
    with Kafka({"auto.create.topics.enable": "true"}) as broker:
        yield broker


class Keys:
    """A producer's pair of keys, and what `drover key sign-task` makes of it."""

    def __init__(self, folder, name):
        self.file = os.path.join(folder, f"{name}.key")
        self.name = name
        made = drover("key", "generate", "-o", self.file, "--json")
        assert made.returncode == 0, made.stderr
        self.public, self.id = json.loads(made.stdout)["public_key"], json.loads(made.stdout)["id"]

    def line(self, **members):
        return json.dumps({"name": self.name, "role": "submit", "key": self.public, **members}) + "\n"

    def sign(self, value, cluster=CLUSTER, expires="1h"):
        done = drover("key", "sign-task", "-", "--key", self.file, "--cluster", cluster, "--expires", expires,
                      stdin=value.decode())
        assert done.returncode == 0, done.stderr
        return dict(line.split("=", 1) for line in done.stdout.splitlines())


class Taker(Daemon):
    """A daemon that takes tasks from a topic of its own."""

    def __init__(self, broker, config=None, connection=None, **source):
        super().__init__(config)
        number = next(NUMBERS)
        self.broker, self.topic, self.dead = broker, f"tasks{number}", f"dead{number}"
        self.group = f"group{number}"
        self.keys = Keys(self.folder, "ci")
        self.producers = os.path.join(self.folder, "producers")
        self.write_producers(self.keys.line())
        self.config["connections"] = {"k1": {"kafka": connection or broker.connection()}}
        self.config["cluster"] = {"name": CLUSTER}
        kafka = {"plugin": "kafka", "use": "k1", "units": False, "tasks": self.topic, "tasks_group": self.group,
                 "dead_letter": self.dead, "producers": self.producers, **source}
        self.config["sources"].append({k: v for k, v in kafka.items() if v is not None})
        self.write_config()

    def write_producers(self, *lines):
        with open(self.producers + ".new", "w", encoding="ascii") as f:
            f.writelines(lines)
        os.chmod(self.producers + ".new", 0o644)
        os.rename(self.producers + ".new", self.producers)

    def make_topics(self, *words):
        done = drover("doctor", "-c", self.config_file, "--create-topic", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def put(self, value, headers=None, key=None):
        value = value if isinstance(value, bytes) else json.dumps(value).encode()
        headers = self.keys.sign(value) if headers is None else headers
        return self.broker.produce(self.topic, value, key=key, headers=list(headers.items()))

    def tasks(self):
        return [t["id"] for t in self.get("/v1/tasks")["items"]]

    def wait_task(self, id_):
        return wait_for(f"task {id_}", lambda: id_ in self.tasks() and self.wait(id_))

    def letters(self, count):
        """Of the dead letters the values, and the headers as a dict each."""
        return [(m.value(), dict(m.headers())) for m in self.broker.consume(self.dead, count)]

    def committed(self):
        return sum(self.broker.committed(self.group, self.topic).values())


def sim(id_, hosts="h[1-3]"):
    return {"id": id_, "type": "sim", "hosts": hosts, "payload": {}}


def test_topics_are_made_by_doctor_and_never_by_accident(broker):
    daemon = Taker(broker)
    with daemon:
        wait_for("what to do about the missing topic", lambda: "drover doctor --create-topic" in daemon.log())
        said = drover("doctor", "-c", daemon.config_file, "--url", daemon.url()).stdout
        assert f"there is no topic {daemon.topic}" in said and "--create-topic" in said, said
        time.sleep(1)  # long enough for a client that would make it
        assert not [t for t in broker.topics() if t in (daemon.topic, daemon.dead)]
        assert f"made the topic {daemon.topic}: 3 partitions" in daemon.make_topics("--partitions", "3")
        topics = broker.topics()
        assert topics[daemon.topic] == 3 and topics[daemon.dead] == 1, topics
        daemon.put(sim("a"))
        daemon.wait_task("a")  # without a restart
        assert daemon.log().count("drover doctor --create-topic") == 1


def test_a_signed_task_is_done_once(broker):
    daemon = Taker(broker)
    daemon.make_topics("--partitions", "1")
    with daemon:
        value = json.dumps(sim("a")).encode()
        headers = daemon.keys.sign(value)
        for _ in range(3):
            daemon.put(value, headers)
        daemon.put(sim("b", "h[1-2]"))
        answer = daemon.wait_task("b")
        assert answer["counts"]["ok"] == 2 and answer["owner"] == "ci"
        assert sorted(daemon.tasks()) == ["a", "b"] and daemon.wait("a")["counts"]["ok"] == 3
        assert daemon.wait("a")["hosts_total"] == 3
        wait_for("the offsets to be committed", lambda: daemon.committed() == 4)
        assert daemon.dead not in broker.topics() or not broker.consume(daemon.dead)
        daemon.put(sim("a", "h[1-9]"))  # another task with that id
        [(_, letter)] = daemon.letters(1)
        assert b"another task has the id a" in letter["drover-error"]


def test_what_makes_no_task_is_put_aside_with_the_reason(broker):
    daemon = Taker(broker, task_size="4K")
    ops, stranger = Keys(daemon.folder, "ops"), Keys(daemon.folder, "stranger")
    past = "2020-01-01T00:00:00Z"
    late = Keys(daemon.folder, "late")
    daemon.write_producers(daemon.keys.line(), ops.line(hosts="web[1-9]"), late.line(expires=past))
    daemon.make_topics("--partitions", "1")
    value = json.dumps(sim("x")).encode()
    good = daemon.keys.sign(value)
    flipped = bytearray(base64.b64decode(good["drover-signature"]))
    flipped[10] ^= 1
    expired = daemon.keys.sign(value, expires="1s")
    cases = [
        (b"{not json", None, "syntax|JSON|expected"),
        (b"[1]", None, "object"),
        (b"", {}, "it is empty"),
        (b'{"id": "x", "type": "sim", "hosts": "h1", "payload": {"stdout": "' + b"x" * 5000 + b'"}}', None, "task_size"),
        (json.dumps({**sim("x"), "unit_size": 0, "nonsense": 1}).encode(), None, "/unit_size.*/nonsense|nonsense.*unit"),
        (json.dumps({**sim("x"), "type": "none"}).encode(), None, "none"),
        (json.dumps({k: v for k, v in sim("x").items() if k != "id"}).encode(), None, "/id: a signed task needs an id"),
        (value, {}, "it is not signed"),
        (value, {k: v for k, v in good.items() if k != "drover-expires"}, "it is not signed"),
        (value.replace(b"h[1-3]", b"h[1-4]"), good, "signature is wrong"),
        (value, {**good, "drover-signature": base64.b64encode(flipped).decode()}, "signature is wrong"),
        (value, {**good, "drover-signature": "?"}, "signature is wrong"),
        (value, {**good, "drover-expires": str(int(good["drover-expires"]) + 60)}, "signature is wrong"),
        (value, {**good, "drover-key": ops.id}, "signature is wrong"),
        (value, daemon.keys.sign(value, cluster="other"), "signature is wrong"),
        (value, stranger.sign(value), "none of the producers'"),
        (value, late.sign(value), "key has expired"),
        (value, daemon.keys.sign(value, expires="25h"), "max_age"),
        (value, ops.sign(value), "outside of the token's node set: h1, h2, h3"),
        (value, expired, "its signature has expired"),
    ]
    time.sleep(max(0, int(expired["drover-expires"]) + 1 - time.time()))
    with daemon:
        for bad, headers, _ in cases:
            daemon.put(bad, headers, key=b"k")
        letters = daemon.letters(len(cases))
        assert len(letters) == len(cases)
        for (bad, headers, reason), (got, put) in zip(cases, letters):
            why = put["drover-error"].decode()
            assert (got or b"") == bad
            assert any(all(part in why for part in way.split(".*")) for way in reason.split("|")), (reason, why)
            assert put["drover-topic"].decode() == daemon.topic and put["drover-partition"] == b"0"
            assert headers is None or all(put[name].decode() == text for name, text in headers.items())
        assert [int(put["drover-offset"]) for _, put in letters] == list(range(len(cases)))
        assert not daemon.tasks()
        wait_for("the offsets to be committed", lambda: daemon.committed() == len(cases))
        daemon.put(sim("y", "web[1-2]"), ops.sign(json.dumps(sim("y", "web[1-2]")).encode()))
        assert daemon.wait_task("y")["owner"] == "ops"


def test_a_producer_is_let_in_and_out_while_it_runs(broker):
    daemon = Taker(broker)
    daemon.make_topics()
    other = Keys(daemon.folder, "other")
    with daemon:
        daemon.write_producers(daemon.keys.line(), other.line())
        time.sleep(0.6)  # it is looked at twice a second
        value = json.dumps(sim("b")).encode()
        daemon.put(value, other.sign(value))
        assert daemon.wait_task("b")["owner"] == "other"
        daemon.write_producers(daemon.keys.line())
        time.sleep(0.6)
        value = json.dumps(sim("c")).encode()
        daemon.put(value, other.sign(value))
        daemon.put(sim("d"))
        daemon.wait_task("d")
        assert [v for v, _ in daemon.letters(1)] == [value]
        assert "c" not in daemon.tasks()
        with open(daemon.producers, "w", encoding="ascii") as f:
            f.write("nonsense\n")
        time.sleep(0.6)
        daemon.put(sim("e"))
        daemon.wait_task("e")
        assert daemon.log().count("stay in force") == 1


def test_open_topics_give_ids_by_place(broker):
    """Without ids a message that comes again is the same task; nobody has to sign."""
    daemon = Taker(broker, open=True, producers=None)
    daemon.make_topics("--partitions", "1")
    value = b' \n{ "type": "sim", "hosts": "h[1-2]", "payload": {} }'
    with daemon:
        for _ in range(2):
            daemon.put(value, {})
        ids = wait_for("two tasks", lambda: len(daemon.tasks()) == 2 and daemon.tasks())
        assert all(i.startswith(f"{daemon.topic}:0:") for i in ids)
        assert {daemon.wait(i)["owner"] for i in ids} == {"kafka"}
        assert "whoever can write to the topic" in daemon.log()
        wait_for("the offsets to be committed", lambda: daemon.committed() == 2)
        daemon.stop()
        daemon.config["sources"][1]["tasks_group"] = daemon.group + "again"  # as after a reset of the offsets
        daemon.write_config()
        daemon.start()
        wait_for("both to come again",
                 lambda: sum(broker.committed(daemon.group + "again", daemon.topic).values()) == 2)
        assert sorted(daemon.tasks()) == sorted(ids)


def test_nothing_is_lost_while_the_store_is_away(broker):
    with MariaDB() as database:
        daemon = Taker(broker, {"store": database.store()})
        daemon.make_topics("--partitions", "2")
        with daemon:
            daemon.put(sim("before"))
            daemon.wait_task("before")
            wait_for("its offset", lambda: daemon.committed() == 1)
            database.kill()
            for i in range(5):
                daemon.put(sim(f"t{i}"))
            wait_for("it to wait", lambda: "tasks wait in Kafka" in daemon.log())
            time.sleep(1)
            assert daemon.committed() == 1
            database.start()
            wait_for("the store to be back", lambda: daemon.request("GET", "/v1/tasks", raw=True)[0].status == 200, 60)
            for i in range(5):
                wait_for(f"t{i}", lambda: f"t{i}" in daemon.tasks(), 60)
                assert daemon.wait(f"t{i}")["counts"]["ok"] == 3
            wait_for("all offsets", lambda: daemon.committed() == 6)
            assert daemon.log().count("tasks wait in Kafka") == 1 and "tasks are taken again" in daemon.log()
            assert daemon.dead not in broker.topics() or not broker.consume(daemon.dead)


def test_a_killed_daemon_takes_what_it_had_not_taken(broker):
    # No offset is committed before the kill; its place in the group is free soon.
    daemon = Taker(broker, connection=broker.connection(**{"session.timeout.ms": "2000"}), commit_interval="1m")
    daemon.make_topics("--partitions", "1")
    with daemon:
        daemon.put(sim("a"))
        daemon.wait_task("a")
        daemon.kill()
        daemon.put(sim("b"))
        daemon.start()
        daemon.wait_task("b")
        assert sorted(daemon.tasks()) == ["a", "b"] and daemon.wait("a")["counts"]["ok"] == 3


def test_a_broker_that_dies_and_comes_back():
    with Kafka() as broker:
        daemon = Taker(broker)
        daemon.make_topics("--partitions", "1")
        with daemon:
            daemon.put(sim("a"))
            daemon.wait_task("a")
            broker.kill()
            wait_for("it to be told", lambda: "the source of tasks: no Kafka broker can be reached" in daemon.log())
            daemon.submit("sim", "h1", {})  # the rest of it works
            broker.start()
            wait_for("it to be told", lambda: "the source of tasks: Kafka is back" in daemon.log(), 40)
            daemon.put(sim("b"))
            daemon.wait_task("b")
            assert daemon.log().count("the source of tasks: no Kafka broker can be reached") == 1
            broker.kill()
            started = time.monotonic()
            daemon.stop()
            assert time.monotonic() - started < 15 * PATIENCE  # it does not wait for a broker that is away


def test_a_password_from_a_file():
    with Kafka(users={"drover": "open sesame"}) as broker:
        connection = {"brokers": f"127.0.0.1:{broker.sasl_port}",
                      "options": {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                                  "sasl.username": "drover", "sasl.password": {"file": "secret"}}}
        daemon = Taker(broker, connection=connection)
        secret = os.path.join(daemon.folder, "secret")

        def write(text):
            with open(secret, "w", encoding="ascii") as f:
                f.write(text + "\n")
            os.chmod(secret, 0o600)

        write("wrong password")
        with daemon:
            wait_for("the refusal", lambda: "no Kafka broker can be reached" in daemon.log() and
                     "Authentication failed" in daemon.log())
            assert "wrong password" not in daemon.log()
            write("open sesame")
            daemon.stop()
            daemon.make_topics()
            daemon.start()
            daemon.put(sim("a"))
            daemon.wait_task("a")
            shown = drover("config", "show", daemon.config_file).stdout
            assert 'sasl.password: "***"' in shown and "sesame" not in shown, shown
            assert "sesame" not in daemon.log()


@pytest.mark.parametrize("options, says", [
    ({"linger.mss": "1"}, '.options.linger.mss: No such configuration property: "linger.mss"'),
    ({"acks": "1"}, ".options.acks: cannot be set: a message counts as delivered when"),
    ({"enable.auto.commit": "true"}, ".options.enable.auto.commit: cannot be set: offsets are committed when"),
    ({"sasl.password": "plain"}, ".options.sasl.password: is a secret and is not written here"),
    ({"security.protocol": "ssl", "ssl.ca.location": "/none"}, ".options: ssl.ca.location failed"),
])
def test_options_that_are_wrong_are_named_at_the_start(options, says):
    daemon = Daemon({"connections": {"k1": {"kafka": {"brokers": "127.0.0.1:1", "options": options}}},
                     "cluster": {"name": CLUSTER}})
    daemon.config["sources"].append({"plugin": "kafka", "use": "k1", "units": False, "tasks": "t", "open": True})
    daemon.write_config()
    said = drover("config", "check", daemon.config_file)
    assert said.returncode != 0 and f"connections.k1.kafka{says}" in said.stdout + said.stderr, said


@pytest.mark.parametrize("source, says", [
    ({}, "tasks: needs `producers`"),
    ({"producers": "/f", "open": True}, "open: nobody would look at the signatures"),
    ({"open": True, "dead_letter": "t"}, 'dead_letter: "t" is no name of another topic'),
    ({"open": True, "tasks": "a b"}, 'tasks: "a b" is no topic\'s name'),
    ({"producers": "/f", "cluster": ""}, "tasks: needs the cluster's name"),
])
def test_tasks_need_somebody_who_may_submit_them(source, says):
    daemon = Daemon({"connections": {"k1": {"kafka": {"brokers": "127.0.0.1:1"}}}, "cluster": {"name": CLUSTER}})
    daemon.config["sources"].append({"plugin": "kafka", "use": "k1", "units": False, "tasks": "t", **source})
    daemon.write_config()
    said = drover("config", "check", daemon.config_file)
    assert said.returncode != 0 and f"sources[1].{says}" in said.stdout + said.stderr, said
