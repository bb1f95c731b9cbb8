"""How the executor `shell` logs in: by credentials with keys, certificates and passwords, against real sshd processes."""
import os
import subprocess

import pytest

from fleet.sshd import ORDINARY_USER, Sshd, keygen, public_key, wait_for
from fleet.unit import Unit, run_unit

PASSWORD = "it's a §ecret \"word\""


@pytest.fixture(scope="module", name="fleet")
def _fleet():
    with Sshd(4) as fleet:
        yield fleet


@pytest.fixture(scope="module", name="passwords")
def _passwords():
    """Takes passwords, and PAM's questions."""
    with Sshd(3, "UsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication yes\n", ordinary=True,
              password=PASSWORD) as fleet:
        yield fleet


def bare(fleet):
    """The fleet's options without any key, and no ssh_config."""
    return [o for o in fleet.options() if not o.startswith("key=")] + ["ssh_config=none"]


def one(build, fleet, credential, options=(), command="id -un", env=None, **limits):
    limits.setdefault("timeout", 20000)
    r = run_unit(build, "shell", {"command": command}, [fleet.addresses[0]], bare(fleet) + list(options), env,
                 credential=credential, **limits)
    return r[fleet.addresses[0]]


def sign(authority, key, *more):
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "test", *more, f"{key}.pub"], check=True)
    return f"{key}-cert.pub"


# ------------------------------------------------------------------------------------------- keys


def test_a_credentials_key(build, fleet):
    r = one(build, fleet, {"key": f"@{fleet.key}"})
    assert (r["status"], r["out"]) == ("ok", b"root\n"), r


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key_with_a_passphrase(build, fleet, tmp_path, kind):
    key = str(tmp_path / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", PASSWORD, "-f", key], check=True)
    with open(fleet.authorized_keys, "a", encoding="ascii") as file:
        file.write(public_key(key) + "\n")
    assert one(build, fleet, {"key": f"@{key}", "passphrase": PASSWORD})["status"] == "ok"
    for credential, word in (({"key": f"@{key}", "passphrase": "no"}, "another passphrase"),
                             ({"key": f"@{key}"}, "has a passphrase")):
        r = one(build, fleet, credential)
        assert (r["status"], r["phase"]) == ("unreachable", "authentication")
        assert word in r["message"] and "the key of credential test" in r["message"]
    r = one(build, fleet, None, [f"key={key}"])
    assert r["status"] == "unreachable" and f"{key} (" in r["message"] and "passphrase" in r["message"]


def test_a_credential_is_used_alone(build, fleet, tmp_path):
    """The executor's own key would do: but whoever names a credential means it."""
    r = one(build, fleet, {"key": f"@{keygen(tmp_path / 'other')}"}, [f"key={fleet.key}"])
    assert (r["status"], r["phase"]) == ("unreachable", "authentication")
    assert fleet.key not in r["message"]


def test_who_decides_the_user(build, fleet):
    host, names = fleet.addresses[0], [o for o in bare(fleet) if not o.startswith("user=")] + [f"key={fleet.key}"]

    def user(options=(), name=host, named=None, **credential):
        limits = {"named": named} if named else {}
        r = run_unit(build, "shell", {"command": "true"}, [name], names + list(options), credential=credential or None,
                     timeout=20000, **limits)
        return r[host]["message"].split("does not let ")[1].split()[0]

    assert user(user="cred") == "cred"
    assert user(["user=exec"]) == "exec"
    assert user(["user=exec"], user="cred") == "exec"
    assert user(["user=exec"], named="yes", user="cred") == "cred"
    assert user(["user=exec"], name=f"{host}=host@", named="yes", user="cred") == "host"


# ----------------------------------------------------------------------------------- certificates


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_certificates(build, tmp_path, kind):
    authority = keygen(tmp_path / "authority")
    key = keygen(tmp_path / "key", kind)
    with Sshd(1, f"TrustedUserCAKeys {authority}.pub") as fleet:
        assert one(build, fleet, {"key": f"@{key}"})["status"] == "unreachable"
        certificate = sign(authority, key, "-n", fleet.user)
        r = one(build, fleet, {"key": f"@{key}", "certificate": f"@{certificate}"})
        assert r["status"] == "ok", r
        # Beside a key file, as ssh finds it.
        assert one(build, fleet, None, [f"key={key}"])["status"] == "ok"
        config = tmp_path / "config"
        os.rename(certificate, tmp_path / "elsewhere")
        config.write_text(f"CertificateFile {tmp_path}/elsewhere\nIdentityFile {key}\n")
        options = [o for o in bare(fleet) if o != "ssh_config=none"] + [f"ssh_config={config}"]
        r = run_unit(build, "shell", {"command": "true"}, fleet.addresses, options, timeout=20000)
        assert r[fleet.addresses[0]]["status"] == "ok", r
        # One of another user, and one of another key.
        sign(authority, key, "-n", "nobody")
        assert one(build, fleet, {"key": f"@{key}", "certificate": f"@{certificate}"})["status"] == "unreachable"
        other = sign(authority, keygen(tmp_path / "other", kind), "-n", fleet.user)
        r = one(build, fleet, {"key": f"@{key}", "certificate": f"@{other}"})
        assert r["status"] == "unreachable" and "another key" in r["message"]


# -------------------------------------------------------------------------------------- passwords


@pytest.mark.parametrize("config", ["KbdInteractiveAuthentication no", "PasswordAuthentication no", ""])
def test_a_password(build, config):
    both = "UsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication yes\n"
    with Sshd(1, f"{config}\n{both}", ordinary=True, password=PASSWORD) as fleet:
        r = one(build, fleet, {"password": PASSWORD})
        assert (r["status"], r["out"]) == ("ok", f"{ORDINARY_USER}\n".encode()), r
        r = one(build, fleet, {"password": "wrong"})
        assert (r["status"], r["phase"], r["at"] < 8) == ("unreachable", "authentication", True)
        assert "the password (refused)" in r["message"] and "wrong" not in r["message"]
        # Said once: servers lock people out.
        assert fleet.log().count("Failed password") + fleet.log().count("Failed keyboard") <= 1, fleet.log()


def test_one_wrong_password_holds_nobody_up(build, passwords):
    """sshd waits 2 s before it refuses one."""
    with Sshd(3) as keys:
        options = [f"key={keys.key}", "agent=false", "ssh_config=none", "host_keys=accept-new",
                   f"known_hosts={passwords.folder}/known"]
        wrong = f"wrong={ORDINARY_USER}@{passwords.addresses[0]}:{passwords.port}"
        right = [f"h{i}={keys.user}@{a}:{keys.port}" for i, a in enumerate(keys.addresses)]
        for _ in range(3):  # on a machine that has much else to do the others' logins may take 2 s, too
            r = run_unit(build, "shell", {"command": "true"}, [wrong] + right, options,
                         credential={"key": f"@{keys.key}", "password": "no"}, timeout=20000)
            assert r["wrong"]["status"] == "unreachable" and r["wrong"]["at"] > 1
            assert all(r[f"h{i}"]["status"] == "ok" for i in range(3)), r
            if all(r[f"h{i}"]["at"] < r["wrong"]["at"] for i in range(3)):
                return
    raise AssertionError(r)


def test_a_server_that_wants_key_and_password(build):
    config = ("UsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n"
              "AuthenticationMethods publickey,password\n")
    with Sshd(1, config, ordinary=True, password=PASSWORD) as fleet:
        assert one(build, fleet, {"key": f"@{fleet.key}", "password": PASSWORD})["status"] == "ok"
        r = one(build, fleet, {"key": f"@{fleet.key}"})
        assert r["status"] == "unreachable" and "wants more than that, a password" in r["message"]


def test_secrets_are_in_no_argument_and_no_environment(build, passwords, tmp_path):
    """Of the unit's process and of what it starts."""
    (tmp_path / "password").write_text(PASSWORD)
    unit = Unit(build, "shell", {"command": "sleep 600"}, [passwords.addresses[0]], bare(passwords), timeout=20000,
                host_timeout=3000, credential={"password": f"@{tmp_path}/password"})
    wait_for(lambda: passwords.processes("sleep 600"))
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        for part in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{part}", "rb") as file:
                    assert PASSWORD.encode() not in file.read(), (pid, part)
            except OSError:
                pass
    r = unit.wait()[passwords.addresses[0]]
    assert (r["status"], r["remote"]) == ("timeout", "dead")
    assert PASSWORD.encode() not in r["out"] + r["err"] and PASSWORD not in r["message"]
