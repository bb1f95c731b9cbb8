"""GET /metrics: a format that Prometheus takes, and numbers that add up."""

import os
import re
import signal
import subprocess

from daemon import ROOT, Daemon, wait_for

PROMTOOL = os.path.join(ROOT, "build/tools/promtool")  # contrib/test-tools.sh
SAMPLE = re.compile(r'^([a-z_]+)(\{(?:[a-z]+="(?:[^"\\\n]|\\.)*",?)*\})? (-?[0-9.e+]+|\+Inf)$')


def scrape(daemon):
    """{name{labels}: value}, after promtool and a strict parser have agreed with it."""
    answer, content = daemon.request("GET", "/metrics", raw=True)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = content.decode()
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, (done.stdout, done.stderr)
    values, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} comes twice"
            types[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.match(line)
            assert match, line
            name, labels, value = match.groups()
            assert re.sub(r"_(bucket|sum|count)$", "", name) in types or name in types, line
            assert name.startswith("drover_") and name + (labels or "") not in values, line
            values[name + (labels or "")] = float(value)
    return values


def scraped(daemon, what, wanted):
    """The first scrape in which these have these values."""
    def right():
        values = scrape(daemon)
        return values if all(values[name] == value for name, value in wanted.items()) else None
    return wait_for(what, right)


def test_what_is_counted(daemon):
    before = scrape(daemon)
    assert before["drover_tasks_accepted_total"] == 0 and before['drover_build_info{version="0.1.0",node="test"}'] == 1
    task = daemon.submit("sim", "h[1-60]", {"fail": ["h1", "h2", "h3", "h4", "h5"], "hang": ["h60"]}, unit_size=20, timeout=60)
    # Counted a moment after the commit by which a task's own counts change.
    running = scraped(daemon, "all but one host to end", {'drover_hosts_ended_total{status="ok"}': 54,
                                                          'drover_hosts_ended_total{status="failed"}': 5})
    assert daemon.task(task)["counts"]["ok"] == 54
    assert running['drover_tasks{state="running"}'] == 1 and running['drover_hosts{status="running"}'] == 1
    wait_for("the engine to have one unit", lambda: scrape(daemon)["drover_engine_units_running"] == 1)
    assert scrape(daemon)["drover_engine_hosts_running"] == 1
    daemon.post(f"/v1/tasks/{task}/cancel")
    daemon.wait(task)
    after = scraped(daemon, "its end to be counted", {'drover_tasks_ended_total{state="cancelled"}': 1,
                                                      'drover_hosts_ended_total{status="cancelled"}': 1,
                                                      "drover_store_queue_rows": 0})
    assert after['drover_tasks{state="running"}'] == 0
    assert after['drover_hosts{status="running"}'] == after['drover_hosts{status="pending"}'] == 0
    assert sum(v for k, v in after.items() if k.startswith("drover_hosts_ended_total")) == 60
    assert after["drover_store_commit_seconds_count"] > before["drover_store_commit_seconds_count"]
    assert after['drover_store_commit_seconds_bucket{le="+Inf"}'] == after["drover_store_commit_seconds_count"]
    assert after['drover_http_requests_total{method="POST",route="/v1/tasks",code="202"}'] == 1
    assert after["drover_store_up"] == 1


def test_open_tasks_are_counted_again_after_a_restart_and_restarts_too(daemon):
    task = daemon.submit("sim", "h[1-4]", {"hang": 1}, timeout=600, unit_size=1, on_lost="rerun")
    wait_for("its hosts to run", lambda: daemon.task(task)["counts"]["running"] == 4)
    part = 'drover_part_restarts_total{part="executor: sim"}'
    assert scrape(daemon)[part] == 0
    os.kill(daemon.parts()["executor: sim"], signal.SIGKILL)
    wait_for("its restart to be counted", lambda: scrape(daemon)[part] == 1)
    os.kill(daemon.parts()["core"], signal.SIGKILL)
    daemon.wait_ready()
    wait_for("its hosts to run again", lambda: daemon.task(task)["counts"]["running"] == 4)
    values = scraped(daemon, "them to be counted", {'drover_hosts{status="running"}': 4,
                                                    'drover_part_restarts_total{part="core"}': 1})
    assert values['drover_tasks{state="running"}'] == 1 and values['drover_hosts{status="pending"}'] == 0
    daemon.post(f"/v1/tasks/{task}/cancel")
    daemon.wait(task)


def test_spools_of_sinks(tmp_path):
    with Daemon({"sinks": [{"plugin": "file", "path": str(tmp_path / "results.jsonl")}]}) as daemon:
        daemon.wait(daemon.submit("sim", "h[1-50]", {}))
        wait_for("the spool to have something in it", lambda: scrape(daemon)['drover_sink_spool_bytes{sink="file"}'] > 0)
        assert scrape(daemon)['drover_sink_spool_full{sink="file"}'] == 0
