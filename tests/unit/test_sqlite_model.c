/*
 * test_sqlite_model.c - the embedded store against a model of it in plain C: thousands of random
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
	int attempt;
	int64_t incarnation;
};

struct model_task {
	int64_t key, base, hosts, unit_size, units;
	enum drover_task_state state;
	bool rerun, expired;
	bool touched;
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
static unsigned seed;
static struct drover_task_change told[TASKS];

static int64_t roll(int64_t sides)
{
	return rand_r(&seed) % sides;
}

/* ---------------------------------------------------------------------------------- the model's rules */

static int64_t unit_first(const struct model_task *t, int64_t unit)
{
	return unit * t->unit_size;
}

static int64_t unit_last(const struct model_task *t, int64_t unit)
{
	int64_t last = unit_first(t, unit) + t->unit_size - 1;

	return last < t->hosts ? last : t->hosts - 1;
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

static bool model_end(struct model_task *t, int64_t unit, enum drover_status begun, enum drover_status rest)
{
	struct model_unit *u = &t->unit[unit];
	bool again = running(t) && u->attempt < MAX_ATTEMPTS;
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
	return open;
}

/* --------------------------------------------------------------------------- the same on both sides */

static void do_submit(struct model_task *t)
{
	int64_t hosts = 1 + roll(HOSTS), unit_size = 1 + roll(12);
	char id[16];
	struct drover_task task;

	snprintf(id, sizeof(id), "t%d", ++submitted);
	task = store_task(id, hosts, unit_size);
	task.rerun_lost = roll(3) == 0;
	task.expires_at = roll(8) == 0;
	store_insert(&st, m.nodes[0], &task);
	WORKS(st.ops->accept(st.w, task.key, &err));
	*t = (struct model_task){ .key = task.key,
				  .base = task.host_base,
				  .hosts = hosts,
				  .unit_size = unit_size,
				  .units = task.units,
				  .state = DROVER_TASK_QUEUED,
				  .rerun = task.rerun_lost,
				  .expired = task.expires_at,
				  .touched = true };
}

static void do_claim(struct model_task *t, int64_t unit, int64_t incarnation)
{
	struct drover_claim claim = { .task_key = t->key, .unit = unit, .window = roll(3) ? 0 : 1 + roll(5) };
	struct model_unit *u = &t->unit[unit];
	bool expected = running(t) && !t->expired && u->state == DROVER_UNIT_READY && !m.ended[incarnation];

	WORKS(st.ops->claim(st.w, incarnation, &claim, 1, &err));
	ck_assert_int_eq(claim.claimed, expected);
	if (!expected)
		return;
	u->state = DROVER_UNIT_CLAIMED;
	u->attempt++;
	u->incarnation = incarnation;
	t->state = DROVER_TASK_RUNNING;
	ck_assert_int_eq(claim.attempt, u->attempt);
	ck_assert_int_eq(claim.first, unit_first(t, unit));
	begin_hosts(t, u, unit_first(t, unit), unit_last(t, unit), claim.window ? claim.window : ALL);
	settle(t);
}

static void do_intend(struct model_task *t, int64_t unit)
{
	struct model_unit *u = &t->unit[unit];
	int64_t first = unit_first(t, unit) + roll(unit_last(t, unit) - unit_first(t, unit) + 1);
	int64_t count = 1 + roll(unit_last(t, unit) - first + 1);
	struct drover_intent intent = { .task_key = t->key,
					.unit = unit,
					.incarnation = u->incarnation,
					.attempt = u->attempt - (roll(5) == 0),
					.first = first,
					.count = count };
	bool fenced = running(t) && u->state == DROVER_UNIT_CLAIMED && intent.attempt == u->attempt &&
		      !m.ended[u->incarnation];
	bool granted = false;

	WORKS(st.ops->intend(st.w, &intent, 1, &err));
	if (fenced)
		begin_hosts(t, u, first, first + count - 1, ALL);
	for (int64_t i = first; fenced && i < first + count; i++)
		granted = granted || t->host[i].status == DROVER_RUNNING;
	ck_assert_int_eq(intent.granted, granted);
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
	size_t count = 1 + (size_t)roll(6);
	int64_t size = unit_last(t, unit) - unit_first(t, unit) + 1;

	for (size_t i = 0; i < count; i++) {
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
			results[i].index += t->unit_size;
	}
	WORKS(st.ops->results(st.w, results, count, &err));
	for (size_t i = 0; i < count; i++) {
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
				       .max_attempts = MAX_ATTEMPTS };
	bool held = u->attempt == end.attempt && u->state != DROVER_UNIT_READY && u->incarnation;

	if (!u->incarnation)
		return;
	WORKS(st.ops->end_unit(st.w, &end, &err));
	ck_assert_int_eq(end.held, held);
	if (held && u->state == DROVER_UNIT_CLAIMED)
		ck_assert_int_eq(end.ready, model_end(t, unit, end.begun, end.rest));
}

static int no_row(void *context, const struct drover_unit_row *row)
{
	(void)row;
	(*(int *)context)++;
	return 0;
}

static void do_sweep(void)
{
	int expected = 0, seen = 0;
	bool more;

	for (int i = 0; i < TASKS; i++) {
		struct model_task *t = &m.tasks[i];

		for (int64_t unit = 0; unit < t->units; unit++) {
			if (t->unit[unit].state != DROVER_UNIT_CLAIMED || !m.ended[t->unit[unit].incarnation])
				continue;
			model_end(t, unit, t->rerun ? DROVER_PENDING : DROVER_LOST, DROVER_PENDING);
			expected++;
		}
	}
	WORKS(st.ops->sweep(st.w, MAX_ATTEMPTS, ALL, no_row, &seen, &more, &err));
	ck_assert_int_eq(seen, expected);
	ck_assert(!more);
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
	if (t->state != DROVER_TASK_CANCELLING) {
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

static bool step(void)
{
	struct model_task *t = &m.tasks[roll(TASKS)];
	int64_t unit = t->units ? roll(t->units) : 0;

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
	switch (roll(20)) {
	case 0 ... 4:
		do_claim(t, unit, m.nodes[roll(NODES)]);
		return true;
	case 5 ... 6:
		if (t->unit[unit].incarnation)
			do_intend(t, unit);
		return true;
	case 7 ... 15:
		if (t->unit[unit].attempt)
			do_results(t, unit);
		return true;
	case 16 ... 18:
		do_end(t, unit);
		return true;
	default:
		return roll(2) || do_cancel(t);
	}
}

START_TEST(random_operations_end_as_in_the_model)
{
	const char *steps = getenv("DROVER_TEST_STEPS"), *given = getenv("DROVER_TEST_SEED");
	int rounds = steps ? atoi(steps) : 3000;
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
	for (int i = 0; i < TASKS; i++) /* the last word on each is what a query says */
		if (m.tasks[i].key && told[i].task.key == m.tasks[i].key)
			ck_assert_int_eq(told[i].task.seq, store_get(&st, m.tasks[i].key).seq);
}
END_TEST

static void setup(void)
{
	store_open(&st);
}

static void teardown(void)
{
	store_close(&st);
}

int main(void)
{
	const TTest *const tests[] = { random_operations_end_as_in_the_model };

	return store_run("sqlite model", setup, teardown, tests, 1);
}
