/* test_ready.c - the order in which units are taken: priority, then round robin, what came back first. */
#include <check.h>
#include <stdlib.h>

#include "sched/ready.h"

static bool always(void *context, struct ready_task *task)
{
	return context != task; /* the context is a task that does not fit, or NULL */
}

/* Takes one unit and says which task it was of. */
static struct ready_task *take(struct ready_queue *queue, struct ready_task *blocked, int64_t *unit)
{
	struct ready_task *task = NULL;

	return ready_take(queue, always, blocked, &task, unit) ? task : NULL;
}

START_TEST(round_robin)
{
	struct ready_queue queue = { 0 };
	struct ready_task big = { 0 }, small = { 0 };
	int64_t unit;

	ready_add(&queue, &big, 50, 0, 1000);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &big);
	ready_add(&queue, &small, 50, 0, 2);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &big);
	ck_assert_int_eq(unit, 1);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &small);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &big);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &small);
	ck_assert_int_eq(unit, 1);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &big);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &big);
	ck_assert_int_eq(queue.units, 1000 - 5);
	ready_drop(&queue, &big);
	ck_assert_int_eq(queue.units, 0);
	ck_assert_ptr_null(take(&queue, NULL, &unit));
}
END_TEST

START_TEST(priority_first)
{
	struct ready_queue queue = { 0 };
	struct ready_task low = { 0 }, high = { 0 };
	int64_t unit;

	ready_add(&queue, &low, 1, 0, 2);
	ready_add(&queue, &high, 100, 0, 1);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &high);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &low);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &low);
	ck_assert_ptr_null(take(&queue, NULL, &unit));
}
END_TEST

START_TEST(returned_units)
{
	struct ready_queue queue = { 0 };
	struct ready_task task = { 0 };
	int64_t unit;

	ready_add(&queue, &task, 50, 7, 7); /* found at the start: none is fresh */
	ck_assert_ptr_null(take(&queue, NULL, &unit));
	ready_return(&queue, &task, 3);
	ck_assert_int_eq(ready_count(&task), 1);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &task);
	ck_assert_int_eq(unit, 3);
	ck_assert_int_eq(ready_count(&task), 0);
	ready_return(&queue, &task, 4);
	ready_drop(&queue, &task);
	ck_assert_ptr_null(take(&queue, NULL, &unit));
}
END_TEST

START_TEST(what_does_not_fit_waits)
{
	struct ready_queue queue = { 0 };
	struct ready_task full = { 0 }, other = { 0 };
	int64_t unit;

	ready_add(&queue, &full, 90, 0, 1);
	ready_add(&queue, &other, 10, 0, 1);
	ck_assert_ptr_eq(take(&queue, &full, &unit), &other);
	ck_assert_ptr_null(take(&queue, &full, &unit));
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &full);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ready");
	TCase *tests = tcase_create("order");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, round_robin);
	tcase_add_test(tests, priority_first);
	tcase_add_test(tests, returned_units);
	tcase_add_test(tests, what_does_not_fit_waits);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
