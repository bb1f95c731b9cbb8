/*
 * test_store_model.c - a store against a model of it in plain C: thousands of random
 * operations, in transactions that are committed or rolled back; after each commit every count, state
 * and status of the touched tasks must be the model's.
 *
 * DROVER_TEST_SEED and DROVER_TEST_STEPS choose another walk; the seed is printed with a failure.
 */
#include "store_fixture.h"

enum { TASKS = 8, HOSTS = 40, NODES = 3, INCARNATIONS = 4096 };

struct model_host {
	enum drover_status status;
	int attempt; /* of its intent or result; 0: none */
	int64_t incarnation;
	bool late;
};

struct model_unit {
	enum drover_unit_state state;
	int attempt, excused;
	int64_t incarnation;
	struct drover_unit_spec spec;
};

struct model_task {
	int64_t key, base, hosts, unit_size, units;
	enum drover_task_state state;
	bool rerun, expired;
	bool touched;
	int64_t fanout;
	enum drover_threshold max_failed_as;
	int64_t max_failed;
	int concurrency_key; /* 0: none */
	int64_t waves, wave;
	int64_t wave_base; /* bad hosts when it was opened */
	struct model_host host[HOSTS];
	struct model_unit unit[HOSTS];
};

struct model {
	struct model_task tasks[TASKS];
	int64_t nodes[NODES]; /* the living incarnation */
	bool ended[INCARNATIONS];
};

static struct store st;
static struct model m;
static int submitted;
/* How often the walk has come to what is rare: a walk that does not says nothing about it. */
static struct {
	int aborted, advanced, fanout, wave, key, partial;
} seen_often;
static unsigned seed;
static struct drover_task_change told[TASKS];

static int64_t roll(int64_t sides)
{
	return rand_r(&seed) % sides;
}

/* ---------------------------------------------------------------------------------- the model's rules */

static int64_t unit_first(const struct model_task *t, int64_t unit)
{
	return t->unit[unit].spec.first;
}

static int64_t unit_last(const struct model_task *t, int64_t unit)
{
	return unit_first(t, unit) + t->unit[unit].spec.count - 1;
}

static int64_t count(const struct model_task *t, enum drover_status status)
{
	int64_t n = 0;

	for (int64_t i = 0; i < t->hosts; i++)
		n += t->host[i].status == status;
	return n;
}

static int64_t bad(const struct model_task *t)
{
	return count(t, DROVER_FAILED) + count(t, DROVER_UNREACHABLE) + count(t, DROVER_TIMEOUT) +
	       count(t, DROVER_LOST);
}

static int64_t room(const struct model_task *t)
{
	return t->fanout ? t->fanout - count(t, DROVER_RUNNING) : ALL;
}

/* Hosts of the waves up to `wave`. */
static int64_t wave_end(const struct model_task *t, int64_t wave)
{
	int64_t end = 0;

	for (int64_t unit = 0; unit < t->units; unit++)
		if (t->unit[unit].spec.wave <= wave)
			end = unit_last(t, unit) + 1;
	return end;
}

static int64_t wave_hosts(const struct model_task *t)
{
	return wave_end(t, t->wave) - (t->wave ? wave_end(t, t->wave - 1) : 0);
}

/* All hosts of the open waves are final, and there is a next one. */
static bool wave_is_over(const struct model_task *t)
{
	for (int64_t i = 0; i < wave_end(t, t->wave); i++)
		if (!drover_status_is_final(t->host[i].status))
			return false;
	return t->state == DROVER_TASK_RUNNING && t->wave + 1 < t->waves;
}

static bool waits_for_key(const struct model_task *t)
{
	for (int i = 0; t->concurrency_key && i < TASKS; i++)
		if (m.tasks[i].key && m.tasks[i].key < t->key && m.tasks[i].concurrency_key == t->concurrency_key &&
		    !drover_task_state_is_final(m.tasks[i].state))
			return true;
	return false;
}

static bool running(const struct model_task *t)
{
	return t->state == DROVER_TASK_QUEUED || t->state == DROVER_TASK_RUNNING;
}

/* Units and the task follow from their hosts. */
static void settle(struct model_task *t)
{
	bool all = true;

	t->touched = true;
	for (int64_t unit = 0; unit < t->units; unit++) {
		bool done = true;

		for (int64_t i = unit_first(t, unit); i <= unit_last(t, unit); i++)
			done = done && drover_status_is_final(t->host[i].status);
		if (done)
			t->unit[unit].state = DROVER_UNIT_DONE;
		all = all && done;
	}
	if (all && running(t))
		t->state = DROVER_TASK_DONE;
	if (all && t->state == DROVER_TASK_CANCELLING)
		t->state = DROVER_TASK_CANCELLED;
	if (all && t->state == DROVER_TASK_ABORTING)
		t->state = DROVER_TASK_ABORTED;
}

static void begin_hosts(struct model_task *t, struct model_unit *u, int64_t first, int64_t last, int64_t window)
{
	for (int64_t i = first; i <= last; i++) {
		if (t->host[i].status != DROVER_PENDING || !window)
			continue;
		t->host[i].status = DROVER_RUNNING;
		t->host[i].attempt = u->attempt;
		t->host[i].incarnation = u->incarnation;
		window--;
	}
}

static void end_pending(struct model_task *t, enum drover_status status)
{
	for (int64_t i = 0; i < t->hosts; i++)
		if (t->host[i].status == DROVER_PENDING)
			t->host[i].status = status;
	settle(t);
}

/* After each host that ended: too many bad ones abort the task. */
static bool check_threshold(struct model_task *t)
{
	bool exceeded = false;

	if (t->max_failed_as == DROVER_THRESHOLD_HOSTS)
		exceeded = bad(t) > t->max_failed;
	else if (t->max_failed_as == DROVER_THRESHOLD_PERCENT)
		exceeded = (bad(t) - t->wave_base) * 10000 > t->max_failed * wave_hosts(t);
	/* In the store a task ends when the transaction is written; here it may have, with this very host. */
	if (!exceeded || (t->state != DROVER_TASK_RUNNING && t->state != DROVER_TASK_DONE))
		return false;
	t->state = DROVER_TASK_ABORTING;
	seen_often.aborted++;
	end_pending(t, DROVER_CANCELLED);
	return true;
}

static bool model_end(struct model_task *t, int64_t unit, enum drover_status begun, enum drover_status rest)
{
	struct model_unit *u = &t->unit[unit];
	bool again = running(t) && u->attempt - u->excused < MAX_ATTEMPTS;
	bool open = false;

	if (begun == DROVER_PENDING && !again)
		begun = DROVER_LOST;
	if (rest == DROVER_PENDING && !again)
		rest = running(t) ? DROVER_FAILED : DROVER_CANCELLED;
	for (int64_t i = unit_first(t, unit); i <= unit_last(t, unit); i++) {
		struct model_host *h = &t->host[i];

		if (h->status == DROVER_PENDING)
			h->status = rest;
		else if (h->status == DROVER_RUNNING)
			h->status = begun;
		if (h->status == DROVER_PENDING)
			*h = (struct model_host){ .late = h->late };
		open = open || h->status == DROVER_PENDING;
	}
	if (open) {
		u->state = DROVER_UNIT_READY;
		u->incarnation = 0;
	}
	settle(t);
	return !check_threshold(t) && open;
}

/* --------------------------------------------------------------------------- the same on both sides */

/* Waves and units of random sizes; a unit never straddles the border of a wave. */
static void make_units(struct model_task *t)
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

static void make_thresholds(struct model_task *t, struct drover_task *task)
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

static void do_submit(struct model_task *t)
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

static void do_claim(struct model_task *t, int64_t unit, int64_t incarnation)
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

static void do_intend(struct model_task *t, int64_t unit)
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

static enum drover_outcome model_result(struct model_task *t, const struct drover_result *r)
{
	struct model_unit *u = &t->unit[r->unit];
	struct model_host *h = &t->host[r->index];
	bool holds = u->attempt == r->attempt && u->incarnation == r->incarnation;
	bool own = h->attempt == r->attempt && h->incarnation == r->incarnation;

	if (holds && u->state == DROVER_UNIT_CLAIMED && !drover_status_is_final(h->status)) {
		h->status = r->status;
		h->attempt = r->attempt;
		h->incarnation = r->incarnation;
		settle(t);
		check_threshold(t);
		return DROVER_WRITTEN;
	}
	if ((holds || own) && drover_status_is_final(h->status) && h->status != DROVER_LOST)
		return DROVER_REPEATED;
	h->late = true;
	return DROVER_LATE;
}

static void do_results(struct model_task *t, int64_t unit)
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

static void do_end(struct model_task *t, int64_t unit)
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
	ck_assert_int_eq(end.ready, model_end(t, unit, end.begun, end.rest));
}

static int no_row(void *context, const struct drover_unit_row *row)
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
static int by_holder(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->incarnation != y->incarnation)
		return x->incarnation < y->incarnation ? -1 : 1;
	if (x->task->key != y->task->key)
		return x->task->key < y->task->key ? -1 : 1;
	return x->unit < y->unit ? -1 : 1;
}

static void do_sweep(void)
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
				  DROVER_PENDING);
	WORKS(st.ops->sweep(st.w, MAX_ATTEMPTS, ALL, no_row, &seen, &more, &err));
	ck_assert_int_eq(seen, expected);
	ck_assert(!more);
}

/* Compare-and-set of the next wave, sometimes by somebody who is behind. */
static void do_advance(struct model_task *t)
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

static void do_incarnate(void)
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

static void do_expire(void)
{
	bool more;

	WORKS(st.ops->expire(st.w, ALL, &more, &err));
	for (int i = 0; i < TASKS; i++)
		if (running(&m.tasks[i]) && m.tasks[i].expired)
			end_pending(&m.tasks[i], DROVER_EXPIRED);
}

/* False: refused, and the transaction is to be rolled back. */
static bool do_cancel(struct model_task *t)
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

static void do_retain(void)
{
	bool more = true;

	while (more)
		WORKS(st.ops->retain(st.w, INT64_MAX, 1 + roll(50), &more, &err));
	for (int i = 0; i < TASKS; i++)
		if (drover_task_state_is_final(m.tasks[i].state))
			m.tasks[i] = (struct model_task){ .key = 0 };
}

/* ------------------------------------------------------------------------------------- comparing */

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
	printf("aborted %d, waves %d, refused by fanout %d, wave %d, key %d, in part %d\n", seen_often.aborted,
	       seen_often.advanced, seen_often.fanout, seen_often.wave, seen_often.key, seen_often.partial);
	if (rounds >= 4000) {
		ck_assert_int_gt(seen_often.aborted, 5);
		ck_assert_int_gt(seen_often.advanced, 5);
		ck_assert_int_gt(seen_often.fanout, 5);
		ck_assert_int_gt(seen_often.wave, 5);
		ck_assert_int_gt(seen_often.key, 5);
		ck_assert_int_gt(seen_often.partial, 5);
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
