"""`drover adhoc` and `drover playbook`: their options, what they show, and what they exit with."""

import json
import os
import subprocess
import textwrap

import pytest
from daemon import BUILD, Daemon, cmdline, descendants, drover, wait_for
from fleet.ansible import Herd

BOOK = textwrap.dedent("""\
    - hosts: target_hosts
      gather_facts: false
      tasks:
        - name: say it
          command: echo {{ word | default('nothing') }}
          tags: [say]
        - name: never applies
          command: "true"
          when: false
        - name: goes wrong on one
          command: "false"
          when: inventory_hostname == (bad | default(''))
          tags: [wrong]
""")


@pytest.fixture(scope="module")
def herd():
    with Herd(3) as herd:
        yield herd


@pytest.fixture(scope="module")
def daemon(herd):
    books = os.path.join(herd.home, "books")
    os.mkdir(books)
    with open(os.path.join(books, "here.yml"), "w", encoding="utf-8") as file:
        file.write(BOOK)
    with Daemon({"executors": [herd.executor("adhoc"), herd.executor("playbook", playbooks=books)],
                 "credentials": herd.credentials()}) as daemon:
        yield daemon


@pytest.fixture
def book(tmp_path):
    (tmp_path / "site.yml").write_text(BOOK)
    return str(tmp_path / "site.yml")


def test_a_module_on_hosts(daemon, herd):
    done = drover("adhoc", "-H", ",".join(herd.addresses), "-m", "command", "-a", "echo one  two", daemon=daemon)
    assert done.returncode == 0, done.stderr
    assert f"{herd.prefix}.[1-3] (3)  ok\none two\n" in done.stdout and "3 ok of 3 hosts" in done.stdout
    assert "recap" not in done.stdout


def test_a_module_that_prints_nothing_shows_its_result(daemon, herd):
    done = drover("adhoc", "-H", ",".join(herd.addresses), "-m", "ping", daemon=daemon)
    assert f"{herd.prefix}.[1-3] (3)  ok\n" in done.stdout and '"ping": "pong"' in done.stdout
    assert "invocation" not in done.stdout


def test_a_module_that_fails(daemon, herd):
    host = herd.addresses[0]
    done = drover("adhoc", "-H", host, "-m", "shell", "-a", "echo bad >&2; exit 7", "-S", daemon=daemon)
    assert done.returncode == 7 and "bad" in done.stdout and "failed" in done.stdout
    assert drover("adhoc", "-H", host, "-m", "shell", "-a", "exit 7", daemon=daemon).returncode == 3
    done = drover("adhoc", "-H", host, "-m", "no_such_module", daemon=daemon)
    assert done.returncode == 3 and "no_such_module" in done.stdout


def test_check_and_diff(daemon, herd):
    target = os.path.join(herd.folder, "written")
    done = drover("adhoc", "-H", herd.addresses[0], "-m", "copy", "-a", f"content=abc dest={target}", "-C", "-D", "--json",
                  daemon=daemon)
    row = json.loads(done.stdout)["items"][0]
    assert done.returncode == 0 and row["changed"] is True and not os.path.exists(target)
    task = json.loads(done.stdout)["task"]["id"]
    assert daemon.get(f"/v1/tasks/{task}?payload=true")["payload"]["diff"] is True


def test_all_options_of_run_are_there(daemon, herd):
    done = drover("adhoc", "-H", f"{herd.prefix}.[1-3]", "-x", herd.addresses[2], "-m", "command", "-a", "id -un", "-f", "1",
                  "--timeout", "50s", "--name", "named", "--label", "a=b", "-u", herd.user, "-p", str(herd.port),
                  "--credential", "fleet", "--detach", daemon=daemon)
    assert done.returncode == 0, done.stderr
    task = daemon.wait(done.stdout.strip())
    assert task["counts"]["ok"] == 2 and task["timeout"] == 50 and task["name"] == "named" and task["labels"] == {"a": "b"}
    done = drover("adhoc", "-H", herd.addresses[0], "-m", "ping", "--dry-run", daemon=daemon)
    assert done.returncode == 0 and "1 hosts in 1 units" in done.stdout and "ansible_adhoc" in done.stdout


def test_a_playbook_and_its_recap(daemon, herd, book):
    a = herd.addresses[0]
    done = drover("playbook", book, "-H", ",".join(herd.addresses), "-e", f"word='two words' bad={a}", daemon=daemon)
    assert done.returncode == 3, done.stderr
    assert "changed: say it\n" in done.stdout
    assert f"recap      {herd.prefix}.[2-3] (2)  ok=1 changed=1 unreachable=0 failed=0 skipped=2 rescued=0 ignored=0\n" in done.stdout
    assert f"recap      {a}  ok=1 changed=1 unreachable=0 failed=1 skipped=1 rescued=0 ignored=0\n" in done.stdout
    assert f"\nfailed       {a}  step 3, goes wrong on one: " in done.stdout and "2 ok, 1 failed of 3 hosts" in done.stdout


def row_of(daemon, *arguments):
    done = drover("playbook", *arguments, "--json", daemon=daemon)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    task = daemon.get(f"/v1/tasks/{answer['task']['id']}?payload=true")
    return answer["items"][0], task["payload"]


def test_tags_check_and_limits(daemon, herd, book):
    host = herd.addresses[0]
    row, payload = row_of(daemon, book, "-H", host, "--tags", "say", "--step-timeout", "30s")
    assert [step["name"] for step in row["steps"]] == ["say it"] and payload["step_timeout"] == "30s"
    row, _ = row_of(daemon, book, "-H", host, "--skip-tags", "say,wrong", "-e", f"bad={host}")
    assert [step["name"] for step in row["steps"]] == ["never applies"]
    row, payload = row_of(daemon, book, "-H", host, "-C", "-D", "-t", "say")
    assert payload["check"] is True and payload["diff"] is True and row["steps"][0]["status"] == "skipped"


def test_variables_keep_their_types(daemon, herd, book, tmp_path):
    (tmp_path / "vars.yml").write_text(textwrap.dedent("""\
        number: 7
        text: "7"
        yes_: yes
        octal: 0644
        share: 1.50
        nothing:
        list: [a, 2, true]
        deep: {er: {still: 'no'}}
        version: 1.2.3
        mac: 1e3
    """))
    (tmp_path / "more.json").write_text('{"number": 8, "flag": false}')
    _, payload = row_of(daemon, book, "-H", herd.addresses[0], "-t", "say", "-e", f"@{tmp_path}/vars.yml", "-e", f"@{tmp_path}/more.json",
                        "-e", '{"inline": {"a": [1]}}', "-e", "a=1 b='x y' c=\"it's\" d=k=v")
    assert payload["vars"] == {"number": 8, "text": "7", "yes_": True, "octal": 420, "share": 1.5, "nothing": None,
                               "list": ["a", 2, True], "deep": {"er": {"still": "no"}}, "version": "1.2.3", "mac": "1e3",
                               "flag": False, "inline": {"a": [1]}, "a": "1", "b": "x y", "c": "it's", "d": "k=v"}


def test_a_playbook_from_elsewhere(daemon, herd):
    host = herd.addresses[0]
    done = drover("playbook", "-", "-H", host, daemon=daemon, stdin=BOOK)
    assert done.returncode == 0 and "recap" in done.stdout, done.stderr
    done = drover("playbook", "--path", "here.yml", "-H", host, daemon=daemon)
    assert done.returncode == 0 and "recap" in done.stdout, done.stdout + done.stderr
    done = drover("playbook", "../here.yml", "-H", host, "--path", daemon=daemon)
    assert done.returncode != 0 and "outside" in done.stdout + done.stderr


def test_a_playbook_that_is_none(daemon, herd, tmp_path):
    file = tmp_path / "wrong.yml"
    file.write_text("- hosts: all\n  tasks: [\n")
    done = drover("playbook", str(file), "-H", herd.addresses[0], daemon=daemon)
    assert done.returncode == 3 and "failed" in done.stdout


@pytest.mark.parametrize("words, message", [
    (["adhoc", "-H", "h1"], "which module"),
    (["adhoc", "-m", "ping"], "-H is missing"),
    (["adhoc", "-H", "h1", "-m", "ping", "more"], "too much"),
    (["adhoc", "-H", "h1", "-m", "ping", "--script", "x"], "--script is for shell"),
    (["adhoc", "-H", "h1", "-m", "ping", "--stdin", "x"], "--stdin is for shell"),
    (["playbook", "-H", "h1"], "which playbook"),
    (["playbook", "/does/not/exist.yml", "-H", "h1"], "no file /does/not/exist.yml"),
    (["playbook", "/dev/null", "a", "-H", "h1"], "too much"),
    (["playbook", "/dev/null", "-H", "h1", "-e", "novalue"], "is not NAME=VALUE"),
    (["playbook", "/dev/null", "-H", "h1", "-e", "a='b"], "a quote is not closed"),
    (["playbook", "/dev/null", "-H", "h1", "-e", "{bad"], "not a JSON object"),
    (["playbook", "/dev/null", "-H", "h1", "-e", "@/does/not/exist"], "cannot be read"),
])
def test_wrong_words(words, message):
    done = drover(*words)
    assert done.returncode == 2 and message in done.stderr, done.stderr


def test_a_daemon_without_ansible_says_so():
    with Daemon({"executors": [{"plugin": "sim"}]}) as daemon:
        done = drover("adhoc", "-H", "h1", "-m", "ping", daemon=daemon)
        assert done.returncode == 1 and "no executor serves adhoc" in done.stderr


# ---------------------------------------------------------------------------------------------- the private daemon
@pytest.fixture
def private(tmp_path):
    """An environment of its own, and the private daemon's end."""
    env = {"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path), "DROVER_URL": "", "DROVER_PLUGIN_PATH": os.path.join(BUILD, "plugins")}
    yield env
    pid = os.path.join(tmp_path, "drover")
    wait_for("the private daemon's end", lambda: not any(str(pid) in " ".join(line) for line in running()), 30)


def running():
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words and words[0].endswith("droverd"):
            yield words


def test_a_private_daemon_has_the_ansible_that_is_installed(private, tmp_path):
    done = drover("adhoc", "--standalone", "-H", "localhost", "-m", "command", "-a", "echo from here", env=private)
    assert done.returncode == 0 and "from here" in done.stdout, done.stdout + done.stderr
    (tmp_path / "site.yml").write_text("- hosts: all\n  gather_facts: false\n  tasks: [{name: s, command: 'true'}]\n")
    done = drover("playbook", "--standalone", str(tmp_path / "site.yml"), "-H", "localhost", env=private)
    assert done.returncode == 0 and "ok=1 changed=1" in done.stdout, done.stdout + done.stderr


def test_without_ansible_it_says_what_to_install(private, tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    done = drover("adhoc", "--standalone", "-H", "localhost", "-m", "ping", env={**private, "PATH": str(empty)})
    assert done.returncode == 1 and "Ansible is not installed here" in done.stderr and "ansible-core" in done.stderr


def test_what_needs_no_ansible_does_not_import_it(private, tmp_path):
    process = subprocess.Popen([os.path.join(BUILD, "drover"), "run", "--standalone", "-H", "localhost", "--", "sleep 600"],
                               env={**os.environ, **private}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def sleeping():
            names = {pid: cmdline(pid) for pid in descendants(process.pid)}
            return names if any(words[:2] == ["sleep", "600"] for words in names.values()) else None
        names = wait_for("the command", sleeping, 30)
        assert not any("server.py" in " ".join(words) for words in names.values())
    finally:
        process.send_signal(2)
        process.wait(30)
