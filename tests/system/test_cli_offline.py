"""The command line against a daemon that is only its HTTP: what is sent, what is shown, what it exits with."""
import base64
import json
import os
import pty
import select
import signal
import ssl
import subprocess
import time

import pytest

from system.daemon import wait_for
from system.fake_daemon import FakeDaemon, row


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def drover(build, home):
    """Runs drover in a home of its own; nothing of the user's reaches it."""

    def run(*words, url=None, stdin="", env=None, timeout=30):
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "TZ": "UTC", **(env or {})}
        if url:
            environment["DROVER_URL"] = url
        return subprocess.run([str(build / "drover"), *words], input=stdin, capture_output=True, text=True,
                              env=environment, timeout=timeout)

    home.mkdir()
    return run


# ------------------------------------------------------------------------------------------ run

def test_run_sends_each_option_as_its_twin(drover, tmp_path):
    (tmp_path / "in").write_text("line\n")
    with FakeDaemon([row("a1"), row("a2")]) as daemon:
        done = drover("run", "-H", "a[1-2]", "-w", "b1", "-x", "b1", "--timeout", "90s", "--host-timeout", "5",
                      "--connect-timeout", "250ms", "--unit-size", "10", "-f", "7", "--pool", "p", "--priority", "60",
                      "--credential", "c", "--env", "A=1=2", "--env", "B=", "--stdin", str(tmp_path / "in"),
                      "--output-limit", "2K", "--on-lost", "rerun", "--expires", "24h", "--name", "n", "--label", "k=v",
                      "--note", "why", "--executor", "shell", "--max-failed", "10%", "--waves", "1,10%,100%",
                      "--wave-pause", "90s", "--concurrency-key", "db", "--become-user", "app", "--become-method", "su",
                      "--", "ls", "-l", "*.c", url=daemon.url)
    assert done.returncode == 0, done.stderr
    sent = daemon.submitted
    assert len(sent.pop("id")) == 26
    assert sent == {
        "type": "shell", "executor": "shell", "hosts": "a[1-2],b1", "exclude": "b1", "timeout": "90s",
        "host_timeout": "5", "connect_timeout": "250ms", "unit_size": 10, "fanout": 7, "pool": "p", "priority": 60,
        "credential": "c", "output_limit": 2048, "on_lost": "rerun", "expires_in": "24h", "name": "n",
        "labels": {"k": "v"}, "note": "why", "max_failed": "10%", "waves": ["1", "10%", "100%"], "wave_pause": "90s",
        "concurrency_key": "db",
        "payload": {"command": "ls -l *.c", "env": {"A": "1=2", "B": ""}, "stdin": "line\n",
                    "become": {"user": "app", "method": "su"}}}


def test_becoming_root_and_a_number_of_failed_hosts(drover):
    with FakeDaemon([row("a1")]) as daemon:
        drover("run", "-H", "a1", "-b", "--max-failed", "0", "id", url=daemon.url)
        assert daemon.submitted["payload"]["become"] == {"user": "root"}
        assert daemon.submitted["max_failed"] == 0


def test_run_makes_host_objects_of_user_and_port(drover):
    with FakeDaemon([row("a1")]) as daemon:
        drover("run", "-H", "A[1-2]", "-u", "root", "-p", "2222", "true", url=daemon.url)
    assert daemon.submitted["hosts"] == [{"name": "a1", "user": "root", "port": 2222},
                                         {"name": "a2", "user": "root", "port": 2222}]


def test_run_reads_hosts_from_stdin_and_files(drover, tmp_path):
    (tmp_path / "hosts").write_text("web[1-3]  # the front\n\ndb1,\ndb2\n")
    with FakeDaemon([row("a1")]) as daemon:
        done = drover("run", "-H", f"^{tmp_path}/hosts!web2,-", "-x", "db1", "true", url=daemon.url, stdin="x1\nx2\n")
    assert done.returncode == 0, done.stderr
    assert daemon.submitted["hosts"] == ["web1", "web3", "db1", "db2", "x1", "x2"]
    assert daemon.submitted["exclude"] == "db1"


def test_run_sends_a_script(drover, tmp_path):
    (tmp_path / "s.sh").write_text("#!/bin/sh\necho é\n")
    with FakeDaemon([row("a1")]) as daemon:
        done = drover("run", "-H", "a1", "--script", str(tmp_path / "s.sh"), url=daemon.url)
    assert done.returncode == 0, done.stderr
    assert daemon.submitted["payload"] == {"script": "#!/bin/sh\necho é\n"}


def test_run_takes_the_commands_own_options_without_dashes(drover):
    with FakeDaemon([row("a1")]) as daemon:
        drover("run", "-H", "a1", "ls", "-S", "--json", url=daemon.url)
    assert daemon.submitted["payload"] == {"command": "ls -S --json"}


def test_run_folds_and_names_problems_last(drover):
    rows = [row(f"web{i}", stdout="same\n") for i in range(1, 27)]
    rows += [row("db1", "timeout", phase="banner", message="no banner for 5 s"),
             row("db2", "timeout", phase="banner", message="no banner for 5 s"),
             row("db3", "failed", rc=3, phase="execution", stdout="half\n", stderr="broken\n"),
             row("db4", "unreachable", phase="connect", message="connection refused"),
             row("db5", "timeout", phase="execution", message="took longer than 5 s", remote_process="dead")]
    with FakeDaemon(rows, page=7) as daemon:
        done = drover("run", "-H", "x", "true", url=daemon.url)
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        "--- web[1-26] (26)  ok", "same",
        "--- db3  failed  exit code 3", "half", "[stderr]", "broken",
        "timeout      db[1-2] (2)  in banner: no banner for 5 s",
        "failed       db3  exit code 3",
        "unreachable  db4  in connect: connection refused",
        "timeout      db5  in execution: took longer than 5 s; its remote process was ended",
        f"26 ok, 1 failed, 1 unreachable, 3 timeout of 31 hosts in 8.1 s   (task {daemon.id})"]
    assert done.stderr == ""


def test_run_keeps_bytes_that_are_not_text(drover, build, home):
    data = b"\xff\x00\x1b[31m"
    rows = [row("a", stdout=base64.b64encode(data).decode(), stdout_encoding="base64")]
    with FakeDaemon(rows) as daemon:
        done = subprocess.run([build / "drover", "run", "-H", "a", "x"], capture_output=True,
                              env={"HOME": str(home), "DROVER_URL": daemon.url}, timeout=30)
    assert b"--- a  ok\n" + data + b"\n" in done.stdout


@pytest.mark.parametrize("state, statuses, code", [
    ("done", ["ok", "ok"], 0), ("done", ["ok", "failed"], 3), ("done", ["ok", "lost"], 3), ("aborted", ["ok", "failed"], 4),
    ("cancelled", ["ok", "cancelled"], 5)])
def test_exit_codes_of_run_and_watch(drover, state, statuses, code):
    with FakeDaemon([row(f"h{i}", s) for i, s in enumerate(statuses)], state=state, polls=2) as daemon:
        assert drover("run", "-H", "x", "true", url=daemon.url).returncode == code
        assert drover("watch", daemon.id, url=daemon.url).returncode == code


def test_largest_remote_exit_code(drover):
    rows = [row("a"), row("b", "failed", rc=7), row("c", "failed", rc=41), row("d", "timeout")]
    with FakeDaemon(rows) as daemon:
        assert drover("run", "-S", "-H", "x", "true", url=daemon.url).returncode == 41
    with FakeDaemon([row("a", "failed", signal="KILL")]) as daemon:
        assert drover("run", "-S", "-H", "x", "true", url=daemon.url).returncode == 137
    with FakeDaemon([row("a"), row("b", "timeout")]) as daemon:
        assert drover("run", "-S", "-H", "x", "true", url=daemon.url).returncode == 3


def test_run_json_is_one_document(drover):
    with FakeDaemon([row("a", stdout="x"), row("b", "failed", rc=1)], page=1) as daemon:
        done = drover("run", "--json", "-H", "x", "true", url=daemon.url)
    document = json.loads(done.stdout)
    assert [r["host"] for r in document["items"]] == ["a", "b"]
    assert document["task"]["counts"]["failed"] == 1


def test_detach_prints_the_id_alone(drover):
    with FakeDaemon([row("a")], polls=100) as daemon:
        done = drover("run", "--detach", "-H", "x", "true", url=daemon.url)
    assert (done.returncode, done.stdout) == (0, daemon.id + "\n")


def test_dry_run_stores_nothing(drover):
    with FakeDaemon([row("a"), row("b")]) as daemon:
        done = drover("run", "--dry-run", "-H", "x", "true", url=daemon.url)
    assert done.returncode == 0
    assert "2 hosts in 1 units by the executor shell" in done.stdout
    assert daemon.id is None


def test_every_error_of_a_refused_task_is_shown(drover):
    with FakeDaemon() as daemon:
        daemon.problem = (422, {"type": "/problems/invalid-task", "title": "Invalid task", "status": 422, "errors": [
            {"pointer": "/unit_size", "detail": "must be 1 to 10000"}, {"pointer": "/pool", "detail": "no such pool"}]})
        done = drover("run", "-H", "x", "true", url=daemon.url)
    assert done.returncode == 1
    assert "Invalid task" in done.stderr
    assert "  /unit_size: must be 1 to 10000\n  /pool: no such pool\n" in done.stderr


# -------------------------------------------------------------------------------------- usage

@pytest.mark.parametrize("words, part", [
    ((), "Usage: drover COMMAND"),
    (("resluts",), "did you mean `results'"),
    (("run", "true"), "-H is missing"),
    (("run", "-H", "a"), "there is no command"),
    (("run", "-H", "a[1-3", "--user", "u", "true"), "-H: column 2: this [ is never closed"),
    (("run", "--unit-siz", "x", "-H", "a", "true"), "--unit-size: \"x\" is not a whole number"),
    (("run", "--unit-sise=4", "-H", "a", "true"), "there is no option --unit-sise; did you mean --unit-size?"),
    (("run", "--timeout", "soon", "-H", "a", "true"), "--timeout: \"soon\" is not a duration"),
    (("run", "--port", "0", "-H", "a", "true"), "--port: must be 1 to 65535"),
    (("run", "--env", "X", "-H", "a", "true"), "--env: \"X\" is not NAME=VALUE"),
    (("run", "--script", "/nowhere", "-H", "a"), "--script: cannot read /nowhere"),
    (("run", "-H", "^/nowhere", "true"), "-H: cannot read hosts from /nowhere"),
    (("watch",), "which task"),
    (("watch", "a", "b"), "\"b\" is too much"),
    (("results", "x", "--status", "timout"), "did you mean timeout?"),
    (("hosts", "fild", "a"), "not one of expand, fold, count"),
    (("--url", "ftp://x", "list"), "is no daemon's address"),
    (("demo", "--hosts", "3"), "--hosts: must be 10 to 100000"),
    (("run", "-H", "a", "-L", "--stream", "x"), "-L and --stream exclude each other"),
    (("run", "-H", "a", "--detach", "--outdir", "o", "x"), "--dry-run and --detach show no outputs"),
    (("run", "-H", "a", "--dry-run", "--stream", "x"), "--dry-run and --detach show no outputs"),
    (("run", "-H", "a", "--max-failed", "1/2", "x"), '--max-failed: "1/2" is neither a number of hosts nor a share'),
    (("run", "-H", "a", "--max-failed", "101%", "x"), '--max-failed: "101%" is neither'),
    (("run", "-H", "a", "--waves", "1,,100%", "x"), '--waves: "" is neither a number of hosts nor a share'),
    (("run", "-H", "a", "--become-method", "su do", "x"), "is not one of sudo, su, doas"),
    (("run", "-H", "a", "-b", "root", "--", "id"), "-b takes no value: write --become-user root"),
    (("list", "--since", "yesterday"), '"yesterday" is no time; write 2h (ago)'),
    (("list", "-n", "0"), "-n: must be a number from 1 on"),
    (("logs",), "which task"),
    (("outputs", "x", "--status", "good"), 'there is no status "good"'),
    (("outputs", "x", "--status", "ok", "-L"), "--status does not go with -L"),
    (("retry", "x", "--stream"), "what is shown is said for --watch"),
    (("host",), "which host?"),
    (("logs", "x", "--hosts", "a[1-"), "--host: column"),
])
def test_usage_errors_exit_2_and_say_what_to_do(drover, words, part):
    done = drover(*words)
    assert done.returncode == 2, done
    assert part in done.stderr
    assert done.stdout == ""


def test_help_and_version(drover):
    assert drover("--version").stdout.startswith("drover ")
    for words in (("help",), ("--help",), ("help", "run"), ("run", "--help")):
        done = drover(*words)
        assert (done.returncode, done.stderr) == (0, ""), words
        assert "Usage: drover" in done.stdout
    assert "--host-timeout" in drover("help", "run").stdout


def test_each_command_has_an_example(drover):
    commands = [line.split()[0] for line in drover("help").stdout.splitlines() if line.startswith("  ") and line[2] != " "]
    assert len(commands) > 15
    for command in commands:
        if command != "help":
            assert f"drover {command}" in drover(command, "--help").stdout.split("Example")[1], command


def test_options_may_stand_before_the_command(drover):
    with FakeDaemon() as daemon:
        done = drover("--json", "--url", daemon.url, "list")
    assert json.loads(done.stdout) == {"items": []}


# ------------------------------------------------------------------------------------ addresses

def write_config(home, text):
    folder = home / ".config/drover"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(text)


def test_the_users_file_names_daemon_and_token(drover, home, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "token").chmod(0o600)
    with FakeDaemon() as daemon:
        write_config(home, f"url: {daemon.url}/\ntoken_file: {tmp_path}/token\n")
        assert drover("list").returncode == 0
        assert daemon.requests[-1][4]["Authorization"] == "Bearer secret"
        assert drover("list", env={"DROVER_TOKEN": "other"}).returncode == 0
        assert daemon.requests[-1][4]["Authorization"] == "Bearer other"


@pytest.mark.parametrize("line, mode, code", [
    ("token_file: {}/secret", 0o600, 0), ("token_file: {}/secret", 0o400, 0), ("token_file: {}/secret", 0o640, 78),
    ("token_file: {}/secret", 0o604, 78), ("token_file: {}/empty", 0o600, 78), ("token_file: {}/nowhere", 0o600, 78)])
def test_a_tokens_file_is_its_users_alone(drover, home, tmp_path, line, mode, code):
    for name, text in (("secret", "s3cret\n"), ("empty", "")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    with FakeDaemon() as daemon:
        write_config(home, f"url: {daemon.url}\n{line.format(tmp_path)}\n")
        done = drover("list")
        assert done.returncode == code, done.stderr
        assert len(daemon.requests) == (not code)
    assert "s3cret" not in done.stderr
    if mode & 0o077:
        assert f"others may read it (mode {mode:04o}): chmod 600 {tmp_path}/secret" in done.stderr


def test_a_token_in_the_users_file_makes_it_secret_too(drover, home):
    with FakeDaemon() as daemon:
        write_config(home, f"url: {daemon.url}\ntoken: s3cret\n")
        assert drover("list").returncode == 78
        (home / ".config/drover/config.yaml").chmod(0o600)
        assert drover("list").returncode == 0
        assert daemon.requests[-1][4]["Authorization"] == "Bearer s3cret"


def test_a_token_file_below_the_home(drover, home):
    (home / "token").write_text("s3cret")
    (home / "token").chmod(0o600)
    with FakeDaemon() as daemon:
        write_config(home, f"url: {daemon.url}\ntoken_file: ~/token\n")
        assert drover("list").returncode == 0
        assert daemon.requests[-1][4]["Authorization"] == "Bearer s3cret"


def test_the_files_token_is_for_the_files_daemon(drover, home):
    with FakeDaemon() as mine, FakeDaemon() as other:
        write_config(home, f"url: {mine.url}\ntoken: s3cret\n")
        (home / ".config/drover/config.yaml").chmod(0o600)
        assert drover("list", url=other.url).returncode == 0
        assert "Authorization" not in other.requests[-1][4]
        assert drover("list", url=mine.url + "/").returncode == 0
        assert mine.requests[-1][4]["Authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("url", ["http://localhost.evil.example", "http://127.evil.example:8007", "http://192.0.2.7:8007"])
def test_a_token_does_not_go_out_in_clear_text(drover, url):
    done = drover("list", url=url, env={"DROVER_TOKEN": "s3cret"})
    assert done.returncode == 78
    assert "a token does not go over the network in clear text" in done.stderr
    assert "s3cret" not in done.stderr


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key",
                    "-out", folder / "cert"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context, folder / "cert"


def test_https_with_an_authority_of_its_own(drover, home, certificate):
    context, authority = certificate
    with FakeDaemon([row("a", stdout="x")], tls=context) as daemon:
        done = drover("list", url=daemon.url)
        assert done.returncode == 69
        assert f"the certificate of {daemon.url} is not trusted" in done.stderr
        assert "name the file with its authority as `ca:`" in done.stderr
        write_config(home, f"url: {daemon.url}\nca: {authority}\n")
        assert drover("list").returncode == 0
        assert drover("run", "--stream", "-H", "a", "x").stdout == "a: x\n"
        (home / ".config/drover/config.yaml").write_text(f"url: {daemon.url}\nca: /nowhere\n")
        done = drover("list")
        assert done.returncode == 69
        assert "/nowhere" in done.stderr


def test_a_refused_token_says_where_one_comes_from(drover):
    with FakeDaemon() as daemon:
        daemon.handle = lambda *_: (401, {"title": "Unauthorized", "detail": "a token is needed\x1b[2J"})
        done = drover("list", url=daemon.url)
        assert done.returncode == 1
        assert "Unauthorized: a token is needed\\x1b[2J; a token is read from $DROVER_TOKEN or the token_file" in done.stderr
        done = drover("list", url=daemon.url, env={"DROVER_TOKEN": "x"})
        assert "is the token still valid" in done.stderr


def test_the_option_wins_over_the_variable_and_that_over_the_file(drover, home):
    write_config(home, "url: http://127.0.0.1:1\n")
    with FakeDaemon() as one, FakeDaemon() as two:
        assert drover("list", "--url", one.url, url=two.url).returncode == 0
        assert drover("list", url=two.url).returncode == 0
    assert len(one.requests) == len(two.requests) == 1


def test_a_wrong_file_of_the_user_is_bad_configuration(drover, home):
    write_config(home, "urll: x\n")
    done = drover("list")
    assert done.returncode == 78
    assert "config.yaml:1:1: urll: " in done.stderr
    assert "did you mean" in done.stderr


def test_a_proxy_is_not_asked_for_this_machine(drover):
    with FakeDaemon() as daemon:
        assert drover("list", url=daemon.url, env={"http_proxy": "http://127.0.0.1:1"}).returncode == 0


def test_a_unix_socket(drover, tmp_path):
    with FakeDaemon([row("a")], unix=str(tmp_path / "s")) as daemon:
        assert drover("run", "-H", "a", "true", url=daemon.url).returncode == 0


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "unix:/nowhere/s"])
def test_a_configured_daemon_that_is_away_exits_69(drover, home, url):
    done = drover("run", "-H", "a", "true", url=url)
    assert done.returncode == 69
    assert f"no daemon answers at {url}" in done.stderr
    assert not (home / ".local").exists(), "a private daemon must not stand in for a configured one"


def test_another_server_is_named_as_such(drover):
    with FakeDaemon() as daemon:
        daemon.handle = lambda *_: (200, b"<html>")
        done = drover("list", url=daemon.url)
    assert done.returncode == 1
    assert "is it a Drover daemon?" in done.stderr


# --------------------------------------------------------------------------------- other commands

def test_submit_sends_the_file_as_it_is(drover, tmp_path):
    text = '{"type": "shell",  "hosts": "a", "id": "mine", "payload": {"command": "x"}}\n'
    (tmp_path / "t.json").write_text(text)
    with FakeDaemon([row("a")]) as daemon:
        done = drover("submit", str(tmp_path / "t.json"), url=daemon.url)
        assert (done.returncode, done.stdout) == (0, "mine\n")
        assert daemon.requests[-1][3] == text.encode()
        assert drover("submit", "-", url=daemon.url, stdin=text).stdout == "mine\n"


def test_ids_by_their_beginning_and_last(drover):
    with FakeDaemon([row("a")], task_id="01JABCDEF") as daemon:
        for word in ("01JABCDEF", "01JAB", "01jab", "last", "-"):
            done = drover("show", "--json", word, url=daemon.url)
            assert json.loads(done.stdout)["id"] == "01JABCDEF", word
        done = drover("show", "zzz", url=daemon.url)
    assert done.returncode == 1
    assert 'there is no task "zzz"' in done.stderr


def test_list_and_show(drover):
    with FakeDaemon([row("a"), row("b", "failed")], task_id="01JX") as daemon:
        lines = drover("list", url=daemon.url).stdout.splitlines()
        assert lines[0].split() == ["ID", "STATE", "TYPE", "HOSTS", "OK", "NOT", "OK", "CREATED", "NAME"]
        assert lines[1].split() == ["01JX", "failed", "shell", "2", "1", "1", "2024-05-01", "10:00:00", "a", "name"]
        drover("list", "-n", "5", "--state", "done", "--label", "a=b c", url=daemon.url)
        assert daemon.requests[-1][2] == {"limit": "5", "state": "done", "label": "a=b c"}
        shown = drover("show", "01JX", url=daemon.url).stdout
        assert "outcome          failed\n" in shown
        assert "1 ok, 1 failed of 2 hosts" in shown


def test_results_by_status_and_host(drover):
    rows = [row("a1", stdout="x"), row("a2", "failed", rc=2, stderr="bad\n"), row("a3", "timeout", phase="connect")]
    with FakeDaemon(rows, task_id="t", page=1) as daemon:
        assert drover("results", "t", url=daemon.url).stdout == (
            "--- a1  ok\nx\n--- a2  failed  exit code 2\n[stderr]\nbad\n--- a3  timeout  in connect\n")
        assert drover("results", "t", "--status", "failed,timeout", url=daemon.url).stdout.count("---") == 2
        assert drover("results", "t", "--host", "a[1,3]", url=daemon.url).stdout.startswith("--- a1  ok\nx\n--- a3 ")
        assert [r["host"] for r in json.loads(drover("results", "t", "--json", url=daemon.url).stdout)["items"]] == [
            "a1", "a2", "a3"]


def test_verify(drover):
    with FakeDaemon([row("a")], task_id="t") as daemon:
        done = drover("verify", "t", url=daemon.url)
        assert (done.returncode, done.stdout.splitlines()[0]) == (
            0, "ok: 1 hosts, 1 rows of 1 different hosts; the task is done")
        daemon.state = "wrong"
        done = drover("verify", "t", url=daemon.url)
        assert done.returncode == 1
        assert "3 rows are ok, the task says 2" in done.stdout
        assert json.loads(drover("verify", "t", "--json", url=daemon.url).stdout)["ok"] is False


def test_cancel(drover):
    with FakeDaemon([row("a")], task_id="t", polls=5) as daemon:
        done = drover("cancel", "t", url=daemon.url)
    assert (done.returncode, done.stdout) == (0, "t: cancelling\n")
    assert daemon.cancelled.is_set()


def test_engines_show_processes_and_deaths(drover):
    with FakeDaemon() as daemon:
        shown = drover("engines", url=daemon.url).stdout
        assert json.loads(drover("engines", "--json", url=daemon.url).stdout)["items"][0]["name"] == "eng1"
    assert "30/2000" in shown
    assert "killed by signal 11" in shown


def test_a_full_disk_is_an_error(build, home, drover):
    with FakeDaemon([row("a")]) as daemon, open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([build / "drover", "list", "--json"], stdout=full, stderr=subprocess.PIPE, timeout=30,
                              env={"HOME": str(home), "DROVER_URL": daemon.url})
    assert done.returncode == 1
    assert b"cannot write" in done.stderr


# ------------------------------------------------------------------- signals, terminals, progress

def start(build, home, daemon, *words, **options):
    return subprocess.Popen([str(build / "drover"), *words], env={"HOME": str(home), "DROVER_URL": daemon.url,
                            "TERM": "xterm", **options.pop("env", {})}, stdin=subprocess.DEVNULL, **options)


def read_until(fd, text, deadline=20):
    """What comes on a terminal, up to and including `text`."""
    seen, end = b"", time.monotonic() + deadline
    while text not in seen:
        assert select.select([fd], [], [], max(0, end - time.monotonic()))[0], seen
        try:
            chunk = os.read(fd, 65536)
        except OSError:
            chunk = b""
        assert chunk, seen
        seen += chunk
    return seen


def test_interrupt_detaches_and_a_second_one_cancels(build, home, drover):
    with FakeDaemon([row("a", "cancelled")], polls=1 << 30) as daemon:
        process = start(build, home, daemon, "run", "-H", "a", "x", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert daemon.asked.wait(20)
        process.send_signal(signal.SIGINT)
        assert b"detached: task " + daemon.id.encode() in process.stderr.readline()
        _, err = process.communicate(timeout=20)
        assert process.returncode == 130, err
        assert not daemon.cancelled.is_set()

        def interrupt_twice():
            before = len(daemon.requests)
            process = start(build, home, daemon, "watch", daemon.id, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            # The first question is for the id; the second one waits.
            wait_for("a question that waits", lambda: any("wait" in r[2] for r in daemon.requests[before:]))
            process.send_signal(signal.SIGINT)
            assert b"detached" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            return *process.communicate(timeout=20), process.returncode

        # Within two seconds it cancels; on a busy machine it may come too late, and detaches once more.
        out, err, code = next(ended for ended in (interrupt_twice() for _ in range(5)) if ended[2] != 130)
        assert daemon.cancelled.is_set()
        assert code == 5, err
        assert b"1 cancelled of 1 host" in out


def on_terminal(build, home, daemon, *words, env=None):
    """stdout and stderr as a terminal shows them, and the exit code."""
    master, slave = pty.openpty()
    process = start(build, home, daemon, *words, stdout=slave, stderr=slave, env=env or {})
    os.close(slave)
    seen = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
    os.close(master)
    return seen, process.wait(20)


def test_a_bar_is_drawn_on_a_terminal_only(build, home, drover):
    rows = [row(f"h{i}") for i in range(10)]
    with FakeDaemon(rows, polls=4) as daemon:
        seen, code = on_terminal(build, home, daemon, "run", "-H", "x", "true")
    assert code == 0
    assert b"\r[==========>         ] 5/10  ok 5" in seen
    # It is gone before the summary comes.
    assert b"\r\x1b[K--- h[0-9] (10)" in seen
    with FakeDaemon(rows, polls=4) as daemon:
        assert drover("run", "-H", "x", "true", url=daemon.url).stderr == ""


def test_the_bar_tells_of_waves_and_of_who_goes_first(build, home):
    with FakeDaemon([row("a")], polls=4) as daemon:
        task = daemon.task
        daemon.task = lambda: {**task(), "waves": {"open": 2, "total": 3}, "waiting_for_task": "other"}
        seen, _ = on_terminal(build, home, daemon, "run", "-H", "x", "true")
    assert b"0/1  wave 2/3  behind task other" in seen


def test_control_characters_do_no_harm_on_a_terminal(build, home, drover):
    evil = row("a", "failed", rc=1, stdout="\x1b]0;title\x07red\u202e\n", message="x\x1b[2Jy")
    with FakeDaemon([evil]) as daemon:
        seen, _ = on_terminal(build, home, daemon, "run", "-H", "x", "true", env={"NO_COLOR": "1"})
    shown = seen.split(b"\r\x1b[K")[-1]
    assert b"\\x1b]0;title\\x07red\\xe2\\x80\\xae" in shown
    assert b"x\\x1b[2Jy" in shown
    assert b"\x1b" not in shown


def test_colours_follow_the_terminal_and_no_color(build, home, drover):
    with FakeDaemon([row("a", stdout="x")]) as daemon:
        seen, _ = on_terminal(build, home, daemon, "run", "-H", "x", "true")
        assert b"\x1b[32mok\x1b[0m" in seen
        seen, _ = on_terminal(build, home, daemon, "run", "-H", "x", "true", env={"NO_COLOR": "1"})
        assert b"\x1b[32m" not in seen
        assert "\x1b" not in drover("run", "-H", "x", "true", url=daemon.url).stdout


def test_a_terminal_is_asked_above_100_hosts(build, home, drover):
    def ask(hosts, answer, *words):
        with FakeDaemon([row(f"h{i}") for i in range(hosts)]) as daemon:
            master, slave = pty.openpty()
            process = subprocess.Popen([str(build / "drover"), "run", *words, "-H", "x", "true"], stdin=slave, stderr=slave,
                                       stdout=subprocess.DEVNULL, env={"HOME": str(home), "DROVER_URL": daemon.url})
            os.close(slave)
            if answer:
                read_until(master, f"Run on {hosts} hosts? [y/N] ".encode())
                os.write(master, answer)
            code = process.wait(20)
            os.close(master)
            return code, daemon.id is not None

    assert ask(101, b"n\n") == (1, False)
    assert ask(101, b"y\n") == (0, True)
    assert ask(100, None) == (0, True)
    assert ask(101, None, "-y") == (0, True)
