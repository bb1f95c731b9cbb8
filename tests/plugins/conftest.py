"""A fake core with the source `http` in it, for tests that talk to one."""
import pytest

from fakecore import FakeCore


@pytest.fixture
def start(tmp_path):
    cores = []

    def begin(**options):
        cores.append(FakeCore(str(tmp_path), **options))
        assert cores[-1].started, cores[-1].errors()
        return cores[-1]

    yield begin
    for core in cores:
        core.close()


@pytest.fixture
def core(start):
    return start()
