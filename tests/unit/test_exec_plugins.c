/*
 * test_exec_plugins.c - executors that crash, hang, lie, multiply: the host tells how each unit ended, and
 * nothing is left of it; with cgroups, and the subreaper way, as root and as an ordinary user.
 */
#define _GNU_SOURCE
#include "host_fixture.h"

/* What is expected of a plugin's unit of five hosts. */
struct expectation {
	const char *plugin;
	int64_t deadline;    /* ms from the start */
	int64_t least, most; /* when it ends, ms from the start */
	enum exec_end how;
	int code;
	int results;
	int status;
	const char *message, *note, *tail; /* parts of the texts, or NULL */
	int notes;                         /* exactly so many lines */
};

static const struct expectation expectations[] = {
	{ "greet", LONG, 0, 5000, EXEC_RETURNED, 0, 5, DROVER_OK, NULL, NULL, NULL, 0 },
	{ "fail_run", LONG, 0, 5000, EXEC_ERROR, DROVER_EFAULT, 0, 0, "the tool is not installed", NULL, NULL, 0 },
	{ "evil_segv", LONG, 0, 5000, EXEC_KILLED, SIGSEGV, 1, DROVER_OK, NULL, NULL, NULL, 0 },
	{ "evil_exit", LONG, 0, 5000, EXEC_EXITED, 3, 1, DROVER_OK, NULL, NULL, "giving up here", 0 },
	{ "evil_twice", LONG, 0, 5000, EXEC_RETURNED, 0, 5, DROVER_OK, NULL,
	  "reported h4 twice; the first report stands", NULL, 5 },
	{ "evil_foreign", LONG, 0, 5000, EXEC_RETURNED, 0, 5, DROVER_OK, NULL,
	  "reported not-mine, which is not in this unit", NULL, 1 },
	{ "evil_silent", LONG, 0, 5000, EXEC_RETURNED, 0, 0, 0, NULL, NULL, NULL, 0 },
	{ "evil_report", LONG, 0, LONG, EXEC_RETURNED, 0, 5, DROVER_OK, NULL, NULL, NULL, 0 },
	{ "evil_stdout", LONG, 0, LONG, EXEC_RETURNED, 0, 5, DROVER_OK, NULL, NULL, "the very end\n", 0 },
	{ "evil_daemon", LONG, 0, 5000, EXEC_RETURNED, 0, 5, DROVER_OK, NULL, NULL, NULL, 0 },
	{ "evil_escape", LONG, 0, 5000, EXEC_RETURNED, 0, 5, DROVER_OK, NULL, NULL, NULL, 0 },
	{ "evil_headless", LONG, 0, 5000, EXEC_RETURNED, 0, 5, DROVER_OK, NULL, NULL, NULL, 0 },
	{ "evil_garbage", LONG, 0, 5000, EXEC_GARBAGE, 0, 1, DROVER_OK, "a frame", NULL, NULL, 0 },
	/* Told to stop at its deadline, it ends well within the 2 s of grace. */
	{ "slow_stop", 300, 300, 2000, EXEC_DEADLINE, 0, 5, DROVER_TIMEOUT, NULL, NULL, "waiting", 0 },
	/* Killed 2 s after the deadline; nothing is left 3 s after it. */
	{ "evil_loop", 300, 2300, 3300, EXEC_DEADLINE, 0, 0, 0, NULL, NULL, NULL, 0 },
	{ "evil_bomb", 300, 2300, 3300, EXEC_DEADLINE, 0, 0, 0, NULL, NULL, NULL, 0 },
};

#define EXPECTATIONS ((int)(sizeof(expectations) / sizeof(expectations[0])))

/* The test's number is the plugin's, times the ways. */
START_TEST(plugins)
{
	const struct expectation *e = &expectations[_i / WAYS];
	enum way way = (enum way)(_i % WAYS);
	struct fake_core core;
	int64_t start, took;
	int lines = 0;

	if (!way_applies(way))
		return;
	start_host(&core, way, e->plugin);
	start = clock_boot_ms();
	execute(&core, 7, 5, e->deadline, "{}");
	wait_for(&core, &core.ends, 1);
	ck_assert_msg(!count_left(&core), "%s: %d processes are left", e->plugin, count_left(&core));
	took = core.ended_at - start;
	ck_assert_msg(took >= e->least && took <= patience(e->most), "%s: ended after %lld ms", e->plugin,
		      (long long)took);
	ck_assert_uint_eq(core.ended.handle, 7);
	ck_assert_msg(core.ended.how == e->how, "%s: ended as %d: %s", e->plugin, core.ended.how, core.message);
	ck_assert_int_eq(core.ended.code, e->how == EXEC_ERROR ? 0 : e->code);
	ck_assert_msg(core.results == e->results, "%s: %d results", e->plugin, core.results);
	for (int i = 0; i < e->results && i < 5; i++)
		ck_assert_int_eq(core.statuses[i], e->status);
	if (e->message)
		ck_assert_msg(strstr(core.message, e->message) != NULL, "%s: message: %s", e->plugin, core.message);
	if (e->note)
		ck_assert_msg(strstr(core.notes.data, e->note) != NULL, "%s: notes: %s", e->plugin, core.notes.data);
	if (e->tail)
		ck_assert_msg(strstr(core.tail, e->tail) != NULL, "%s: tail: %s", e->plugin, core.tail);
	for (size_t i = 0; i < core.notes.size; i++)
		lines += core.notes.data[i] == '\n';
	ck_assert_int_eq(lines, e->notes);
	stop_host(&core);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("exec_plugins");
	TCase *tcase = tcase_create("plugins");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, plugins, 0, EXPECTATIONS * WAYS);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
