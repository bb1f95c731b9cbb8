"""A sink that asks for its events again later gets each of them, in order, also after a restart in between."""

import os

from daemon import Daemon, wait_for


def test_events_wait_until_the_sink_takes_them():
    daemon = Daemon({"executors": [{"plugin": "sim"}]})
    until, path = (os.path.join(daemon.folder, name) for name in ("until", "numbers"))
    daemon.config["sinks"] = [{"plugin": "sink_later", "until": until, "path": path}]
    daemon.write_config()

    def numbers():
        if not os.path.exists(path):
            return []
        with open(path, encoding="ascii") as f:
            return [int(line) for line in f if line.endswith("\n")]  # the last one may be half written

    with daemon:
        assert daemon.wait(daemon.submit("sim", "h[1-700]", {}))["outcome"] == "ok"
        wait_for("the first refusal", lambda: "are kept back for" in daemon.log())
        daemon.stop()
        daemon.start()
        assert daemon.wait(daemon.submit("sim", "h[1-10]", {}))["outcome"] == "ok"
        assert numbers() == []
        open(until, "w", encoding="ascii").close()
        # 710 hosts, and at least two ends of tasks.
        wait_for("all events", lambda: len(numbers()) >= 712, 60)
        assert numbers() == sorted(set(numbers()))
