/* test_ready.c - the order in which units are taken: priority, then round robin, what came back first. */
#include <check.h>
#include <stdlib.h>

#include "sched/ready.h"

/* The context is a task that does not fit, or NULL. */
static enum ready_fit all_but_one(void *context, struct ready_task *task)
{
	return context == task ? READY_NO_ROOM : READY_FITS;
}

static bool always(void *context, struct ready_task *waiting, struct ready_task *task)
{
	(void)context;
	(void)waiting;
	(void)task;
	return true;
}

/* Takes one unit and says which task it was of. */
static struct ready_task *take(struct ready_queue *queue, struct ready_task *blocked, int64_t *unit)
{
	const struct ready_rules rules = { .fits = all_but_one, .shares = always, .context = blocked };
	struct ready_task *task = NULL;

	return ready_take(queue, &rules, &task, unit) ? task : NULL;
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

/* An engine of so many hosts: each task's units have `size` hosts, on one of two executors. */
struct sized {
	struct ready_task ready; /* first */
	int size, executor;
	bool down;
};

struct room {
	int free;       /* of the node */
	int limited[2]; /* of each executor */
};

static enum ready_fit by_size(void *context, struct ready_task *task)
{
	const struct sized *sized = (const struct sized *)task;
	const struct room *room = context;

	if (sized->down)
		return READY_NOT_NOW;
	return sized->size <= room->free && sized->size <= room->limited[sized->executor] ? READY_FITS : READY_NO_ROOM;
}

static bool same_room(void *context, struct ready_task *waiting, struct ready_task *task)
{
	const struct sized *w = (const struct sized *)waiting, *t = (const struct sized *)task;
	const struct room *room = context;

	return w->size > room->free || w->executor == t->executor;
}

static struct sized *take_sized(struct ready_queue *queue, struct room *room)
{
	const struct ready_rules rules = { .fits = by_size, .shares = same_room, .context = room };
	struct ready_task *task = NULL;
	int64_t unit;

	if (!ready_take(queue, &rules, &task, &unit))
		return NULL;
	room->free -= ((struct sized *)task)->size;
	room->limited[((struct sized *)task)->executor] -= ((struct sized *)task)->size;
	return (struct sized *)task;
}

/* Small units end one by one and new ones are always there: first fit alone would never run the large one. */
START_TEST(a_large_unit_is_not_starved)
{
	struct ready_queue queue = { 0 };
	struct sized large = { .size = 80 }, small = { .size = 10 }, other = { .size = 10 };
	struct room room = { .free = 100, .limited = { 1000, 1000 } };
	struct sized *running[20] = { NULL };
	int count = 0, turns = 0;

	ready_add(&queue, &small.ready, 50, 0, 1000);
	ready_add(&queue, &other.ready, 50, 0, 1000);
	while ((running[count] = take_sized(&queue, &room)))
		count++;
	ck_assert_int_eq(count, 10);
	ready_add(&queue, &large.ready, 50, 0, 2);
	for (; turns < 100 && room.free >= 0; turns++) {
		struct sized *next;

		if (count) { /* the oldest ends */
			room.free += running[0]->size;
			room.limited[0] += running[0]->size;
			for (int i = 1; i < count; i++)
				running[i - 1] = running[i];
			count--;
		}
		while ((next = take_sized(&queue, &room)) && next != &large)
			running[count++] = next;
		if (next == &large)
			break;
	}
	ck_assert_int_lt(turns, 3 * READY_PATIENCE); /* one turn of its ring's three */
	ck_assert_int_ge(turns, READY_PATIENCE);     /* until then nothing was left unused */
	/* It has had its turn: room is not kept any more. */
	ck_assert_ptr_null(queue.reserved);
	ck_assert_ptr_ne(take_sized(&queue, &room), &large);
	ready_drop(&queue, &large.ready);
}
END_TEST

static void pass_over_often(struct ready_queue *queue, struct room *room, struct sized *by, int turns)
{
	for (int i = 0; i < turns; i++) {
		ck_assert_ptr_eq(take_sized(queue, room), by);
		room->free += by->size;
		room->limited[by->executor] += by->size;
	}
}

START_TEST(room_is_not_kept_from_what_is_more_urgent)
{
	struct ready_queue queue = { 0 };
	struct sized large = { .size = 80 }, urgent = { .size = 10 }, small = { .size = 10 };
	struct room room = { .free = 50, .limited = { 1000, 1000 } };

	ready_add(&queue, &small.ready, 50, 0, 1000);
	ready_add(&queue, &large.ready, 50, 0, 1);
	pass_over_often(&queue, &room, &small, READY_PATIENCE + 1);
	ck_assert_ptr_null(take_sized(&queue, &room));
	ready_add(&queue, &urgent.ready, 51, 0, 1);
	ck_assert_ptr_eq(take_sized(&queue, &room), &urgent);
	ck_assert_ptr_null(take_sized(&queue, &room));
	/* What is gone keeps nothing. */
	ready_drop(&queue, &large.ready);
	ck_assert_ptr_eq(take_sized(&queue, &room), &small);
}
END_TEST

START_TEST(room_is_kept_only_where_it_would_help)
{
	struct ready_queue queue = { 0 };
	struct sized large = { .size = 80, .executor = 1 }, small = { .size = 10, .executor = 1 };
	struct sized elsewhere = { .size = 10, .executor = 0 };
	struct room room = { .free = 500, .limited = { 1000, 50 } };

	ready_add(&queue, &small.ready, 50, 0, 1000);
	ready_add(&queue, &large.ready, 50, 0, 1);
	pass_over_often(&queue, &room, &small, READY_PATIENCE + 1);
	ck_assert_ptr_null(take_sized(&queue, &room));
	ready_add(&queue, &elsewhere.ready, 50, 0, 1); /* the room of another executor is not what it lacks */
	ck_assert_ptr_eq(take_sized(&queue, &room), &elsewhere);
	large.down = true; /* it could not be run, however much room there were */
	ck_assert_ptr_eq(take_sized(&queue, &room), &small);
}
END_TEST

START_TEST(what_is_parked_is_not_looked_at)
{
	struct ready_queue queue = { 0 };
	struct ready_task parked = { 0 }, other = { 0 };
	int64_t unit;

	ready_add(&queue, &parked, 50, 0, 2);
	ready_add(&queue, &other, 50, 0, 2);
	ready_park(&queue, &parked, true);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &other);
	ready_return(&queue, &parked, 7); /* stays where it is */
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &other);
	ck_assert_ptr_null(take(&queue, NULL, &unit));
	ck_assert_int_eq(queue.units, 3);
	ready_park(&queue, &parked, false);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &parked);
	ck_assert_int_eq(unit, 7);
	ready_park(&queue, &parked, true);
	ready_drop(&queue, &parked);
	ready_park(&queue, &parked, false);
	ck_assert_ptr_null(take(&queue, NULL, &unit));
	ck_assert_int_eq(queue.units, 0);
}
END_TEST

START_TEST(a_wave_adds_fresh_units)
{
	struct ready_queue queue = { 0 };
	struct ready_task task = { 0 };
	int64_t unit;

	ready_add(&queue, &task, 50, 0, 1);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &task);
	ck_assert_ptr_null(take(&queue, NULL, &unit));
	ready_open(&queue, &task, 2);
	ck_assert_int_eq(queue.units, 2);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &task);
	ck_assert_int_eq(unit, 1);
	ck_assert_ptr_eq(take(&queue, NULL, &unit), &task);
	ck_assert_int_eq(unit, 2);
	ck_assert_ptr_null(take(&queue, NULL, &unit));
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
	tcase_add_test(tests, a_large_unit_is_not_starved);
	tcase_add_test(tests, room_is_not_kept_from_what_is_more_urgent);
	tcase_add_test(tests, room_is_kept_only_where_it_would_help);
	tcase_add_test(tests, a_wave_adds_fresh_units);
	tcase_add_test(tests, what_is_parked_is_not_looked_at);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
