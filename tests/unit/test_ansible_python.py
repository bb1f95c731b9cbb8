"""The parts of plugins/lib/ansible/python that need no host and no daemon."""

import os
import socket
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../plugins/lib/ansible/python"))

import channel  # noqa: E402
import inventory  # noqa: E402
import memory  # noqa: E402
import phases  # noqa: E402
import results  # noqa: E402
import server  # noqa: E402


@pytest.mark.parametrize("status,data,expected", [
    ("ok", {"changed": True}, ("ok", "none")),
    ("skipped", {"skip_reason": "Conditional result was False"}, ("skipped", "none")),
    ("failed", {"msg": "no"}, ("failed", "execution")),
    ("failed", {"msg": "Timed out after 3 second(s).", "timedout": {"period": 3}}, ("timeout", "execution")),
    ("unreachable", {"msg": "Connection timed out during banner exchange"}, ("timeout", "banner")),
    ("unreachable", {"msg": "ssh: connect to host a port 22: Connection refused"}, ("unreachable", "connect")),
    ("unreachable", {"msg": "ssh: connect to host a port 22: Connection timed out"}, ("unreachable", "connect")),
    ("unreachable", {"msg": "ssh: Could not resolve hostname a"}, ("unreachable", "connect")),
    ("unreachable", {"msg": "Host key verification failed."}, ("unreachable", "key exchange")),
    ("unreachable", {"msg": "a@b: Permission denied (publickey)."}, ("unreachable", "authentication")),
    ("unreachable", {"msg": "its process was killed", "worker_died": True}, ("lost", "execution")),
])
def test_what_ansible_says_in_drovers_words(status, data, expected):
    assert results.classify(status, data) == expected


class Dumper:
    """As Ansible's callbacks write a result."""

    def _dump_results(self, data, indent=0):
        import json
        return json.dumps(data, indent=indent)


def test_a_result_that_is_too_large_says_what_is_left_out():
    import json

    large = "x" * 2 * results.RESULT_MOST
    found = json.loads(results.dump(Dumper(), {"rc": 0, "stdout": large, "stdout_lines": [large], "cmd": "head"}))
    assert found == {"rc": 0, "cmd": "head", results.LEFT_OUT: ["stdout_lines", "stdout"]}
    assert json.loads(results.dump(Dumper(), {"rc": 0})) == {"rc": 0}


def test_what_a_task_says_of_a_host_in_ansibles_names():
    host = {"name": "a", "address": "192.0.2.1", "port": 2222, "user": "u", "vars": {"x": [1], "ansible_port": 1}}
    assert inventory.variables(host) == {"x": [1], "ansible_host": "192.0.2.1", "ansible_port": 2222, "ansible_user": "u"}
    assert inventory.variables({"name": "a"}) == {}


def test_frames_go_through_a_channel_whole_and_in_order():
    here, there = socket.socketpair()
    with here, there:
        sender, receiver = channel.Channel(here), channel.Channel(there)
        sender.start()
        frames = [{"n": i, "text": "ž" * i * 1000} for i in range(50)]
        for frame in frames:
            sender.send(frame)
        got = [receiver.receive() for _ in frames]
        assert got == frames
        there.shutdown(socket.SHUT_RDWR)
        sender.finish()
        with pytest.raises(EOFError):
            receiver.receive()


def test_folders_of_units_are_removed_when_their_last_process_is_gone(tmp_path):
    folders = server.Folders(str(tmp_path))
    folder, lock, reading, writing = folders.make()
    # Another server, after this one was killed: the unit still runs.
    other = server.Folders(str(tmp_path))
    assert os.path.isdir(folder) and other.others == [folder]
    os.close(lock)
    other.sweep()
    assert not os.path.exists(folder) and not other.others
    os.close(writing)
    folders.remove(reading)


def test_shared_memory_of_units_that_are_gone_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "FOLDER", str(tmp_path / "shm"))
    roots = [tmp_path / "drover-ansible-aaaaaa", tmp_path / "drover-ansible-bbbbbb"]
    names = [memory.prefix_of(str(root / "u1")) + "0f" for root in roots]
    for folder in (tmp_path / "shm", *roots):
        folder.mkdir()
    for name in [*names, "psm_somebody"]:
        (tmp_path / "shm" / name).write_text("secret", encoding="ascii")
    memory.sweep(str(roots[0]))
    assert sorted(os.listdir(tmp_path / "shm")) == [*names, "psm_somebody"]
    roots[1].rmdir()
    memory.sweep(str(roots[0]))
    assert sorted(os.listdir(tmp_path / "shm")) == [names[0], "psm_somebody"]
    memory.remove(memory.prefix_of(str(roots[0] / "u1")))
    assert os.listdir(tmp_path / "shm") == ["psm_somebody"]


def test_the_phase_of_a_connection_by_what_was_received():
    """Of a process of ours whose socket is connected to a peer that says so many bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    for size, phase in ((0, "banner"), (40, "key exchange"), (1100, "key exchange"), (3000, "authentication")):
        code = ("import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
                "print(len(s.recv(int(sys.argv[2]), socket.MSG_WAITALL)) if sys.argv[2] != '0' else 0, flush=True);"
                "sys.stdin.read()")
        with subprocess.Popen([sys.executable, "-c", code, str(listener.getsockname()[1]), str(size)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
            connection = listener.accept()[0]
            connection.sendall(b"x" * size)
            assert int(peer.stdout.readline()) == size
            assert phases.of_connection(peer.pid) == phase
            assert peer.pid in phases.descendants(os.getpid(), phases.children())
            peer.stdin.close()
            connection.close()
    listener.close()


def test_a_process_without_a_connection_is_still_connecting():
    assert phases.of_connection(os.getpid()) == "connect"
