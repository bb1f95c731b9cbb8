/*
 * test_store_writers.c - several nodes write at once, each what comes to its mind: claims, intents, results, ends,
 * sweeps, expulsions, cancels, new lives. What they were told, put together, is what the store has in the end; and
 * who follows the feeds meanwhile sees all of it, in order.
 *
 * DROVER_TEST_SEED and DROVER_TEST_STEPS choose another walk; several at once never repeat one exactly.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "store_fixture.h"

enum { WRITERS = 4, TASKS = 12, HOSTS = 24, UNIT = 4, UNITS = HOSTS / UNIT, ATTEMPTS = 64 };

static struct store st;

/* What was told to somebody after a commit. */
static struct {
	int64_t keys[TASKS];
	atomic_int claims[TASKS][UNITS][ATTEMPTS]; /* how often that attempt was granted */
	atomic_int written[TASKS][HOSTS];          /* results that were taken */
	atomic_int status[TASKS][HOSTS];           /* of the last of them */
	atomic_int writing, expelled, retried, cancelled, swept, refused;
	atomic_bool done;
} told;

/* A unit that a writer holds, or held. */
struct holding {
	int task;
	int64_t unit, incarnation;
	int attempt;
};

struct writer {
	pthread_t thread;
	int number;
	unsigned seed;
	int steps;
	struct drover_session *s;
	int64_t incarnation;
	struct holding held[16];
	int held_count;
	char trouble[sizeof(err.message) + 40];
	struct drover_error why;

	/* Of the transaction, to be told when it is committed. */
	struct drover_claim claims[4];
	struct drover_result results[8];
	int claim_count, result_count;
	bool cancelled, expelled;
};

struct follower {
	pthread_t thread;
	struct drover_session *s;
	int64_t seq, task_seq;
	int rows, tasks;
	bool seen[TASKS][HOSTS];
	int attempts[TASKS][UNITS];
	char trouble[sizeof(err.message) + 40];
};

static struct writer writers[WRITERS];
static struct follower follower;

static void setup(void)
{
	memset(&told, 0, sizeof(told));
	memset(writers, 0, sizeof(writers));
	memset(&follower, 0, sizeof(follower));
	store_open(&st);
}

static void teardown(void)
{
	store_close(&st);
}

static int64_t roll(struct writer *w, int64_t sides)
{
	return rand_r(&w->seed) % sides;
}

static int task_of(int64_t key)
{
	for (int i = 0; i < TASKS; i++)
		if (told.keys[i] == key)
			return i;
	return -1;
}

/* ------------------------------------------------------------------------------ what a writer does */

static int do_claim(struct writer *w)
{
	struct drover_claim *claim = &w->claims[w->claim_count];
	int code;

	if (w->claim_count == 4)
		return 0;
	*claim = (struct drover_claim){ .task_key = told.keys[roll(w, TASKS)],
					.unit = roll(w, UNITS),
					.window = roll(w, 3) };
	code = st.ops->claim(w->s, w->incarnation, claim, 1, &w->why);
	if (!code && claim->claimed)
		w->claim_count++;
	else if (!code)
		atomic_fetch_add(&told.refused, 1);
	return code;
}

static const struct holding *some_holding(struct writer *w)
{
	return w->held_count ? &w->held[roll(w, w->held_count)] : NULL;
}

static int do_intend(struct writer *w)
{
	const struct holding *h = some_holding(w);
	struct drover_intent intent;

	if (!h)
		return 0;
	intent = (struct drover_intent){ .task_key = told.keys[h->task],
					 .unit = h->unit,
					 .incarnation = h->incarnation,
					 .attempt = h->attempt,
					 .first = h->unit * UNIT,
					 .count = UNIT };
	return st.ops->intend(w->s, &intent, 1, &w->why);
}

static int do_result(struct writer *w)
{
	const struct holding *h = some_holding(w);
	struct drover_result *r = &w->results[w->result_count];

	if (!h || w->result_count == 8)
		return 0;
	*r = (struct drover_result){ .task_key = told.keys[h->task],
				     .unit = h->unit,
				     .incarnation = h->incarnation,
				     .attempt = h->attempt,
				     .index = h->unit * UNIT + roll(w, UNIT),
				     .status = (enum drover_status)(DROVER_OK + roll(w, 3)),
				     .report = { .out = roll(w, 2) ? "the same" : "another" } };
	w->result_count++;
	return st.ops->results(w->s, r, 1, &w->why);
}

static int do_end(struct writer *w)
{
	const struct holding *h = some_holding(w);
	struct drover_unit_end end;

	if (!h)
		return 0;
	end = (struct drover_unit_end){ .task_key = told.keys[h->task],
					.unit = h->unit,
					.incarnation = h->incarnation,
					.attempt = h->attempt,
					.begun = roll(w, 2) ? DROVER_PENDING : DROVER_LOST,
					.rest = DROVER_PENDING,
					.excused = true,
					.max_attempts = ATTEMPTS };
	return st.ops->end_unit(w->s, &end, &w->why);
}

static int do_publish(struct writer *w)
{
	struct drover_publication some[6];

	for (int i = 0; i < 6; i++)
		some[i] = (struct drover_publication){ .task_key = told.keys[roll(w, TASKS)], .unit = roll(w, UNITS) };
	return st.ops->published(w->s, some, 6, &w->why);
}

struct lease {
	int64_t incarnation, renewed_at;
};

static int take_lease(void *context, const struct drover_incarnation_row *row)
{
	struct lease *lease = context;

	if (!row->ended_at && (!lease->incarnation || row->incarnation < lease->incarnation))
		*lease = (struct lease){ row->incarnation, row->renewed_at };
	return 0;
}

/* The oldest that lives; be it its own. */
static int do_expel(struct writer *w)
{
	struct lease lease = { 0 };
	bool ended = false;
	int code = st.ops->nodes(w->s, take_lease, &lease, &w->why);

	if (!code && lease.incarnation)
		code = st.ops->expel(w->s, lease.incarnation, lease.renewed_at, &ended, &w->why);
	w->expelled = w->expelled || ended;
	return code;
}

static int do_sweep(struct writer *w)
{
	bool more;

	atomic_fetch_add(&told.swept, 1);
	return st.ops->sweep(w->s, ATTEMPTS, 5, NULL, NULL, &more, &w->why);
}

static int do_cancel(struct writer *w)
{
	int code = st.ops->cancel(w->s, told.keys[roll(w, TASKS)], "no longer wanted", &w->why);

	w->cancelled = w->cancelled || !code;
	return code;
}

static int do_advance(struct writer *w)
{
	struct drover_advance advance = { .size = sizeof(advance), .task_key = told.keys[roll(w, TASKS)] };

	return st.ops->advance(w->s, &advance, &w->why);
}

static int do_expire(struct writer *w)
{
	bool more;

	return st.ops->expire(w->s, 2, &more, &w->why);
}

/* ------------------------------------------------------------------------------------ its steps */

static void hold(struct writer *w, const struct drover_claim *claim)
{
	struct holding *h = &w->held[w->held_count < 16 ? w->held_count++ : roll(w, 16)];
	int task = task_of(claim->task_key);

	*h = (struct holding){ task, claim->unit, w->incarnation, claim->attempt };
	if (claim->attempt < ATTEMPTS)
		atomic_fetch_add(&told.claims[task][claim->unit][claim->attempt], 1);
}

static void note_commit(struct writer *w)
{
	for (int i = 0; i < w->claim_count; i++)
		hold(w, &w->claims[i]);
	for (int i = 0; i < w->result_count; i++) {
		const struct drover_result *r = &w->results[i];

		if (r->outcome != DROVER_WRITTEN)
			continue;
		atomic_fetch_add(&told.written[task_of(r->task_key)][r->index], 1);
		atomic_store(&told.status[task_of(r->task_key)][r->index], (int)r->status);
	}
	atomic_fetch_add(&told.cancelled, w->cancelled);
	atomic_fetch_add(&told.expelled, w->expelled);
}

static int do_one(struct writer *w)
{
	switch (roll(w, 40)) {
	case 0 ... 11:
		return do_claim(w);
	case 12 ... 15:
		return do_intend(w);
	case 16 ... 27:
		return do_result(w);
	case 28 ... 30:
		return do_end(w);
	case 31 ... 33:
		return do_publish(w);
	case 34:
		return roll(w, 2) ? do_expel(w) : 0;
	case 35 ... 36:
		return do_sweep(w);
	case 37:
		return roll(w, 20) ? 0 : do_cancel(w);
	case 38:
		return do_advance(w);
	default:
		return do_expire(w);
	}
}

static int begin_life(struct writer *w)
{
	char name[16];
	int code = st.ops->begin(w->s, &w->why);

	snprintf(name, sizeof(name), "w%d", w->number);
	if (!code)
		code = st.ops->incarnate(w->s, name, "1", &w->incarnation, &w->why);
	if (!code)
		code = st.ops->commit(w->s, NULL, NULL, &w->why);
	return code;
}

/* In a transaction of its own, as a core's lease does; with others it may come to a deadlock, which ends one of them. */
static int renew(struct writer *w)
{
	struct drover_renewal renewal = { .size = sizeof(renewal), .incarnation = w->incarnation };
	int code = st.ops->begin(w->s, &w->why);

	if (!code)
		code = st.ops->renew(w->s, &renewal, &w->why);
	if (!code && roll(w, 4) == 0)
		code = roll(w, 2) ? do_sweep(w) : do_expel(w);
	if (!code)
		return st.ops->commit(w->s, NULL, NULL, &w->why);
	if (code != DROVER_ECONFLICT)
		return code;
	st.ops->rollback(w->s);
	return begin_life(w);
}

static int transact(struct writer *w)
{
	int64_t operations = 1 + roll(w, 4);
	int code = st.ops->begin(w->s, &w->why);

	w->claim_count = w->result_count = 0;
	w->cancelled = w->expelled = false;
	while (!code && operations--)
		code = do_one(w);
	if (!code)
		code = st.ops->commit(w->s, NULL, NULL, &w->why);
	if (!code)
		note_commit(w);
	return code;
}

static void *walk(void *arg)
{
	struct writer *w = arg;
	int code = 0;

	while (!code && w->steps-- > 0) {
		code = !w->incarnation ? begin_life(w) : roll(w, 8) ? transact(w) : renew(w);
		if (!code)
			continue;
		st.ops->rollback(w->s);
		atomic_fetch_add(&told.retried, code == DROVER_ERETRY);
		/* ECONFLICT: a task that was to be cancelled has ended. */
		if (code == DROVER_ERETRY || code == DROVER_ECONFLICT)
			code = 0;
	}
	if (code)
		snprintf(w->trouble, sizeof(w->trouble), "%d: %s", code, w->why.message);
	st.ops->session_close(w->s);
	atomic_fetch_sub(&told.writing, 1);
	return NULL;
}

/* --------------------------------------------------------------------------------- who reads meanwhile */

static int follow_row(void *context, const struct drover_result_row *row)
{
	struct follower *f = context;
	int task = task_of(row->task_key);
	int64_t index = atoll(row->host + 1);

	if (row->seq <= f->seq || f->seen[task][index])
		snprintf(f->trouble, sizeof(f->trouble), "host %s of task %d came with seq %" PRId64 " after %" PRId64,
			 row->host, task, row->seq, f->seq);
	f->seen[task][index] = true;
	f->seq = row->seq;
	f->rows++;
	return 0;
}

static int follow_task(void *context, const struct drover_task *task)
{
	struct follower *f = context;
	int64_t sum = 0;

	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		sum += task->counts[i];
	if (sum != task->hosts || task->seq <= f->task_seq)
		snprintf(f->trouble, sizeof(f->trouble),
			 "task %s: %" PRId64 " hosts, counts of %" PRId64 ", seq %" PRId64 " after %" PRId64, task->id,
			 task->hosts, sum, task->seq, f->task_seq);
	f->task_seq = task->seq;
	f->tasks++;
	return 0;
}

static int follow_unit(void *context, const struct drover_unit_row *row)
{
	struct follower *f = context;
	int *attempt = &f->attempts[task_of(row->task_key)][row->unit];
	int64_t open = row->counts[DROVER_PENDING] + row->counts[DROVER_RUNNING];

	if (row->attempt < *attempt || (open == 0) != (row->state == DROVER_UNIT_DONE) ||
	    (row->state == DROVER_UNIT_READY && row->counts[DROVER_RUNNING]))
		snprintf(f->trouble, sizeof(f->trouble),
			 "unit %" PRId64 ": state %d, attempt %d after %d, %" PRId64 " open", row->unit, row->state,
			 row->attempt, *attempt, open);
	*attempt = row->attempt;
	return 0;
}

static void *follow(void *arg)
{
	struct drover_result_filter rows = { .size = sizeof(rows), .feed = true, .limit = 30 };
	struct drover_task_filter tasks = { .size = sizeof(tasks), .feed = true, .limit = 5 };
	struct follower *f = arg;
	struct drover_error why = { .code = 0 };
	bool last;
	int code = st.ops->session_open(st.self, DROVER_SESSION_READ, &f->s, &why);

	do {
		last = atomic_load(&told.done);
		if (code == DROVER_ERETRY) /* its connection was ended */
			code = 0;
		do {
			rows.since_seq = f->seq;
			code = code ? code : st.ops->results_query(f->s, &rows, follow_row, f, &why);
		} while (!code && f->seq != rows.since_seq);
		tasks.since_seq = f->task_seq;
		code = code ? code : st.ops->tasks(f->s, &tasks, follow_task, f, &why);
		for (int i = 0; !code && i < TASKS; i++)
			code = st.ops->units(f->s, told.keys[i], -1, 0, follow_unit, f, &why);
	} while ((!code && !last) || code == DROVER_ERETRY);
	if (code)
		snprintf(f->trouble, sizeof(f->trouble), "%s", why.message);
	if (f->s)
		st.ops->session_close(f->s);
	return NULL;
}

/* ------------------------------------------------------------------------------------------- the test */

static void submit_all(void)
{
	static const char *const keys[] = { NULL, NULL, "blue" };
	struct drover_task task;
	char id[16];

	for (int i = 0; i < TASKS; i++) {
		snprintf(id, sizeof(id), "t%d", i);
		task = store_task(id, HOSTS, UNIT);
		task.fanout = i % 4 == 1 ? 6 : 0;
		task.rerun_lost = i % 2;
		task.concurrency_key = keys[i % 3];
		task.home = i % 5 == 4 ? "w1" : NULL;
		task.max_failed_as = i == 5 ? DROVER_THRESHOLD_HOSTS : DROVER_THRESHOLD_NONE;
		task.max_failed = 5;
		store_submit(&st, &task);
		told.keys[i] = task.key;
	}
}

/* Nobody holds anything any more, and all tasks end. */
static void end_all(void)
{
	struct lease lease = { 0 };
	bool more = true, ended;

	for (;; lease.incarnation = 0) {
		WORKS(st.ops->nodes(st.w, take_lease, &lease, &err));
		if (!lease.incarnation)
			break;
		store_begin(&st);
		WORKS(st.ops->expel(st.w, lease.incarnation, lease.renewed_at, &ended, &err));
		store_commit(&st);
	}
	while (more) {
		store_begin(&st);
		WORKS(st.ops->sweep(st.w, ATTEMPTS, 7, NULL, NULL, &more, &err));
		store_commit(&st);
	}
	for (int i = 0; i < TASKS; i++) {
		if (drover_task_state_is_final(store_get(&st, told.keys[i]).state))
			continue;
		store_begin(&st);
		WORKS(st.ops->cancel(st.w, told.keys[i], "the end", &err));
		store_commit(&st);
	}
}

static int check_result(void *context, const struct drover_result_row *row)
{
	int task = task_of(row->task_key);
	int64_t index = atoll(row->host + 1);
	int written = atomic_load(&told.written[task][index]);

	ck_assert(drover_status_is_final(row->status));
	ck_assert_msg(written <= 1, "host %" PRId64 " of task %d was written %d times", index, task, written);
	if (written)
		ck_assert_int_eq(row->status, atomic_load(&told.status[task][index]));
	else
		ck_assert(row->status == DROVER_LOST || row->status == DROVER_CANCELLED);
	(*(int *)context)++;
	return 0;
}

static void check_told(void)
{
	struct drover_result_filter filter = { .size = sizeof(filter) };
	int claims = 0, rows = 0;

	for (int t = 0; t < TASKS; t++) {
		for (int u = 0; u < UNITS; u++)
			for (int a = 0; a < ATTEMPTS; a++) {
				ck_assert_int_le(atomic_load(&told.claims[t][u][a]), 1);
				claims += atomic_load(&told.claims[t][u][a]);
			}
		ck_assert(drover_task_state_is_final(store_verify(&st, told.keys[t]).state));
		filter.task_key = told.keys[t];
		WORKS(st.ops->results_query(st.w, &filter, check_result, &rows, &err));
	}
	ck_assert_int_eq(rows, TASKS * HOSTS);
	printf("%d claims, %d refused; expelled %d, cancelled %d, swept %d, again %d\n", claims,
	       atomic_load(&told.refused), atomic_load(&told.expelled), atomic_load(&told.cancelled),
	       atomic_load(&told.swept), atomic_load(&told.retried));
	ck_assert_int_gt(claims, TASKS);
	if (st.kind != STORE_SQLITE)
		ck_assert_int_gt(atomic_load(&told.retried), 0);
	ck_assert_int_gt(atomic_load(&told.expelled), 0);
}

/* A server's connections are ended now and then, in the midst of whatever they do. */
static void disturb(void)
{
	struct timespec pause = { .tv_nsec = 150000000 };
	char answer[64];

	while (st.kind != STORE_SQLITE && atomic_load(&told.writing)) {
		nanosleep(&pause, NULL);
		store_server("KILL HARD CONNECTION USER drover", answer, sizeof(answer));
	}
}

START_TEST(what_several_writers_were_told_is_what_there_is)
{
	const char *steps = getenv("DROVER_TEST_STEPS"), *given = getenv("DROVER_TEST_SEED");
	unsigned seed = given ? (unsigned)atoi(given) : 7;

	printf("seed %u\n", seed);
	submit_all();
	atomic_store(&told.writing, WRITERS);
	ck_assert_int_eq(pthread_create(&follower.thread, NULL, follow, &follower), 0);
	for (int i = 0; i < WRITERS; i++) {
		writers[i].number = i;
		writers[i].seed = seed + (unsigned)i * 1000;
		writers[i].steps = steps ? atoi(steps) : 250;
		WORKS(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &writers[i].s, &err));
	}
	for (int i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, walk, &writers[i]), 0);
	disturb();
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(writers[i].thread, NULL);
		ck_assert_str_eq(writers[i].trouble, "");
	}
	st.ops->rollback(st.w);
	if (st.ops->begin(st.w, &err)) /* its connection, too, was ended */
		ck_assert_int_eq(err.code, DROVER_ERETRY);
	st.ops->rollback(st.w);
	end_all();
	atomic_store(&told.done, true);
	pthread_join(follower.thread, NULL);
	ck_assert_str_eq(follower.trouble, "");
	check_told();
	ck_assert_int_eq(follower.rows, TASKS * HOSTS);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { what_several_writers_were_told_is_what_there_is };

	return store_run_both("store, several writers", setup, teardown, tests, 1);
}
