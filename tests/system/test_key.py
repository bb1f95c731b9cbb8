"""`drover key`, and the exchange of keys while a cluster runs."""

import json
import signal
import stat

import pytest
from cluster import Cluster, make_key
from daemon import drover, wait_for


def generate(path, *more):
    return drover("key", "generate", "-o", str(path), *more)


def test_generate_and_show(tmp_path):
    key = tmp_path / "signing.key"
    done = generate(key)
    public = done.stdout.strip()
    assert done.returncode == 0 and public.startswith("drover-signing-public1:"), done.stderr
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert (tmp_path / "signing.key.pub").read_text().strip() == public
    private = key.read_text().strip()
    assert private.startswith("drover-signing-private1:") and private not in done.stdout + done.stderr
    shown = [json.loads(drover("key", "show", str(file), "--json").stdout) for file in (key, f"{key}.pub")]
    assert shown[0] == shown[1] and shown[0]["public_key"] == public and len(shown[0]["id"]) == 16
    other = generate(tmp_path / "other", "--json")
    assert json.loads(other.stdout)["id"] != shown[0]["id"]


def test_nothing_is_replaced(tmp_path):
    key = tmp_path / "signing.key"
    assert generate(key).returncode == 0
    before = key.read_text()
    done = generate(key)
    assert done.returncode == 1 and "is there already" in done.stderr and key.read_text() == before
    key.unlink()
    done = generate(key)
    assert done.returncode == 1 and not key.exists(), "the public one is there"
    assert drover("key", "show", str(tmp_path / "none")).returncode == 1
    assert drover("key", "show", __file__).returncode == 1
    assert drover("key").returncode == drover("key", "make").returncode == 2


@pytest.fixture(scope="module")
def cluster():
    with Cluster(distributors=1, engines=1, keep=False) as c:
        yield c


def reload(node):
    before = node.log().count("the new configuration is in force")
    node.write_config()
    node.process.send_signal(signal.SIGHUP)
    wait_for("the reload", lambda: node.log().count("the new configuration is in force") > before)


def run(cluster, hosts):
    return cluster.wait(cluster.submit("sim", hosts, {"latency": "0"}))["counts"]["ok"]


def test_keys_are_exchanged(cluster):
    """Nobody is restarted. The old key's units run until engines do not believe it any more."""
    distributor, engine = cluster.distributors[0], cluster.engines[0]
    secret, public = make_key(cluster.folder, "next")
    assert run(cluster, "old-[1-3]") == 3
    engine.config["cluster"]["public_keys"] = [cluster.public, public]
    reload(engine)
    distributor.config["cluster"]["public_keys"] = [cluster.public]
    distributor.config["cluster"]["signing_key"] = {"file": secret}
    reload(distributor)
    assert run(cluster, "both-[1-3]") == 3
    engine.config["cluster"]["public_keys"] = [public]
    reload(engine)
    assert run(cluster, "new-[1-3]") == 3
    # Back to the old one, which the engine does not believe any more.
    distributor.config["cluster"]["signing_key"] = {"file": cluster.secret}
    reload(distributor)
    task = cluster.submit("sim", "refused-[1-3]", {"latency": "0"})
    wait_for("the refusal", lambda: "cluster.public_keys" in engine.log())
    assert cluster.task(task)["counts"]["pending"] == 3
    engine.config["cluster"]["public_keys"] = [public, cluster.public]
    reload(engine)
    assert cluster.wait(task)["counts"]["ok"] == 3
    assert engine.starts == distributor.starts == 1, "nobody was started anew"


def test_a_bad_key_changes_nothing(cluster):
    distributor = cluster.distributors[0]
    good = distributor.config["cluster"]["signing_key"]
    distributor.config["cluster"]["signing_key"] = {"file": cluster.public}
    distributor.write_config()
    distributor.process.send_signal(signal.SIGHUP)
    wait_for("the reason", lambda: "is open to everybody" in distributor.log() or "the private one signs" in distributor.log())
    assert run(cluster, "still-[1-3]") == 3
    distributor.config["cluster"]["signing_key"] = good
    distributor.write_config()
