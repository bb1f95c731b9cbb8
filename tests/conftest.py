"""What every test in Python shares. Being here, this file also puts tests/ on the import path."""
import os
import pathlib
import signal

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def pytest_configure(config):
    # What a shell starts in its background ignores SIGINT, and so would every program that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "alone: measures a time or a size: nothing else is to run beside it")


@pytest.fixture(scope="session")
def build():
    """The folder of what was built: $DROVER_BUILD, by default build/."""
    folder = ROOT / os.environ.get("DROVER_BUILD", "build")
    assert folder.is_dir(), f"{folder} is not there: run make first"
    return folder


# Files that take long, begun first: none of them is to run on when all others are done. Those that need a processor
# all the time, as Ansible's own commands do, have others between them that wait.
LONG = ["test_ansible_adhoc", "test_core_stopped", "test_ansible_playbook", "test_lease", "test_kill", "test_outages",
        "test_ansible_step_limits", "test_ansible_secrets", "test_cluster", "test_kafka", "test_ansible_adhoc_hangs", "test_life",
        "test_cli", "test_ansible_kills", "test_isolation", "test_cluster_drain", "test_ansible_options", "test_forgery",
        "test_audit", "test_upgrade", "test_inventory_reading", "test_waves", "test_broker_away"]


def pytest_collection_modifyitems(items):
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))


SHOWN = 2000  # characters of each variable


def shown(value):
    try:
        return repr(value)[:SHOWN]
    except Exception as error:  # pylint: disable=broad-except
        return f"a {type(value).__name__} that cannot be shown: {error}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(call):
    """A failed test's variables, with its failure: an assertion's own text shows 240 characters of a value."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and call.excinfo and hasattr(report.longrepr, "addsection"):
        own = [entry for entry in call.excinfo.traceback if "test" in entry.path.name]
        values = own[-1].frame.f_locals if own else {}
        report.longrepr.addsection("its variables", "\n".join(
            f"{name} = {shown(value)}" for name, value in values.items() if not name.startswith("@")))
