"""`ansible_adhoc` against the `ansible` command: the same modules on the same real sshd hosts, field by field.

Both are run once for each release at the beginning, side by side, with folders of their own on the hosts; the
tests compare what they said.
"""

import concurrent.futures
import functools
import http.server
import io
import json
import os
import re
import tarfile
import threading

import pytest
from daemon import Daemon
from fleet.ansible import RELEASES, Herd, results_of_ansible

HOST = "{{ inventory_hostname }}"
FIVE_MB = 5 * 1000 * 1000
# name: (module, arguments, members of the payload); @ is the side's folder on the hosts, $ the controller's.
CASES = {
    "command": ("command", "echo hello world", {}),
    "command-not-needed": ("command", "creates=/etc/passwd touch @/never", {}),
    "command-in-folder": ("command", "chdir=/usr pwd", {}),
    "command-unknown-program": ("command", "/no/such/program", {}),
    "shell-pipes-and-quotes": ("shell", """echo "it's | 'quoted'" | tr a-z A-Z; echo to stderr >&2""", {}),
    "shell-rc-3": ("shell", "echo before; echo why >&2; exit 3", {}),
    "shell-lines": ("shell", "printf 'one\\ntwo\\n\\n'", {}),
    "shell-non-ascii": ("shell", "echo 'žluťoučký kůň 你好 🐴'", {}),
    "shell-not-utf-8": ("shell", r"printf 'a\377b\n'", {}),
    "shell-5-MB": ("shell", f"head -c {FIVE_MB} /dev/zero | tr '\\0' x", {}),
    "raw": ("raw", "echo raw $((6 * 7))", {}),
    "script": ("script", "$/script.sh one 'two three'", {}),
    "script-fails": ("script", "$/script.sh fail", {}),
    "copy-content": ("copy", f"content='some text\n' dest=@/{HOST}-content mode=0640", {}),
    "copy-file": ("copy", f"src=$/file dest=@/{HOST}-file", {}),
    "copy-no-folder": ("copy", f"src=$/file dest=@/{HOST}-no/such/folder/", {}),
    "copy-no-source": ("copy", "src=$/missing dest=@/x", {}),
    "copy-without-arguments": ("copy", "", {}),
    "template": ("template", f"src=$/template.j2 dest=@/{HOST}-template", {}),
    "template-undefined": ("template", f"src=$/bad.j2 dest=@/{HOST}-bad", {}),
    "file-folder": ("file", f"path=@/{HOST}-folder state=directory mode=0750", {}),
    "file-absent": ("file", "path=@/absent state=absent", {}),
    "file-missing": ("file", "path=@/missing state=file", {}),
    "lineinfile": ("lineinfile", f"path=@/{HOST}-lines create=true line='key = value' mode=0600", {}),
    "lineinfile-diff": ("lineinfile", f"path=@/{HOST}-diff create=true line='key = value'", {"diff": True}),
    "lineinfile-check": ("lineinfile", f"path=@/{HOST}-check create=true line='key = value'", {"check": True}),
    "lineinfile-differs": ("lineinfile", "path=/etc/hostname line='key = ž'", {"check": True, "diff": True}),
    "stat": ("stat", "path=/etc/hostname checksum_algorithm=sha256", {}),
    "stat-missing": ("stat", "path=@/missing", {}),
    "ping": ("ping", "", {}),
    "ping-crash": ("ping", "data=crash", {}),
    "setup": ("setup", "gather_subset=!all,!min,distribution,pkg_mgr", {}),
    "setup-filter": ("setup", "filter=ansible_os_family", {}),
    "user-check": ("user", "name=drover-nobody-such comment='A user' shell=/bin/sh", {"check": True}),
    "unarchive": ("unarchive", f"src=$/archive.tar.gz dest=@/{HOST}-unpacked", {}),
    "unarchive-no-archive": ("unarchive", f"src=$/file dest=@/{HOST}-unpacked", {}),
    "get-url": ("get_url", f"url=%/file dest=@/{HOST}-url", {}),
    "get-url-404": ("get_url", f"url=%/missing dest=@/{HOST}-url-404", {}),
    "service-facts": ("service_facts", "", {}),
    "slurp": ("slurp", "src=/etc/hostname", {}),
    "getent": ("getent", "database=passwd key=root", {}),
    "wait-for": ("wait_for", "host=127.0.0.1 port=1 timeout=1", {}),
    "fail": ("fail", "msg='as it was asked to'", {}),
    "assert": ("assert", {"that": ["inventory_hostname is defined", "1 + 1 == 2"]}, {}),
    "assert-fails": ("assert", {"that": ["1 == 2"], "fail_msg": "no, it is not"}, {}),
    "debug-variable": ("debug", "var=of_group", {}),
    "debug-template": ("debug", "msg='{{ of_host }} in {{ group_names | sort | join(\",\") }}'", {}),
    "set-fact": ("set_fact", "answer=42", {}),
    "async": ("command", "echo in the background", {"async": 20, "poll": 1}),
    "async-not-waited-for": ("command", "true", {"async": 20, "poll": 0}),
    "full-name": ("ansible.builtin.command", "echo by its full name", {}),
    "missing-module": ("no_such_module", "", {}),
    "wrong-argument": ("file", "path=@/x no_such_argument=1", {}),
}
# Run with one release only.
VARIATIONS = {"command-in-folder", "command-unknown-program", "shell-lines", "script-fails", "copy-file", "copy-no-source",
              "template-undefined", "file-absent", "file-missing", "lineinfile-diff", "stat-missing", "ping-crash",
              "setup-filter", "unarchive-no-archive", "get-url-404", "slurp", "getent", "wait-for", "assert-fails",
              "debug-template", "async-not-waited-for", "full-name"}
RUN = {"debian": dict(CASES), "newest": {name: case for name, case in CASES.items() if name not in VARIATIONS}}
# What differs from run to run: times, ids, free space.
VOLATILE = {"start", "end", "delta", "atime", "mtime", "ctime", "elapsed", "ansible_job_id", "results_file", "inode",
            "diskspace", "extract_results", "diff"}
TEMPORARY = (
    (re.compile(r"ansible-tmp-[0-9.]+-\d+-\d+"), "ansible-tmp"),
    (re.compile(r"/[^ '\"]*ansible-local-[^/ '\"]+/[^ '\":]+"), "LOCAL"),
    (re.compile(r"/tmp/drover-ansible-\w+/\w+/tmp/[^ '\":]+"), "LOCAL"),
    (re.compile(r"(ansible-tmp|ansible-moduletmp-[0-9.]+-\w+)/tmp\w+"), "TMP"),
    (re.compile(r"/tmp/ansible_[a-z_.]+_payload_\w+|ansible_[a-z_.]+_payload_\w+"), "PAYLOAD"),
    (re.compile(r"\.ansible_tmp\w+"), "TMP"),
    (re.compile(r"Connection to [0-9.]+ closed\.\r?\n"), ""),
)
WORDS = {"SUCCESS": "ok", "CHANGED": "ok", "FAILED": "failed", "UNREACHABLE": "unreachable", "SKIPPED": "skipped"}


def settled(value, folder):
    """The result without what differs from run to run."""
    if isinstance(value, dict):
        return {key: settled(inner, folder) for key, inner in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [settled(inner, folder) for inner in value]
    if isinstance(value, str):
        value = value.replace(folder, "FOLDER")
        for pattern, word in TEMPORARY:
            value = pattern.sub(word, value)
    return value


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):  # noqa: A002  (its own name)
        pass


def write_files(folder):
    def put(name, text, mode=0o644):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    put("file", "a file\n")
    put("script.sh", '#!/bin/sh\necho "$# arguments: $*"\n[ "$1" != fail ] || { echo failing >&2; exit 7; }\n', 0o755)
    put("template.j2", "host {{ inventory_hostname }}: {{ of_host }}, {{ of_group }} čau\n")
    put("bad.j2", "{{ nobody_knows_this }}\n")
    with tarfile.open(os.path.join(folder, "archive.tar.gz"), "w:gz") as archive:
        data = b"in an archive\n"
        info = tarfile.TarInfo("inner/file")
        info.size, info.mode = len(data), 0o644
        archive.addfile(info, io.BytesIO(data))


class Comparison:
    """What both said to each case, of one release of Ansible."""

    def __init__(self, release, hosts, settings):
        self.theirs, self.ours, self.folders, self.diff = {}, {}, {}, None
        with Herd(hosts, settings) as herd, herd.masters_ended():
            self.release, self.herd = release, herd
            self.files = os.path.join(herd.home, "files")
            os.mkdir(self.files)
            write_files(self.files)
            lines = [f"{address} of_host=number-{i}\n" for i, address in enumerate(herd.addresses)]
            herd.write_inventory("[web]\n" + "".join(lines) + "[web:vars]\nof_group=webs\n")
            for side in ("theirs", "ours"):
                self.folders[side] = os.path.join(herd.folder, side)
                os.mkdir(self.folders[side], 0o755)
            handler = functools.partial(Files, directory=self.files)
            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
                self.url = f"http://127.0.0.1:{server.server_port}"
                threading.Thread(target=server.serve_forever, daemon=True).start()
                self._run()
                server.shutdown()

    def arguments(self, side, args):
        if isinstance(args, dict):
            return args
        return args.replace("@", self.folders[side]).replace("$/", f"{self.files}/").replace("%", self.url)

    def _run(self):
        """One core for each side."""
        executor = self.herd.executor("adhoc", self.release, inventory=[self.herd.inventory])
        with Daemon({"executors": [executor], "credentials": self.herd.credentials()}) as daemon, \
                concurrent.futures.ThreadPoolExecutor(1) as pool:
            ours = pool.submit(self._run_ours, daemon)
            for name, (module, args, more) in RUN[self.release].items():
                self.theirs[name] = self._run_theirs(module, args, more)
            self.diff = self._run_diff()
            ours.result()
            self.log = daemon.log()

    def _run_ours(self, daemon):
        for name, (module, args, more) in RUN[self.release].items():
            task = daemon.submit("adhoc", self.herd.addresses,
                                 {"module": module, "args": self.arguments("ours", args), **more}, timeout=60)
            daemon.wait(task)
            daemon.verify(task)
            self.ours[name] = {row["host"]: row for row in daemon.results(task)}

    def _run_diff(self):
        """As the command shows it: not with its results, which are compared."""
        module, args, _ = CASES["lineinfile-differs"]
        done = self.herd.command("ansible", self.release, self.herd.addresses[0], "--check", "--diff",
                                 f"--module-name={module}", f"--args={self.arguments('theirs', args)}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _run_theirs(self, module, args, more):
        options = [f"--{name}" for name in ("check", "diff") if more.get(name)]
        if "async" in more:
            options += [f"--background={more['async']}", f"--poll={more['poll']}"]
        args = self.arguments("theirs", args)
        found, done = results_of_ansible(self.herd, self.release, module,
                                         args if isinstance(args, str) else json.dumps(args), *options)
        assert set(found) == set(self.herd.addresses), done.stdout + done.stderr
        return found

    def settled(self, side, value):
        return settled(value, self.folders[side])


HOW = {"debian": (2, ""), "newest": (1, "[connection]\npipelining = true")}


@functools.lru_cache(None)
def compare(release):
    return Comparison(release, *HOW[release])


@pytest.mark.parametrize("release,name", [(release, name) for release, cases in RUN.items() for name in cases])
def test_a_module_says_what_it_says_to_the_ansible_command(release, name):
    comparison = compare(release)
    for host, (word, theirs) in comparison.theirs[name].items():
        row = comparison.ours[name][host]
        assert row["status"] == WORDS[word], (row, theirs)
        if row["status"] in ("ok", "failed"):
            assert row["changed"] == bool(theirs.get("changed", False)), (row, theirs)
        assert row["rc"] == theirs.get("rc")
        result = row["result"]
        left_out = result.pop("left_out_as_too_large", [])
        theirs = {key: value for key, value in theirs.items() if key not in left_out}
        assert comparison.settled("ours", result) == comparison.settled("theirs", theirs)
        assert bool(left_out) == (name == "shell-5-MB")
        for stream in ("stdout", "stderr"):
            if stream in theirs and not row["truncated"]:
                assert row[stream] == theirs[stream]
        if row["status"] != "ok":
            assert row["message"]


@pytest.mark.parametrize("release", list(RELEASES))
def test_differences_are_those_that_the_ansible_command_shows(release):
    comparison = compare(release)
    shown, sep, _ = comparison.diff.partition(f"{comparison.herd.addresses[0]} | CHANGED =>")
    assert sep and "+key = ž" in shown, comparison.diff
    row = comparison.ours["lineinfile-differs"][comparison.herd.addresses[0]]
    assert row["result"]["diff"].strip() == shown.strip()
    assert all("diff" not in row["result"] for row in comparison.ours["lineinfile"].values())


@pytest.mark.parametrize("release", list(RELEASES))
def test_five_megabytes_are_counted_and_cut(release):
    for row in compare(release).ours["shell-5-MB"].values():
        assert row["status"] == "ok" and row["truncated"] and row["stdout_bytes"] == FIVE_MB
        assert len(row["stdout"]) < FIVE_MB and row["stdout"].startswith("xxx") and row["stdout"].endswith("xxx")
        assert set(row["result"]) >= {"cmd", "rc", "changed", "stderr"}


@pytest.mark.parametrize("release", list(RELEASES))
def test_nothing_was_said_but_by_the_modules(release):
    log = compare(release).log
    assert "No inventory was parsed" not in log and "Traceback" not in log
