"""Raw outputs: the bytes as they are, parts of them, and their entity tags, as RFC 9110 has them."""

import pytest
from daemon import Daemon

SIZE = 300_000
BYTES = bytes(i & 0xff for i in range(SIZE))


@pytest.fixture(scope="module")
def raw():
    with Daemon() as d:
        task = d.submit("sim", "a,b,c", {"output": {"bytes": SIZE, "kind": "binary"}, "fail": ["c"]}, output_limit=1 << 20)
        d.wait(task)

        def ask(method="GET", host="a", stream="stdout", **headers):
            return d.request(method, f"/v1/tasks/{task}/hosts/{host}/{stream}", raw=True,
                             headers={k.replace("_", "-"): v for k, v in headers.items()})
        ask.daemon, ask.task = d, task
        yield ask


def test_the_whole_is_what_the_host_printed(raw):
    answer, body = raw()
    assert answer.status == 200 and body == BYTES
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Length"] == answer.headers["Drover-Total-Bytes"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes" and answer.headers["ETag"].startswith('"')


def test_a_range_is_served(raw):
    for text, first, last in (("bytes=0-0", 0, 0), ("bytes=100-4095", 100, 4095), ("bytes=299999-", SIZE - 1, SIZE - 1),
                              ("bytes=-500", SIZE - 500, SIZE - 1), ("bytes=1-99999999999999999999", 1, SIZE - 1),
                              ("bytes=-99999999", 0, SIZE - 1)):
        answer, body = raw(Range=text)
        assert answer.status == 206, text
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
        assert body == BYTES[first:last + 1]
    for text in ("bytes=300000-", "bytes=400000-500000", "bytes=-0"):
        answer, _ = raw(Range=text)
        assert answer.status == 416 and answer.headers["Content-Range"] == f"bytes */{SIZE}", text
    for text in ("bytes=5-2", "lines=1-2", "bytes=1-2,5-6", "bytes=x"):
        answer, body = raw(Range=text)
        assert answer.status == 200 and body == BYTES, text


def test_head_has_the_same_headers_and_no_body(raw):
    whole, _ = raw()
    answer, body = raw("HEAD", Range="bytes=0-9")
    assert answer.status == 200 and body == b""
    for name in ("Content-Length", "ETag", "Content-Type", "Drover-Total-Bytes", "Accept-Ranges"):
        assert answer.headers[name] == whole.headers[name]


def test_equal_outputs_have_one_tag_and_are_not_sent_again(raw):
    tag = raw()[0].headers["ETag"]
    assert raw(host="b")[0].headers["ETag"] == tag == raw(host="c")[0].headers["ETag"]
    for header in (tag, "*", f'"other", W/{tag}'):
        answer, body = raw(If_None_Match=header)
        assert answer.status == 304 and body == b"" and answer.headers["ETag"] == tag
        assert answer.headers["Content-Length"] in (None, str(SIZE))
        assert raw("HEAD", If_None_Match=header)[0].status == 304
        # It comes before the range.
        assert raw(If_None_Match=header, Range="bytes=0-1")[0].status == 304
    assert raw(If_None_Match='"other"')[0].status == 200
    assert raw(If_Range=tag, Range="bytes=0-1")[0].status == 206
    for header in ('"other"', f"W/{tag}", "Mon, 23 Nov 2026 07:15:32 GMT"):
        answer, body = raw(If_Range=header, Range="bytes=0-1")
        assert answer.status == 200 and len(body) == SIZE


def test_nothing_printed_and_nobody_there(raw):
    answer, body = raw(stream="stderr")
    assert answer.status == 200 and body == b"" and answer.headers["Content-Length"] == "0"
    assert raw(stream="stderr", Range="bytes=0-")[0].status == 416
    assert raw("HEAD", stream="stderr")[0].status == 200
    assert raw(host="nobody")[0].status == 404
    assert raw("HEAD", host="nobody")[0].status == 404


def test_truncated_output_says_what_was_written(raw):
    d = raw.daemon
    task = d.submit("sim", "a", {"output": {"bytes": SIZE, "kind": "text"}}, output_limit=5000)
    d.wait(task)
    answer, body = d.request("GET", f"/v1/tasks/{task}/hosts/a/stdout", raw=True)
    assert len(body) == 5000 and answer.headers["Drover-Total-Bytes"] == str(SIZE)
    assert body.startswith(b"00000001 a line")
    row, = d.results(task)
    assert row["truncated"] and row["stdout_bytes"] == SIZE and row["stdout"].encode() == body
