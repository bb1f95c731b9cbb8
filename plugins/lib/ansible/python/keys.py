"""A private key for ssh, by an agent of the unit's own: neither the key nor its passphrase is ever in a file."""

import os
import pty
import select
import signal
import socket
import subprocess
import time

PATIENCE = 10.0  # seconds, for ssh-agent and for ssh-add


def listens(path):
    """Whether somebody does. A socket's file is there a moment before: bind(2) makes it, and then comes listen(2)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def start_agent(folder):
    """Its socket; it ends with the unit."""
    path = os.path.join(folder, "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until = time.monotonic() + PATIENCE
    while not listens(path):
        if agent.poll() is not None or time.monotonic() > until:
            raise RuntimeError("ssh-agent did not start")
        time.sleep(0.002)
    return path


def talk(terminal, passphrase):
    """Answers the question for the passphrase, once; returns what ssh-add said until it ended."""
    said, answered = b"", False
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and select.select([terminal], [], [], max(0, until - time.monotonic()))[0]:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # EIO: it has closed its end
            break
        if not part:
            break
        said += part
        if b"passphrase" in part and not answered:
            answered = True
            os.write(terminal, passphrase.encode() + b"\n")
        elif b"passphrase" in part:
            return "the passphrase of the credential's key is wrong"
    return said.decode(errors="replace").strip()


def add_key(key, passphrase):
    """Raises AnsibleError where the key is none, or its passphrase is wrong."""
    from ansible.errors import AnsibleError

    reading, writing = os.pipe()
    pid, terminal = pty.fork()
    if not pid:
        try:
            os.dup2(reading, 0)
            os.environ.pop("SSH_ASKPASS", None)
            os.environ["SSH_ASKPASS_REQUIRE"] = "never"
            os.execvp("ssh-add", ["ssh-add", "-q", "-"])
        finally:
            os._exit(127)
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as file:
        file.write(key if key.endswith("\n") else key + "\n")
    said = talk(terminal, passphrase or "")
    os.close(terminal)
    try:
        os.kill(pid, signal.SIGHUP)  # where it still asks
    except ProcessLookupError:
        pass
    if os.waitpid(pid, 0)[1]:
        if "passphrase" in said and not passphrase:
            said = "it has a passphrase, and the credential gives none"
        raise AnsibleError(f"the credential's key cannot be used: {said or 'ssh-add refused it'}")


def use(credential, folder):
    """The path of what names the key to ssh: the public half, so that only this key of the agent's is taken for it."""
    os.environ["SSH_AUTH_SOCK"] = start_agent(folder)
    add_key(credential["key"], credential.get("passphrase"))
    public = subprocess.run(["ssh-add", "-L"], check=True, capture_output=True, text=True).stdout
    path = os.path.join(folder, "key.pub")
    with open(path, "w", encoding="utf-8") as file:
        file.write(public)
    os.chmod(path, 0o600)
    return path
