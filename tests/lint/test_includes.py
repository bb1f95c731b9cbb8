"""The rule of who may include whom: it holds, and it notices a violation in each room."""
import pathlib

import pytest

import includes

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def test_the_tree_keeps_to_it():
    assert includes.check(ROOT) == []


@pytest.fixture(name="tree")
def _tree(tmp_path):
    for folder in ("sdk/include/drover", "core/util", "core/proc", "plugins/greet", "plugins/other", "plugins/lib/ssh"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "plugins.mk").write_text("PLUGINS = greet\nother_PKGS  =\ngreet_PKGS = json-c\ngreet_LIBS = ssh\n")
    for name in ("core/util/buf.h", "core/proc/wire.h", "plugins/greet/greet.h", "plugins/other/other.h",
                 "plugins/lib/ssh/ssh.h"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize("path, line", [
    ("sdk/include/drover/x.h", "#include <json-c/json.h>"),
    ("sdk/include/drover/x.h", '#include "util/buf.h"'),
    ("core/util/x.c", "#include <systemd/sd-event.h>"),
    ("core/util/x.c", '#include "proc/wire.h"'),
    ("core/util/x.c", "#include <drover/plugin.h>"),
    ("core/proc/x.c", "#include <sqlite3.h>"),
    ("core/proc/x.c", '#include "../plugins/greet/greet.h"'),
    ("plugins/greet/x.c", '#include "util/buf.h"'),
    ("plugins/greet/x.c", '#include "../other/other.h"'),
    ("plugins/greet/x.c", "#  include <sqlite3.h>"),
    ("plugins/lib/ssh/x.c", '#include "util/buf.h"'),
])
def test_a_violation_is_named(tree, path, line):
    (tree / path).write_text(f"/* x */\n{line}\n")
    found = includes.check(tree)
    assert len(found) == 1
    assert found[0].startswith(f"{path}:2: ")


@pytest.mark.parametrize("path, line", [
    ("sdk/include/drover/x.h", "#include <drover/error.h>\n#include <stdint.h>"),
    ("core/util/x.c", '#include "util/buf.h"\n#include <drover/error.h>\n#include <time.h>'),
    ("core/proc/x.c", '#include "util/buf.h"\n#include <systemd/sd-event.h>\n#include <drover/sink.h>'),
    ("plugins/greet/x.c", '#include "greet.h"\n#include "ssh/ssh.h"\n#include <json-c/json.h>\n#include <drover/sink.h>'),
])
def test_what_is_allowed_is_left_alone(tree, path, line):
    (tree / path).write_text(line + "\n")
    assert includes.check(tree) == []
