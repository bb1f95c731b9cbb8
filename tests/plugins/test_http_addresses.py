"""The source `http` against a fake core: where it listens, and by which names it is called."""
import os
import pwd
import socket
import stat

import pytest

from fakecore import FakeCore, task


def test_unix_socket(start, tmp_path):
    path = str(tmp_path / "s")
    core = start(listen="unix:" + path)
    assert core.address == "unix:" + path
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert core.get("/v1/tasks", Host="anything")["items"] == []
    assert core.call("POST", "/v1/tasks", task(id="t1"))[0] == 202
    assert core.get("/v1/tasks/t1")["owner"] == pwd.getpwuid(os.getuid()).pw_name
    core.close()
    assert not os.path.exists(path)


def test_stale_unix_socket_is_replaced(start, tmp_path):
    path = str(tmp_path / "s")
    old = socket.socket(socket.AF_UNIX)
    old.bind(path)
    old.close()
    core = start(listen="unix:" + path)
    core.get("/v1/engines")


def test_answered_unix_socket_is_left_alone(start, tmp_path):
    path = str(tmp_path / "s")
    start(listen="unix:" + path)
    (tmp_path / "two").mkdir()
    second = FakeCore(str(tmp_path / "two"), listen="unix:" + path)
    assert not second.started and "another process answers there" in second.errors()
    assert os.path.exists(path)


def test_a_file_is_no_socket(tmp_path):
    path = tmp_path / "s"
    path.write_text("mine")
    core = FakeCore(str(tmp_path), listen=f"unix:{path}")
    assert not core.started and "is not a socket" in core.errors()
    assert path.read_text() == "mine"


def test_ipv6(start):
    core = start(listen="[::1]:0")
    assert core.address.startswith("[::1]:")
    core.get("/v1/engines", Host=core.address)


def test_port_in_use(core, tmp_path):
    (tmp_path / "two").mkdir()
    second = FakeCore(str(tmp_path / "two"), listen=core.address)
    assert not second.started and f"cannot listen on {core.address}" in second.errors()


@pytest.mark.parametrize("address", ["0.0.0.0:8007", "[::]:8007", "192.0.2.1:1", "10.1.2.3:8007", "[2001:db8::1]:8007"])
def test_what_others_can_reach_needs_tls_and_tokens(tmp_path, address):
    core = FakeCore(str(tmp_path), listen=address)
    assert not core.started
    assert f"other machines can reach {address}, so it needs `tls` and `tokens`" in core.errors()


def test_what_others_can_reach_needs_both(tmp_path):
    core = FakeCore(str(tmp_path), listen="0.0.0.0:8007", tokens="/nowhere")
    assert not core.started and "so it needs `tls`:" in core.errors()


@pytest.mark.parametrize("address", ["8007", "localhost", "example.org:80", "127.0.0.1:70000", "127.0.0.1:-1", "::1:80",
                                     ":8007", "127.0.0.1:", "unix:", "unix:/" + "x" * 200])
def test_no_address(tmp_path, address):
    core = FakeCore(str(tmp_path), listen=address)
    assert not core.started and "listen: " in core.errors()


def test_configured_hosts(start):
    core = start(hosts=["drover.internal", "other"])
    core.get("/v1/engines", Host="Drover.Internal:8007")
    core.get("/v1/engines", Host="other")
    core.get("/v1/engines", Host="127.0.0.1:1")
    assert core.call("GET", "/v1/engines", headers={"Host": "drover.internal.example"})[0] == 403


def test_same_origin_posts_are_taken(core):
    host = core.address
    assert core.call("POST", "/v1/tasks", task(), {"Host": host, "Origin": "http://" + host})[0] == 202
    assert core.call("POST", "/v1/tasks", task(), {"Host": host, "Origin": "http://localhost:1"})[0] == 403
