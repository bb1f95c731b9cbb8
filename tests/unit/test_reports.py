"""A sanitizer's report of a process that nobody asks is found."""
import os
import subprocess

import reports

WRONG = """
#include <stdlib.h>
int main(int argc, char **argv)
{
	volatile char *lost = malloc(10);

	lost[0] = *argv[argc - 1];
	lost = NULL;
	return 0;
}
"""


def test_reports_are_found(tmp_path):
    (tmp_path / "wrong.c").write_text(WRONG)
    subprocess.run(["cc", "-fsanitize=address", "-o", tmp_path / "wrong", tmp_path / "wrong.c"], check=True)
    env = {**os.environ, "DROVER_SANITIZED": "1", "ASAN_OPTIONS": "detect_leaks=1"}
    with reports.kept(env) as folder:
        assert reports.take(folder) == []
        done = subprocess.run([tmp_path / "wrong"], env=env, stderr=subprocess.PIPE, check=False)
        assert not done.stderr
        text = "".join(text for _, text in reports.take(folder))
        assert "LeakSanitizer: detected memory leaks" in text
        assert reports.take(folder) == []


def test_nothing_is_kept_where_nothing_is_sanitized():
    env = {"ASAN_OPTIONS": "detect_leaks=1"}
    with reports.kept(env) as folder:
        assert folder is None and reports.take(folder) == [] and env == {"ASAN_OPTIONS": "detect_leaks=1"}
