/* test_room.c - what fits, and what is kept for tasks of which nothing runs. */
#include <check.h>
#include <stdlib.h>

#include "sched/room.h"

static const struct room_limits limits = { .hosts = 200, .units = 40, .reserve = 5 };

/* Begins units of `hosts` of one task until there is no room; how many. */
static int fill(struct room *room, const struct room_limits *l, int64_t hosts)
{
	int units = 0;

	while (room_fit(room, l, hosts, false) == ROOM_COMMON) {
		room_add(room, false, hosts, 1);
		units++;
	}
	return units;
}

START_TEST(a_task_leaves_room_for_others)
{
	struct room room = { 0 };

	ck_assert_int_eq(fill(&room, &limits, 10), 19);
	ck_assert_int_eq(room_fit(&room, &limits, 10, false), ROOM_NONE);
	ck_assert_int_eq(room_fit(&room, &limits, 1, false), ROOM_NONE);
	ck_assert_int_eq(room_fit(&room, &limits, 10, true), ROOM_KEPT);
	ck_assert_int_eq(room_fit(&room, &limits, 11, true), ROOM_NONE);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(room_fit(&room, &limits, 1, true), ROOM_KEPT);
		room_add(&room, true, 1, 1);
	}
	ck_assert_int_eq(room_fit(&room, &limits, 1, true), ROOM_NONE);
	/* What runs in the kept room takes nothing of the common one. */
	room_add(&room, false, -10, -1);
	ck_assert_int_eq(room_fit(&room, &limits, 10, false), ROOM_COMMON);
	room_add(&room, false, 10, 1);
	room_add(&room, true, -10, -10);
	ck_assert_int_eq(room.kept_hosts, 0);
	ck_assert_int_eq(room_fit(&room, &limits, 10, true), ROOM_KEPT);
}
END_TEST

START_TEST(units_are_kept_as_hosts_are)
{
	struct room room = { 0 };
	const struct room_limits few = { .hosts = 10000, .units = 40, .reserve = 5 };

	ck_assert_int_eq(fill(&room, &few, 1), 38);
	ck_assert_int_eq(room_fit(&room, &few, 1, true), ROOM_KEPT);
	room_add(&room, true, 1, 1);
	room_add(&room, true, 1, 1);
	ck_assert_int_eq(room_fit(&room, &few, 1, true), ROOM_NONE);
}
END_TEST

START_TEST(large_units_waste_nothing)
{
	struct room room = { 0 };
	const struct room_limits two = { .hosts = 2000, .units = 512, .reserve = 5 };

	ck_assert_int_eq(fill(&room, &two, 1000), 2);
	ck_assert_int_eq(room_fit(&room, &two, 1, true), ROOM_NONE);
}
END_TEST

START_TEST(where_little_is_kept_nothing_is)
{
	struct room room = { 0 };
	const struct room_limits small = { .hosts = 12, .units = 4, .reserve = 5 };

	ck_assert_int_eq(fill(&room, &small, 3), 4);
	room = (struct room){ 0 };
	ck_assert_int_eq(fill(&room, &(struct room_limits){ .hosts = 100, .units = 100 }, 1), 100);
}
END_TEST

START_TEST(larger_than_all_of_it_runs_alone)
{
	struct room room = { 0 };

	ck_assert_int_eq(room_fit(&room, &limits, 5000, false), ROOM_COMMON);
	room_add(&room, false, 5000, 1);
	ck_assert_int_eq(room_fit(&room, &limits, 1, true), ROOM_NONE);
	room_add(&room, false, -4999, 0);
	ck_assert_int_eq(room_fit(&room, &limits, 5000, true), ROOM_NONE);
	ck_assert_int_eq(room_fit(&room, &limits, 100, false), ROOM_COMMON);
	/* No limit is one, too. */
	ck_assert_int_eq(fill(&(struct room){ 0 }, &(struct room_limits){ .units = 7, .reserve = 5 }, 100000), 7);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("room");
	TCase *tcase = tcase_create("room");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_task_leaves_room_for_others);
	tcase_add_test(tcase, units_are_kept_as_hosts_are);
	tcase_add_test(tcase, large_units_waste_nothing);
	tcase_add_test(tcase, where_little_is_kept_nothing_is);
	tcase_add_test(tcase, larger_than_all_of_it_runs_alone);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
