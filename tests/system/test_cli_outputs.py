"""What the command line shows of hosts' outputs: folded, line by line, as they come, as files, raw."""
import base64
import json
import os
import subprocess
import threading

import pytest

from system.fake_daemon import FakeDaemon, event, row
from system.terminal import Terminal


@pytest.fixture
def drover(build, tmp_path):
    """Runs drover in a home of its own; its outputs are bytes."""

    def run(*words, url, timeout=30, **options):
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TZ": "UTC", "DROVER_URL": url}
        return subprocess.run([str(build / "drover"), *words], stdin=subprocess.DEVNULL, capture_output=True,
                              env=environment, timeout=timeout, check=False, **options)

    return run


def raw(host, data, **more):
    return row(host, stdout=base64.b64encode(data).decode(), stdout_encoding="base64", **more)


ROWS = [row("a1", stdout="one\ntwo\n", stderr="warn\n"), row("a2", "failed", rc=3, stdout="no newline"),
        row("a3", "timeout", phase="banner", message="no banner for 5 s")]


# ------------------------------------------------------------------------------ line by line, streamed

@pytest.mark.parametrize("way", ["-L", "--stream"])
def test_lines_have_their_host_in_front_and_go_where_the_host_wrote_them(drover, way):
    with FakeDaemon(ROWS) as daemon:
        done = drover("run", way, "-H", "x", "true", url=daemon.url)
    assert done.returncode == 3
    assert done.stdout == b"a1: one\na1: two\na2: no newline\n"
    err = done.stderr.decode().splitlines()
    assert err[0] == "a1: warn"
    assert err[1:] == ["failed       a2  exit code 3", "timeout      a3  in banner: no banner for 5 s",
                       f"1 ok, 1 failed, 1 timeout of 3 hosts in 8.1 s   (task {daemon.id})"]


def test_streamed_lines_are_whole_and_shown_once(drover):
    def events(since):
        assert since == "0"
        yield event("task", {"state": "running"}, 1)
        yield event("output", {"host": "a1", "stream": "stdout", "offset": 0, "data_base64": "b24="})
        yield event("output", {"host": "a2", "stream": "stdout", "offset": 0, "data": "x\ny"})
        yield event("output", {"host": "a1", "stream": "stdout", "offset": 2, "data": "e\ntw"})
        yield ":\n\n"
        yield from daemon.final_events()

    with FakeDaemon([row("a1", stdout="one\ntwo\n"), row("a2", stdout="x\nyz\n")], polls=1 << 30) as daemon:
        daemon.events = events
        done = drover("run", "--stream", "-H", "x", "true", url=daemon.url)
    # What came live is not shown again; what did not come live was asked for.
    assert done.stdout == b"a2: x\na1: one\na1: two\na2: yz\n"
    assert [r[4].get("Range") for r in daemon.requests if "/hosts/" in r[1]] == ["bytes=6-", "bytes=3-"]


def test_live_lines_are_there_before_the_task_ends(build, tmp_path):
    go_on = threading.Event()

    def events(_):
        yield event("output", {"host": "a1", "stream": "stdout", "offset": 0, "data": "early\n"})
        go_on.wait(30)
        yield from daemon.final_events()

    with FakeDaemon([row("a1", stdout="early\nlate\n")], polls=1 << 30) as daemon:
        daemon.events = events
        process = subprocess.Popen([str(build / "drover"), "run", "--stream", "-H", "x", "true"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={"HOME": str(tmp_path), "DROVER_URL": daemon.url})
        assert process.stdout.readline() == b"a1: early\n"
        go_on.set()
        out, err = process.communicate(timeout=30)
    assert (out, process.returncode) == (b"a1: late\n", 0), err


def test_a_stream_that_breaks_off_is_taken_up_again(drover):
    asked = []

    def events(since):
        asked.append(since)
        if len(asked) == 1:
            yield daemon.host_event(daemon.rows[0])
            yield event("host", {"host": "a2", "status": "failed", "stdout_bytes": 2, "stderr_bytes": 0}, 41)
            yield "event: host\nid: 42\ndata: {\"half\": "
        else:
            # What was not numbered comes again, and is known.
            yield from daemon.final_events()

    with FakeDaemon([row("a1", stdout="x\n"), row("a2", "failed", stdout="y\n")]) as daemon:
        daemon.events = events
        done = drover("run", "--stream", "-H", "x", "true", url=daemon.url)
    assert asked == ["0", "41"]
    assert done.stdout == b"a1: x\na2: y\n"
    assert done.returncode == 3


def test_a_gap_in_live_output_is_named(drover):
    def events(_):
        yield event("output", {"host": "a1", "stream": "stdout", "offset": 0, "data": "be"})
        yield event("output", {"host": "a1", "stream": "stdout", "offset": 100, "data": "after\n"})
        yield event("host", {"host": "a1", "status": "ok", "stdout_bytes": 106, "stderr_bytes": 0})
        yield event("task", {"state": "done"})

    with FakeDaemon([row("a1", stdout="x" * 106)]) as daemon:
        daemon.events = events
        done = drover("run", "--stream", "-H", "x", "true", url=daemon.url)
    assert done.stdout == b"a1: be\na1: after\n"
    assert f"98 bytes of a1's standard output are not shown here; drover logs {daemon.id} --host a1" in done.stderr.decode()


def test_a_line_without_an_end_is_shown_in_bounded_pieces(drover):
    with FakeDaemon([row("a1", stdout="x" * 200_000 + "\n")]) as daemon:
        done = drover("run", "-L", "-H", "x", "true", url=daemon.url)
    lines = done.stdout.split(b"\n")
    assert [len(line) for line in lines] == [65540, 65540, 65540, 200_000 - 3 * 65536 + 4, 0]


def test_stream_as_json_is_an_object_a_line(drover):
    with FakeDaemon([raw("a1", b"\xff\n"), row("a2", "failed", stdout="y\n")]) as daemon:
        done = drover("run", "--stream", "--json", "-H", "x", "true", url=daemon.url)
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(o["kind"], o.get("host"), o.get("text"), o.get("text_encoding")) for o in objects] == [
        ("line", "a1", "/w==", "base64"), ("host", "a1", None, None), ("line", "a2", "y", "utf-8"),
        ("host", "a2", None, None), ("task", None, None, None)]
    assert objects[-1]["state"] == "done"
    assert done.stderr == b""


# ------------------------------------------------------------------------------------------- files

def test_outdir_has_a_file_for_each_host_and_stream(drover, tmp_path):
    rows = [raw("a1", b"\x00\xff\n", stderr="e"), row("a2", "failed", stdout="no newline")]
    with FakeDaemon(rows, page=1) as daemon:
        done = drover("run", "--outdir", str(tmp_path / "out"), "-H", "x", "true", url=daemon.url)
    assert done.returncode == 3
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == {
        "a1.stdout": b"\x00\xff\n", "a1.stderr": b"e", "a2.stdout": b"no newline", "a2.stderr": b""}
    assert b"--- a1  ok" in done.stdout, "the folded output is shown as well"


def test_outdir_refuses_a_folder_with_something_in_it_before_anything_runs(drover, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a1.stdout").write_text("old")
    with FakeDaemon([row("a1")]) as daemon:
        done = drover("run", "--outdir", str(tmp_path / "out"), "-H", "x", "true", url=daemon.url)
        assert daemon.submitted is None
    assert done.returncode == 1
    assert b"is not empty" in done.stderr
    assert (tmp_path / "out/a1.stdout").read_text() == "old"


def test_outdir_names_stay_in_the_folder_whatever_a_server_calls_its_hosts(drover, tmp_path):
    names = ["../../evil", "/etc/x", ".", "..", "", "a" * 253, "b/c\n", "UP"]
    with FakeDaemon([row(name, stdout=name) for name in names]) as daemon:
        done = drover("run", "--outdir", str(tmp_path / "deep"), "-H", "x", "true", url=daemon.url)
    assert done.returncode == 0, done.stderr
    files = {p.name: p.read_text() for p in (tmp_path / "deep").iterdir() if p.name.endswith(".stdout")}
    assert sorted(files.values()) == sorted(names)
    assert all(len(name) <= 255 and "/" not in name and not name.startswith("..") for name in files)
    assert files["%2e.%2f..%2fevil.stdout"] == "../../evil"
    assert sorted(os.listdir(tmp_path)) == ["deep"]


def test_outputs_of_a_task_that_has_ended_as_files_and_lines(drover, tmp_path):
    with FakeDaemon(ROWS, task_id="t") as daemon:
        done = drover("outputs", "t", "-L", "--outdir", str(tmp_path / "o"), url=daemon.url)
    assert done.stdout == b"a1: one\na1: two\na2: no newline\n"
    assert (tmp_path / "o/a1.stderr").read_text() == "warn\n"


# ----------------------------------------------------------------------------------- outputs, logs

def group(hosts, count, **more):
    return {"hosts": hosts, "count": count, "status": "ok", "phase": None, "rc": 0, "signal": None, "message": None,
            "messages": 1, "stdout_bytes": 1, "stderr_bytes": 0, "truncated": False, "stdout": "", "stderr": "",
            "stdout_encoding": "utf-8", "stderr_encoding": "utf-8", "diff_to_majority": None, **more}


def test_outputs_are_folded_with_a_difference_to_the_largest_group(drover):
    same = "".join(f"line {i}\n" for i in range(50))
    diff = "@@ -3,1 +3,1 @@\n-line 2\n+line two\n"
    with FakeDaemon(ROWS, task_id="t") as daemon:
        daemon.groups = [
            group("web[1-26]", 26, stdout=same),
            group("web27", 1, stdout=same.replace("line 2\n", "line two\n"),
                  diff_to_majority={"stdout": diff, "stderr": "", "given_up": None}),
            group("db1", 1, status="failed", rc=3, stdout="x\n", stderr="broken\n", truncated=True,
                  diff_to_majority={"stdout": "-" * 90, "stderr": None, "given_up": "not text"})]
        done = drover("outputs", "t", url=daemon.url)
        assert done.stdout.decode() == (
            "--- web[1-26] (26)  ok\n" + same +
            "--- web27  ok\n[stdout, as it differs from the largest group's]\n" + diff +
            "--- db1  failed  exit code 3\nx\n[stderr]\nbroken\n"
            "[the middle of the output was not kept: --output-limit]\n")
        full = drover("outputs", "t", "--full", "--status", "ok,failed", url=daemon.url).stdout.decode()
        assert "line two\n" in full and "@@" not in full
        assert daemon.requests[-1][2] == {"limit": "1000", "diff": "true", "status": "ok,failed"}
        assert json.loads(drover("outputs", "t", "--json", url=daemon.url).stdout)["items"] == daemon.groups


def test_logs_of_one_host_are_its_bytes(drover):
    data = bytes(range(256)) * 300
    with FakeDaemon([raw("a1", data, stderr="err"), row("a2", stdout="other\n")], task_id="t") as daemon:
        done = drover("logs", "t", "--host", "a1", url=daemon.url)
        assert (done.stdout, done.stderr, done.returncode) == (data, b"err", 0)
        done = drover("logs", "t", "-f", "--host", "a1", url=daemon.url)
        assert (done.stdout, done.stderr, done.returncode) == (data, b"err", 0)


@pytest.mark.parametrize("more", [[], ["-f"]])
def test_logs_as_json(drover, more):
    with FakeDaemon(ROWS, task_id="t") as daemon:
        done = drover("logs", "t", "--json", "--host", "a1", *more, url=daemon.url)
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(o["kind"], o.get("stream"), o.get("text")) for o in objects if o["kind"] != "task"] == [
        ("line", "stdout", "one"), ("line", "stdout", "two"), ("line", "stderr", "warn"), ("host", None, None)]


@pytest.mark.parametrize("more", [[], ["-f"]])
def test_logs_of_a_host_that_the_task_does_not_have(drover, more):
    with FakeDaemon([row("a1", stdout="x")], task_id="t", polls=1 << 30) as daemon:
        done = drover("logs", "t", "--host", "b1", *more, url=daemon.url)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"the task t has no such host" in done.stderr


def test_logs_of_several_hosts_say_whose_line_it_is(drover):
    with FakeDaemon(ROWS, task_id="t") as daemon:
        for words in (("logs", "t"), ("logs", "t", "-f"), ("logs", "t", "--host", "a[1-3]")):
            done = drover(*words, url=daemon.url)
            assert done.stdout == b"a1: one\na1: two\na2: no newline\n", words
            assert done.stderr == b"a1: warn\n"


def test_following_ends_with_ctrl_c_and_leaves_the_task_alone(build, tmp_path):
    hold = threading.Event()

    def events(_):
        yield event("output", {"host": "a1", "stream": "stdout", "offset": 0, "data": "line\n"})
        hold.wait(30)

    with FakeDaemon([row("a1", stdout="line\n")], polls=1 << 30, task_id="t") as daemon:
        daemon.events = events
        with Terminal([str(build / "drover"), "logs", "-f", "t"],
                      {"HOME": str(tmp_path), "DROVER_URL": daemon.url}) as terminal:
            terminal.read_until(b"line\r\n")
            terminal.type(b"\x03")
            assert terminal.wait() == 130
        hold.set()
        assert not daemon.cancelled.is_set()


def test_escape_sequences_do_no_harm_on_a_terminal_and_are_kept_in_a_file(build, tmp_path, drover):
    evil = b"\x1b]0;title\x07\x1b[2J\x9bred\xc2\x9b\r\n"
    with FakeDaemon([raw("a1", evil, stderr="\x1b[31m\n")], task_id="t") as daemon:
        for words in (["logs", "t"], ["logs", "-f", "t"], ["run", "--stream", "-H", "x", "true"],
                      ["run", "-L", "-H", "x", "true"], ["outputs", "t", "-L"]):
            with Terminal([str(build / "drover"), *words],
                          {"HOME": str(tmp_path), "DROVER_URL": daemon.url, "NO_COLOR": "1"}) as terminal:
                seen = terminal.read_all().replace(b"\x1b[K", b"")  # the bar's own
            assert b"\\x1b]0;title\\x07\\x1b[2J\\x9bred\\xc2\\x9b\r\n" in seen, words
            assert b"\x1b" not in seen and b"\x9b" not in seen, words
            daemon.id = "t"
        assert drover("logs", "t", url=daemon.url).stdout == evil


def test_nothing_that_a_server_sends_reaches_a_terminal_as_it_is(build, tmp_path):
    evil = "\x1b[2J\u009b31m\u202e"
    rows = [row("a" + evil, evil, phase=evil, signal=evil, message=evil, remote_process=evil, stdout=evil, stderr=evil)]
    with FakeDaemon(rows, task_id="t", state="done") as daemon:
        task = daemon.task()
        daemon.task = lambda: {**task, **dict.fromkeys(("name", "note", "owner", "reason", "executor", "outcome",
                                                        "waiting_for_task", "created_at"), evil)}
        daemon.groups = [group(evil, 2, status=evil, phase=evil, signal=evil, message=evil, stdout=evil,
                               diff_to_majority={"stdout": evil, "stderr": None})]
        for words in (["show", "t"], ["show", "t", "--json"], ["list"], ["list", "--json"], ["results", "t"],
                      ["results", "t", "--json"], ["watch", "t"], ["watch", "t", "-L"], ["watch", "t", "--stream"],
                      ["watch", "t", "--stream", "--json"], ["watch", "t", "--json"], ["outputs", "t"],
                      ["outputs", "t", "--json"], ["logs", "t"], ["verify", "t"], ["host", "a" + evil],
                      ["run", "--dry-run", "-H", "x", "true"]):
            with Terminal([str(build / "drover"), *words],
                          {"HOME": str(tmp_path), "DROVER_URL": daemon.url, "NO_COLOR": "1"}) as terminal:
                seen = terminal.read_all().replace(b"\x1b[K", b"")
            assert seen, words
            for harm in (b"\x1b", "\u009b".encode(), "\u202e".encode()):
                assert harm not in seen, (words, seen)


# ------------------------------------------------------------------------------------------ retry, host

def test_retry_sends_what_was_chosen_and_prints_the_childs_id(drover):
    with FakeDaemon([row("a1")], task_id="t") as daemon:
        done = drover("retry", "t", "--status", "timeout,failed", "--host", "a[1-9]", "--id", "again", url=daemon.url)
        assert (done.returncode, done.stdout) == (0, b"again\n")
        assert daemon.submitted == {"id": "again", "status": ["timeout", "failed"], "hosts": "a[1-9]"}
    with FakeDaemon([row("a1")], task_id="t") as daemon:
        done = drover("retry", "t", "--watch", "--stream", url=daemon.url)
        assert daemon.submitted == {}
        assert done.returncode == 0
        assert b"1 ok of 1 host" in done.stderr


def test_retry_of_a_task_that_runs_is_refused(drover):
    with FakeDaemon([row("a1")], task_id="t", polls=5) as daemon:
        done = drover("retry", "t", url=daemon.url)
    assert done.returncode == 1
    assert b"cannot submit the task again: Conflict: the task has not ended" in done.stderr


def test_a_hosts_history(drover):
    with FakeDaemon([row("a1", "timeout", phase="banner", message="no banner"), row("a1", rc=0)]) as daemon:
        lines = drover("host", "a1", url=daemon.url).stdout.decode().splitlines()
        assert lines[0].split() == ["TASK", "STATUS", "PHASE", "RC", "FINISHED", "MESSAGE"]
        assert lines[1].split() == ["t1", "timeout", "banner", "2024-05-01", "10:00:08", "no", "banner"]
        assert daemon.requests[-1][2] == {"limit": "20", "output": "false", "host": "a1"}
        items = json.loads(drover("host", "a1", "--json", url=daemon.url).stdout)["items"]
        assert [i["status"] for i in items] == ["timeout", "ok"]
        done = drover("host", "other", url=daemon.url)
        assert (done.returncode, done.stdout) == (0, b"")


def test_lists_go_on_over_pages_and_know_when(drover):
    tasks = [{"id": f"t{i}", "state": "done", "counts": {}, "created_at": "2024-05-01T10:00:00Z"} for i in range(2500)]

    def handle(method, path, query, body, headers):
        daemon.requests.append((method, path, query, body, dict(headers)))
        start, limit = int(query.get("after", 0)), int(query["limit"])
        page = {"items": tasks[start:start + limit]}
        if start + limit < len(tasks):
            page["next"] = str(start + limit)
        return 200, page

    with FakeDaemon() as daemon:
        daemon.handle = handle
        assert len(json.loads(drover("list", "--all", "--json", url=daemon.url).stdout)["items"]) == 2500
        assert len(json.loads(drover("list", "-n", "1200", "--json", url=daemon.url).stdout)["items"]) == 1200
        drover("list", "--since", "2024-05-17 08:30", "--until", "2024-05-18T00:00:00Z", url=daemon.url)
        assert daemon.requests[-1][2]["since"] == "2024-05-17T08:30:00Z"
        assert daemon.requests[-1][2]["until"] == "2024-05-18T00:00:00Z"
        drover("list", "--since", "2h", url=daemon.url)
        assert daemon.requests[-1][2]["since"].endswith("Z")


def test_results_that_hold_a_text(drover):
    with FakeDaemon(ROWS, task_id="t") as daemon:
        drover("results", "t", "--grep", "a b", "--status", "ok", url=daemon.url)
        assert daemon.requests[-1][2] == {"limit": "1000", "status": "ok", "grep": "a b"}


def test_results_in_another_order(drover):
    with FakeDaemon(ROWS, task_id="t") as daemon:
        drover("results", "t", "--sort", "finished", url=daemon.url)
        assert daemon.requests[-1][2] == {"limit": "1000", "sort": "finished"}
        assert drover("results", "t", "--sort", "size", url=daemon.url).returncode == 2
        done = drover("results", "t", "--sort", "status", "--grep", "x", url=daemon.url)
        assert done.returncode == 2 and b"--sort index only" in done.stderr
