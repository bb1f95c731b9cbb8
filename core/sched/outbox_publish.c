/* outbox_publish.c - units on their way: to the dispatcher, to its report, to the mark in the store. */
#include <stdlib.h>
#include <string.h>

#include <drover/crash_point.h>

#include "sched/outbox_state.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define TURN_UNITS 16      /* published in one turn, so that reports and news are taken between them */
#define DUE_UNITS 500      /* … again */
#define FULL_PAUSE 100     /* ms, when the dispatcher's queue is full */
#define REFUSED_PAUSE 1000 /* ms, when it failed otherwise */

/* --------------------------------------------------------------------------------- the marks */

struct outbox_marks {
	struct job job;
	struct outbox *outbox;
	size_t count, room;
	struct outbox_lane **lanes; /* of each */
	struct drover_publication *publications;
};

struct marked_note {
	struct outbox_note note;
	struct outbox_marks *marks;
};

static void free_marks(struct outbox_marks *marks)
{
	if (!marks)
		return;
	free(marks->lanes);
	free(marks->publications);
	free(marks);
}

static int run_marks(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		     struct drover_error *err)
{
	struct outbox_marks *marks = (struct outbox_marks *)base;
	int code;

	CRASH_POINT("published.write");
	code = ops->published(session, marks->publications, marks->count, err);
	CRASH_POINT("published.written");
	return code;
}

/* From here on the store counts them. */
static void take_marked(struct outbox *o, struct outbox_note *note)
{
	struct outbox_marks *marks = ((struct marked_note *)note)->marks;

	o->marking = false;
	for (size_t i = 0; i < marks->count; i++) {
		marks->lanes[i]->in_flight--;
		marks->lanes[i]->queued++;
	}
	free_marks(marks);
	free(note);
}

/* On the writer's thread. */
static void marks_done(struct job *base, int code, const struct drover_error *err)
{
	struct outbox_marks *marks = (struct outbox_marks *)base;
	struct marked_note *note = xcalloc(1, sizeof(*note));

	CRASH_POINT("published.done");
	if (code)
		log_warning("%zu units are published and not marked so, they will be published again: %s", marks->count,
			    err->message);
	note->note.take = take_marked;
	note->marks = marks;
	outbox_post(marks->outbox, &note->note);
}

void outbox_put_marks(struct outbox *o)
{
	struct outbox_marks *marks = o->marks;

	if (!marks || o->marking)
		return;
	o->marks = NULL;
	o->marking = true;
	marks->job = (struct job){ .run = run_marks, .done = marks_done, .weight = (int64_t)marks->count };
	writer_put(o->options.writer, &marks->job);
}

void outbox_drop_marks(struct outbox *o)
{
	free_marks(o->marks);
	o->marks = NULL;
}

/* Pauses double: first, 2 × first, … most. */
static int64_t again_in(const struct outbox *o, int publications)
{
	int64_t pause = o->options.again_first;

	while (publications-- > 0 && pause < o->options.again_most)
		pause *= 2;
	return pause < o->options.again_most ? pause : o->options.again_most;
}

void outbox_mark(struct outbox *o, struct outbox_lane *lane, int64_t task_key, int64_t unit, int publications)
{
	struct outbox_marks *marks = o->marks;

	if (!marks) {
		marks = o->marks = xcalloc(1, sizeof(*marks));
		marks->outbox = o;
	}
	if (marks->count == marks->room) {
		marks->room = marks->room ? marks->room * 2 : 32;
		marks->lanes = xrealloc(marks->lanes, marks->room * sizeof(struct outbox_lane *));
		marks->publications = xrealloc(marks->publications, marks->room * sizeof(*marks->publications));
	}
	marks->lanes[marks->count] = lane;
	marks->publications[marks->count++] = (struct drover_publication){ .task_key = task_key,
									   .unit = unit,
									   .again_in = again_in(o, publications) };
}

/* ------------------------------------------------------------------------------- the reports */

static struct outbox_flight *find_flight(struct outbox *o, int64_t task_key, int64_t unit)
{
	struct outbox_unit_key key = { task_key, unit };
	struct outbox_flight *flight;

	HASH_FIND(hh, o->flights, &key, sizeof(key), flight);
	return flight;
}

void outbox_report(struct outbox *o, int64_t task_key, int64_t unit, int code)
{
	struct outbox_flight *flight = find_flight(o, task_key, unit);
	struct outbox_task *task = outbox_find(o, task_key);

	if (!flight)
		return;
	CRASH_POINT("publish.reported");
	HASH_DEL(o->flights, flight);
	atomic_fetch_add(code ? &o->failed : flight->publications ? &o->again : &o->published, 1);
	if (code)
		o->not_before = clock_boot_ms() + REFUSED_PAUSE;
	if (code || (!flight->publications && !task)) { /* without its task: that has ended */
		flight->lane->in_flight--;
		if (!flight->publications && task)
			ready_return(&task->lane->pool->queue, &task->ready, unit);
	} else {
		outbox_mark(o, flight->lane, task_key, unit, flight->publications);
	}
	if (!code && !flight->publications && task) {
		task->delivered++;
		outbox_release(o, task);
	}
	free(flight);
}

/* ----------------------------------------------------------------------------- to the dispatcher */

static int hand_over(struct outbox *o, struct outbox_lane *lane, int64_t task_key, int64_t unit, int publications,
		     struct drover_bytes envelope)
{
	const struct drover_dispatch dispatch = { .size = sizeof(dispatch),
						  .task_key = task_key,
						  .unit = unit,
						  .pool = lane->pool->name,
						  .envelope = envelope.data,
						  .envelope_size = envelope.size,
						  .publications = publications };
	struct outbox_flight *flight = xcalloc(1, sizeof(*flight));
	struct drover_error err = { 0 };
	int code;

	/* Its report may come before the call returns, but is taken after it. */
	flight->key = (struct outbox_unit_key){ task_key, unit };
	flight->lane = lane;
	flight->publications = publications;
	HASH_ADD(hh, o->flights, key, sizeof(flight->key), flight);
	lane->in_flight++;
	CRASH_POINT("publish.send");
	code = o->options.dispatcher->publish(o->options.dispatcher_self, &dispatch, &err);
	CRASH_POINT("publish.sent");
	if (!code)
		return 0;
	HASH_DEL(o->flights, flight);
	free(flight);
	lane->in_flight--;
	o->not_before = clock_boot_ms() + (code == DROVER_ERETRY ? FULL_PAUSE : REFUSED_PAUSE);
	if (code != DROVER_ERETRY) {
		atomic_fetch_add(&o->failed, 1);
		log_warning("cannot publish unit %lld of task %lld: %s", (long long)unit, (long long)task_key,
			    err.message);
	}
	return code;
}

struct publishing {
	struct outbox *outbox;
	struct outbox_lane *lane;
	int64_t task_key, unit;
	bool found;
	int code;
};

static int publish_one(void *context, int64_t unit, struct drover_bytes envelope)
{
	struct publishing *p = context;

	if (unit != p->unit || !envelope.size)
		return 0;
	p->found = true;
	p->code = hand_over(p->outbox, p->lane, p->task_key, unit, 0, envelope);
	return 0;
}

static int see_nothing(void *context, const struct drover_task *task)
{
	(void)context;
	(void)task;
	return 0;
}

/* There is nothing to be published. It is due again as if it had been, and is judged then. */
static int not_signed(struct outbox *o, struct outbox_task *task, int64_t unit, struct drover_session *session,
		      struct drover_error *err)
{
	int code = o->options.ops->task(session, NULL, task->key, see_nothing, NULL, err);

	if (code == DROVER_ENOTFOUND) { /* nothing of it is to be executed */
		outbox_update(o, task, &(struct drover_task){ .state = DROVER_TASK_DONE });
		return 0;
	}
	if (code)
		return code;
	log_error("unit %lld of task %lld is not signed", (long long)unit, (long long)task->key);
	task->lane->in_flight++;
	outbox_mark(o, task->lane, task->key, unit, 0);
	task->delivered++;
	outbox_release(o, task);
	return 0;
}

/* How many units of that size its engines execute at once. */
static int64_t capacity_for(const struct outbox_lane *lane, int64_t unit_size)
{
	int64_t units = 0;

	for (size_t i = 0; i < lane->engine_count; i++) {
		int64_t by_hosts = lane->engines[i].hosts / unit_size;

		by_hosts = by_hosts > 0 ? by_hosts : 1;
		units += by_hosts < lane->engines[i].units ? by_hosts : lane->engines[i].units;
	}
	return units;
}

static enum ready_fit fits(void *context, struct ready_task *ready)
{
	const struct outbox *o = context;
	const struct outbox_task *task = (const struct outbox_task *)ready;
	const struct outbox_lane *lane = task->lane;
	int64_t ahead = o->options.ahead * capacity_for(lane, task->unit_size);

	/* The first unit of each goes on where the engines are full of others': they keep room for it (room.h). */
	if (!ready->fresh && !ready->returned_count)
		ahead *= 2;
	return lane->queued + lane->in_flight < ahead ? READY_FITS : READY_NOT_NOW;
}

static bool shares(void *context, struct ready_task *waiting, struct ready_task *task)
{
	(void)context;
	(void)waiting;
	(void)task;
	return false;
}

static int publish_pool(struct outbox *o, struct outbox_pool *pool, struct drover_session *session, size_t *left,
			struct drover_error *err)
{
	const struct ready_rules rules = { .fits = fits, .shares = shares, .context = o };
	struct ready_task *ready;
	int64_t unit;

	while (*left && ready_take(&pool->queue, &rules, &ready, &unit)) {
		struct outbox_task *task = (struct outbox_task *)ready;
		struct publishing p = { .outbox = o, .lane = task->lane, .task_key = task->key, .unit = unit };
		int code = o->options.ops->envelopes(session, task->key, unit, 1, publish_one, &p, err);

		--*left;
		if (!code && !p.found)
			code = not_signed(o, task, unit, session, err);
		if (code || p.code) {
			ready_return(&pool->queue, ready, unit);
			*left = 0;
			return code;
		}
	}
	return 0;
}

static bool has_engines(const struct outbox_pool *pool)
{
	const struct outbox_lane *lane = pool->lanes;

	while (lane && !lane->engine_count)
		lane = lane->next;
	return lane;
}

int outbox_publish_fresh(struct outbox *o, struct drover_session *session, struct drover_error *err)
{
	size_t left = TURN_UNITS;
	int code = 0;

	for (struct outbox_pool *pool = o->pools; pool && left && !code; pool = pool->next)
		if (pool->queue.units && has_engines(pool))
			code = publish_pool(o, pool, session, &left, err);
	if (!left && clock_boot_ms() >= o->not_before)
		o->next_depths = 0; /* there is more to do at once */
	return code;
}

/* ------------------------------------------------------------------------------------- again */

struct due_work {
	struct outbox *outbox;
	int code;
};

static int publish_again(void *context, const struct drover_due_unit *unit)
{
	struct due_work *work = context;
	struct outbox *o = work->outbox;
	struct outbox_lane *lane = outbox_lane(o, unit->pool, unit->executor);

	/* Each of the distributors that live sees to its share. */
	if ((unit->task_key + unit->unit) % o->ranks != o->rank || find_flight(o, unit->task_key, unit->unit))
		return 0;
	if (!lane->engine_count)
		return 0;
	if (((unit->publications || !unit->envelope.size) && outbox_void(o, lane, unit)) || !unit->envelope.size)
		return 0;
	/* One that comes from the store was published before, whatever became of the count. */
	work->code = hand_over(o, lane, unit->task_key, unit->unit, unit->publications > 0 ? unit->publications : 1,
			       unit->envelope);
	return work->code ? DROVER_ECANCELLED : 0;
}

int outbox_publish_due(struct outbox *o, struct drover_session *session, struct drover_error *err)
{
	const struct drover_due_filter filter = { .size = sizeof(filter), .due = true, .limit = DUE_UNITS };
	struct due_work work = { .outbox = o };
	int code = o->options.ops->due_units(session, &filter, publish_again, &work, err);

	return work.code ? 0 : code;
}
