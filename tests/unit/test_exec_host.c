/*
 * test_exec_host.c - the link between a core and an executor's host: grants, stops, permits, pressure, many units; with
 * cgroups, and the subreaper way, as root and as an ordinary user.
 */
#define _GNU_SOURCE
#include "host_fixture.h"

START_TEST(greeting)
{
	struct fake_core core;

	start_host_with(&core, WAY_SUBREAPER, "greet", "{\"word\":\"good morning\"}", 20000);
	core.begun = 2;
	execute(&core, 1, 5, LONG, "{}");
	wait_for(&core, &core.ends, 1);
	ck_assert_str_eq(core.out, "good morning, h4");
	/* A window of two, the first two were begun with the claim: two steps more. */
	ck_assert_int_eq(core.begins, 2);
	stop_host(&core);
}
END_TEST

/* Units are served by processes of the helper, which end with them; it is started again when it is killed. */
START_TEST(helper)
{
	struct fake_core core;
	pid_t first;

	if (!way_applies((enum way)_i))
		return;
	start_host(&core, (enum way)_i, "helped");
	execute(&core, 1, 5, LONG, "{}");
	wait_for(&core, &core.ends, 1);
	ck_assert_msg(core.ended.how == EXEC_RETURNED, "%s", core.message);
	ck_assert_int_eq(core.results, 5);
	first = (pid_t)atoi(core.out);
	ck_assert_int_eq(count_left(&core), 1);
	ck_assert_int_eq(kill(first, SIGKILL), 0);
	execute(&core, 2, 5, LONG, "{}");
	wait_for(&core, &core.ends, 2);
	ck_assert_msg(core.ended.how == EXEC_RETURNED, "%s", core.message);
	ck_assert_int_ne(atoi(core.out), first);
	ck_assert_int_eq(count_left(&core), 1);
	stop_host(&core);
}
END_TEST

START_TEST(not_granted)
{
	struct fake_core core;

	start_host(&core, WAY_SUBREAPER, "greet");
	core.grant = false;
	core.begun = 2;
	execute(&core, 1, 5, LONG, "{}");
	wait_for(&core, &core.ends, 1);
	ck_assert_int_eq(core.results, 2); /* those that were begun before it was asked */
	ck_assert_int_eq(core.ended.how, EXEC_RETURNED);
	stop_host(&core);
}
END_TEST

/* Grants come in parts, and are no reason to stop. */
START_TEST(asked_without_blocking)
{
	struct fake_core core;

	start_host(&core, WAY_SUBREAPER, "asks");
	core.begun = 1;
	core.in_parts = true;
	execute(&core, 1, 9, LONG, "{}");
	wait_for(&core, &core.ends, 1);
	ck_assert_int_eq(core.begins, 1);
	ck_assert_uint_eq(core.asked, 8); /* one came with the unit */
	ck_assert_int_eq(core.ended.how, EXEC_ERROR);
	ck_assert_str_eq(core.message, "1 were refused");
	ck_assert_int_eq(core.results, 8);
	/* The same executor is told to stop while it waits. */
	core.in_parts = false;
	core.silent = true;
	execute(&core, 2, 9, LONG, "{}");
	wait_for(&core, &core.begins, 2);
	exec_link_stop(core.link, 2, "enough");
	wait_for(&core, &core.ends, 2);
	ck_assert_int_eq(core.ended.how, EXEC_STOPPED);
	ck_assert_int_eq(core.results, 9); /* the one that was begun */
	stop_host(&core);
}
END_TEST

START_TEST(output_is_cut)
{
	struct fake_core core;

	start_host(&core, WAY_SUBREAPER, "evil_report");
	execute(&core, 1, 1, LONG, "{}");
	wait_for(&core, &core.ends, 1);
	ck_assert_uint_eq(core.out_size, 65536);
	ck_assert_uint_eq(core.out_total, (uint64_t)1 << 30);
	ck_assert_int_eq(strncmp(core.out, "headxxx", 7), 0);
	ck_assert_str_eq(core.out_tail, "xxxxtail");
	stop_host(&core);
}
END_TEST

START_TEST(stopped_by_the_core)
{
	struct fake_core core;
	int64_t start;

	if (!way_applies((enum way)_i))
		return;
	start_host(&core, (enum way)_i, "slow_stop");
	execute(&core, 1, 3, LONG, "{}");
	execute(&core, 2, 3, LONG, "{}");
	start = clock_boot_ms();
	exec_link_stop(core.link, 2, "cancelled by ann");
	wait_for(&core, &core.ends, 1);
	ck_assert_int_lt(core.ended_at - start, patience(2000));
	ck_assert_uint_eq(core.ended.handle, 2);
	ck_assert_int_eq(core.ended.how, EXEC_STOPPED);
	ck_assert_str_eq(core.message, "cancelled by ann");
	ck_assert_int_eq(core.results, 3);
	ck_assert_int_eq(count_left(&core), 1); /* the other one is not disturbed */
	stop_host(&core);
}
END_TEST

/* One unit's end does not touch what another one has running, hidden as it may be. */
START_TEST(neighbours)
{
	enum way way = (enum way)_i;
	struct fake_core core;

	if (!way_applies(way))
		return;
	start_host(&core, way, "evil_daemon");
	execute(&core, 1, 1, LONG, "{\"stay\":true}");
	wait_for(&core, &core.results, 1);
	ck_assert_int_eq(count_left(&core), 3);
	/* The subreaper way tells whose an orphan without session and environment is by its age, in ticks. */
	for (int64_t older = clock_boot_ms() + 50; clock_boot_ms() < older;)
		sd_event_run(core.event, 10000);
	execute(&core, 2, 1, LONG, "{}");
	wait_for(&core, &core.ends, 1);
	ck_assert_uint_eq(core.ended.handle, 2);
	ck_assert_int_eq(count_left(&core), 3);
	exec_link_stop(core.link, 1, "enough");
	wait_for(&core, &core.ends, 2);
	ck_assert_int_eq(count_left(&core), 0);
	stop_host(&core);
}
END_TEST

START_TEST(link_closes)
{
	struct fake_core core;

	if (!way_applies((enum way)_i))
		return;
	start_host(&core, (enum way)_i, "evil_bomb");
	execute(&core, 1, 3, LONG, "{}");
	execute(&core, 2, 3, LONG, "{}");
	while (count_left(&core) < 10)
		sd_event_run(core.event, 1000);
	stop_host(&core); /* asserts that it ends soon, and that its cgroup is empty */
}
END_TEST

START_TEST(supervisor_gone)
{
	struct fake_core core;

	start_host(&core, WAY_SUBREAPER, "evil_loop");
	execute(&core, 1, 3, LONG, "{}");
	shutdown(core.control, SHUT_RDWR);
	wait_for_true(&core, &core.closed);
	stop_host(&core);
}
END_TEST

START_TEST(permits)
{
	struct fake_core core;
	int64_t start = clock_boot_ms();

	start_host_with(&core, WAY_SUBREAPER, "evil_loop", "{}", 800);
	execute(&core, 1, 3, LONG, "{}");
	while (clock_boot_ms() - start < 2000) {
		exec_link_permit(core.link);
		sd_event_run(core.event, 100000);
	}
	ck_assert_int_eq(core.ends, 0);
	wait_for(&core, &core.ends, 1);
	ck_assert_int_eq(core.ended.how, EXEC_NO_PERMIT);
	ck_assert_int_eq(count_left(&core), 0);
	/* Nor is one begun before the core is heard of again. */
	execute(&core, 2, 3, LONG, "{}");
	wait_for(&core, &core.ends, 2);
	ck_assert_int_eq(core.ended.how, EXEC_NOT_STARTED);
	ck_assert_ptr_nonnull(strstr(core.message, "silent"));
	stop_host(&core);
}
END_TEST

/* The core's loop turns for so long; with permits, or silently. */
static void turn_for(struct fake_core *core, int64_t ms, bool permitted)
{
	int64_t until = clock_boot_ms() + ms, next = 0;

	while (clock_boot_ms() < until) {
		if (permitted && clock_boot_ms() >= next) {
			exec_link_permit(core->link);
			next = clock_boot_ms() + 30;
		}
		sd_event_run(core->event, 10000);
	}
}

/* A host that stood still finds permits that waited for it: they are as old as the core says. */
START_TEST(permits_that_waited)
{
	struct fake_core core;
	int64_t goes_on;

	start_host_with(&core, WAY_SUBREAPER, "evil_loop", "{}", 800);
	execute(&core, 1, 3, LONG, "{}");
	turn_for(&core, 200, true);
	kill(core.host, SIGSTOP);
	turn_for(&core, 1500, true);
	kill(core.host, SIGCONT);
	turn_for(&core, 500, true);
	ck_assert_int_eq(core.ends, 0); /* the core was there all the time */
	kill(core.host, SIGSTOP);
	turn_for(&core, 300, true);
	turn_for(&core, 1200, false);
	kill(core.host, SIGCONT);
	goes_on = clock_boot_ms();
	wait_for(&core, &core.ends, 1);
	ck_assert_int_eq(core.ended.how, EXEC_NO_PERMIT);
	ck_assert_int_lt(core.ended_at - goes_on, patience(400)); /* not another while from then on */
	/* A core that was silent, too, speaks again before the host does: it may have lost the unit meanwhile. */
	turn_for(&core, 100, true);
	execute(&core, 2, 3, LONG, "{}");
	turn_for(&core, 200, true);
	kill(core.host, SIGSTOP);
	turn_for(&core, 1500, false);
	exec_link_permit(core.link);
	turn_for(&core, 50, false);
	kill(core.host, SIGCONT);
	goes_on = clock_boot_ms();
	while (core.ends < 2 && clock_boot_ms() - goes_on < WAIT_MS / 10)
		turn_for(&core, 50, true); /* it is there from now on, and yet */
	ck_assert_int_eq(core.ends, 2);
	ck_assert_int_eq(core.ended.how, EXEC_NO_PERMIT);
	stop_host(&core);
}
END_TEST

/* A unit that comes to a host that stands still is not begun when its engine's lease may have ended. */
START_TEST(units_that_waited)
{
	struct fake_core core;

	start_host_with(&core, WAY_SUBREAPER, "evil_loop", "{}", 20000);
	kill(core.host, SIGSTOP);
	core.begin_by = clock_boot_ms() + 300;
	execute(&core, 1, 3, LONG, "{}");
	core.begin_by = clock_boot_ms() + LONG;
	execute(&core, 2, 3, LONG, "{}");
	turn_for(&core, 500, true);
	kill(core.host, SIGCONT);
	wait_for(&core, &core.ends, 1);
	ck_assert_uint_eq(core.ended.handle, 1);
	ck_assert_int_eq(core.ended.how, EXEC_NOT_STARTED);
	ck_assert(strstr(core.message, "lease") != NULL);
	turn_for(&core, 200, true);
	ck_assert_int_eq(core.ends, 1);
	ck_assert_int_eq(count_left(&core), 1);
	stop_host(&core);
}
END_TEST

/* A unit whose host stands still looks at the clock itself: it begins nothing while the last permit is too old. */
START_TEST(hosts_without_a_permit)
{
	struct fake_core core;
	int before;

	/* A host of 100 ms after the other. */
	start_host_with(&core, WAY_SUBREAPER, "../../plugins/sim", "{}", 800);
	execute(&core, 1, 30, LONG, "{\"latency\":\"100ms\",\"step\":1}");
	turn_for(&core, 300, true);
	before = core.results;
	kill(core.host, SIGSTOP);
	turn_for(&core, 2000, true);
	kill(core.host, SIGCONT);
	turn_for(&core, 100, true);
	ck_assert_msg(core.results - before < 14, "%d hosts in 2.1 s, with a permit for 0.8 s", core.results - before);
	while (!core.ends)
		turn_for(&core, 100, true);
	ck_assert_int_eq(core.ended.how, EXEC_RETURNED);
	ck_assert_int_eq(core.results, 30);
	stop_host(&core);
}
END_TEST

/* What a unit shares with its host it may only read: a stray write in one plugin does not give permits to the others. */
START_TEST(shared_memory_is_read_only)
{
	struct fake_core core;

	start_host(&core, WAY_SUBREAPER, "shares");
	execute(&core, 1, 1, LONG, "{}");
	wait_for(&core, &core.ends, 1);
	ck_assert_int_eq(core.results, 1);
	ck_assert_str_eq(core.out, "writable 0, read-only 2"); /* the permit; and whose output is watched */
	stop_host(&core);
}
END_TEST

static long resident_kb(pid_t pid)
{
	char path[64], line[256];
	long kb = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

/* A core that is behind: the pressure reaches the units, the host stays small, nothing is lost. */
START_TEST(back_pressure)
{
	struct fake_core core;
	int64_t until;
	long before;

	start_host_with(&core, WAY_SUBREAPER, "flood", "{\"size\":\"60K\"}", 20000);
	before = resident_kb(core.host);
	exec_link_pause(core.link, true);
	execute(&core, 1, 2000, LONG, "{}");
	until = clock_boot_ms() + 1000;
	while (clock_boot_ms() < until)
		sd_event_run(core.event, 50000);
	ck_assert_int_eq(core.results, 0);
	ck_assert_int_lt(resident_kb(core.host) - before, 40000); /* of 120 MB */
	exec_link_pause(core.link, false);
	wait_for(&core, &core.ends, 1);
	ck_assert_int_eq(core.results, 2000);
	stop_host(&core);
}
END_TEST

/* A unit that dies at its deadline while the core is behind: what it had reported still wins. */
START_TEST(results_before_the_deadline)
{
	struct fake_core core;
	int64_t until;

	start_host_with(&core, WAY_SUBREAPER, "flood", "{\"size\":\"60K\"}", 20000);
	exec_link_pause(core.link, true);
	execute(&core, 1, 2000, 300, "{}");
	until = clock_boot_ms() + 4000; /* deadline, grace, the bound of reading: all are over */
	while (clock_boot_ms() < until)
		sd_event_run(core.event, 50000);
	exec_link_pause(core.link, false);
	wait_for(&core, &core.ends, 1);
	ck_assert_int_eq(core.ended.how, EXEC_DEADLINE);
	ck_assert_int_gt(core.results, 50); /* the queue of the host, and what was in the sockets */
	stop_host(&core);
}
END_TEST

START_TEST(many_units)
{
	struct fake_core core;
	int64_t start;

	if (!way_applies((enum way)_i))
		return;
	start_host(&core, (enum way)_i, "flood");
	start = clock_boot_ms();
	for (uint64_t i = 1; i <= 60; i++)
		execute(&core, i, 1000, LONG, "{}");
	wait_for(&core, &core.ends, 60);
	ck_assert_int_eq(core.results, 60000);
	fprintf(stderr, "test_exec_host: way %d: 60 units of 1,000 results: %lld ms\n", _i,
		(long long)(clock_boot_ms() - start));
	start = clock_boot_ms();
	for (uint64_t i = 1; i <= 300; i++)
		execute(&core, 100 + i, 1, LONG, "{}");
	wait_for(&core, &core.ends, 360);
	fprintf(stderr, "test_exec_host: way %d: 300 units of one result: %lld ms\n", _i,
		(long long)(clock_boot_ms() - start));
	stop_host(&core);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("exec_host");
	TCase *link_case = tcase_create("link"), *load_case = tcase_create("load");
	SRunner *runner;
	int failed;

	tcase_set_timeout(link_case, 120);
	tcase_add_test(link_case, greeting);
	tcase_add_test(link_case, not_granted);
	tcase_add_test(link_case, asked_without_blocking);
	tcase_add_test(link_case, output_is_cut);
	tcase_add_loop_test(link_case, helper, 0, WAYS);
	tcase_add_loop_test(link_case, stopped_by_the_core, 0, WAYS);
	tcase_add_loop_test(link_case, neighbours, 0, WAYS);
	tcase_add_loop_test(link_case, link_closes, 0, WAYS);
	tcase_add_test(link_case, supervisor_gone);
	tcase_add_test(link_case, permits);
	tcase_add_test(link_case, permits_that_waited);
	tcase_add_test(link_case, units_that_waited);
	tcase_add_test(link_case, hosts_without_a_permit);
	tcase_add_test(link_case, shared_memory_is_read_only);
	suite_add_tcase(suite, link_case);

	tcase_set_timeout(load_case, 120);
	tcase_add_test(load_case, back_pressure);
	tcase_add_test(load_case, results_before_the_deadline);
	tcase_add_loop_test(load_case, many_units, 0, WAYS);
	suite_add_tcase(suite, load_case);

	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
