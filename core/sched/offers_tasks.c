/* offers_tasks.c - an offered unit's task as the store has it, compared with what was signed; then the engine hears of it. */
#include <stdlib.h>
#include <string.h>

#include "sched/offers_state.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define KNOWN_TASKS 128
#define KNOWN_MS 30000 /* how long a row is used without being read again */

/* --------------------------------------------------------------------------------------- rows */

static void forget_task(struct offers *o, struct known_task *known)
{
	struct drover_task *t = &known->task;

	HASH_DEL(o->known, known);
	free(known->id);
	free((char *)t->id);
	free((char *)t->type);
	free((char *)t->executor);
	free((char *)t->pool);
	free((char *)t->owner);
	free((char *)t->home);
	free((char *)t->payload);
	free((char *)t->credential);
	free((char *)t->concurrency_key);
	free(known);
}

void offers_forget_tasks(struct offers *o)
{
	struct known_task *known, *next;

	HASH_ITER (hh, o->known, known, next)
		forget_task(o, known);
}

static int see_task(void *context, const struct drover_task *row)
{
	struct drover_task *t = &((struct known_task *)context)->task;

	*t = *row;
	t->id = xstrdup(row->id);
	t->type = xstrdup(row->type);
	t->executor = xstrdup(row->executor);
	t->pool = xstrdup(row->pool);
	t->owner = xstrdup(row->owner);
	t->home = xstrdup(row->home);
	t->payload = xstrdup(row->payload);
	t->credential = xstrdup(row->credential);
	t->concurrency_key = xstrdup(row->concurrency_key);
	/* Nothing else is read of it. */
	t->name = t->parent = t->note = t->labels = t->options = t->reason = t->waiting_for = NULL;
	t->body = NULL;
	return 0;
}

/* The task of that id; NULL: there is none. */
static int read_task(struct offers *o, struct drover_session *session, const char *id, struct known_task **known,
		     struct drover_error *err)
{
	int64_t now = clock_boot_ms();
	int code;

	HASH_FIND_STR(o->known, id, *known);
	if (*known && now - (*known)->read_at < KNOWN_MS)
		return 0;
	if (*known)
		forget_task(o, *known);
	*known = xcalloc(1, sizeof(**known));
	(*known)->id = xstrdup(id);
	(*known)->read_at = now;
	HASH_ADD_KEYPTR(hh, o->known, (*known)->id, strlen((*known)->id), *known);
	code = o->options.ops->task(session, id, 0, see_task, *known, err);
	if (code) {
		forget_task(o, *known);
		*known = NULL;
		return code == DROVER_ENOTFOUND ? 0 : code;
	}
	if (HASH_COUNT(o->known) > KNOWN_TASKS)
		forget_task(o, o->known); /* the first that was read */
	return 0;
}

static int see_unit(void *context, const struct drover_unit_row *row)
{
	*(enum drover_unit_state *)context = row->state;
	return 0;
}

/* A message may come again and again, long after its unit has ended. */
static int is_ready(struct offers *o, struct drover_session *session, int64_t task_key, int64_t unit, bool *ready,
		    struct drover_error *err)
{
	enum drover_unit_state state = DROVER_UNIT_DONE;
	int code = o->options.ops->units(session, task_key, unit - 1, 1, see_unit, &state, err);

	*ready = state == DROVER_UNIT_READY;
	return code;
}

/* ---------------------------------------------------------------------------------- the engine */

struct offer_note {
	struct job job;
	struct engine *engine;
	struct active_task *task;
	int64_t unit;
	struct offer *offer;
};

/* On the loop. */
static void tell_engine(struct job *base, int code, const struct drover_error *err)
{
	struct offer_note *note = (struct offer_note *)base;

	(void)code;
	(void)err;
	engine_unit_offered(note->engine, note->task, note->unit, note->offer);
	free(note);
}

static void tell(struct offers *o, const struct drover_task *task, struct offered *offered, const char *refusal)
{
	struct offer_note *note = xcalloc(1, sizeof(*note));
	const struct envelope *envelope = &offered->envelope;

	note->job.done = tell_engine;
	note->engine = o->options.engine;
	note->task = engine_task_copy(task, executors_find(o->options.executors, envelope->task.executor));
	note->unit = envelope->unit;
	note->offer = xcalloc(1, sizeof(*note->offer));
	note->offer->message = offered->message;
	note->offer->size = offered->size;
	note->offer->refusal = xstrdup(refusal);
	offered->message = NULL;
	writer_post(o->options.writer, &note->job);
}

/*
 * What differs and came by a message is refused: it may be an old one. Where the store's own copy of the envelope
 * says otherwise than the store, the unit can never be executed, and its hosts are told so.
 */
static void refuse(struct offers *o, const struct drover_task *task, struct offered *offered, const char *why)
{
	const struct envelope *envelope = &offered->envelope;
	struct drover_task ended = *task;
	char what[256];

	if (!offered->looked_up) {
		snprintf(what, sizeof(what), "task %.160s unit %lld", envelope->task.id, (long long)envelope->unit);
		offers_refused(o, OFFERS_DIFFERS, what, why);
		return;
	}
	ended.payload = "{}";
	ended.priority = envelope->task.priority;
	ended.unit_size = envelope->count;
	tell(o, &ended, offered, why);
}

static bool is_open(const struct drover_task *task)
{
	return task->state == DROVER_TASK_QUEUED || task->state == DROVER_TASK_RUNNING;
}

int offers_deliver(struct offers *o, struct drover_session *session, struct offered *offered, struct drover_error *err)
{
	const struct envelope *envelope = &offered->envelope;
	struct known_task *known;
	struct drover_error why = { 0 };
	bool ready = true;
	int code = read_task(o, session, envelope->task.id, &known, err);

	if (!code && known && is_open(&known->task) && !offered->looked_up)
		code = is_ready(o, session, known->task.key, envelope->unit, &ready, err);
	if (!code && (!known || !ready || !is_open(&known->task)))
		offers_stale(o);
	else if (!code && envelope_check_task(envelope, &known->task, &why))
		refuse(o, &known->task, offered, why.message);
	else if (!code)
		tell(o, &known->task, offered, NULL);
	offered_free(offered);
	return code;
}
