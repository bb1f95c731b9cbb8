"""Host keys when several units meet new hosts at once, and when authorities vouch for hosts."""
import os

from fleet.sshd import Sshd, keygen, public_key
from fleet.unit import Unit, run_unit


def without_known(fleet):
    return [o for o in fleet.options() if not o.startswith("known_hosts=")] + ["ssh_config=none"]


def test_units_that_accept_at_once(build, tmp_path):
    """Every key is written once and whole, and what was there stays, also where its last line has no end."""
    known = tmp_path / "new" / "known_hosts"
    os.mkdir(known.parent)
    with Sshd(30) as fleet:
        old = f"elsewhere {public_key(fleet.host_key)}"
        known.write_text(old)
        options = without_known(fleet) + [f"known_hosts={known}", "host_keys=accept-new"]
        units = [Unit(build, "shell", {"command": "true"}, fleet.addresses, options, timeout=30000) for _ in range(5)]
        for unit in units:
            r = unit.wait()
            assert {x["status"] for x in r.values()} == {"ok"}, r
        lines = known.read_text().splitlines()
        assert lines[0] == old
        assert sorted(lines[1:]) == sorted(f"[{a}]:{fleet.port} {public_key(fleet.host_key)}" for a in fleet.addresses)
        # What was accepted is known from now on.
        r = run_unit(build, "shell", {"command": "true"}, fleet.addresses,
                     without_known(fleet) + [f"known_hosts={known}", "host_keys=strict"], timeout=30000)
        assert {x["status"] for x in r.values()} == {"ok"}


def test_a_key_that_another_unit_wrote_meanwhile_is_a_change(build, tmp_path):
    """The file is read again under its lock: here it changes while the unit waits for a slow server's greeting."""
    known = tmp_path / "known_hosts"
    with Sshd(1) as fleet:
        address = fleet.addresses[0]
        relay = tmp_path / "relay"
        entry = f"[{address}]:{fleet.port} {public_key(keygen(tmp_path / 'other'))}"
        relay.write_text(f"#!/bin/sh\necho '{entry}' > {known}\nexec ssh -F none -o BatchMode=yes -i {fleet.key} "
                         f"-o UserKnownHostsFile={fleet.known_hosts} -W [{address}]:{fleet.port} -p {fleet.port} {address}\n")
        relay.chmod(0o755)
        config = tmp_path / "config"
        config.write_text(f"ProxyCommand {relay}\n")
        options = [o for o in without_known(fleet) if o != "ssh_config=none"]
        r = run_unit(build, "shell", {"command": "true"}, [address],
                     options + [f"known_hosts={known}", "host_keys=accept-new", f"ssh_config={config}"],
                     timeout=20000)[address]
    assert (r["status"], r["phase"]) == ("unreachable", "key exchange"), r
    assert "CHANGED" in r["message"] and f"{known} line 1" in r["message"]
    assert known.read_text() == entry + "\n"


def test_an_unwritable_file_is_no_acceptance(build, tmp_path):
    (tmp_path / "file").write_text("")
    with Sshd(1) as fleet:
        r = run_unit(build, "shell", {"command": "true"}, fleet.addresses,
                     without_known(fleet) + [f"known_hosts={tmp_path}/file/known", "host_keys=accept-new"],
                     timeout=20000)[fleet.addresses[0]]
    assert r["status"] == "unreachable" and "cannot be written" in r["message"], r


def test_an_authority_that_cannot_be_asked_is_named(build, tmp_path):
    authority = keygen(tmp_path / "authority")
    known = tmp_path / "known_hosts"
    with Sshd(1) as fleet:
        known.write_text(f"# hosts\n@cert-authority [127.*]:* {public_key(authority)}\n")
        options = without_known(fleet) + [f"known_hosts={known}"]
        r = run_unit(build, "shell", {"command": "true"}, fleet.addresses, options, timeout=20000)[fleet.addresses[0]]
        assert r["status"] == "unreachable" and f"@cert-authority of {known} line 2" in r["message"], r
        known.write_text(f"@cert-authority *.example {public_key(authority)}\n")
        r = run_unit(build, "shell", {"command": "true"}, fleet.addresses, options, timeout=20000)[fleet.addresses[0]]
        assert r["status"] == "unreachable" and "@cert-authority" not in r["message"], r
