"""Hosts folded by what they printed, the difference to the majority, and rows found by what is in their output."""

import base64
import time
import urllib.parse

import pytest
from daemon import Daemon, Problem


@pytest.fixture(scope="module")
def herd():
    """24 hosts: most alike, three that differ in a line, one alone, one failed, two unreachable ones."""
    with Daemon({"executors": [{"plugin": "sim"}, {"plugin": "shell", "transport": "local", "allow_localhost": True}]}) as d:
        yield d


def run(d, hosts, command, **members):
    task = d.submit("shell", hosts, {"command": command}, **members)
    d.wait(task)
    return task


def pages(d, task, query=""):
    items, after, count = [], None, 0
    while True:
        page = d.get(f"/v1/tasks/{task}/outputs?{query}" + (f"&after={after}" if after else ""))
        items += page["items"]
        count += 1
        after = page.get("next")
        if not after:
            return items, count


def sim(d, hosts, **payload):
    task = d.submit("sim", hosts, payload)
    d.wait(task)
    return task


def test_hosts_that_printed_the_same_are_one_item(herd):
    task = sim(herd, "web[001-100],db[1-4]", output="hello\n", fail=["web007", "web008", "db4"], unreachable=["db1"])
    items = herd.get(f"/v1/tasks/{task}/outputs")["items"]
    assert [(i["hosts"], i["count"], i["status"], i["rc"]) for i in items] == [
        ("db[2-3],web[001-006,009-100]", 100, "ok", 0),
        ("db4,web[007-008]", 3, "failed", 1),
        ("db1", 1, "unreachable", None)]
    assert items[0]["stdout"] == "hello\n" and items[0]["stdout_encoding"] == "utf-8" and items[0]["stderr"] == ""
    assert items[0]["stdout_bytes"] == 6 and not items[0]["truncated"] and items[0]["messages"] == 0
    assert items[2]["message"] == "simulated: no route to host" and items[2]["phase"] == "connect"
    assert "diff_to_majority" not in items[0]
    # Every host is in exactly one item.
    assert sum(i["count"] for i in items) == herd.task(task)["hosts_total"]


def test_status_stream_and_output_select(herd):
    task = run(herd, "a,b,c", "echo out; echo err >&2; exit 3")
    both = herd.get(f"/v1/tasks/{task}/outputs?status=failed")["items"]
    assert len(both) == 1 and both[0]["rc"] == 3 and both[0]["stdout"] == "out\n" and both[0]["stderr"] == "err\n"
    assert herd.get(f"/v1/tasks/{task}/outputs?status=ok,timeout")["items"] == []
    item, = herd.get(f"/v1/tasks/{task}/outputs?stream=stderr")["items"]
    assert item["stderr"] == "err\n" and "stdout" not in item and "stdout_bytes" not in item
    item, = herd.get(f"/v1/tasks/{task}/outputs?output=false")["items"]
    assert "stdout" not in item and item["stdout_bytes"] == 4


def test_difference_to_the_majority(herd):
    task = sim(herd, "h[1-7]", output="one\ntwo\nthree\nfour\nfive\nsix\nseven\n")
    items = herd.get(f"/v1/tasks/{task}/outputs?diff=true")["items"]
    assert [i["diff_to_majority"] for i in items] == [None]
    script = ('d={folder}; for i in 1 2 3; do mkdir "$d/$i" 2>/dev/null && break; i=4;'
              ' done; echo one; if [ $i -lt 2 ]; then echo odd; else echo two; fi; echo three')
    folder = f"{herd.folder}/once"
    task = run(herd, "h[1-6]", f"mkdir -p {folder}; " + script.replace("{folder}", folder))
    items = herd.get(f"/v1/tasks/{task}/outputs?diff=true")["items"]
    assert [(i["count"], i["stdout"]) for i in items] == [(5, "one\ntwo\nthree\n"), (1, "one\nodd\nthree\n")]
    assert items[0]["diff_to_majority"] is None
    assert items[1]["diff_to_majority"] == {"stdout": "@@ -1,3 +1,3 @@\n one\n-two\n+odd\n three\n", "stderr": "",
                                            "given_up": None}
    # On a later page, too, the difference is to the largest group of all.
    page = herd.get(f"/v1/tasks/{task}/outputs?diff=true&limit=1")
    page = herd.get(f"/v1/tasks/{task}/outputs?diff=true&limit=1&stream=stdout&after={page['next']}")
    assert page["items"][0]["diff_to_majority"] == {"stdout": "@@ -1,3 +1,3 @@\n one\n-two\n+odd\n three\n",
                                                    "given_up": None}
    assert "next" not in page


def test_what_cannot_be_compared_says_why(herd):
    folder = f"{herd.folder}/first"
    task = run(herd, "h[1-3]", f"if mkdir {folder}; then printf 'caf\\351'; else echo text; fi 2>/dev/null")
    items = herd.get(f"/v1/tasks/{task}/outputs?diff=true")["items"]
    assert [i["stdout_encoding"] for i in items] == ["utf-8", "base64"]
    assert base64.b64decode(items[1]["stdout"]) == b"caf\xe9"
    assert items[1]["diff_to_majority"]["stdout"] is None and items[1]["diff_to_majority"]["given_up"] == "not text"
    # Outputs that have nothing in common are given up before they take long.
    folder = f"{herd.folder}/second"
    task = run(herd, "h[1-3]", f"if mkdir {folder} 2>/dev/null; then seq 1 9000; else seq 100001 109000; fi")
    begin = time.monotonic()
    items = herd.get(f"/v1/tasks/{task}/outputs?diff=true")["items"]
    assert items[1]["diff_to_majority"] == {"stdout": None, "stderr": "", "given_up": "too different"}
    assert time.monotonic() - begin < 20


def test_ten_thousand_different_outputs_come_in_pages(herd):
    """A page holds its groups, whatever the number of all."""
    task = herd.submit("shell", "n[1-600]", {"command": "echo $$ $(date +%N); head -c 2000 /dev/urandom | od -x"},
                       unit_size=200)
    herd.wait(task, 120)
    items, count = pages(herd, task, "limit=100&stream=stdout")
    assert count == 6 and len(items) == 600 and {i["count"] for i in items} == {1}
    assert len({i["hosts"] for i in items}) == 600
    assert len({i["stdout"] for i in items}) == 600


def test_wrong_parameters_are_told(herd):
    task = sim(herd, "a")
    for query in ("after=x", "after=5", "after=0-1", "after=1-", "after=1-2x", "limit=0", "stream=all", "status=odd",
                  "diff=true&output=false", "nothing=1", "diff=maybe"):
        with pytest.raises(Problem) as problem:
            herd.get(f"/v1/tasks/{task}/outputs?{query}")
        assert problem.value.status == 400, query
    with pytest.raises(Problem) as problem:
        herd.get("/v1/tasks/none/outputs")
    assert problem.value.status == 404


def test_rows_are_found_by_what_they_printed(herd):
    folder = f"{herd.folder}/third"
    command = (f"if mkdir {folder} 2>/dev/null; then echo 'a needle, 100% of it' >&2; else printf 'hay\\377\\n'; fi")
    task = run(herd, "h[1-9]", command)

    def found(text, query=""):
        return herd.get(f"/v1/tasks/{task}/results?grep={urllib.parse.quote(text)}{query}")["items"]
    needle, = found("needle")
    assert needle["stderr"] == "a needle, 100% of it\n"
    assert len(found("hay")) == 8 and not found("HAY") and not found("h.y")
    assert [r["host"] for r in found("100% of")] == [needle["host"]]
    assert len(found("hay", "&status=ok")) == 8 and not found("hay", "&status=failed")
    assert len(found("needle", f"&host={needle['host']}")) == 1 and not found("hay", f"&host={needle['host']}")
    assert "stdout" not in found("hay", "&output=false")[0]
    first = herd.get(f"/v1/tasks/{task}/results?grep=hay&limit=3")
    rest = herd.get(f"/v1/tasks/{task}/results?grep=hay&after={first['next']}")
    assert len(first["items"]) == 3 and len(rest["items"]) == 5 and "next" not in rest
    for query in ("grep=", "grep=" + "x" * 1025, "grep=x&sort=status"):
        with pytest.raises(Problem) as problem:
            herd.get(f"/v1/tasks/{task}/results?{query}")
        assert problem.value.status == 400, query


def test_searching_goes_on_over_many_hosts(herd):
    """More hosts than one query of the search looks at, with what is looked for at both ends."""
    task = sim(herd, "n[1-950]", output="of a simulated fleet\n", fail=["n1", "n500", "n950"])
    rows = herd.get(f"/v1/tasks/{task}/results?grep=simulated&status=failed")
    assert [r["host"] for r in rows["items"]] == ["n1", "n500", "n950"] and "next" not in rows
    assert len(herd.get(f"/v1/tasks/{task}/results?grep=fleet&limit=1000")["items"]) == 950
