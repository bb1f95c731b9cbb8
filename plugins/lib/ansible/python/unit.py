"""What a unit's process does: is adopted, takes the request, runs it, and says what became of it."""

import os
import sys
import tempfile
import traceback

import channel as channels
import memory


def settle(folder):
    """Temporary files and ssh's sockets go into the unit's folder, which is removed with it."""
    from ansible import constants

    os.environ["TMPDIR"] = folder
    os.environ["ANSIBLE_SSH_CONTROL_PATH_DIR"] = os.path.join(folder, "cp")
    constants.DEFAULT_LOCAL_TMP = os.path.join(folder, "tmp")
    os.mkdir(constants.DEFAULT_LOCAL_TMP, 0o700)
    tempfile.tempdir = folder
    memory.settle(folder)
    # Where Ansible looks for its own commands: the one that hands ssh a password, for one.
    sys.argv[0] = os.path.join(os.path.dirname(sys.executable), "ansible")


def explain(error, folder):
    """An Ansible error's own words, without our temporary folder; for anything else where it came from, too."""
    from ansible.errors import AnsibleError

    if isinstance(error, AnsibleError):
        return str(error.message).replace(f"{folder}/", "")
    if isinstance(error, SystemExit):
        return f"Ansible ended with code {error.code}"
    traceback.print_exc(file=sys.stderr)
    return f"{type(error).__name__}: {error}"


def perform(request, channel, folder):
    import localhost
    import modules
    import thrift

    settle(folder)
    modules.offer(os.path.join(os.path.dirname(folder), "modules"), os.path.join(folder, "tmp"))
    thrift.begin()
    if not request.get("allow_localhost"):
        localhost.forbid()
    if request["type"] == "adhoc":
        import adhoc as runner
    else:
        import playbook as runner
    runner.run(request, channel, folder)


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
        perform(request, channel, folder)
    except BaseException as error:  # noqa: BLE001  (whatever it is, the hosts' rows must say it)
        end["error"] = explain(error, folder)
    channel.send(end)
    channel.finish()
    return 0
