/* test_outbox.c - which units are published, in which order and how many, against a store and a dispatcher of tables. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "sched/outbox.h"

#define UNITS 64

/* One task each; all under `lock`, since the outbox and the writer have threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static struct {
	int64_t engine_hosts, engine_units; /* 0: no engine lives */
	int64_t accepted_by;                /* of the tasks in `orphans` */
	struct drover_task orphans[4];
	size_t orphan_count;
	int64_t due_task, due_unit;  /* 0: none is due */
	int64_t queued, rare_queued; /* of the executor sim, and of rare */
	const char *executors;       /* that the engine announces */
	size_t marked;
	struct drover_publication marks[UNITS];
	int64_t wave_units; /* that advance opens */
	bool away;
} store;

static struct {
	size_t count;
	struct drover_dispatch units[UNITS];
	bool full;
	int code; /* of the reports */
	bool silent;
} sent;

static struct outbox *box;

static int begin(struct drover_session *s, struct drover_error *err)
{
	(void)s;
	(void)err;
	return 0;
}

static int commit(struct drover_session *s, drover_change_fn *change, void *context, struct drover_error *err)
{
	(void)s;
	(void)change;
	(void)context;
	(void)err;
	return 0;
}

static void rollback(struct drover_session *s)
{
	(void)s;
}

static int session_open(void *self, enum drover_session_mode mode, struct drover_session **session,
			struct drover_error *err)
{
	(void)self;
	(void)mode;
	(void)err;
	*session = (struct drover_session *)&store;
	return 0;
}

static void session_close(struct drover_session *session)
{
	(void)session;
}

static int nodes(struct drover_session *s, drover_incarnation_fn *fn, void *context, struct drover_error *err)
{
	struct drover_incarnation_row own = { .incarnation = 7, .node = "me", .node_is = { .dispatches = true } };
	struct drover_incarnation_row engine = { .incarnation = 9, .node = "eng" };
	bool away;

	(void)s;
	pthread_mutex_lock(&lock);
	away = store.away;
	engine.node_is = (struct drover_announcement){ .pools = "other default",
						       .state = "up",
						       .capacity_hosts = store.engine_hosts,
						       .capacity_units = store.engine_units,
						       .executors = store.executors };
	pthread_mutex_unlock(&lock);
	if (away)
		return drover_error_set(err, DROVER_ERETRY, "away");
	fn(context, &own);
	if (engine.node_is.capacity_units)
		fn(context, &engine);
	return 0;
}

static int tasks(struct drover_session *s, const struct drover_task_filter *filter, drover_task_fn *fn, void *context,
		 struct drover_error *err)
{
	(void)s;
	(void)filter;
	(void)err;
	for (size_t i = 0; i < store.orphan_count; i++)
		fn(context, &store.orphans[i]);
	return 0;
}

static int queued(struct drover_session *s, drover_queued_fn *fn, void *context, struct drover_error *err)
{
	struct drover_queued sim = { .size = sizeof(sim), .pool = "default", .executor = "sim" };
	struct drover_queued rare = { .size = sizeof(rare), .pool = "default", .executor = "rare" };

	(void)s;
	(void)err;
	pthread_mutex_lock(&lock);
	sim.units = store.queued;
	rare.units = store.rare_queued;
	pthread_mutex_unlock(&lock);
	fn(context, &sim);
	return fn(context, &rare);
}

static int envelopes(struct drover_session *s, int64_t task_key, int64_t first, int64_t limit,
		     int (*fn)(void *context, int64_t unit, struct drover_bytes envelope), void *context,
		     struct drover_error *err)
{
	(void)s;
	(void)err;
	ck_assert_int_gt(task_key, 0);
	for (int64_t i = 0; i < limit; i++)
		fn(context, first + i, (struct drover_bytes){ "envelope", 8 });
	return 0;
}

static int due_units(struct drover_session *s, const struct drover_due_filter *filter, drover_due_fn *fn, void *context,
		     struct drover_error *err)
{
	struct drover_due_unit unit = {
		.size = sizeof(unit), .pool = "default", .task = "t", .executor = "sim", .publications = 3
	};

	(void)s;
	(void)err;
	ck_assert(filter->due);
	pthread_mutex_lock(&lock);
	unit.task_key = store.due_task;
	unit.unit = store.due_unit;
	pthread_mutex_unlock(&lock);
	unit.envelope = (struct drover_bytes){ "envelope", 8 };
	return unit.task_key ? fn(context, &unit) : 0;
}

static int published(struct drover_session *s, const struct drover_publication *publications, size_t count,
		     struct drover_error *err)
{
	(void)s;
	(void)err;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count && store.marked < UNITS; i++) {
		store.marks[store.marked++] = publications[i];
		store.queued += publications[i].task_key != store.due_task;
	}
	store.due_task = 0;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return 0;
}

static int advance(struct drover_session *s, struct drover_advance *a, struct drover_error *err)
{
	(void)s;
	(void)err;
	a->advanced = true;
	a->unit_count = store.wave_units;
	return 0;
}

static int task(struct drover_session *s, const char *id, int64_t key, drover_task_fn *fn, void *context,
		struct drover_error *err)
{
	const struct drover_task row = { .key = key,
					 .state = DROVER_TASK_RUNNING,
					 .pool = "default",
					 .executor = "sim",
					 .waves = 2,
					 .wave_units = 1 };

	(void)s;
	(void)id;
	(void)err;
	return fn(context, &row);
}

static const struct drover_store_ops ops = {
	.size = sizeof(ops),
	.session_open = session_open,
	.session_close = session_close,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.nodes = nodes,
	.tasks = tasks,
	.task = task,
	.queued = queued,
	.envelopes = envelopes,
	.due_units = due_units,
	.published = published,
	.advance = advance,
};

static int publish(void *self, const struct drover_dispatch *unit, struct drover_error *err)
{
	bool full, silent;
	int code;

	(void)self;
	pthread_mutex_lock(&lock);
	full = sent.full;
	silent = sent.silent;
	code = sent.code;
	if (!full && sent.count < UNITS)
		sent.units[sent.count++] = *unit;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	if (full)
		return drover_error_set(err, DROVER_ERETRY, "full");
	if (!silent)
		outbox_delivered(box, unit->task_key, unit->unit, code);
	return 0;
}

static const struct drover_dispatcher dispatcher = { .size = sizeof(dispatcher), .publish = publish };

static sd_event *event;
static struct writer *writer;

static void set_up(void)
{
	struct writer_options options = { .interval = 1, .group_weight = 100 };

	memset(&store, 0, sizeof(store));
	memset(&sent, 0, sizeof(sent));
	store.engine_hosts = 1000;
	store.engine_units = 4;
	store.executors = "[{\"name\": \"sim\"}, {\"name\": \"other\"}]";
	ck_assert_int_ge(sd_event_new(&event), 0);
	ck_assert_int_eq(writer_new(event, &ops, NULL, &options, &writer, NULL), 0);
}

static void open_outbox(void)
{
	struct outbox_options options = {
		.ops = &ops,
		.writer = writer,
		.dispatcher = &dispatcher,
		.incarnation = 7,
		.ahead = 2,
		.look = 10,
		.nodes = 20,
		.due = 20,
		.again_first = 1000,
		.again_most = 3000,
	};

	box = outbox_new(&options);
	ck_assert_int_eq(outbox_start(box, NULL), 0);
}

static void tear_down(void)
{
	outbox_stop(box);
	writer_free(writer);
	outbox_free(box);
	box = NULL;
	sd_event_unref(event);
}

static struct drover_task make_task(int64_t key, int priority, int64_t units)
{
	return (struct drover_task){ .size = sizeof(struct drover_task),
				     .key = key,
				     .pool = "default",
				     .executor = "sim",
				     .priority = priority,
				     .unit_size = 30,
				     .state = DROVER_TASK_QUEUED,
				     .incarnation = 7,
				     .units = units,
				     .wave_units = units };
}

static void accept_task(int64_t key, int priority, int64_t units)
{
	struct drover_task t = make_task(key, priority, units);

	outbox_accepted(box, &t);
}

/* Until the dispatcher has had `count` units, and the store has marked so many. */
static void await(size_t *number, size_t count)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	pthread_mutex_lock(&lock);
	while (*number < count && !pthread_cond_timedwait(&changed, &lock, &until))
		;
	ck_assert_int_ge(*number, count);
	pthread_mutex_unlock(&lock);
}

static void pause_a_while(void)
{
	const struct timespec pause = { .tv_nsec = 150 * 1000000 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

static void set(int64_t *number, int64_t value)
{
	pthread_mutex_lock(&lock);
	*number = value;
	pthread_mutex_unlock(&lock);
}

START_TEST(only_as_many_as_engines_can_take)
{
	open_outbox();
	accept_task(1, 50, 40);
	await(&store.marked, 8);
	pause_a_while();
	ck_assert_int_eq(sent.count, 8);
	set(&store.queued, 5); /* three were claimed */
	await(&sent.count, 11);
	pause_a_while();
	ck_assert_int_eq(sent.count, 11);
}
END_TEST

/* A unit of 300 hosts takes a third of what the engine has. */
START_TEST(large_units_count_by_their_hosts)
{
	struct drover_task t = make_task(1, 50, 40);

	t.unit_size = 300;
	open_outbox();
	outbox_accepted(box, &t);
	await(&store.marked, 6);
	pause_a_while();
	ck_assert_int_eq(sent.count, 6);
}
END_TEST

static void announce(const char *executors)
{
	pthread_mutex_lock(&lock);
	store.executors = executors;
	pthread_mutex_unlock(&lock);
}

/* Of an executor that only some engines have, as many as those can take; and it does not count for the others. */
START_TEST(a_backlog_of_one_executor_holds_no_other_up)
{
	struct drover_task rare = make_task(1, 90, 40), common = make_task(2, 50, 3);

	announce("[{\"name\": \"rare\", \"capacity\": {\"hosts\": 0, \"units\": 1}}, {\"name\": \"sim\"}]");
	store.rare_queued = 4; /* twice the one that it may have at once, and as many again for first units */
	rare.executor = "rare";
	open_outbox();
	outbox_accepted(box, &rare);
	outbox_accepted(box, &common);
	await(&sent.count, 3);
	pause_a_while();
	ck_assert_int_eq(sent.count, 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(sent.units[i].task_key, 2);
	set(&store.rare_queued, 3);
	await(&sent.count, 4);
	ck_assert_int_eq(sent.units[3].task_key, 1);
	/* Its next is no first unit any more. */
	set(&store.rare_queued, 2);
	pause_a_while();
	ck_assert_int_eq(sent.count, 4);
	set(&store.rare_queued, 1);
	await(&sent.count, 5);
}
END_TEST

START_TEST(nothing_where_the_executor_is_down)
{
	announce("[{\"name\": \"sim\", \"up\": false}, {\"name\": \"other\"}]");
	open_outbox();
	accept_task(1, 50, 3);
	pause_a_while();
	ck_assert_int_eq(sent.count, 0);
	announce("[{\"name\": \"sim\", \"up\": true}]");
	await(&sent.count, 3);
}
END_TEST

START_TEST(nothing_where_no_engine_lives)
{
	struct outbox_counts counts;

	store.engine_units = 0;
	open_outbox();
	accept_task(1, 50, 3);
	pause_a_while();
	ck_assert_int_eq(sent.count, 0);
	outbox_count(box, &counts);
	ck_assert_int_eq(counts.waiting, 3);
	set(&store.engine_units, 4);
	await(&sent.count, 3);
}
END_TEST

START_TEST(by_priority_then_in_turn)
{
	static const int64_t wanted[] = { 3, 1, 2, 1, 2, 1, 1 };

	store.engine_units = 0;
	open_outbox();
	accept_task(1, 50, 4);
	accept_task(2, 50, 2);
	accept_task(3, 80, 1);
	pause_a_while();
	set(&store.engine_units, 4);
	await(&sent.count, 7);
	for (size_t i = 0; i < 7; i++)
		ck_assert_int_eq(sent.units[i].task_key, wanted[i]);
}
END_TEST

START_TEST(what_was_not_delivered_is_published_again)
{
	sent.code = DROVER_EFAULT;
	open_outbox();
	accept_task(1, 50, 1);
	await(&sent.count, 1);
	pthread_mutex_lock(&lock);
	sent.code = 0;
	pthread_mutex_unlock(&lock);
	ck_assert_int_eq(store.marked, 0);
	await(&store.marked, 1);
	ck_assert_int_eq(sent.count, 2);
	ck_assert_int_eq(store.marks[0].again_in, 1000);
}
END_TEST

START_TEST(a_full_dispatcher_is_asked_again)
{
	sent.full = true;
	open_outbox();
	accept_task(1, 50, 2);
	pause_a_while();
	ck_assert_int_eq(sent.count, 0);
	pthread_mutex_lock(&lock);
	sent.full = false;
	pthread_mutex_unlock(&lock);
	await(&store.marked, 2);
}
END_TEST

START_TEST(due_units_once_with_growing_pauses)
{
	sent.silent = true;
	open_outbox();
	set(&store.due_unit, 5);
	set(&store.due_task, 4);
	await(&sent.count, 1);
	pause_a_while();
	ck_assert_int_eq(sent.count, 1); /* while nothing is known of the first */
	ck_assert_int_eq(store.marked, 0);
	ck_assert_int_eq(sent.units[0].publications, 3);
	outbox_delivered(box, 4, 5, 0);
	await(&store.marked, 1);
	ck_assert_int_eq(store.marks[0].again_in, 3000);
}
END_TEST

START_TEST(tasks_of_the_dead_are_taken_up)
{
	for (size_t i = 0; i < 3; i++)
		store.orphans[i] = make_task((int64_t)i + 1, 50, 2);
	store.orphans[0].incarnation = 3; /* has ended */
	store.orphans[0].published = 1;
	store.orphans[1].incarnation = 9; /* lives */
	store.orphans[2].incarnation = 3;
	store.orphans[2].home = "eng"; /* is no distributor's */
	store.orphan_count = 3;
	open_outbox();
	await(&store.marked, 1);
	pause_a_while();
	ck_assert_int_eq(sent.count, 1);
	ck_assert_int_eq(sent.units[0].task_key, 1);
	ck_assert_int_eq(sent.units[0].unit, 1);
}
END_TEST

START_TEST(waves_one_after_the_other)
{
	struct drover_task t = make_task(1, 50, 3);

	store.wave_units = 2;
	t.waves = 2;
	t.wave_units = 1;
	open_outbox();
	outbox_accepted(box, &t);
	await(&store.marked, 1);
	pause_a_while();
	ck_assert_int_eq(sent.count, 1);
	t.state = DROVER_TASK_RUNNING;
	t.next_wave_at = 1;
	outbox_changed(box, &t);
	await(&store.marked, 3);
	ck_assert_int_eq(sent.units[1].unit, 1);
	ck_assert_int_eq(sent.units[2].unit, 2);
}
END_TEST

START_TEST(ended_tasks_are_forgotten)
{
	struct drover_task t = make_task(1, 50, 3);
	struct outbox_counts counts;

	store.engine_units = 0;
	open_outbox();
	outbox_accepted(box, &t);
	pause_a_while();
	t.state = DROVER_TASK_CANCELLED;
	outbox_changed(box, &t);
	pause_a_while();
	outbox_count(box, &counts);
	ck_assert_int_eq(counts.tasks, 0);
	ck_assert_int_eq(counts.waiting, 0);
	set(&store.engine_units, 4);
	pause_a_while();
	ck_assert_int_eq(sent.count, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("outbox");
	TCase *c = tcase_create("outbox");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, only_as_many_as_engines_can_take);
	tcase_add_test(c, large_units_count_by_their_hosts);
	tcase_add_test(c, a_backlog_of_one_executor_holds_no_other_up);
	tcase_add_test(c, nothing_where_the_executor_is_down);
	tcase_add_test(c, nothing_where_no_engine_lives);
	tcase_add_test(c, by_priority_then_in_turn);
	tcase_add_test(c, what_was_not_delivered_is_published_again);
	tcase_add_test(c, a_full_dispatcher_is_asked_again);
	tcase_add_test(c, due_units_once_with_growing_pauses);
	tcase_add_test(c, tasks_of_the_dead_are_taken_up);
	tcase_add_test(c, waves_one_after_the_other);
	tcase_add_test(c, ended_tasks_are_forgotten);
	suite_add_tcase(s, c);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
