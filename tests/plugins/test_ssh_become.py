"""Becoming another user on the host: real sudo, su and doas, asked by a user without rights."""
import json
import os

import pytest

from fleet.sshd import ORDINARY_USER, OTHER_USER, Sshd, kill, wait_for
from fleet.unit import Unit, run_unit

PASSWORD = "the user's §word"
PASSWORDLESS = {"sudoers.d/fleet": f"{ORDINARY_USER} ALL=(ALL:ALL) NOPASSWD: ALL\n",
                "doas.conf": f"permit nopass {ORDINARY_USER}\n"}
ASKING = {"sudoers.d/fleet": f"Defaults lecture=always\n{ORDINARY_USER} ALL=(ALL:ALL) ALL\n",
          "doas.conf": f"permit {ORDINARY_USER}\n"}
# In this /etc, root's password is the user's too: su asks for the other user's one.
SU = "auth sufficient pam_rootok.so\nauth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
FREE = "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
METHODS = ["sudo", "su", "doas"]


@pytest.fixture(scope="module", name="asking")
def _asking():
    with Sshd(3, "UsePAM yes", ordinary=True, password=PASSWORD, etc={**ASKING, "pam.d/su": SU}, root_password=True) as fleet:
        yield fleet


@pytest.fixture(scope="module", name="free")
def _free():
    with Sshd(2, "UsePAM yes", ordinary=True, password=PASSWORD, etc={**PASSWORDLESS, "pam.d/su": FREE}) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def _nothing_left(request):
    yield
    for name in ("asking", "free"):
        if name in request.fixturenames:
            for pid in request.getfixturevalue(name).processes():
                kill(pid)


def one(build, fleet, payload, password=PASSWORD, options=(), **limits):
    if isinstance(payload, str) and payload[0] != "@":
        payload = {"command": payload}
    limits.setdefault("timeout", 30000)
    credential = {"key": f"@{fleet.key}"}
    if password is not None:
        credential["become_password"] = password
    r = run_unit(build, "shell", payload, [fleet.addresses[0]], fleet.options() + ["ssh_config=none", *options],
                 credential=credential, **limits)[fleet.addresses[0]]
    assert password is None or password.encode() not in r["out"] + r["err"] + (r["message"] or "").encode()
    return r


def become(method, **more):
    return {"become": {"method": method}, **more}


# ------------------------------------------------------------------------------------- it works


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("where", ["asking", "free"])
def test_it_becomes_root(build, request, where, method):
    fleet = request.getfixturevalue(where)
    r = one(build, fleet, become(method, command="id -u; echo \"it's err\" >&2; exit 7"),
            PASSWORD if where == "asking" else None)
    assert (r["status"], r["rc"], r["message"]) == ("failed", 7, "exit code 7"), r
    # doas asks on a terminal only, where there is but one stream.
    if (where, method) == ("asking", "doas"):
        assert (r["out"], r["err"]) == (b"0\nit's err\n", b"")
    else:
        assert (r["out"], r["err"]) == (b"0\n", b"it's err\n")


@pytest.mark.parametrize("method", METHODS)
def test_a_password_that_nobody_asks_for_goes_nowhere(build, free, method):
    """Least of all into the command's standard input."""
    r = one(build, free, become(method, command="id -u; cat", stdin="in\n"))
    assert (r["status"], r["out"]) == ("ok", b"0\nin\n"), r


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("where", ["asking", "free"])
def test_scripts_environment_and_input(build, request, tmp_path, where, method):
    fleet = request.getfixturevalue(where)
    data = "\0\r\n\x03\x04é" * 5000 + "end"
    script = "#!/bin/sh\nid -u\nprintf '%s\\n' \"$VALUE\"\nexec cat\n"
    payload = become(method, script=script, env={"VALUE": "it's \"$HOME\""}, stdin=data)
    (tmp_path / "payload").write_text(json.dumps(payload))
    r = one(build, fleet, f"@{tmp_path}/payload", PASSWORD if where == "asking" else None,
            output_limit=1000000)
    assert r["status"] == "ok" and r["out"] == b"0\nit's \"$HOME\"\n" + data.encode(), r["out"][:200]


@pytest.mark.parametrize("method", METHODS)
def test_another_user_than_root(build, free, method):
    r = one(build, free, {"command": "id -un", "become": {"user": OTHER_USER, "method": method}}, None)
    assert (r["status"], r["out"]) == ("ok", f"{OTHER_USER}\n".encode()), r


@pytest.mark.parametrize("word", [True, "root", {}, {"user": "root"}])
def test_short_ways_to_say_it(build, free, word):
    assert one(build, free, {"command": "id -u", "become": word}, None)["out"] == b"0\n"


def test_become_false_is_nothing(build, free):
    assert one(build, free, {"command": "id -un", "become": False}, None)["out"] == f"{ORDINARY_USER}\n".encode()


def test_the_executors_method(build, free):
    r = one(build, free, {"command": "cat /proc/$PPID/comm", "become": True}, None, ["become_method=su"])
    assert r["out"].strip() == b"su", r


def test_many_at_once(build, asking):
    r = run_unit(build, "shell", {"command": "id -u", "become": True}, asking.addresses,
                 asking.options() + ["ssh_config=none"], timeout=30000,
                 credential={"key": f"@{asking.key}", "become_password": PASSWORD})
    assert {(x["status"], x["out"]) for x in r.values()} == {("ok", b"0\n")}, r


# --------------------------------------------------------------------------------- it does not work


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_password(build, asking, method):
    r = one(build, asking, become(method, command="echo ran"), "wrong-password")
    assert (r["status"], r["rc"], r["out"], r["remote"]) == ("failed", None, b"", "none"), r
    assert f"{method} did not make {ORDINARY_USER} into root" in r["message"] and "become_password" in r["message"]
    assert "wrong-password" not in r["message"] and r["at"] < 10


@pytest.mark.parametrize("method, word", [("sudo", "a password is required"), ("su", "asks for a password"),
                                          ("doas", "required")])
def test_no_password_to_give(build, asking, method, word):
    r = one(build, asking, become(method, command="echo ran"), None)
    assert (r["status"], r["rc"], r["out"]) == ("failed", None, b"") and word in r["message"], r
    assert r["at"] < 10


def test_a_user_who_may_not(build):
    with Sshd(1, "UsePAM yes", ordinary=True, password=PASSWORD) as fleet:
        r = one(build, fleet, become("sudo", command="true"))
        assert r["status"] == "failed" and "not in the sudoers file" in r["message"], r


def test_a_method_that_is_not_there(build, asking):
    os.makedirs(f"{asking.folder}/empty", exist_ok=True)
    payload = become("sudo", command="true")
    with Sshd(1, f"UsePAM no\nSetEnv PATH={asking.folder}/empty") as fleet:
        r = one(build, fleet, payload)
        assert r["status"] == "failed" and "not found" in r["message"], r


def test_a_method_that_hangs(build):
    """PAM that never answers: the phase has a time of its own."""
    pam = "auth required pam_exec.so /bin/sleep 617\n"
    before = set(sleeping(b"/bin/sleep"))
    with Sshd(1, "UsePAM yes", ordinary=True, password=PASSWORD, etc={**ASKING, "pam.d/sudo": pam}) as fleet:
        r = one(build, fleet, become("sudo", command="true"), options=["become_timeout=700ms"])
        assert (r["status"], r["phase"]) == ("timeout", "execution"), r
        assert "0.7 s (become_timeout)" in r["message"] and r["at"] < 8
        for pid in set(sleeping(b"/bin/sleep")) - before:  # PAM's own, which has nothing of the fleet's mark
            kill(pid)


@pytest.mark.parametrize("payload, word", [
    ({"become": {"user": "-x"}}, "no user's name"), ({"become": {"user": "a b"}}, "no user's name"), ({"become": 5}, "no user's name"),
    ({"become": {"user": "root", "methd": "su"}}, "methd"), ({"become": {"method": "pbrun"}}, "sudo, su or doas"),
    ({"become": {"user": "x'; id"}}, "no user's name"),
])
def test_bad_payloads(build, free, payload, word):
    unit = Unit(build, "shell", {"command": "true", **payload}, [free.addresses[0]], free.options(), timeout=5000)
    assert unit.wait() == {}
    assert unit.end["end"] == -1 and word in unit.end["message"]


# ------------------------------------------------------------------------------------------- its end


def out_of_time(build, fleet, payload, password=PASSWORD):
    """On a machine that has much else to do the time may pass before the command has begun: then it gets more."""
    for limit in (2500, 10000):
        r = one(build, fleet, payload, password, host_timeout=limit, timeout=60000)
        if r["phase"] == "execution":
            break
    return r


@pytest.mark.parametrize("where, method", [("asking", "sudo"), ("asking", "su"), ("asking", "doas"), ("free", "sudo"),
                                           ("free", "doas")])
def test_the_remote_process_is_gone_after_its_time(build, request, where, method):
    fleet = request.getfixturevalue(where)
    r = out_of_time(build, fleet, become(method, command="trap '' TERM; sleep 617 & sleep 617; sleep 617"),
                    PASSWORD if where == "asking" else None)
    assert (r["status"], r["phase"], r["remote"]) == ("timeout", "execution", "dead"), r
    wait_for(lambda: not sleeping(), 10, "the end of every remote process")


def test_the_end_where_sudo_uses_a_terminal_of_its_own(build):
    """As newer ones do by default: the command is in another session then."""
    rules = ASKING["sudoers.d/fleet"] + "Defaults use_pty\n"
    with Sshd(1, "UsePAM yes", ordinary=True, password=PASSWORD, etc={"sudoers.d/fleet": rules}) as fleet:
        assert one(build, fleet, become("sudo", command="id -u; cat", stdin="in"))["out"] == b"0\nin"
        r = out_of_time(build, fleet, become("sudo", command="sleep 617 & sleep 617; sleep 617"))
        assert (r["status"], r["remote"]) == ("timeout", "dead"), r
        wait_for(lambda: not sleeping(), 10, "the end of every remote process")


def test_the_end_of_another_ordinary_users_process(build, free):
    payload = {"command": "sleep 617; sleep 617", "become": {"user": OTHER_USER}}
    r = out_of_time(build, free, payload, None)
    assert (r["status"], r["remote"]) == ("timeout", "dead"), r


def sleeping(program=b"sleep"):
    """sudo and su give their commands an environment of their own: the mark is not in it. Nobody else sleeps 617 s."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if file.read() == program + b"\x00617\x00" and os.stat(f"/proc/{name}").st_uid == 0 and in_fleet(name):
                        found.append(int(name))
            except OSError:
                pass
    return found


def in_fleet(pid):
    """Only an sshd of ours has an /etc of its own with doas.conf of the fleet's in it."""
    try:
        with open(f"/proc/{pid}/root/etc/shadow", encoding="utf-8") as file:
            return ORDINARY_USER in file.read()
    except OSError:
        return False
