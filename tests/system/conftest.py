"""What the system tests share. They are run from anywhere by `python3 -m pytest tests/system`."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))

from daemon import BUILD, Daemon  # noqa: E402


@pytest.fixture
def daemon():
    with Daemon() as d:
        yield d


# Both ways of isolation: cgroups as root, and an ordinary user without any.
WAYS = [pytest.param({"isolation": "cgroup"}, id="cgroup"),
        pytest.param({"isolation": "subreaper", "user": "nobody"}, id="subreaper")]


@pytest.fixture(scope="session", autouse=True)
def built():
    for program in ("droverd", "drover"):
        assert os.path.exists(os.path.join(BUILD, program)), f"{BUILD}/{program} is not built: run make"
