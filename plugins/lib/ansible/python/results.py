"""From a result as Ansible's callbacks get it to what a host's row says."""

import json
import re

# ssh's words for a peer that let it connect and then said nothing.
SILENT = (
    (re.compile(r"timed out during banner exchange|banner exchange: .* timed out", re.I), "banner"),
    (re.compile(r"timed out waiting for (privilege escalation|become)", re.I), "execution"),
    (re.compile(r"Connection timed out during|kex_exchange_identification.*timed out", re.I), "key exchange"),
)
# What Ansible says of a step that its task timeout has ended.
TIMED_OUT = re.compile(r"failed to execute in the expected time frame|Timed out after \d+ second")
PHASES = (
    (re.compile(r"Permission denied|Authentication fail|Invalid/incorrect password|publickey", re.I), "authentication"),
    (re.compile(r"Host key verification failed|REMOTE HOST IDENTIFICATION", re.I), "key exchange"),
    (re.compile(r"Could not resolve|No route|refused|timed out|unreachable|closed", re.I), "connect"),
)


# A host's row takes no result that is larger (bytes). Standard output and error have a limit of their own.
RESULT_MOST = 1000000
LEFT_OUT = "left_out_as_too_large"


def host_of(result):
    return (getattr(result, "host", None) or result._host).get_name()


def task_of(result):
    return getattr(result, "task", None) or result._task


def data_of(result):
    data = getattr(result, "result", None)
    return dict(result._result if data is None else data)


def text(value):
    """None, or the value as text; what is no text is written as JSON."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, default=str)


def first_match(patterns, message):
    return next((word for pattern, word in patterns if pattern.search(message or "")), None)


def message_of(data):
    for key in ("msg", "message", "reason", "skip_reason", "module_stderr", "exception"):
        if data.get(key):
            return text(data[key])
    return None


def classify(status, data):
    """The status and phase that the design gives to what Ansible calls ok, failed, unreachable or skipped."""
    message = message_of(data) or ""
    if data.get("worker_died"):
        return "lost", "execution"
    if "timedout" in data or TIMED_OUT.search(message):
        return "timeout", "execution"
    if status == "unreachable":
        phase = first_match(SILENT, message)
        if phase:
            return "timeout", phase
        return status, first_match(PHASES, message) or "connect"
    return status, "none" if status in ("ok", "skipped") else "execution"


def dump(callback, data, diff=None):
    """The whole result as Ansible shows it; what makes it too large is left out, and that is said."""
    most = RESULT_MOST - len(json.dumps(diff)) if diff else RESULT_MOST
    found = callback._dump_results(data, indent=0).replace("\n", "")
    left_out = []
    for name in sorted(data, key=lambda key: len(str(data[key])), reverse=True):
        if len(found.encode("utf-8", "surrogatepass")) < most:
            break
        left_out.append(name)
        kept = {key: value for key, value in data.items() if key not in left_out}
        found = callback._dump_results({**kept, LEFT_OUT: left_out}, indent=0).replace("\n", "")
    # Ansible shows it apart from the result, which it takes it out of.
    return json.dumps({**json.loads(found), "diff": diff}, ensure_ascii=False) if diff else found


def row(callback, result, status, diff=None):
    """The event that ends a host: every member that a host's row has and Ansible tells."""
    data = data_of(result)
    status, phase = classify(status, data)
    rc = data.get("rc")
    event = {
        "event": "result",
        "host": host_of(result),
        "status": status,
        "phase": phase,
        "changed": bool(data.get("changed", False)) if status in ("ok", "failed") else None,
        "rc": rc if isinstance(rc, int) and not isinstance(rc, bool) else None,
        "stdout": text(data.get("stdout", data.get("module_stdout"))),
        "stderr": text(data.get("stderr", data.get("module_stderr"))),
        "message": message_of(data),
        "result": dump(callback, data, diff),
    }
    if not event["message"] and status not in ("ok", "skipped"):
        event["message"] = f"non-zero return code {rc}" if rc else "the module failed and gave no message"
    return event
