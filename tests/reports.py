"""What sanitizers report of any process that the tests start.

It would stand in that process's own log, which few tests read and which goes with the test: a leak found at a core's
end failed nothing. Here each report is a file of its own, so that tests/run.py counts it as a failure. (The
sanitizer of undefined behaviour knows no files beside that of addresses: system/daemon.py looks into the log for it.)
"""
import contextlib
import os
import pathlib
import tempfile

OPTIONS = ("ASAN_OPTIONS", "TSAN_OPTIONS")


@contextlib.contextmanager
def kept(env):
    """Has sanitizers write into a folder, by the options in `env`. Gives it; None where nothing is sanitized."""
    if not env.get("DROVER_SANITIZED"):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="drover-reports-") as folder:
        os.chmod(folder, 0o1777)  # parts of Drover have users of their own
        for name in OPTIONS:
            env[name] = ":".join(filter(None, [env.get(name), f"log_path={folder}/report"]))
        yield pathlib.Path(folder)


def take(folder):
    """The name and text of each report that is there; they are gone after it."""
    found = []
    for path in sorted(folder.iterdir()) if folder else []:
        found.append((f"a sanitizer's {path.name}", path.read_text(encoding="utf-8", errors="replace")))
        path.unlink()
    return found
