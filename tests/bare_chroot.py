"""What some tests need and a bare chroot lacks: mounts, and a root folder that is one itself. As root only."""

import contextlib
import os
import subprocess
import sys
import tempfile


def root_is_no_mount():
    """True in a chroot whose `/` is a plain folder: there no mount namespace can be made private."""
    if os.geteuid():
        return False
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
        return not any(line.split()[4] == "/" for line in f)


def run_again():
    """Runs this very command under a mount of `/`, private to it, and gives its exit code."""
    folder = tempfile.mkdtemp(prefix="drover-root-", dir="/")
    subprocess.run(["mount", "--rbind", "/", folder], check=True)
    try:
        # Private at once: what is unmounted below it must not go away above, too.
        subprocess.run(["mount", "--make-rprivate", folder], check=True)
        inside = 'cd "$1" && shift && exec "$@"'
        return subprocess.run(["chroot", folder, "/bin/sh", "-c", inside, "sh", os.getcwd(), sys.executable, *sys.argv],
                              check=False).returncode
    finally:
        subprocess.run(["umount", "--lazy", "--recursive", folder], check=False)
        os.rmdir(folder)


@contextlib.contextmanager
def mounted(say):
    """Cgroups, terminals and /etc/hosts, where they are not there. Taken away at the end."""
    wanted = [("sysfs", "/sys", "/sys/kernel"), ("cgroup2", "/sys/fs/cgroup", "/sys/fs/cgroup/cgroup.procs"),
              ("tmpfs", "/dev/shm", "/dev/shm"), ("devpts", "/dev/pts", "/dev/pts/ptmx")]
    done = []
    hosts = None if os.geteuid() or os.path.exists("/etc/hosts") else "/etc/hosts"
    try:
        if hosts:
            with open(hosts, "w", encoding="ascii") as f:
                f.write("127.0.0.1 localhost\n::1 localhost\n")
        for kind, place, proof in wanted if not os.geteuid() else []:
            # Where cgroups are mounted in another way (hybrid, version 1) they are left alone.
            if os.path.exists(proof) or (kind == "cgroup2" and os.path.isdir(place) and os.listdir(place)):
                continue
            os.makedirs(place, exist_ok=True)
            options = ["-o", "ptmxmode=0666,mode=0620"] if kind == "devpts" else []
            if subprocess.run(["mount", "-t", kind, *options, kind, place], check=False).returncode == 0:
                say(f"{place} is not there: {kind} is mounted on it for these tests")
                done.append(place)
        yield
    finally:
        if hosts:
            os.unlink(hosts)
        for place in reversed(done):
            subprocess.run(["umount", "--lazy", place], check=False)
