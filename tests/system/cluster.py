"""A cluster of the tests' own: MariaDB, a Kafka broker, and nodes that share them, each a droverd with a folder of
its own. Anything of it can be killed, stopped and continued; supervisors that die are started again, as systemd does.

    with Cluster(distributors=2, engines=3) as cluster:
        task = cluster.submit("sim", "h[1-3000]", {"latency": "0-50ms"})
        cluster.engines[0].signal("core", signal.SIGKILL)
        cluster.wait(task)

Without a broker (kafka=False) tasks are executed by the node that takes them: every node is both.
"""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from daemon import BUILD, FINAL, PATIENCE, START, Daemon, Pid, Problem, alive, cmdline, drover, stat_of, wait_for

from services import ports
from services.mariadb import MariaDB

# The lease times that nodes under test have: a tenth of the defaults.
FAST = {"renew": "500ms", "take_over": "4500ms", "read_gap": "1s", "stop_after": "2s", "permit": "500ms",
        "permit_lost": "2s"}
NODE_MARK = "DROVER_TEST_NODE"
AWAY = (OSError, http.client.HTTPException)


class Away(Exception):
    """No node answered."""


def lease_times(wanted):
    """Those of the times that this build knows."""
    known = subprocess.run([os.path.join(BUILD, "drover"), "config", "reference"], check=True, text=True,
                           capture_output=True).stdout
    section = known.split("## `lease`", 1)[1].split("\n## ", 1)[0] if "## `lease`" in known else known
    return {name: value for name, value in wanted.items() if f"`{name}`" in section}


class Node(Daemon):
    """A droverd of the cluster: `distributor`, `engine`, or both."""

    def __init__(self, cluster, name, port, config, env=None):
        super().__init__(config, isolation=cluster.isolation, env=env, build=cluster.build)
        self.cluster, self.name, self.port = cluster, name, port
        self.config["node"]["name"] = name
        self.config["sources"][0]["listen"] = f"127.0.0.1:{port}"
        self.env[NODE_MARK] = self.folder
        self.supervised = False  # by the cluster's keeper
        self.starts = 0
        self.lock = threading.Lock()
        self.write_config()

    def address(self):
        return "127.0.0.1", self.port

    def start(self, ready=True, env=None):
        """`env`: for this one start of its supervisor."""
        with self.lock:
            kept, self.env = self.env, {**self.env, **(env or {})}
            try:
                super().start(ready=False)
            finally:
                self.env = kept
            self.starts += 1
            self.supervised = True
        if ready:
            self.wait_ready()
        return self

    def restart_if_dead(self):
        with self.lock:
            dead = self.supervised and self.process.poll() is not None
        if dead:
            self.start(ready=False)
        return dead

    def stop(self, timeout=90):
        self.supervised = False
        return super().stop(timeout)

    def use(self, build):
        """From its next start on: that build's programs, and its plugins before this one's."""
        self.build = build
        self.config["plugin_path"] = list(dict.fromkeys(
            os.path.join(folder, "plugins") for folder in (build, BUILD, os.path.join(BUILD, "tests"))))
        self.write_config()

    # ---------------------------------------------------------------------------------- its processes

    def processes(self):
        """{pid: role} of all that it has started, wherever they hang: "supervisor", "core", "executor: sim", "unit"…"""
        mark, found = f"{NODE_MARK}={self.folder}".encode(), {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry}/environ", "rb") as f:
                    if mark not in f.read().split(b"\0"):
                        continue
                pid = Pid(entry, stat_of(entry)[START])
                if alive(pid):
                    found[pid] = self.role(pid)
        return found

    def role(self, pid):
        if pid == self.process.pid:
            return "supervisor"
        words = cmdline(pid)
        part = {word.split("=", 1)[0]: word.split("=", 1)[1] for word in words[1:4] if "=" in word}
        role = part.get("--role")
        if not role or (role == "executor" and self.parent(pid) != self.process.pid):
            return "unit"
        return role if role in ("core", "monitor", "plan", "inventory") else f"{role}: {part.get('--name')}"

    def pids(self, part="all"):
        """Of "supervisor", "core", "executor: NAME", "executors", "units", "all"."""
        wanted = {"executors": lambda role: role.startswith("executor: "), "units": lambda role: role == "unit",
                  "all": lambda role: True}.get(part, lambda role: role == part)
        return [pid for pid, role in self.processes().items() if wanted(role)]

    def signal(self, part, number):
        """Sends it to all processes of that part, SIGSTOP remembered until `resume`; the pids that got it."""
        return self.signal_pids(self.pids(part), number)

    def signal_pids(self, pids, number):
        reached = []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)
                signal.pidfd_send_signal(fd, number)
                reached.append(pid)
                if number == signal.SIGSTOP:
                    self.cluster.stopped.append((self, pid, fd))
                else:
                    os.close(fd)
        return reached

    def resume(self):
        """SIGCONT for what was stopped of it."""
        self.cluster.resume(lambda node, pid: node is self)

    def resume_pids(self, pids):
        self.cluster.resume(lambda node, pid: node is self and pid in pids)

    # ------------------------------------------------------------------------------------- asking it

    def ask(self, method, path, body=None, timeout=10):
        """(status, answer); None where the connection was refused or broke, or nothing came in time."""
        try:
            return 200, self.request(method, path, body, timeout=timeout)
        except Problem as problem:
            return problem.status, problem.body
        except (*AWAY, ValueError):
            return None


class Keeper:
    """Starts supervisors again that have died, until it is ended."""

    def __init__(self, nodes, pause=0.2):
        self.nodes, self.pause, self.restarts = nodes, pause, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.wait(self.pause):
            for node in self.nodes:
                self.restarts += node.restart_if_dead()

    def end(self):
        self.ended.set()
        self.thread.join()


def make_key(folder, name="cluster"):
    """A signing key and its public half: their files."""
    secret = os.path.join(folder, f"{name}.key")
    done = drover("key", "generate", "-o", secret)
    assert done.returncode == 0, done.stderr
    return secret, f"{secret}.pub"


class Cluster:
    """`lease`, `capacity`, `unit_size`… : `node` is merged into every node's configuration, `distributor` and `engine`
    into those of that kind; a value of a section replaces the default's. `keep`: supervisors are started again. `lossy`:
    instead of a broker a dispatcher that loses every message, so that engines have nothing but their own looks.
    `each`: {name of a node: merged into its configuration}. `mixed`: distributors execute, too."""

    def __init__(self, distributors=2, engines=3, *, kafka=True, database=None, lease=None, node=None, distributor=None,
                 engine=None, keep=True, isolation="auto", partitions=None, lossy=False, build=BUILD,
                 each=None, mixed=False):
        self.folder = tempfile.mkdtemp(prefix="drover-cluster-")
        self.isolation, self.keep, self.partitions, self.build = isolation, keep, partitions, build
        self.each, self.mixed = each or {}, mixed
        self.lease = lease_times({**FAST, **(lease or {})}) if lease is not False else {}
        self.locks = os.path.join(self.folder, "locks")  # the simulated hosts' own files
        os.mkdir(self.locks, 0o777)
        os.chmod(self.locks, 0o777)
        self.shares_units, self.wants_kafka, self._database = kafka or lossy, kafka and not lossy, database
        self.wanted = (distributors, engines, node or {}, distributor or {}, engine or {})
        self.database = self.broker = self.keeper = None
        self.secret = self.public = None
        self.distributors, self.engines, self.stopped = [], [], []
        self.stopping = threading.Lock()

    @property
    def nodes(self):
        return self.distributors + [n for n in self.engines if n not in self.distributors]

    # ----------------------------------------------------------------------------- what nodes are told

    def executors(self):
        return [{"plugin": "sim", "lock_dir": self.locks}, {"plugin": "shell", "allow_localhost": True}]

    def base(self):
        config = {"store": self.database.store(), "executors": [], "node": {"drain": "3s"}}
        if self.lease:
            config["lease"] = self.lease
        if self.wants_kafka:
            config["connections"] = {"k1": {"kafka": self.broker.connection()}}
        if self.shares_units:
            config["cluster"] = {"name": "test", "public_keys": [self.public]}
        return config

    def make_node(self, name, distributes, executes, *more):
        port = ports.take()
        config = self.base()
        sources = [{"plugin": "http", "listen": f"127.0.0.1:{port}", "port_file": f"/tmp/unused-{port}"}]
        if self.shares_units and distributes:
            lossy = {"plugin": "lossy", "path": os.path.join(self.folder, f"{name}.published")}
            config["dispatcher"] = {"plugin": "kafka", "use": "k1"} if self.wants_kafka else lossy
            config["cluster"]["signing_key"] = {"file": self.secret}
        if self.wants_kafka and executes:
            sources.append({"plugin": "kafka", "use": "k1"})
        if executes:
            config["executors"] = self.executors()
        config["sources"] = sources
        for extra in (*more, self.each.get(name, {})):
            for section, value in extra.items():
                both = isinstance(value, dict) and isinstance(config.get(section), dict)
                config[section] = {**config[section], **value} if both else value
        node = Node(self, name, port, config)
        node.config["sources"][0]["port_file"] = node.port_file
        node.write_config()
        return node

    def topics(self):
        """By what operators do: `drover doctor` with a node's own configuration."""
        wanted = ("--partitions", str(self.partitions)) if self.partitions else ()
        done = drover("doctor", "-c", self.distributors[0].config_file, "--create-topic", *wanted)
        assert done.returncode == 0, done.stdout + done.stderr

    # ------------------------------------------------------------------------------------- its life

    def start(self):
        distributors, engines, node, distributor, engine = self.wanted
        self.database = self._database or MariaDB()
        if self.shares_units:
            self.secret, self.public = make_key(self.folder)
        if self.wants_kafka:
            from services.kafka import Kafka  # pylint: disable=import-outside-toplevel
            self.broker = Kafka()
        both = not self.shares_units
        self.distributors = [self.make_node(f"dist{n + 1}", True, both or self.mixed, node, distributor,
                                            engine if both or self.mixed else {})
                             for n in range(distributors)]
        self.engines = [self.make_node(f"eng{n + 1}", both, True, node, engine, distributor if both else {})
                        for n in range(engines)]
        if self.wants_kafka:
            self.topics()
        for n in self.nodes:
            n.start(ready=False)
        for n in self.nodes:
            n.wait_ready(60)
        if self.shares_units:
            wait_for("the distributors to know the engines", self.engines_are_known, 30)
        if self.keep:
            self.keeper = Keeper(self.nodes)
        return self

    def engines_are_known(self):
        """Tasks are checked by what engines have announced."""
        for distributor in self.distributors:
            rows = distributor.request("GET", "/v1/executors")["items"]
            known = set().union(*(row["nodes"] for row in rows))
            if not {n.name for n in self.engines} <= known:
                return False
        return True

    def resume(self, which=lambda node, pid: True):
        """SIGCONT for what is stopped: all, or those that `which` chooses."""
        with self.stopping:
            chosen = [entry for entry in self.stopped if which(*entry[:2])]
            self.stopped[:] = [entry for entry in self.stopped if entry not in chosen]
        for _, _, fd in chosen:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGCONT)
            os.close(fd)

    def stop(self):
        """Everything ends; returns the processes that did not by themselves (and are killed)."""
        left = []
        if self.keeper:
            self.keeper.end()
        self.resume()
        for server in filter(None, (self.database, self.broker)):
            server.resume()
        for n in self.nodes:
            n.supervised = False
            if n.process and n.process.poll() is None:
                n.process.send_signal(signal.SIGTERM)
                n.process.send_signal(signal.SIGINT)  # a second one, at once: two of one kind may become one
        end = time.monotonic() + 20 * PATIENCE
        for n in self.nodes:
            if n.process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    n.process.wait(max(0.1, end - time.monotonic()))
        for n in self.nodes:
            if n.process:
                with contextlib.suppress(AssertionError):
                    wait_for("its processes to be gone", lambda n=n: not n.processes(), 5)
                left += n.signal("all", signal.SIGKILL)
                n.process.poll()
        if self.broker:
            self.broker.stop()
        if self.database and not self._database:
            self.database.stop()
        return left

    def keep_logs(self):
        """Copies of all logs and configurations, for who reads of a failure: their folder."""
        kept = tempfile.mkdtemp(prefix="drover-failed-")
        for n in self.nodes:
            for path in (n.log_file, n.config_file):
                with contextlib.suppress(OSError):
                    shutil.copy(path, os.path.join(kept, f"{n.name}.{os.path.basename(path)}"))
        for name, server in (("mariadb", self.database), ("kafka", self.broker)):
            with contextlib.suppress(OSError, AttributeError):
                shutil.copy(os.path.join(server.folder, "log"), os.path.join(kept, f"{name}.log"))
        return kept

    def remove(self):
        for n in self.nodes:
            shutil.rmtree(n.folder, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__(True, None, None)  # nobody else would: a `with` whose beginning fails has no end
            raise

    def __exit__(self, kind, error, trace):
        if kind:
            print(f"logs and configurations are kept in {self.keep_logs()}")
        try:
            left = self.stop()
            assert kind or not left, f"processes did not end: {left}"
            undefined = [line for n in self.nodes for line in n.undefined()]
            assert kind or not undefined, undefined
        finally:
            self.remove()

    # -------------------------------------------------------------------------------------- asking it

    def node(self, name):
        return next(n for n in self.nodes if n.name == name)

    def ask(self, method, path, body=None, timeout=10, patience=60, nodes=None):
        """Asks one node after the other until one answers with something else than 503: as nginx in front does."""
        end = time.monotonic() + patience * PATIENCE
        while True:
            for n in nodes or self.distributors:
                answer = n.ask(method, path, body, timeout)
                if answer and answer[0] < 500:
                    return answer
            if time.monotonic() > end:
                raise Away(f"no node answers {method} {path}")
            time.sleep(0.05)

    def get(self, path, **options):
        status, answer = self.ask("GET", path, **options)
        if status >= 400:
            raise Problem(status, answer)
        return answer

    def submit(self, type_, hosts, payload, node=None, **members):
        """Its id, when a distributor has acknowledged it. Without an `id` of the caller's it may be there twice."""
        status, answer = self.ask("POST", "/v1/tasks", {"type": type_, "hosts": hosts, "payload": payload, **members},
                                  nodes=[node] if node else None)
        if status >= 400:
            raise Problem(status, answer)
        return answer["id"]

    def task(self, task):
        return self.get(f"/v1/tasks/{task}")

    def wait(self, task, timeout=60):
        """The task when it is final; its counts add up whenever they are read."""
        end = time.monotonic() + timeout * PATIENCE
        while True:
            answer = self.get(f"/v1/tasks/{task}?wait=2s")
            assert sum(answer["counts"].values()) == answer["hosts_total"], answer
            if answer["state"] in FINAL:
                return answer
            if time.monotonic() > end:
                raise AssertionError(f"task {task} is not final after {timeout} s: {answer}")

    def results(self, task, query=""):
        rows, after = [], None
        while True:
            page = self.get(f"/v1/tasks/{task}/results?limit=1000{query}" + (f"&after={after}" if after else ""),
                            timeout=30)
            rows += page["items"]
            after = page.get("next")
            if not after:
                return rows

    def verify(self, task):
        answer = self.get(f"/v1/tasks/{task}/verify", timeout=30)
        assert answer["ok"], answer
        return answer
