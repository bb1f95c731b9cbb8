"""`drover plugin run`: one unit of one plugin, in a daemon that is gone afterwards."""

import json
import os

import pytest
from daemon import BUILD, drover

GREET = os.path.join(BUILD, "tests/plugins/greet.so")


@pytest.fixture
def run(tmp_path):
    def run_(*words):
        return drover("plugin", "run", *words, env={"TMPDIR": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")})
    yield run_
    assert os.listdir(tmp_path) == [], "nothing is left behind"


def test_reports_are_shown(run):
    done = run(GREET, "-H", "a[1-3]", "--option", "word=hi", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["items"]
    assert [(r["host"], r["status"], r["stdout"].strip()) for r in rows] == [(f"a{n}", "ok", f"hi, a{n}") for n in (1, 2, 3)]
    assert len({r["unit"] for r in rows}) == 1
    assert "hi, a2" in run(GREET, "-H", "a2", "--option", "word=hi").stdout


def test_by_name_with_a_payload_and_a_deadline(run, tmp_path):
    done = run("sim", "-H", "a[1-4]", "--payload", '{"fail": ["a3"], "hang": ["a4"]}', "--timeout", "1s")
    assert done.returncode == 3 and "a3" in done.stdout and "timeout" in done.stdout
    payload = tmp_path / "payload.json"
    payload.write_text('{"output": "from a file"}')
    assert "from a file" in run("sim", "-H", "a", "--payload", f"@{payload}").stdout
    payload.unlink()


def test_what_is_wrong_is_said(run):
    for words, code, why in (([GREET, "-H", "a", "--option", "wrd=x"], 78, "did you mean `word`?"),
                             (["nosuch", "-H", "a"], 78, "there is no plugin nosuch"),
                             ([GREET, "-H", "a", "--option", "word"], 2, "NAME=VALUE"),
                             ([GREET, "-H", "a", "--payload", "{"], 2, "--payload"),
                             ([GREET], 2, "-H HOSTS"), ([], 2, "which plugin"),
                             ([GREET, "-H", "a", "--type", "other"], 1, "other")):
        done = run(*words)
        assert done.returncode == code and why in done.stderr, (words, done.returncode, done.stderr)


def test_a_plugin_that_crashes(run):
    done = run(os.path.join(BUILD, "tests/plugins/evil_segv.so"), "-H", "a[1-2]")
    assert done.returncode == 3 and "lost" in done.stdout, done
