#!/usr/bin/python3
"""How long a store of 1,000,000 hosts' rows takes to answer, embedded and on MariaDB: p99 under 10 ms is promised.

BENCH_TASKS (100) of BENCH_TASK_HOSTS (10,000) hosts each make another size.
"""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from services.mariadb import MariaDB  # noqa: E402

PROGRAM = os.path.join(os.environ.get("DROVER_BUILD", "build"), "tests/bench/store_queries")
SIZE = [os.environ.get("BENCH_TASKS", "100"), os.environ.get("BENCH_TASK_HOSTS", "10000")]


def main():
    with tempfile.TemporaryDirectory(prefix="drover-bench-") as folder:
        print("SQLite:", flush=True)
        failed = subprocess.run([PROGRAM, *SIZE, folder], check=False).returncode
    # What is asked for has to be in memory: a host's history is as many pages as rows.
    with MariaDB("innodb-buffer-pool-size=1G") as server:
        print("MariaDB:", flush=True)
        server.sql("CREATE DATABASE queries")
        env = dict(os.environ, DROVER_MARIADB_SOCKET=str(server.socket))
        failed |= subprocess.run([PROGRAM, *SIZE, "mysql:queries"], env=env, check=False).returncode
    if failed:
        print("FAILED: p99 under 10 ms was promised")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
