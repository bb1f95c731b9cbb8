"""The ports that the tests give their servers."""
import os
import signal
import socket
import subprocess
import sys

import pytest

from services import ports

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TAKE = "from services import ports; print(*(ports.take() for _ in range({})), flush=True); {}"


def process(count, then="pass"):
    return subprocess.Popen([sys.executable, "-c", TAKE.format(count, then)], cwd=TESTS, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture
def only(monkeypatch):
    """Nothing else is to be had than these."""
    def limit(*wanted):
        monkeypatch.setattr(ports, "candidates", lambda: list(wanted))
    return limit


def test_no_port_is_given_twice_nor_is_one_that_the_system_gives():
    running = [process(300, "input()") for _ in range(4)]
    try:
        taken = [int(port) for p in running for port in p.stdout.readline().split()]
    finally:
        for p in running:
            p.communicate("\n")
    assert len(taken) == 1200 and len(set(taken)) == 1200
    with open(ports.RANGE, encoding="ascii") as file:
        low, high = map(int, file.read().split())
    if high - low < 50000:
        assert not [port for port in taken if low <= port <= high]


def test_a_port_is_a_process_s_own_until_that_ends_in_whatever_way(only):
    holder = process(1, "input()")
    port = int(holder.stdout.readline())
    only(port)
    with pytest.raises(RuntimeError):
        ports.take()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert ports.take() == port
    with pytest.raises(RuntimeError):
        ports.take()


def test_a_port_that_somebody_listens_on_is_left_to_him(only):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        only(listener.getsockname()[1])
        with pytest.raises(RuntimeError):
            ports.take()
