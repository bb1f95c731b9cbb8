"""What every test in Python shares. Being here, this file also puts tests/ on the import path."""
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures a time or a size: nothing else is to run beside it")


@pytest.fixture(scope="session")
def build():
    """The folder of what was built: $DROVER_BUILD, by default build/."""
    folder = ROOT / os.environ.get("DROVER_BUILD", "build")
    assert folder.is_dir(), f"{folder} is not there: run make first"
    return folder
