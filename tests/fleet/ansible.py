"""Ansible beside Drover on the same hosts: both ends of the range of its releases, and what to compare."""

import contextlib
import json
import os
import subprocess

from fleet.sshd import Sshd

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The interpreter that says which Ansible, and the folder of its commands.
RELEASES = {
    "debian": ("/usr/bin/python3", "/usr/bin"),
    "newest": (os.path.join(ROOT, "build/ansible/bin/python3"), os.path.join(ROOT, "build/ansible/bin")),
}
REMOTE_PYTHON = "/usr/bin/python3"
# A handshake by OpenSSH's default key exchange costs more CPU than all the rest that ssh does, on both sides.
CRYPTO = "-o KexAlgorithms=curve25519-sha256"


class Herd(Sshd):
    """Hosts of a real sshd, with what Ansible needs to reach them; the same for its commands and for Drover."""

    def __init__(self, count=2, settings="", ssh_options=CRYPTO, **options):
        super().__init__(count, **options)
        self.home = os.path.join(self.folder, "controller")
        os.mkdir(self.home)
        self.config = os.path.join(self.home, "ansible.cfg")
        remote = os.path.join(self.folder, "remote")
        os.mkdir(remote)
        os.chmod(remote, 0o1777)
        with open(self.config, "w", encoding="utf-8") as file:
            # The remote folder of Ansible is in the fleet's own home, so that nothing is left in this machine's.
            file.write(f"[defaults]\nremote_tmp = {remote}/$USER\nremote_port = {self.port}\n"
                       f"interpreter_python = {REMOTE_PYTHON}\n{settings}\n[ssh_connection]\n"
                       f"ssh_args = -F none -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile="
                       f"{self.known_hosts} -o GlobalKnownHostsFile=/dev/null {ssh_options}\n")
        self.inventory = os.path.join(self.home, "hosts")
        self.write_inventory("\n".join(self.addresses) + "\n")

    def write_inventory(self, text):
        with open(self.inventory, "w", encoding="utf-8") as file:
            file.write(text)

    def environment(self):
        """Of Ansible's commands. Only loopback is written to."""
        keep = {name: os.environ[name] for name in ("PATH", "LANG", "USER") if name in os.environ}
        return {**keep, "HOME": self.home, "ANSIBLE_CONFIG": self.config, "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8",
                "ANSIBLE_RETRY_FILES_ENABLED": "0"}

    def executor(self, kind, release="debian", **options):
        """An entry of `executors`."""
        return {"plugin": f"ansible_{kind}", "python": RELEASES[release][0], "config": self.config,
                "credential": "fleet", "environment": {"HOME": self.home}, **options}

    def credentials(self, **more):
        return {"fleet": {"user": self.user, "key": {"file": self.key}, **more}}

    def command(self, name, release, *arguments, check=False, **options):
        """Runs Ansible's own command as its user would."""
        program = os.path.join(RELEASES[release][1], name)
        return subprocess.run([program, f"--inventory={self.inventory}", f"--user={self.user}",
                               f"--private-key={self.key}", *arguments], capture_output=True, text=True, errors="replace", check=check,
                              stdin=subprocess.DEVNULL, env=self.environment(), cwd=self.home, **options)

    @contextlib.contextmanager
    def masters_ended(self):
        """Ends the ssh masters that Ansible's commands leave."""
        try:
            yield self
        finally:
            paths = os.path.join(self.home, ".ansible/cp")
            for name in os.listdir(paths) if os.path.isdir(paths) else ():
                subprocess.run(["ssh", "-F", "none", "-o", f"ControlPath={os.path.join(paths, name)}", "-O", "exit",
                                "nobody"], capture_output=True, check=False, stdin=subprocess.DEVNULL)


def results_of_ansible(herd, release, module, args, *options):
    """The `ansible` command's results of a module: host -> (its word, the result)."""
    tree = os.path.join(herd.home, f"tree-{release}")
    os.makedirs(tree, exist_ok=True)
    for name in os.listdir(tree):
        os.unlink(os.path.join(tree, name))
    done = herd.command("ansible", release, "all", f"--module-name={module}", f"--args={args}", f"--tree={tree}",
                        "--one-line", *options)
    words = {}
    for line in done.stdout.splitlines():
        host, bar, rest = line.partition(" | ")
        if bar and host in os.listdir(tree):
            words[host] = rest.split(" ", 1)[0].rstrip("!:")
    found = {}
    for host in os.listdir(tree):
        with open(os.path.join(tree, host), encoding="utf-8", errors="replace") as file:
            found[host] = (words.get(host), json.load(file))
    return found, done
