"""What a unit's process does: is adopted, takes the request, runs it, and says what became of it."""

import os
import sys
import traceback

import channel as channels


def use_folder(folder):
    """Temporary files and ssh's sockets go into the unit's folder, which is removed with it."""
    from ansible import constants

    os.environ["TMPDIR"] = folder
    os.environ["ANSIBLE_SSH_CONTROL_PATH_DIR"] = os.path.join(folder, "cp")
    constants.DEFAULT_LOCAL_TMP = os.path.join(folder, "tmp")
    os.mkdir(constants.DEFAULT_LOCAL_TMP, 0o700)
    import tempfile

    tempfile.tempdir = folder


def explain(error):
    """An Ansible error's own words; for anything else where it came from, too."""
    from ansible.errors import AnsibleError

    if isinstance(error, AnsibleError):
        return str(error.message)
    if isinstance(error, SystemExit):
        return f"Ansible ended with code {error.code}"
    traceback.print_exc(file=sys.stderr)
    return f"{type(error).__name__}: {error}"


def run(sock, folder):
    """Returns the process's exit code."""
    sock.setblocking(True)
    channel = channels.Channel(sock)
    channel.send_now({"pid": os.getpid()})
    try:
        request = channel.receive()
    except EOFError:
        return 1
    channel.start()
    end = {"event": "end"}
    try:
        use_folder(folder)
        if request["type"] == "adhoc":
            import adhoc as runner
        else:
            import playbook as runner
        runner.run(request, channel, folder)
    except BaseException as error:  # noqa: BLE001  (whatever it is, the hosts' rows must say it)
        end["error"] = explain(error)
    channel.send(end)
    channel.finish()
    return 0
