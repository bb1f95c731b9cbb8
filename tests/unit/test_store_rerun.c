/*
 * test_store_rerun.c - hosts that are to be begun again after an attempt without a result: what is said of those that
 * never are.
 */
#include "store_fixture.h"

enum {
	AGAIN,
	BEFORE,
	NEVER,
	HOSTS
}; /* in the order of their indexes: begun twice, in the first attempt only, not at all */

static struct store st;
static struct drover_task task;

/* A unit of which two hosts are begun; then its process dies. */
static void setup(void)
{
	store_open(&st);
	task = store_task("t", HOSTS, HOSTS);
	task.rerun_lost = true;
	store_submit(&st, &task);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 2), 1);
}

static void teardown(void)
{
	store_close(&st);
}

static struct drover_unit_end end_of(int attempt)
{
	return (struct drover_unit_end){ .task_key = task.key,
					 .incarnation = st.incarnation,
					 .attempt = attempt,
					 .begun = DROVER_PENDING,
					 .rest = DROVER_PENDING,
					 .remote = DROVER_REMOTE_UNKNOWN,
					 .message = "killed" };
}

static void die(void)
{
	ck_assert(store_end(&st, end_of(1)).ready);
}

/* The next attempt, which comes to the first host only. */
static void begin_one(void)
{
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 1), 2);
}

static enum drover_status status(int64_t index)
{
	return store_row(&st, task.key, index).row.status;
}

static void is_lost(int64_t index, const char *why)
{
	struct host_row row = store_row(&st, task.key, index);

	ck_assert_int_eq(row.row.status, DROVER_LOST);
	ck_assert_int_eq(row.row.remote, DROVER_REMOTE_UNKNOWN);
	ck_assert_ptr_nonnull(strstr(row.message, "begun in an attempt that brought no result, and not again: "));
	ck_assert_ptr_nonnull(strstr(row.message, why));
	ck_assert_int_eq(store_verify(&st, task.key).without_intent, 0);
}

START_TEST(a_host_that_waits_says_when_it_was_begun)
{
	struct host_row before, never;

	die();
	before = store_row(&st, task.key, BEFORE);
	never = store_row(&st, task.key, NEVER);
	ck_assert_int_eq(before.row.status, DROVER_PENDING);
	ck_assert_int_eq(before.row.attempt, 1);
	ck_assert_int_gt(before.row.started_at, 0);
	ck_assert_int_eq(never.row.attempt, 0);
	ck_assert_int_eq(never.row.started_at, 0);
}
END_TEST

START_TEST(a_cancelled_task_loses_what_was_begun)
{
	die();
	store_begin(&st);
	WORKS(st.ops->cancel(st.w, task.key, "enough", &err));
	store_commit(&st);
	is_lost(AGAIN, "cancelled before it was started: enough");
	is_lost(BEFORE, "cancelled before it was started: enough");
	ck_assert_int_eq(status(NEVER), DROVER_CANCELLED);
	ck_assert_int_eq(st.changed.counts[DROVER_LOST], 2);
	ck_assert_int_eq(st.changed.counts[DROVER_CANCELLED], 1);
	ck_assert_int_eq(st.changed.state, DROVER_TASK_CANCELLED);
}
END_TEST

START_TEST(a_unit_that_ends_loses_what_was_begun_before)
{
	struct drover_unit_end end = end_of(2);

	die();
	begin_one();
	end.begun = end.rest = DROVER_TIMEOUT;
	end.message = "its deadline";
	store_end(&st, end);
	ck_assert_int_eq(status(AGAIN), DROVER_TIMEOUT);
	is_lost(BEFORE, "its deadline");
	ck_assert_int_eq(status(NEVER), DROVER_TIMEOUT);
}
END_TEST

START_TEST(the_last_attempt_loses_what_was_begun_before)
{
	struct drover_unit_end end = end_of(2);

	die();
	begin_one();
	store_end(&st, end);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 1), MAX_ATTEMPTS);
	end.attempt = MAX_ATTEMPTS;
	store_end(&st, end);
	ck_assert_int_eq(status(AGAIN), DROVER_LOST);
	is_lost(BEFORE, "not started after 3 attempts (limits.attempts); the last: killed");
	ck_assert_int_eq(status(NEVER), DROVER_FAILED);
}
END_TEST

/* As executors report hosts that they have not come to. */
START_TEST(a_host_that_is_given_up_unbegun_is_lost)
{
	struct drover_result result = { .task_key = task.key,
					.incarnation = st.incarnation,
					.attempt = 2,
					.index = BEFORE,
					.status = DROVER_TIMEOUT,
					.report = { .phase = DROVER_PHASE_WAITING, .message = "not begun" } };

	die();
	begin_one();
	store_begin(&st);
	WORKS(st.ops->results(st.w, &result, 1, &err));
	store_commit(&st);
	ck_assert_int_eq(result.outcome, DROVER_WRITTEN);
	ck_assert_int_eq(result.status, DROVER_LOST);
	is_lost(BEFORE, "not begun");
	ck_assert_int_eq(store_row(&st, task.key, BEFORE).row.attempt, 1);
	result.index = NEVER;
	result.status = DROVER_TIMEOUT;
	ck_assert_int_eq(store_result(&st, result), DROVER_WRITTEN);
	ck_assert_int_eq(status(NEVER), DROVER_TIMEOUT);
}
END_TEST

START_TEST(a_result_of_the_next_attempt_is_the_truth)
{
	struct drover_result result = store_result_of(&task, st.incarnation, AGAIN);

	die();
	begin_one();
	result.attempt = 2;
	ck_assert_int_eq(store_result(&st, result), DROVER_WRITTEN);
	ck_assert_int_eq(status(AGAIN), DROVER_OK);
	ck_assert_int_eq(store_row(&st, task.key, AGAIN).row.remote, DROVER_REMOTE_NONE);
}
END_TEST

/* A process that could not be started has touched nobody: nothing of it is lost, however often; what was begun before is. */
START_TEST(attempts_that_touch_nobody_lose_nobody)
{
	struct drover_unit_end end = end_of(1);

	end.remote = DROVER_REMOTE_NONE;
	for (int attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
		if (attempt > 1)
			ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 2), attempt);
		end.attempt = attempt;
		end = store_end(&st, end);
	}
	for (int64_t index = 0; index < HOSTS; index++) {
		ck_assert_int_eq(status(index), DROVER_FAILED);
		ck_assert_int_eq(store_row(&st, task.key, index).row.attempt, 0);
	}
}
END_TEST

START_TEST(begun_once_it_is_lost_though_nothing_could_be_started_since)
{
	struct drover_unit_end end = end_of(2);

	die();
	end.remote = DROVER_REMOTE_NONE;
	for (int attempt = 2; attempt <= MAX_ATTEMPTS; attempt++) {
		ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), attempt);
		end.attempt = attempt;
		end = store_end(&st, end);
	}
	is_lost(AGAIN, "not started after 3 attempts");
	is_lost(BEFORE, "not started after 3 attempts");
	ck_assert_int_eq(status(NEVER), DROVER_FAILED);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_host_that_waits_says_when_it_was_begun,
		a_cancelled_task_loses_what_was_begun,
		a_unit_that_ends_loses_what_was_begun_before,
		the_last_attempt_loses_what_was_begun_before,
		a_host_that_is_given_up_unbegun_is_lost,
		a_result_of_the_next_attempt_is_the_truth,
		attempts_that_touch_nobody_lose_nobody,
		begun_once_it_is_lost_though_nothing_could_be_started_since,
	};

	return store_run_both("store, again", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
