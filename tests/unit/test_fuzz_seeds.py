"""The seeds of each fuzz target reach the accepting end of its parser, and run through it without harm."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGETS = sorted(path.stem for path in (ROOT / "tests/fuzz").glob("fuzz_*.c"))


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(build, target):
    seeds = sorted((ROOT / "tests/fuzz/corpus" / target).iterdir())
    done = subprocess.run([build / "tests/replay" / target, *seeds], capture_output=True, text=True, check=False,
                          env={**os.environ, "DROVER_PLUGIN_PATH": str(build / "plugins")})
    assert done.returncode == 0, done.stderr
    taken, count = map(int, re.fullmatch(r"(\d+) of (\d+) accepted\n", done.stdout).groups())
    assert taken > 0 and count == len(seeds), done.stdout
