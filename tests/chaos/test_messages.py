"""Messages only wake engines up: repeated, replayed or gone with their topic, they run nothing twice and lose nothing."""

import contextlib
import os
import threading

import confluent_kafka
import pytest

import witness
from cluster import Cluster
from daemon import wait_for

TOPIC, GROUP = "drover.units.default", "drover.test"
HOSTS = 3000


@pytest.fixture(name="cluster", scope="module")
def fixture_cluster():
    with Cluster(distributors=1, engines=3, engine={"capacity": {"hosts": 600, "units": 20}}) as cluster:
        yield cluster


def submit(cluster, task):
    locks = os.path.join(cluster.locks, task)
    os.mkdir(locks)
    return cluster.submit("sim", f"{task}-[1-{HOSTS}]", {"latency": "0-300ms", "lock_dir": locks}, id=task)


def check(cluster, task):
    """Each host ran once, ended well, and by its unit's first attempt."""
    cluster.wait(task, 120)
    rows = cluster.results(task, "&output=false")
    lost, _ = witness.check(task, HOSTS, rows, cluster.verify(task), os.path.join(cluster.locks, task), rerun=False)
    assert not lost
    assert {(row["status"], row["attempt"]) for row in rows} == {("ok", 1)}


@contextlib.contextmanager
def copier(broker, times):
    """Writes each message of the topic `times` more, as long as it lasts; tells how many it has copied."""
    ended, copied, begun = threading.Event(), [], threading.Event()

    def from_here(consumer, places):
        # "latest" would be looked up later, when messages may have come already.
        for place in places:
            place.offset = consumer.get_watermark_offsets(place)[1]
        consumer.assign(places)
        begun.set()

    def run():
        consumer = confluent_kafka.Consumer(broker.client(group_id="copier"))
        consumer.subscribe([TOPIC], on_assign=from_here)
        producer = confluent_kafka.Producer(broker.client())
        while not ended.is_set():
            message = consumer.poll(0.05)
            if message is None or message.error() or message.headers():
                continue
            for _ in range(times):
                producer.produce(TOPIC, message.value(), key=message.key(), headers={"copy": "1"})
            producer.poll(0)
            copied.append(message.value())
        producer.flush(10)
        consumer.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    wait_for("the copier to be at work", begun.is_set)
    try:
        yield copied
    finally:
        ended.set()
        thread.join()


def test_messages_that_come_three_times(cluster):
    with copier(cluster.broker, 2) as copied:
        submit(cluster, "thrice")
        check(cluster, "thrice")
        wait_for("messages to be copied", lambda: len(copied) > 30)
        submit(cluster, "again")  # beside the copies of what has ended
        check(cluster, "again")
    for task in ("thrice", "again"):
        check(cluster, task)


def test_offsets_that_are_set_back_to_the_beginning(cluster):
    submit(cluster, "before")
    check(cluster, "before")
    wait_for("offsets to be committed", lambda: cluster.broker.committed(GROUP, TOPIC))
    for engine in cluster.engines:
        engine.stop()
    reset = confluent_kafka.Consumer(cluster.broker.client(group_id=GROUP, enable_auto_commit="false"))
    places = [confluent_kafka.TopicPartition(TOPIC, p, 0) for p in cluster.broker.committed(GROUP, TOPIC)]
    assert places
    reset.commit(offsets=places, asynchronous=False)
    reset.close()
    assert set(cluster.broker.committed(GROUP, TOPIC).values()) == {0}
    submit(cluster, "after")
    for engine in cluster.engines:
        engine.start(ready=False)
    check(cluster, "after")
    wait_for("all messages to be read once more", lambda: sum(cluster.broker.committed(GROUP, TOPIC).values()) > 0)
    check(cluster, "before")


def test_a_topic_that_is_deleted_and_made_anew(cluster):
    partitions = cluster.broker.topics()[TOPIC]
    submit(cluster, "one")
    wait_for("units to run", lambda: cluster.task("one")["counts"]["running"] > 60)
    cluster.broker.delete_topic(TOPIC)
    submit(cluster, "two")  # is accepted without it
    cluster.broker.create_topic(TOPIC, partitions)
    submit(cluster, "three")
    for task in ("one", "two", "three"):
        check(cluster, task)
