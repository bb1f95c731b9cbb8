"""The SDK from a plugin author's side: headers that stand alone, a plugin built outside of the tree."""

import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEADERS = sorted(os.listdir(os.path.join(ROOT, "sdk/include/drover")))
MAKEFILE = """PLUGIN  = greet
SOURCES = greet.c
PKGS    =
include {root}/sdk/drover.mk
"""


@pytest.mark.parametrize("header", HEADERS)
def test_header_compiles_alone(header):
    subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes",
                    "-Werror", f"-I{ROOT}/sdk/include", "-fsyntax-only", "-xc", "-"],
                   input=f"#include <drover/{header}>\n", text=True, check=True)


def test_a_plugin_is_built_outside_of_the_tree_and_runs(tmp_path, build):
    with open(os.path.join(ROOT, "tests/plugins/greet.c"), encoding="utf-8") as source:
        (tmp_path / "greet.c").write_text(source.read())
    (tmp_path / "Makefile").write_text(MAKEFILE.format(root=ROOT))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "DROVER_", "B"))}
    subprocess.run(["make", "-C", str(tmp_path)], check=True, env=environment)
    listing = subprocess.run([os.path.join(str(build), "drover"), "plugin", "list"], capture_output=True, text=True,
                             check=True, env={**environment, "DROVER_PLUGIN_PATH": str(tmp_path)}).stdout
    assert "greet" in listing and "executor" in listing
    symbols = subprocess.run(["nm", "-D", "--defined-only", str(tmp_path / "greet.so")], capture_output=True, text=True,
                             check=True).stdout.split()
    assert [word for word in symbols if word.startswith("drover")] == ["drover_module_v1"]
    subprocess.run(["make", "-C", str(tmp_path), "clean"], check=True, env=environment)
    assert not (tmp_path / "greet.so").exists()
