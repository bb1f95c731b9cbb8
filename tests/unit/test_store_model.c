/*
 * test_store_model.c - a store against a model of it in plain C: thousands of random
 * operations, in transactions that are committed or rolled back; after each commit every count, state
 * and status of the touched tasks must be the model's.
 *
 * DROVER_TEST_SEED and DROVER_TEST_STEPS choose another walk; the seed is printed with a failure.
 */
#include "unit/store_walk.h"

static struct drover_task_change told[TASKS];

/* Whatever the walk, these hold. */
static void check_bounds(const struct model_task *t, const struct drover_task *task)
{
	int active = 0;

	if (t->fanout)
		ck_assert_int_le(task->counts[DROVER_RUNNING], t->fanout);
	for (int64_t i = 0; i < t->hosts; i++) {
		if (t->wave && i < wave_end(t, t->wave - 1))
			ck_assert(drover_status_is_final(t->host[i].status));
		if (i >= wave_end(t, t->wave))
			ck_assert_int_eq(t->host[i].attempt, 0);
	}
	for (int i = 0; t->concurrency_key && i < TASKS; i++)
		if (m.tasks[i].key && m.tasks[i].concurrency_key == t->concurrency_key)
			active += count(&m.tasks[i], DROVER_RUNNING) > 0;
	ck_assert_int_le(active, 1);
}

static void compare_thresholds(const struct model_task *t, const struct drover_task *task)
{
	ck_assert_int_eq(task->waves, t->waves);
	ck_assert_int_eq(task->wave, t->wave);
	ck_assert_int_eq(task->wave_hosts, wave_hosts(t));
	ck_assert_int_eq(task->next_wave_at != 0, wave_is_over(t));
	ck_assert_int_eq(task->reason != NULL, t->state >= DROVER_TASK_CANCELLING && t->state != DROVER_TASK_DONE);
	ck_assert_int_eq(task->waiting_for != NULL, running(t) && waits_for_key(t));
	check_bounds(t, task);
}

static void compare(struct model_task *t)
{
	int64_t counts[DROVER_STATUS_COUNT] = { 0 }, done = 0;
	static struct host_row rows[HOSTS];
	struct drover_task task = store_get(&st, t->key);

	for (int64_t i = 0; i < t->hosts; i++)
		counts[t->host[i].status]++;
	for (int64_t unit = 0; unit < t->units; unit++)
		done += t->unit[unit].state == DROVER_UNIT_DONE;
	ck_assert_int_eq(task.state, t->state);
	ck_assert_int_eq(task.units_done, done);
	ck_assert_mem_eq(task.counts, counts, sizeof(counts));
	compare_thresholds(t, &task);
	ck_assert_mem_eq(store_verify(&st, t->key).counted, counts, sizeof(counts));
	ck_assert_int_eq(store_rows(&st, st.w, (struct drover_result_filter){ .task_key = t->key }, rows, HOSTS),
			 t->hosts);
	for (int64_t i = 0; i < t->hosts; i++) {
		ck_assert_int_eq(rows[i].row.status, t->host[i].status);
		ck_assert_int_eq(rows[i].row.attempt, t->host[i].attempt);
		ck_assert_int_eq(rows[i].late[0] != '\0', t->host[i].late);
		ck_assert_int_le(rows[i].row.seq, task.seq);
	}
	for (int64_t unit = 0; unit < t->units; unit++) {
		struct drover_unit_row row = store_unit(&st, t->key, unit);

		ck_assert_int_eq(row.state, t->unit[unit].state);
		ck_assert_int_eq(row.attempt, t->unit[unit].attempt);
		ck_assert_int_eq(row.incarnation, t->unit[unit].incarnation);
		ck_assert_int_eq(row.wave, t->unit[unit].spec.wave);
	}
}

/* What a commit tells of a task is what the model has. */
static int take_change(void *context, const struct drover_task_change *change)
{
	(void)context;
	for (int i = 0; i < TASKS; i++) {
		if (m.tasks[i].key != change->task.key)
			continue;
		ck_assert_int_eq(change->task.state, m.tasks[i].state);
		ck_assert(m.tasks[i].touched);
		told[i] = *change;
	}
	return 0;
}

/* Mostly one that something can happen to: chance alone seldom comes to the end of a wave. */
static int64_t choose_unit(const struct model_task *t)
{
	int64_t unit = roll(t->units);

	for (int i = 0; i < 12 && roll(12); i++) {
		if (t->unit[unit].spec.wave <= t->wave && t->unit[unit].state != DROVER_UNIT_DONE)
			break;
		unit = roll(t->units);
	}
	return unit;
}

static bool step(void)
{
	struct model_task *t = &m.tasks[roll(TASKS)];
	int64_t unit = t->units ? choose_unit(t) : 0;

	switch (roll(100)) {
	case 0 ... 3:
		do_incarnate();
		return true;
	case 4 ... 8:
		do_sweep();
		return true;
	case 9 ... 10:
		do_expire();
		return true;
	case 11:
		do_retain();
		return true;
	default:
		break;
	}
	if (!t->key) {
		do_submit(t);
		return true;
	}
	if (wave_is_over(t) && roll(2)) {
		do_advance(t);
		return true;
	}
	switch (roll(24)) {
	case 20 ... 22:
		if (t->unit[unit].incarnation)
			do_intend(t, unit);
		return true;
	case 0 ... 4:
		do_claim(t, unit, m.nodes[roll(NODES)]);
		return true;
	case 5 ... 6:
		if (t->unit[unit].incarnation)
			do_intend(t, unit);
		return true;
	case 7 ... 14:
		if (t->unit[unit].attempt)
			do_results(t, unit);
		return true;
	case 15:
		do_advance(t);
		return true;
	case 16 ... 18:
		do_end(t, unit);
		return true;
	default:
		return roll(4) || do_cancel(t);
	}
}

START_TEST(random_operations_end_as_in_the_model)
{
	const char *steps = getenv("DROVER_TEST_STEPS"), *given = getenv("DROVER_TEST_SEED");
	/* A server takes its time for each. */
	int rounds = steps ? atoi(steps) : st.kind == STORE_SQLITE ? 4000 : 500;
	static struct model before;

	seed = given ? (unsigned)atoi(given) : 20240611;
	printf("seed %u\n", seed);
	m.nodes[0] = store_incarnate(&st, "n0");
	m.nodes[1] = store_incarnate(&st, "n1");
	m.nodes[2] = store_incarnate(&st, "n2");
	for (int round = 0; round < rounds; round++) {
		bool keep = roll(8) != 0;

		before = m;
		for (int i = 0; i < TASKS; i++)
			m.tasks[i].touched = false;
		store_begin(&st);
		for (int64_t n = 1 + roll(5); n; n--) {
			if (!step()) {
				keep = false;
				break;
			}
		}
		if (keep) {
			WORKS(st.ops->commit(st.w, take_change, NULL, &err));
		} else {
			st.ops->rollback(st.w);
			m = before;
		}
		for (int i = 0; i < TASKS; i++)
			if (m.tasks[i].key && (m.tasks[i].touched || round % 50 == 0))
				compare(&m.tasks[i]);
	}
	printf("aborted %d, waves %d, refused by fanout %d, wave %d, key %d, in part %d, lost as begun before %d\n",
	       seen_often.aborted, seen_often.advanced, seen_often.fanout, seen_often.wave, seen_often.key,
	       seen_often.partial, seen_often.before);
	if (rounds >= 4000) {
		ck_assert_int_gt(seen_often.aborted, 5);
		ck_assert_int_gt(seen_often.advanced, 5);
		ck_assert_int_gt(seen_often.fanout, 5);
		ck_assert_int_gt(seen_often.wave, 5);
		ck_assert_int_gt(seen_often.key, 5);
		ck_assert_int_gt(seen_often.partial, 5);
		ck_assert_int_gt(seen_often.before, 5);
	}
	for (int i = 0; i < TASKS; i++) /* the last word on each is what a query says */
		if (m.tasks[i].key && told[i].task.key == m.tasks[i].key)
			ck_assert_int_eq(told[i].task.seq, store_get(&st, m.tasks[i].key).seq);
}
END_TEST

static void setup(void)
{
	memset(&m, 0, sizeof(m));
	memset(told, 0, sizeof(told));
	memset(&seen_often, 0, sizeof(seen_often));
	store_open(&st);
}

static void teardown(void)
{
	store_close(&st);
}

int main(void)
{
	const TTest *const tests[] = { random_operations_end_as_in_the_model };

	return store_run_both("store model", setup, teardown, tests, 1);
}
