"""Configurations from outside: each file of bad_configs gets exactly the errors that its `# expect:`
lines say, by `drover config check` and by `droverd --check`, and the daemon does not start with it."""

import glob
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from daemon import BUILD, ROOT

FOLDER = "tests/system/bad_configs"
PLUGINS = os.path.join(BUILD, "tests/plugins")
BAD = sorted(os.path.relpath(f, ROOT) for f in glob.glob(os.path.join(ROOT, FOLDER, "*.yaml")))
CHECKS = [pytest.param(lambda file: ["drover", "config", "check", file], id="drover"),
          pytest.param(lambda file: ["droverd", "-c", file, "--check"], id="droverd")]


def run(words, plugins=PLUGINS, **variables):
    env = {name: value for name, value in os.environ.items() if not name.startswith("DROVER_")}
    env.update(DROVER_PLUGIN_PATH=plugins, **variables)
    return subprocess.run([os.path.join(BUILD, words[0])] + words[1:], cwd=ROOT, env=env, timeout=60, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


def expected(file):
    with open(os.path.join(ROOT, file), encoding="utf-8") as f:
        lines = [line.split(": ", 1)[1] for line in f if line.startswith("# expect: ")]
    assert lines, f"{file} expects nothing"
    for name, value in (("{file}", file), ("{dir}", FOLDER), ("{plugins}", PLUGINS)):
        lines = [line.replace(name, value) for line in lines]
    return "".join(lines)


def test_there_are_enough():
    assert len(BAD) >= 20


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("file", BAD, ids=os.path.basename)
def test_bad(file, check):
    done = run(check(file))
    assert done.stderr == expected(file)
    assert done.returncode == 78
    assert done.stdout == ""


def test_daemon_does_not_start(tmp_path):
    state = tmp_path / "state"
    file = tmp_path / "drover.yaml"
    file.write_text(f"node: {{state_dir: {state}, nmae: x}}\nstore: {{plugin: several}}\n")
    done = run(["droverd", "-c", str(file)])
    assert done.returncode == 78
    assert "node.nmae: is not known here; did you mean `name`?" in done.stderr
    assert not state.exists()


@pytest.mark.parametrize("options, words", [
    ("term_grace: 1000ms, kill_grace: 1s", "term_grace: 1000 ms and kill_grace (1000 ms) together must be at most 1900 ms"),
    ("stop_timeout: 500ms", "term_grace: 700 ms must be shorter than stop_timeout (500 ms)"),
    ("end_timeout: 700ms", "term_grace: 700 ms must be shorter than end_timeout (700 ms)"),
    ("end_timeout_become: 300ms", "term_grace: 700 ms must be shorter than end_timeout_become (300 ms)"),
    ("stop_timeout: 2s", "stop_timeout: must be 200ms to 1900ms, not 2s"),
])
def test_ends_fit_into_what_a_unit_has(tmp_path, options, words):
    file = tmp_path / "drover.yaml"
    file.write_text(f"executors: [{{plugin: shell, {options}}}]\n")
    done = run(["drover", "config", "check", str(file)], plugins=os.path.join(BUILD, "plugins"))
    assert done.returncode == 78 and words in done.stderr


@pytest.mark.parametrize("check", CHECKS)
def test_standalone_is_right(check):
    done = run(check("conf.d/standalone.yaml"), plugins=os.path.join(BUILD, "plugins"))
    assert done.stderr == ""
    assert done.stdout == "configuration OK\n"
    assert done.returncode == 0


@pytest.mark.parametrize("file", ["conf.d/distributor.yaml", "conf.d/engine.yaml", "contrib/docker/distributor.yaml",
                                  "contrib/docker/engine.yaml"])
def test_a_cluster_s_nodes_are_right(file, tmp_path):
    """As handed out, but for the files that they name: those are made here."""
    text = pathlib.Path(ROOT, file).read_text(encoding="utf-8")
    key = tmp_path / "signing.key"
    assert run(["drover", "key", "generate", "-o", str(key)]).returncode == 0
    for name in ("db-password", "tokens", "tls.crt", "tls.key"):
        (tmp_path / name).write_text("secret\n" if name == "db-password" else "")
        (tmp_path / name).chmod(0o600)
    done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                           "-subj", "/CN=x", "-keyout", str(tmp_path / "tls.key"), "-out", str(tmp_path / "tls.crt")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    own = tmp_path / "drover.yaml"
    own.write_text(text.replace("/etc/drover", str(tmp_path)), encoding="utf-8")
    done = run(["drover", "config", "check", str(own)], plugins=os.path.join(BUILD, "plugins"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "configuration OK\n", "")


@pytest.mark.parametrize("drop_in", [None, "distributor.conf"])
def test_the_service_is_one_that_systemd_takes(drop_in, tmp_path):
    unit = tmp_path / "droverd.service"
    program = os.path.join(BUILD, "droverd")
    text = pathlib.Path(ROOT, "contrib/systemd/droverd.service").read_text(encoding="utf-8")
    unit.write_text(text.replace("@PREFIX@/sbin/droverd", program).replace("@PREFIX@", "/usr"), encoding="utf-8")
    if drop_in:
        folder = tmp_path / "droverd.service.d"
        folder.mkdir()
        shutil.copy(os.path.join(ROOT, "contrib/systemd", drop_in), folder)
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert "droverd" not in done.stderr, done.stderr


def test_show_says_where_from():
    done = run(["drover", "config", "show", "--json", "conf.d/standalone.yaml"], plugins=os.path.join(BUILD, "plugins"),
               DROVER_NODE__NAME="from-outside")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["node.name"] == {"value": "from-outside", "origin": "environment DROVER_NODE__NAME"}
    assert shown["store.plugin"]["origin"].startswith("from conf.d/standalone.yaml:")
    assert shown["lease.take_over"] == {"value": "45s", "origin": "default"}


@pytest.mark.parametrize("keep, age, refused", [("12h", "12h", True), ("12h", "24h", True), ("12h", "11h", False),
                                                ("30d", "24h", False)])
def test_repeated_messages_end_before_their_task_is_removed(tmp_path, keep, age, refused):
    file = tmp_path / "drover.yaml"
    (tmp_path / "producers").write_text("")
    file.write_text(f"""\
store: {{plugin: sqlite, keep: {keep}}}
cluster: {{name: test}}
connections: {{k1: {{kafka: {{brokers: "k1:9092"}}}}}}
sources:
  - {{plugin: kafka, use: k1, units: no, cluster: test, tasks: orders, producers: {tmp_path}/producers,
     max_age: {age}}}
""")
    done = run(["drover", "config", "check", str(file)], plugins=os.path.join(BUILD, "plugins"))
    if not refused:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 78
    assert re.fullmatch(rf"{file}:6:15: sources\[0\].max_age: [0-9]+ s must be shorter than store.keep \(43200 s\): a "
                        "message that is repeated after its task was removed would be executed again; make it shorter, or "
                        "keep tasks longer\n", done.stderr), done.stderr


def test_override_that_matches_nothing():
    done = run(["drover", "config", "check", "conf.d/standalone.yaml"], plugins=os.path.join(BUILD, "plugins"),
               DROVER_EXECUTORS__LAB__USER="root")
    assert done.returncode == 78
    assert done.stderr == "DROVER_EXECUTORS__LAB__USER: executors: there is no instance named LAB to override\n"


def test_plugins_describe_themselves():
    folder = os.path.join(BUILD, "plugins")
    listed = json.loads(run(["drover", "plugin", "list", "--json"], plugins=folder).stdout)
    assert {"http", "shell", "sim", "sqlite"} <= {plugin["name"] for plugin in listed}
    for plugin in listed:
        assert plugin["error"] is None
        done = run(["drover", "plugin", "describe", "--json", plugin["name"]], plugins=folder)
        assert done.returncode == 0, done.stderr
        described = json.loads(done.stdout)
        assert described.pop("about", None) != {}  # what a plugin has to say beside its options
        assert set(described) == set(plugin["kinds"])
        for schema in described.values():
            assert schema["properties"]["plugin"]["const"] == plugin["name"]


def test_reference_page_is_current():
    made = run(["drover", "config", "reference"], plugins=os.path.join(BUILD, "plugins"))
    with open(os.path.join(ROOT, "docs/configuration.md"), encoding="utf-8") as f:
        assert f.read() == made.stdout, "run: build/drover config reference >docs/configuration.md"
