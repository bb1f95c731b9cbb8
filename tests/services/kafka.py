#!/usr/bin/python3
"""A real Kafka broker for tests (KRaft: one process), with folders and ports of its own.

As a program:

    tests/services/kafka.py COMMAND...

runs the command with DROVER_KAFKA_BROKERS set to a broker that ends with it.

The jars are in build/broker: kafka/fetch.sh fetches what kafka/pom.xml names, once (contrib/deps.sh calls it). A fresh data
folder has to be formatted, so one is kept as a template (`drover-test-kafka-…`) and copied.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import confluent_kafka
from confluent_kafka import admin

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # as a program

from services import ports  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
JARS = ROOT / "build/broker"
PATIENCE = float(os.environ.get("DROVER_TEST_PATIENCE", "1"))
# The serial collector and the first compiler only: it starts in half the time and holds a third of the memory.
JAVA = ["-Xms96m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Dlog4j2.level=WARN"]
# What a group's request gets while the broker counts as gone, since it was late to say that it lives.
NO_COORDINATOR = (confluent_kafka.KafkaError.NOT_COORDINATOR, confluent_kafka.KafkaError.COORDINATOR_NOT_AVAILABLE,
                  confluent_kafka.KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
CLUSTER_ID = "ZHJvdmVyLXRlc3RzLWthZg"
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    # A broker that was killed is let in again when its old session has ended.
    "broker.heartbeat.interval.ms": 200,
    "broker.session.timeout.ms": int(3000 * PATIENCE),
    "offsets.topic.num.partitions": 1,
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.num.partitions": 1,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "log.index.size.max.bytes": 1048576,
    "log.cleaner.dedupe.buffer.size": 16777216,
    "num.network.threads": 2,
    "num.io.threads": 2,
}


def java(*arguments):
    """The command line of a class of Kafka's."""
    program = shutil.which("java")
    if not program or not list(JARS.glob("kafka_*.jar")):
        raise RuntimeError("Java or Kafka's jars are missing: contrib/deps.sh test (or tests/services/kafka/fetch.sh)")
    return [program, *JAVA, "-cp", f"{JARS}/*", *arguments]


def write_settings(path, settings):
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


def template():
    """The kept, formatted data folder: made once for each version and user."""
    name = hashlib.sha256((ROOT / "tests/services/kafka/pom.xml").read_bytes()).hexdigest()[:12]
    folder = pathlib.Path(tempfile.gettempdir()) / f"drover-test-kafka-{os.geteuid()}-{name}"
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            settings = folder / "settings"
            write_settings(settings, dict(SETTINGS, **{
                "log.dirs": folder / "data", "controller.quorum.voters": "1@127.0.0.1:1",
                "listeners": "PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1"}))
            done = subprocess.run(java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", settings),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            if done.returncode:
                raise RuntimeError(f"cannot format a folder for Kafka:\n{done.stdout.decode(errors='replace')}")
            (folder / "made").touch()
    return folder / "data"


class Kafka:
    """A running broker; `settings` are further ones of its configuration. `users` (name: password) are served on a
    second port, `sasl_port`, by SASL/PLAIN."""

    def __init__(self, settings=None, users=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="drover-kafka-"))
        self.data = self.folder / "data"
        self.port, controller = ports.take(), ports.take()
        self.brokers = f"127.0.0.1:{self.port}"
        self.process = None
        listeners = [f"PLAINTEXT://{self.brokers}", f"CONTROLLER://127.0.0.1:{controller}"]
        own = {"log.dirs": self.data, "controller.quorum.voters": f"1@127.0.0.1:{controller}"}
        if users:
            self.sasl_port = ports.take()
            listeners.append(f"SASL://127.0.0.1:{self.sasl_port}")
            accounts = " ".join(f'user_{name}="{password}"' for name, password in users.items())
            own["listener.name.sasl.sasl.enabled.mechanisms"] = "PLAIN"
            own["listener.name.sasl.plain.sasl.jaas.config"] = (
                f"org.apache.kafka.common.security.plain.PlainLoginModule required {accounts};")
        own["listeners"] = ",".join(listeners)
        write_settings(self.folder / "settings", {**SETTINGS, **own, **(settings or {})})
        try:
            shutil.copytree(template(), self.data)
            self.start()
        except BaseException:
            self.stop()
            raise

    # ------------------------------------------------------------------------------------ its life
    def start(self, deadline=60):
        """Starts it on the same ports and data; returns when it serves (an open port is too early)."""
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(java("kafka.Kafka", self.folder / "settings"), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.folder)
        end = time.monotonic() + deadline * PATIENCE
        while not self._accepts():
            if self.process.poll() is not None:
                raise RuntimeError(f"Kafka ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > end:
                raise RuntimeError(f"Kafka does not answer:\n{self.log()}")
            time.sleep(0.02)
        while not self._serves():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"Kafka does not answer:\n{self.log()}")
            time.sleep(0.05)

    def _serves(self):
        """Whether it tells of itself and leads each partition: after a kill its old session has to end first."""
        asker = confluent_kafka.Consumer(self.client(group_id="drover-tests-reader"))
        try:
            listed = asker.list_topics(timeout=2)
            for name, topic in listed.topics.items():
                for partition in topic.partitions:
                    asker.get_watermark_offsets(confluent_kafka.TopicPartition(name, partition), timeout=2)
            return bool(listed.brokers)
        except confluent_kafka.KafkaException:
            return False
        finally:
            asker.close()

    def _accepts(self):
        """Whether the port is open: asked first, since a client that was refused waits before it tries again."""
        with socket.socket() as s:
            s.settimeout(1)
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self):
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(60 * PATIENCE)

    def restart(self, how=signal.SIGKILL):
        self.kill(how)
        self.start()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # --------------------------------------------------------------------------------- its contents
    def connection(self, **options):
        """What the `kafka` part of a connection in a configuration says."""
        return {"brokers": self.brokers, **({"options": options} if options else {})}

    def client(self, **further):
        return {"bootstrap.servers": self.brokers, "socket.timeout.ms": 10000, "log_level": 0,
                **{name.replace("_", "."): value for name, value in further.items()}}

    def admin(self):
        return admin.AdminClient(self.client())

    def topics(self):
        """The topics' partitions: {name: how many}."""
        listed = self.admin().list_topics(timeout=10 * PATIENCE).topics
        return {name: len(topic.partitions) for name, topic in listed.items() if not name.startswith("__")}

    def create_topic(self, name, partitions=4, **settings):
        made = admin.NewTopic(name, num_partitions=partitions, replication_factor=1,
                              config={key.replace("_", "."): str(value) for key, value in settings.items()})
        client = self.admin()  # held until it has answered
        client.create_topics([made], operation_timeout=30)[name].result(30 * PATIENCE)
        self._until(lambda: self.topics().get(name) == partitions)

    def delete_topic(self, name):
        client = self.admin()
        client.delete_topics([name], operation_timeout=30)[name].result(30 * PATIENCE)
        self._until(lambda: name not in self.topics())

    @staticmethod
    def _until(condition):
        end = time.monotonic() + 30 * PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise RuntimeError("Kafka accepted a change of a topic and does not show it")
            time.sleep(0.05)

    def produce(self, topic, value, key=None, headers=None, partition=None):
        """Writes one message of raw bytes, acknowledged by the broker; its (partition, offset)."""
        return self.produce_all(topic, [(value, key, headers)], partition)[0]

    def produce_all(self, topic, messages, partition=None):
        """Writes (value, key, headers) in their order; their (partition, offset)."""
        written, failed = [], []

        def report(error, message):
            (failed if error else written).append(error or (message.partition(), message.offset()))

        producer = confluent_kafka.Producer(self.client(acks="all", message_timeout_ms=int(20000 * PATIENCE)))
        more = {} if partition is None else {"partition": partition}
        for value, key, headers in messages:
            producer.produce(topic, value, key=key, headers=headers, on_delivery=report, **more)
        producer.flush(30 * PATIENCE)
        if failed or len(written) != len(messages):
            raise RuntimeError(f"cannot write to {topic}: {failed or 'no answer'}")
        return written

    def consume(self, topic, count=None, deadline=20):
        """The messages of a topic from its beginning: `count` of them as soon as they are there (fewer where the deadline
        comes first), or without it all that are there now. In no order over partitions."""
        consumer = confluent_kafka.Consumer(self.client(group_id="drover-tests-reader", enable_auto_commit="false"))
        try:
            listed = consumer.list_topics(topic, timeout=10 * PATIENCE).topics[topic]
            places = [confluent_kafka.TopicPartition(topic, p, 0) for p in listed.partitions]
            wanted = count
            if wanted is None:
                wanted = 0
                for place in places:
                    low, high = consumer.get_watermark_offsets(place, timeout=10 * PATIENCE)
                    wanted += high - low
            consumer.assign([confluent_kafka.TopicPartition(topic, p.partition, confluent_kafka.OFFSET_BEGINNING)
                             for p in places])
            got, end = [], time.monotonic() + deadline * PATIENCE
            while len(got) < wanted and time.monotonic() < end:
                message = consumer.poll(0.1)
                if message is not None and message.error() is None:
                    got.append(message)
            return got
        finally:
            consumer.close()

    def committed(self, group, topic):
        """A group's committed offsets: {partition: offset}, those that it has committed."""
        consumer = confluent_kafka.Consumer(self.client(group_id=group, enable_auto_commit="false"))
        end = time.monotonic() + 10 * PATIENCE
        try:
            listed = consumer.list_topics(topic, timeout=10 * PATIENCE).topics[topic]
            places = [confluent_kafka.TopicPartition(topic, p) for p in listed.partitions]
            while True:
                try:
                    found = consumer.committed(places, timeout=10 * PATIENCE)
                    return {p.partition: p.offset for p in found if p.offset >= 0}
                except confluent_kafka.KafkaException as error:
                    if error.args[0].code() not in NO_COORDINATOR or time.monotonic() > end:
                        raise
                    time.sleep(0.1)
        finally:
            consumer.close()


@contextlib.contextmanager
def environment():
    """Of programs that test what speaks to Kafka: where a broker is."""
    with Kafka() as broker:
        yield {"DROVER_KAFKA_BROKERS": broker.brokers}


def main():
    with environment() as env:
        return subprocess.run(sys.argv[1:], env=dict(os.environ, **env), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
