/* outbox.c - see outbox.h. Its thread, what it is told, and the tasks that it has. */
#include "sched/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "sched/outbox_state.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define STORE_PAUSE 500 /* ms, after a query that failed */

/* ------------------------------------------------------------------------------- what it has */

static struct outbox_pool *find_pool(struct outbox *o, const char *name)
{
	struct outbox_pool *pool = o->pools;

	while (pool && strcmp(pool->name, name) != 0)
		pool = pool->next;
	if (pool)
		return pool;
	pool = xcalloc(1, sizeof(*pool));
	pool->name = xstrdup(name);
	pool->next = o->pools;
	o->pools = pool;
	return pool;
}

struct outbox_lane *outbox_lane(struct outbox *o, const char *pool_name, const char *executor)
{
	struct outbox_pool *pool = find_pool(o, pool_name);
	struct outbox_lane *lane = pool->lanes;

	while (lane && strcmp(lane->executor, executor) != 0)
		lane = lane->next;
	if (lane)
		return lane;
	lane = xcalloc(1, sizeof(*lane));
	lane->pool = pool;
	lane->executor = xstrdup(executor);
	lane->next = pool->lanes;
	pool->lanes = lane;
	o->next_nodes = o->next_depths = 0;
	return lane;
}

struct outbox_task *outbox_find(struct outbox *o, int64_t key)
{
	struct outbox_task *task;

	HASH_FIND(hh, o->tasks, &key, sizeof(key), task);
	return task;
}

static void forget(struct outbox *o, struct outbox_task *task)
{
	HASH_DEL(o->tasks, task);
	ready_drop(&task->lane->pool->queue, &task->ready);
	free(task);
}

void outbox_release(struct outbox *o, struct outbox_task *task)
{
	if (task->advancing || task->delivered < task->wave_units || task->wave + 1 < task->waves)
		return;
	forget(o, task);
}

void outbox_take_up(struct outbox *o, const struct drover_task *row)
{
	struct outbox_task *task = outbox_find(o, row->key);

	if (task)
		return;
	task = xcalloc(1, sizeof(*task));
	task->key = row->key;
	task->lane = outbox_lane(o, row->pool, row->executor);
	task->unit_size = row->unit_size > 0 ? row->unit_size : 1;
	task->waves = row->waves;
	task->wave = row->wave;
	task->wave_units = row->wave_units;
	task->next_wave_at = row->next_wave_at;
	task->delivered = row->published < row->wave_units ? row->published : row->wave_units;
	HASH_ADD(hh, o->tasks, key, sizeof(task->key), task);
	ready_add(&task->lane->pool->queue, &task->ready, row->priority > 0 && row->priority <= 100 ? row->priority : 1,
		  task->delivered, task->wave_units);
	outbox_release(o, task);
}

static bool is_open(const struct drover_task *row)
{
	return row->state == DROVER_TASK_QUEUED || row->state == DROVER_TASK_RUNNING;
}

void outbox_update(struct outbox *o, struct outbox_task *task, const struct drover_task *row)
{
	if (!is_open(row)) {
		/* An advance that is under way finds that it is gone. */
		forget(o, task);
		return;
	}
	task->next_wave_at = row->next_wave_at;
	if (row->wave_units > task->wave_units) {
		ready_open(&task->lane->pool->queue, &task->ready, row->wave_units - task->wave_units);
		task->wave_units = row->wave_units;
		task->wave = row->wave;
	}
	outbox_release(o, task);
}

/* ---------------------------------------------------------------------------- what it is told */

void outbox_post(struct outbox *o, struct outbox_note *note)
{
	note->next = NULL;
	worker_lock(&o->worker);
	*o->inbox_tail = note;
	o->inbox_tail = &note->next;
	worker_wake(&o->worker);
	worker_unlock(&o->worker);
}

struct task_note {
	struct outbox_note note;
	struct drover_task task; /* numbers; pool and executor are copies */
};

static void free_task_note(struct task_note *n)
{
	free((char *)n->task.pool);
	free((char *)n->task.executor);
	free(n);
}

static void take_accepted(struct outbox *o, struct outbox_note *note)
{
	struct task_note *n = (struct task_note *)note;

	outbox_take_up(o, &n->task);
	free_task_note(n);
}

static void take_changed(struct outbox *o, struct outbox_note *note)
{
	struct task_note *n = (struct task_note *)note;
	struct outbox_task *task = outbox_find(o, n->task.key);

	if (task)
		outbox_update(o, task, &n->task);
	free_task_note(n);
}

static void post_task(struct outbox *o, const struct drover_task *task, const char *pool, const char *executor,
		      void (*take)(struct outbox *outbox, struct outbox_note *note))
{
	struct task_note *n = xcalloc(1, sizeof(*n));

	n->note.take = take;
	n->task = (struct drover_task){ .size = sizeof(n->task),
					.key = task->key,
					.pool = xstrdup(pool),
					.executor = xstrdup(executor),
					.priority = task->priority,
					.unit_size = task->unit_size,
					.state = task->state,
					.waves = task->waves,
					.wave = task->wave,
					.wave_units = task->wave_units,
					.next_wave_at = task->next_wave_at,
					.published = task->published };
	outbox_post(o, &n->note);
}

void outbox_accepted(struct outbox *o, const struct drover_task *task)
{
	if (o)
		post_task(o, task, task->pool, task->executor, take_accepted);
}

void outbox_changed(struct outbox *o, const struct drover_task *task)
{
	/* Of the others only their ends matter, and those change nothing when they come late. */
	if (o && (task->waves > 1 || !is_open(task)))
		post_task(o, task, NULL, NULL, take_changed);
}

struct delivery_note {
	struct outbox_note note;
	int64_t task_key, unit;
	int code;
};

static void take_delivered(struct outbox *o, struct outbox_note *note)
{
	struct delivery_note *n = (struct delivery_note *)note;

	outbox_report(o, n->task_key, n->unit, n->code);
	free(n);
}

void outbox_delivered(struct outbox *o, int64_t task_key, int64_t unit, int code)
{
	struct delivery_note *n;

	if (!o)
		return;
	n = xcalloc(1, sizeof(*n));
	*n = (struct delivery_note){
		.note = { .take = take_delivered }, .task_key = task_key, .unit = unit, .code = code
	};
	outbox_post(o, &n->note);
}

void outbox_count(struct outbox *o, struct outbox_counts *counts)
{
	*counts = (struct outbox_counts){ .published = atomic_load(&o->published),
					  .again = atomic_load(&o->again),
					  .failed = atomic_load(&o->failed),
					  .waiting = atomic_load(&o->waiting),
					  .out = atomic_load(&o->out),
					  .tasks = atomic_load(&o->task_count),
					  .adopted = atomic_load(&o->adopted),
					  .voided = atomic_load(&o->voided),
					  .unsure = atomic_load(&o->unsure) };
}

/* ---------------------------------------------------------------------------------- its thread */

static int64_t waiting_units(const struct outbox *o)
{
	int64_t units = 0;

	for (const struct outbox_pool *pool = o->pools; pool; pool = pool->next)
		units += pool->queue.units;
	return units;
}

static bool is_due(int64_t now, int64_t *next, int64_t period)
{
	if (now < *next)
		return false;
	*next = now + period;
	return true;
}

static int work_with(struct outbox *o, struct drover_session *session, struct drover_error *err)
{
	int64_t now = clock_boot_ms();
	int code = 0;

	if (is_due(now, &o->next_nodes, o->options.nodes))
		code = outbox_look_nodes(o, session, err);
	if (!code && o->look_for_orphans)
		code = outbox_look_orphans(o, session, err);
	if (!code)
		code = outbox_waves(o, session, err);
	if (!code && waiting_units(o) && is_due(now, &o->next_depths, o->options.look))
		code = outbox_look_depths(o, session, err);
	if (!code && now >= o->not_before)
		code = outbox_publish_fresh(o, session, err);
	if (!code && now >= o->not_before && is_due(now, &o->next_due, o->options.due))
		code = outbox_publish_due(o, session, err);
	return code;
}

/* One turn. Returns when the next is due. */
static int64_t work(struct outbox *o)
{
	struct drover_session *session;
	struct drover_error err = { 0 };
	int code = readers_take(o->readers, &session, &err);
	int64_t next;

	if (!code) {
		code = work_with(o, session, &err);
		readers_give(o->readers, session, code != 0);
	}
	outbox_put_marks(o);
	atomic_store(&o->waiting, waiting_units(o));
	atomic_store(&o->out, HASH_COUNT(o->flights));
	atomic_store(&o->task_count, HASH_COUNT(o->tasks));
	if (code && o->store_ok)
		log_error("the outbox cannot read the store: %s; trying again", err.message);
	else if (!code && !o->store_ok)
		log_info("the outbox can read the store again");
	o->store_ok = !code;
	if (code) {
		o->next_nodes = 0;
		return clock_boot_ms() + STORE_PAUSE;
	}
	next = o->next_nodes < o->next_due ? o->next_nodes : o->next_due;
	return waiting_units(o) && o->next_depths < next ? o->next_depths : next;
}

static struct outbox_note *take_notes(struct outbox *o, int64_t until, bool *stop)
{
	struct outbox_note *notes;

	worker_lock(&o->worker);
	while (!o->inbox && worker_wait(&o->worker, until))
		;
	notes = o->inbox;
	o->inbox = NULL;
	o->inbox_tail = &o->inbox;
	*stop = o->worker.stop;
	worker_unlock(&o->worker);
	return notes;
}

static void take_all(struct outbox *o, struct outbox_note *notes)
{
	while (notes) {
		struct outbox_note *next = notes->next;

		notes->take(o, notes);
		notes = next;
	}
}

static void outbox_thread(void *context)
{
	struct outbox *o = context;
	int64_t until = 0;
	bool stop = false;

	while (!stop) {
		take_all(o, take_notes(o, until, &stop));
		if (!stop)
			until = work(o);
	}
	/* What was delivered until now is told to the store, so that the next start has less to do again. */
	outbox_put_marks(o);
}

struct outbox *outbox_new(const struct outbox_options *options)
{
	struct outbox *o = xcalloc(1, sizeof(*o));

	o->options = *options;
	o->readers = readers_new(options->ops, options->store, 1, 0); /* its thread is alone with it */
	o->inbox_tail = &o->inbox;
	o->store_ok = true;
	o->ranks = 1;
	worker_init(&o->worker);
	return o;
}

int outbox_start(struct outbox *o, struct drover_error *err)
{
	return worker_start(&o->worker, "outbox", outbox_thread, o, err);
}

void outbox_stop(struct outbox *o)
{
	if (o)
		worker_stop(&o->worker);
}

static void free_lanes(struct outbox_lane *lane)
{
	while (lane) {
		struct outbox_lane *next = lane->next;

		free(lane->executor);
		free(lane->engines);
		free(lane);
		lane = next;
	}
}

void outbox_free(struct outbox *o)
{
	struct outbox_task *task, *next_task;
	struct outbox_flight *flight, *next_flight;

	if (!o)
		return;
	outbox_stop(o);
	take_all(o, o->inbox);
	HASH_ITER (hh, o->tasks, task, next_task)
		forget(o, task);
	HASH_ITER (hh, o->flights, flight, next_flight) {
		HASH_DEL(o->flights, flight);
		free(flight);
	}
	outbox_drop_marks(o);
	while (o->pools) {
		struct outbox_pool *next = o->pools->next;

		free_lanes(o->pools->lanes);
		free(o->pools->name);
		free(o->pools);
		o->pools = next;
	}
	free(o->living);
	readers_free(o->readers);
	worker_dispose(&o->worker);
	free(o);
}
