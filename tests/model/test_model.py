"""The protocol of claims, leases and sweeps, every order of its steps, by spin; and that each of its guards is needed."""

import concurrent.futures
import os
import pathlib
import re
import subprocess

import pytest

MODEL = pathlib.Path(__file__).with_name("claims.pml")
GUARDS = re.findall(r"^#ifndef NO_(\w+)$", MODEL.read_text(encoding="utf-8"), re.MULTILINE)
# Three units and two kills; and, with fewer units, engines that are stopped or cut off and come back.
WHOLE = [{"UNITS": 3, "KILLS": 2, "STOPS": 0}, {"UNITS": 2, "KILLS": 0, "STOPS": 1, "CAPACITY": 2},
         {"UNITS": 1, "KILLS": 2, "STOPS": 1}]
LONG = [{"UNITS": 2, "KILLS": 1, "STOPS": 1}, {"UNITS": 1, "KILLS": 3, "STOPS": 2}]


def check(folder, optimise, **macros):
    """(whether all orders were tried and nothing was violated, what pan said)."""
    subprocess.run(["spin", *(f"-D{name}={value}" for name, value in macros.items()), "-a", str(MODEL)], cwd=folder,
                   check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    subprocess.run(["gcc", optimise, "-DSAFETY", "-DMEMLIM=4000", "-w", "-o", "pan", "pan.c"], cwd=folder, check=True)
    said = subprocess.run(["./pan", "-m100000"], cwd=folder, check=False, capture_output=True, text=True).stdout
    whole = "errors: 0" in said and "Search not completed" not in said and "max search depth too small" not in said
    return whole, said


@pytest.mark.parametrize("size", WHOLE + (LONG if os.environ.get("DROVER_CHAOS") == "long" else []), ids=str)
def test_every_order_of_the_steps_keeps_what_must_hold(tmp_path, size):
    whole, said = check(tmp_path, "-O2", **size)
    assert whole, said


def test_each_guard_is_needed(tmp_path):
    assert len(GUARDS) > 15, GUARDS

    def without(guard):
        folder = tmp_path / guard
        folder.mkdir()
        whole, said = check(folder, "-O0", UNITS=1, KILLS=1, STOPS=1, **{f"NO_{guard}": 1})
        return guard, whole, said

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for guard, whole, said in pool.map(without, GUARDS):
            assert not whole, f"nothing fails without {guard}:\n{said}"
            assert "assertion violated" in said, said


def test_every_step_can_happen(tmp_path):
    """A step that never happens would make the model prove nothing of it."""
    whole, said = check(tmp_path, "-O1", UNITS=1, KILLS=2, STOPS=1)
    assert whole, said
    unreached = said.split("unreached in proctype world", 1)[1].splitlines()
    assert not [line for line in unreached if ".pml:" in line], unreached
