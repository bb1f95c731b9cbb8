"""A fleet of hosts on this machine: real sshd processes of the tests' own, on addresses of 127/8.

Each address of a fleet is a host of its own to whoever connects. A fleet has its own keys, its own
port, its own /24 of loopback addresses, and leaves nothing behind: every process that its sessions
start carries the fleet's mark in its environment.
"""
import contextlib
import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ORDINARY_USER, ORDINARY_UID = "drover-test", 64999
OTHER_USER = "drover-other"  # of an /etc of a fleet's own
LISTEN_MOST = 16  # sshd's own limit of listening sockets: more addresses need more processes


# As in system/daemon.py: programs under a sanitizer are several times slower.
PATIENCE = float(os.environ.get("DROVER_TEST_PATIENCE", "1"))


def wait_for(condition, seconds=10, what="it"):
    """Waits until condition() is true, and returns what it gave."""
    until = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"{what} did not happen within {seconds * PATIENCE:g} s")
        time.sleep(0.005)


def keygen(path, kind="ed25519"):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(path)], check=True)
    return str(path)


@contextlib.contextmanager
def ssh_agent(path):
    """A real one that listens at `path`; its process. A socket's file is there a moment before somebody listens."""
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)

    def listens():
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(path)) == 0
    try:
        wait_for(listens, what="ssh-agent's start")
        yield process
    finally:
        process.kill()
        process.wait()


def public_key(path):
    with open(f"{path}.pub", encoding="ascii") as file:
        return " ".join(file.read().split()[:2])


def free_network():
    """A /24 of 127/8 and a port that nobody listens on there."""
    while True:
        prefix = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}"
        with socket.socket() as probe:
            probe.bind((f"{prefix}.1", 0))
            port = probe.getsockname()[1]
        with socket.socket() as probe:
            if probe.connect_ex((f"{prefix}.200", port)):
                return prefix, port


class Sshd:
    """Hosts 127.x.y.1 to 127.x.y.COUNT on one port. A context manager."""

    def __init__(self, count=1, config="", ordinary=False, password=None, etc=None,
                 root_password=False):
        """`ordinary` (as root only): the user is one without rights, whom only this sshd knows; with `password`,
        he has that one, and `root_password`: root too. `etc`: path below /etc -> text of more files that only this
        sshd and its sessions see."""
        self.folder = tempfile.mkdtemp(prefix="fleet-")
        os.chmod(self.folder, 0o755)  # the ordinary user reads authorized_keys
        self.mark = f"DROVER_FLEET={self.folder}-{os.getpid()}-{random.getrandbits(48):x}"
        self.prefix, self.port = free_network()
        self.addresses = [f"{self.prefix}.{i + 1}" for i in range(count)]
        self.user = ORDINARY_USER if ordinary else getpass.getuser()
        self.more_config = config
        self.servers = []
        self.stopped = set()
        os.mkdir(os.path.join(self.folder, "home"))
        self.host_key = keygen(os.path.join(self.folder, "host_key"))
        self.key = keygen(os.path.join(self.folder, "key"))
        self.passwd = self._write_passwd() if ordinary and password is None else None
        self.etc = self._copy_etc(password, etc or {}, root_password) if password is not None else None
        self.authorized_keys = os.path.join(self.folder, "authorized_keys")
        shutil.copy(f"{self.key}.pub", self.authorized_keys)
        self.known_hosts = os.path.join(self.folder, "known_hosts")
        self.write_known_hosts(self.host_key)

    def write_known_hosts(self, host_key, more=()):
        """Makes known_hosts say that every host (and each ADDRESS of `more`, any port) has this key."""
        with open(self.known_hosts, "w", encoding="ascii") as file:
            for address in self.addresses:
                file.write(f"[{address}]:{self.port} {public_key(host_key)}\n")
            for entry in more:
                file.write(f"{entry} {public_key(host_key)}\n")

    def __enter__(self):
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        for first in range(0, len(self.addresses), LISTEN_MOST):
            self._start(self.addresses[first:first + LISTEN_MOST], first)
        for address in self.addresses:
            wait_for(lambda a=address: self._listens(a), what=f"sshd on {address}")
        return self

    def _write_passwd(self):
        """An /etc/passwd with one user more, to be seen by this sshd alone."""
        path = os.path.join(self.folder, "passwd")
        shutil.copy("/etc/passwd", path)
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{ORDINARY_USER}:x:{ORDINARY_UID}:{ORDINARY_UID}::/:/bin/sh\n")
        return path

    def _copy_etc(self, password, files, root):
        """An /etc of its own: a user with a password, PAM that asks for nothing but it, and `files`."""
        folder = os.path.join(self.folder, "etc")
        shutil.copytree("/etc", folder, symlinks=True, ignore_dangling_symlinks=True,
                        ignore=lambda path, names: [n for n in names if not os.path.isfile(os.path.join(path, n))
                                                    and not os.path.isdir(os.path.join(path, n))])
        hashed = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, check=True, text=True,
                                stdout=subprocess.PIPE).stdout.strip()
        pam = "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n"
        everything = {
            **{f"pam.d/{name}": pam for name in ("sshd", "sudo", "sudo-i", "su", "su-l", "doas")},
            "sudoers": "root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n", "sudoers.d/fleet": "", "doas.conf": "",
            **files,
        }
        for name, text in everything.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if os.path.exists(path):
                os.unlink(path)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, 0o440 if name.startswith("sudoers") else 0o644 if name != "doas.conf" else 0o600)
        for name, line in (("passwd", f"{ORDINARY_USER}:x:{ORDINARY_UID}:{ORDINARY_UID}::/:/bin/sh\n"
                                      f"{OTHER_USER}:x:{ORDINARY_UID - 1}:{ORDINARY_UID - 1}::/:/bin/sh\n"),
                           ("shadow", f"{ORDINARY_USER}:{hashed}:19000:0:99999:7:::\n"),
                           ("group", f"{ORDINARY_USER}:x:{ORDINARY_UID}:\n")):
            with open(os.path.join(folder, name), "a", encoding="utf-8") as file:
                file.write(line)
        if root:
            path = os.path.join(folder, "shadow")
            with open(path, encoding="utf-8") as file:
                lines = [f"root:{hashed}:19000:0:99999:7:::\n" if line.startswith("root:") else line for line in file]
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(lines)
        return folder

    def _start(self, addresses, number):
        config = os.path.join(self.folder, f"config-{number}")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"{self.more_config}\n")  # first, since of most options sshd takes the first
            for address in addresses:
                file.write(f"ListenAddress {address}:{self.port}\n")
            file.write(
                f"HostKey {self.host_key}\n"
                f"AuthorizedKeysFile {self.authorized_keys}\n"
                f"SetEnv {self.mark} HOME={self.folder}/home\n"
                "PidFile none\nUsePAM no\nStrictModes no\nUseDNS no\nPasswordAuthentication no\n"
                "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPrintMotd no\n"
                "MaxStartups 2000:30:4000\nPerSourceMaxStartups none\nSubsystem sftp internal-sftp\n"
            )
        command = ["/usr/sbin/sshd", "-D", "-f", config, "-E", os.path.join(self.folder, f"log-{number}")]
        if self.etc:
            bind = f'mount --bind {self.etc} /etc && exec "$@"'
            command = ["unshare", "--mount", "/bin/sh", "-c", bind, "sh"] + command
        elif self.passwd:
            bind = f'mount --bind {self.passwd} /etc/passwd && exec "$@"'
            command = ["unshare", "--mount", "/bin/sh", "-c", bind, "sh"] + command
        self.servers.append(
            subprocess.Popen(  # pylint: disable=consider-using-with
                command, stdin=subprocess.DEVNULL, start_new_session=True
            )
        )

    def _listens(self, address):
        for server in self.servers:
            if server.poll() is not None:
                raise AssertionError("sshd ended: " + self.log())
        with socket.socket() as probe:
            return probe.connect_ex((address, self.port)) == 0

    def log(self):
        text = ""
        for name in sorted(os.listdir(self.folder)):
            if name.startswith("log-"):
                with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text

    def __exit__(self, *_):
        family = [pid for server in self.servers for pid in descendants(server.pid)]
        for server in self.servers:
            server.kill()
            server.wait()
        for pid in family:
            kill(pid)

        def ended():  # one that was about to make another while it was looked for left that behind
            left = self.processes()
            for pid in left:
                kill(pid)
            return not left
        wait_for(ended, what="the end of the fleet's processes")
        shutil.rmtree(self.folder, ignore_errors=True)

    def options(self):
        """The shell executor's options for this fleet, as NAME=VALUE."""
        return [
            f"user={self.user}",
            f"port={self.port}",
            f"key={self.key}",
            "agent=false",
            f"known_hosts={self.known_hosts}",
        ]

    def processes(self, words=None):
        """Processes that sessions of this fleet have started; only those whose command line is `words`."""
        found = []
        for pid in all_pids():
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if self.mark.encode() not in file.read().split(b"\0"):
                        continue
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read().replace(b"\0", b" ").decode(errors="replace")
                if words is None or words == line.strip():
                    found.append(pid)
            except OSError:
                continue
        return found

    def session_pids(self, address):
        """sshd's processes that hold the connection to one of the addresses."""
        inodes = established(address, self.port)
        return [pid for pid in all_pids() if inodes & sockets_of(pid) and name_of(pid) == "sshd"]

    def stop_session(self, address, seconds=10):
        """Stops the session of an address as a hung machine would: waits until there is one."""
        pids = wait_for(lambda: self.session_pids(address), seconds, f"a session on {address}")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        self.stopped.update(pids)
        return pids


class Peer:
    """A listener that is no sshd. `behaviour`: "silent", "banner" (and then nothing), "close".

    A context manager; listens on an address of its own, `address` and `port`.
    """

    def __init__(self, behaviour, port=0):
        self.behaviour = behaviour
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}", port))
        self.address, self.port = self.listener.getsockname()
        self.child = None

    def __enter__(self):
        self.listener.listen(64)
        if self.behaviour == "silent":
            return self  # the kernel completes the connections, and nobody ever speaks
        self.child = os.fork()
        if not self.child:
            self._serve()
        return self

    def _serve(self):
        held = []
        while True:
            connection, _ = self.listener.accept()
            if self.behaviour == "close":
                connection.close()
            else:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
                held.append(connection)

    def __exit__(self, *_):
        self.listener.close()
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def parent_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def descendants(pid):
    parents = {other: parent_of(other) for other in all_pids()}
    found, front = [], [pid]
    while front:
        front = [other for other, parent in parents.items() if parent in front]
        found += front
    return found


def established(address, port):
    """Inodes of the established server-side sockets of an address."""
    local = "".join(f"{int(part):02X}" for part in reversed(address.split("."))) + f":{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file]
    return {row[9] for row in rows if row[1] == local and row[3] == "01"}


def sockets_of(pid):
    found = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        pass
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
