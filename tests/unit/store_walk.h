/*
 * store_walk.h - operations with random arguments, each done to a store and to the model of it; what the store answers
 * must be what the model says.
 */
#ifndef TESTS_STORE_WALK_H
#define TESTS_STORE_WALK_H

#include "unit/store_model.h"

static struct store st;
static int submitted;
static unsigned seed;

static inline int64_t roll(int64_t sides)
{
	return rand_r(&seed) % sides;
}

/* Waves and units of random sizes; a unit never straddles the border of a wave. */
static inline void make_units(struct model_task *t)
{
	bool waves = roll(2);
	int64_t first = 0;

	for (t->units = 0; first < t->hosts; t->units++) {
		struct drover_unit_spec *spec = &t->unit[t->units].spec;
		int64_t left = t->hosts - first, size = 1 + roll(t->unit_size);

		if (waves && t->units && roll(2) == 0)
			t->waves++;
		*spec = (struct drover_unit_spec){ .first = first,
						   .count = size < left ? size : left,
						   .wave = t->waves };
		first += spec->count;
	}
	t->waves++;
}

static inline void make_thresholds(struct model_task *t, struct drover_task *task)
{
	static const char *const keys[] = { NULL, "blue", "green" };

	t->concurrency_key = roll(3) ? 0 : 1 + (int)roll(2);
	t->fanout = roll(2) ? 1 + roll(5) : 0;
	t->max_failed_as = roll(2) ? DROVER_THRESHOLD_NONE : (enum drover_threshold)roll(3);
	t->max_failed = t->max_failed_as == DROVER_THRESHOLD_HOSTS ? roll(20) : roll(9000);
	task->concurrency_key = keys[t->concurrency_key];
	task->fanout = t->fanout;
	task->max_failed_as = t->max_failed_as;
	task->max_failed = t->max_failed;
}

static inline void do_submit(struct model_task *t)
{
	struct drover_unit_spec units[HOSTS];
	char id[16];
	struct drover_task task;

	*t = (struct model_task){ .hosts = 1 + roll(HOSTS),
				  .unit_size = 1 + roll(12),
				  .state = DROVER_TASK_QUEUED,
				  .rerun = roll(3) == 0,
				  .expired = roll(12) == 0,
				  .touched = true };
	snprintf(id, sizeof(id), "t%d", ++submitted);
	task = store_task(id, t->hosts, t->unit_size);
	make_units(t);
	make_thresholds(t, &task);
	for (int64_t i = 0; i < t->units; i++)
		units[i] = t->unit[i].spec;
	task.units = t->units;
	task.waves = t->waves;
	task.rerun_lost = t->rerun;
	task.expires_at = t->expired;
	store_insert_split(&st, m.nodes[0], &task, units);
	WORKS(st.ops->accept(st.w, task.key, &err));
	t->key = task.key;
	t->base = task.host_base;
}

static inline void do_claim(struct model_task *t, int64_t unit, int64_t incarnation)
{
	struct drover_claim claim = { .task_key = t->key, .unit = unit, .window = roll(2) ? 0 : 1 + roll(2) };
	struct model_unit *u = &t->unit[unit];
	bool may = running(t) && !t->expired && u->state == DROVER_UNIT_READY && !m.ended[incarnation];
	bool later = may && (u->spec.wave > t->wave || room(t) <= 0 || waits_for_key(t));
	int64_t window = claim.window ? claim.window : ALL;

	WORKS(st.ops->claim(st.w, incarnation, &claim, 1, &err));
	ck_assert_int_eq(claim.claimed, may && !later);
	ck_assert_int_eq(claim.later, later);
	seen_often.wave += later && u->spec.wave > t->wave;
	seen_often.fanout += later && room(t) <= 0;
	seen_often.key += later && waits_for_key(t);
	if (!may || later)
		return;
	u->state = DROVER_UNIT_CLAIMED;
	u->attempt++;
	u->incarnation = incarnation;
	t->state = DROVER_TASK_RUNNING;
	ck_assert_int_eq(claim.attempt, u->attempt);
	ck_assert_int_eq(claim.first, unit_first(t, unit));
	ck_assert_int_eq(claim.excused, u->excused);
	begin_hosts(t, u, unit_first(t, unit), unit_last(t, unit), window < room(t) ? window : room(t));
	settle(t);
}

static inline void do_intend(struct model_task *t, int64_t unit)
{
	struct model_unit *u = &t->unit[unit];
	int64_t first = unit_first(t, unit) + (roll(2) ? 0 : roll(unit_last(t, unit) - unit_first(t, unit) + 1));
	int64_t hosts = 1 + roll(unit_last(t, unit) - first + 1);
	struct drover_intent intent = { .task_key = t->key,
					.unit = unit,
					.incarnation = u->incarnation,
					.attempt = u->attempt - (roll(5) == 0),
					.first = first,
					.count = hosts };
	bool fenced = running(t) && u->state == DROVER_UNIT_CLAIMED && intent.attempt == u->attempt &&
		      !m.ended[u->incarnation];
	bool granted = false, later = false;
	int64_t last = first - 1;

	WORKS(st.ops->intend(st.w, &intent, 1, &err));
	while (fenced && !later && last < first + hosts - 1) {
		later = t->host[last + 1].status == DROVER_PENDING && room(t) <= 0;
		if (later)
			break;
		last++;
		begin_hosts(t, u, last, last, ALL);
		granted = granted || t->host[last].status == DROVER_RUNNING;
	}
	ck_assert_int_eq(intent.granted, granted);
	ck_assert_int_eq(intent.granted_count, granted ? last - first + 1 : 0);
	ck_assert_int_eq(intent.later, later);
	seen_often.partial += granted && later;
	settle(t);
}

static inline void do_results(struct model_task *t, int64_t unit)
{
	struct model_unit *u = &t->unit[unit];
	struct drover_result results[6];
	size_t number = 1 + (size_t)roll(6);
	int64_t size = unit_last(t, unit) - unit_first(t, unit) + 1;

	for (size_t i = 0; i < number; i++) {
		results[i] = (struct drover_result){
			.task_key = t->key,
			.unit = unit,
			.incarnation = u->incarnation,
			.attempt = u->attempt,
			.index = unit_first(t, unit) + roll(size),
			.status = (enum drover_status)(2 + roll(5)),
			.report = { .out = roll(2) ? "same" : NULL, .has_rc = roll(2), .rc = 3, .message = "said" }
		};
		if (roll(6) == 0)
			results[i].attempt--;
		if (roll(12) == 0)
			results[i].incarnation = m.nodes[roll(NODES)];
		if (roll(12) == 0)
			results[i].index += size;
	}
	WORKS(st.ops->results(st.w, results, number, &err));
	for (size_t i = 0; i < number; i++) {
		if (results[i].index > unit_last(t, unit))
			ck_assert_int_eq(results[i].outcome, DROVER_FOREIGN);
		else
			ck_assert_int_eq(results[i].outcome, model_result(t, &results[i]));
	}
}

static inline void do_end(struct model_task *t, int64_t unit)
{
	static const enum drover_status begun[] = { DROVER_PENDING, DROVER_LOST, DROVER_TIMEOUT, DROVER_FAILED };
	static const enum drover_status rest[] = { DROVER_PENDING, DROVER_TIMEOUT, DROVER_CANCELLED, DROVER_PENDING };
	struct model_unit *u = &t->unit[unit];
	struct drover_unit_end end = { .task_key = t->key,
				       .unit = unit,
				       .incarnation = u->incarnation,
				       .attempt = u->attempt - (roll(6) == 0),
				       .begun = begun[roll(4)],
				       .rest = rest[roll(4)],
				       .remote = roll(2) ? DROVER_REMOTE_UNKNOWN : DROVER_REMOTE_NONE,
				       .excused = roll(4) == 0,
				       .max_attempts = MAX_ATTEMPTS };
	bool held = u->attempt == end.attempt && u->state != DROVER_UNIT_READY && u->incarnation;

	if (!u->incarnation)
		return;
	WORKS(st.ops->end_unit(st.w, &end, &err));
	ck_assert_int_eq(end.held, held);
	if (!held || u->state != DROVER_UNIT_CLAIMED)
		return;
	u->excused += end.excused;
	ck_assert_int_eq(end.ready, model_end(t, unit, end.begun, end.rest, end.remote));
}

static inline int no_row(void *context, const struct drover_unit_row *row)
{
	(void)row;
	(*(int *)context)++;
	return 0;
}

struct held {
	struct model_task *task;
	int64_t unit, incarnation;
};

/* The store's order: by incarnation, task, unit. One may abort its task, which decides the next one's fate. */
static inline int by_holder(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->incarnation != y->incarnation)
		return x->incarnation < y->incarnation ? -1 : 1;
	if (x->task->key != y->task->key)
		return x->task->key < y->task->key ? -1 : 1;
	return x->unit < y->unit ? -1 : 1;
}

static inline void do_sweep(void)
{
	struct held held[TASKS * HOSTS];
	int expected = 0, seen = 0;
	bool more;

	for (int i = 0; i < TASKS; i++) {
		struct model_task *t = &m.tasks[i];

		for (int64_t unit = 0; unit < t->units; unit++)
			if (t->unit[unit].state == DROVER_UNIT_CLAIMED && m.ended[t->unit[unit].incarnation])
				held[expected++] = (struct held){ t, unit, t->unit[unit].incarnation };
	}
	qsort(held, (size_t)expected, sizeof(*held), by_holder);
	for (int i = 0; i < expected; i++)
		if (held[i].task->unit[held[i].unit].state == DROVER_UNIT_CLAIMED)
			model_end(held[i].task, held[i].unit, held[i].task->rerun ? DROVER_PENDING : DROVER_LOST,
				  DROVER_PENDING, DROVER_REMOTE_UNKNOWN);
	WORKS(st.ops->sweep(st.w, MAX_ATTEMPTS, ALL, no_row, &seen, &more, &err));
	ck_assert_int_eq(seen, expected);
	ck_assert(!more);
}

/* Compare-and-set of the next wave, sometimes by somebody who is behind. */
static inline void do_advance(struct model_task *t)
{
	struct drover_advance advance = { .size = sizeof(advance),
					  .task_key = t->key,
					  .wave = t->wave - (roll(4) == 0) };
	bool expected = wave_is_over(t) && advance.wave == t->wave;
	int64_t units = 0, first = 0;

	WORKS(st.ops->advance(st.w, &advance, &err));
	ck_assert_int_eq(advance.advanced, expected);
	if (!expected)
		return;
	seen_often.advanced++;
	t->wave++;
	t->wave_base = bad(t);
	for (int64_t unit = 0; unit < t->units; unit++) {
		first += t->unit[unit].spec.wave < t->wave;
		units += t->unit[unit].spec.wave == t->wave;
	}
	ck_assert_int_eq(advance.first_unit, first);
	ck_assert_int_eq(advance.unit_count, units);
	settle(t);
}

static inline void do_incarnate(void)
{
	int64_t node = roll(NODES), incarnation;
	char name[24];

	snprintf(name, sizeof(name), "n%" PRId64, node);
	WORKS(st.ops->incarnate(st.w, name, "1", &incarnation, &err));
	ck_assert_int_lt(incarnation, INCARNATIONS);
	m.ended[m.nodes[node]] = true;
	m.nodes[node] = incarnation;
	m.ended[incarnation] = false;
}

static inline void do_expire(void)
{
	bool more;

	WORKS(st.ops->expire(st.w, ALL, &more, &err));
	for (int i = 0; i < TASKS; i++)
		if (running(&m.tasks[i]) && m.tasks[i].expired)
			end_pending(&m.tasks[i], DROVER_EXPIRED);
}

/* False: refused, and the transaction is to be rolled back. */
static inline bool do_cancel(struct model_task *t)
{
	int code = st.ops->cancel(st.w, t->key, "why", &err);

	if (drover_task_state_is_final(t->state)) {
		ck_assert_int_eq(code, DROVER_ECONFLICT);
		return false;
	}
	ck_assert_int_eq(code, 0);
	if (t->state != DROVER_TASK_CANCELLING && t->state != DROVER_TASK_ABORTING) {
		t->state = DROVER_TASK_CANCELLING;
		end_pending(t, DROVER_CANCELLED);
	}
	return true;
}

static inline void do_retain(void)
{
	bool more = true;

	while (more)
		WORKS(st.ops->retain(st.w, INT64_MAX, 1 + roll(50), &more, &err));
	for (int i = 0; i < TASKS; i++)
		if (drover_task_state_is_final(m.tasks[i].state))
			m.tasks[i] = (struct model_task){ .key = 0 };
}

#endif
