/*
 * wants.c - hosts that units ask for while they run: their intents, in the order in which they were asked
 * for, as far as the store grants them. One transaction of a task is under way at a time; what comes
 * meanwhile goes into the next.
 */
#include <stdlib.h>
#include <string.h>

#include <drover/crash_point.h>

#include "sched/engine_state.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define ASK_HOSTS 5000 /* in one transaction */

/* One run of neighbouring hosts of a unit. */
struct asked {
	uint64_t handle;
	struct unit_life *life; /* held */
	size_t first;           /* position in the unit */
};

struct want_job {
	struct job job;
	struct engine *engine;
	struct active_task *task;
	int64_t changes; /* task->changes when it was put */
	size_t count, room;
	struct asked *asked;
	struct drover_intent *intents; /* of each */
};

static void list_append(struct want_list *list, struct want *want)
{
	want->next = NULL;
	if (list->tail)
		list->tail->next = want;
	else
		list->head = want;
	list->tail = want;
}

static struct want *list_take(struct want_list *list)
{
	struct want *want = list->head;

	if (want) {
		list->head = want->next;
		if (!list->head)
			list->tail = NULL;
	}
	return want;
}

static void list_push(struct want_list *list, uint64_t handle, size_t first, size_t count)
{
	struct want *want = xcalloc(1, sizeof(*want));

	*want = (struct want){ .next = list->head, .handle = handle, .first = first, .count = count };
	list->head = want;
	if (!list->tail)
		list->tail = want;
}

void wants_drop(struct active_task *task)
{
	struct want *want;

	while ((want = list_take(&task->wants)))
		free(want);
}

/* ------------------------------------------------------------------------------------ the answer */

static void answer(struct engine *e, struct running_unit *unit, size_t first, size_t count, bool granted)
{
	struct exec_link *link = e->slots[unit->executor].link;

	if (!count)
		return;
	if (link)
		exec_link_grant(link, unit->handle, first, count, granted && !unit->stopped);
}

/* What was refused for now goes back to where it was. */
static void take_answer(struct engine *e, struct want_job *job, size_t i)
{
	const struct drover_intent *intent = &job->intents[i];
	struct running_unit *unit = running_find(e, job->asked[i].handle);
	size_t granted = (size_t)intent->granted_count, rest = (size_t)intent->count - granted;

	if (!unit)
		return;
	answer(e, unit, job->asked[i].first, granted, true);
	if (!intent->later)
		answer(e, unit, job->asked[i].first + granted, rest, false);
	else if (rest)
		list_push(&job->task->wants, unit->handle, job->asked[i].first + granted, rest);
}

static void swap(struct want_job *job, size_t a, size_t b)
{
	struct asked asked = job->asked[a];
	struct drover_intent intent = job->intents[a];

	job->asked[a] = job->asked[b];
	job->asked[b] = asked;
	job->intents[a] = job->intents[b];
	job->intents[b] = intent;
}

/*
 * Those of units that have ended while the job waited go to the end of it: an intent that nobody follows would make a
 * host `lost` that was never begun. The others stay in order, since between `count` and `i` all have ended. How many
 * there are of them.
 */
static size_t sort_out(struct want_job *job)
{
	size_t count = 0;

	for (size_t i = 0; i < job->count; i++) {
		if (!atomic_load(&job->asked[i].life->ended))
			swap(job, i, count++);
		else
			job->intents[i].granted_count = job->intents[i].later = 0;
	}
	return count;
}

/* On the writer's thread. */
static int run_wants(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		     struct drover_error *err)
{
	struct want_job *job = (struct want_job *)base;
	size_t count = sort_out(job);
	int code;

	CRASH_POINT("intend.write");
	code = count ? ops->intend(session, job->intents, count, err) : 0;
	CRASH_POINT("intend.written");
	return code;
}

static void wants_done(struct job *base, int code, const struct drover_error *err)
{
	struct want_job *job = (struct want_job *)base;
	struct active_task *task = job->task;
	struct engine *e = job->engine;
	bool later = false;

	CRASH_POINT("intend.done");
	if (code)
		log_error("cannot store an intent: %s", err->message);
	/* From the last on, so that what goes back is in order again. */
	for (size_t i = job->count; i-- > 0;) {
		if (code)
			job->intents[i].granted_count = job->intents[i].later = 0;
		later = later || job->intents[i].later;
		take_answer(e, job, i);
		running_let_go(job->asked[i].life);
	}
	task->asking = false;
	if (later)
		changes_block(e, task, job->changes);
	wants_put(e, task);
	task_release(e, task);
	free(job->asked);
	free(job->intents);
	free(job);
}

/* ----------------------------------------------------------------------------------- the question */

static void add_host(struct want_job *job, struct running_unit *unit, size_t position)
{
	struct drover_intent *last = job->count ? &job->intents[job->count - 1] : NULL;

	if (last && job->asked[job->count - 1].handle == unit->handle &&
	    job->asked[job->count - 1].first + (size_t)last->count == position &&
	    last->first + last->count == unit->indexes[position]) {
		last->count++;
		return;
	}
	if (job->count == job->room) {
		job->room = job->room ? job->room * 2 : 16;
		job->asked = xrealloc(job->asked, job->room * sizeof(*job->asked));
		job->intents = xrealloc(job->intents, job->room * sizeof(*job->intents));
	}
	job->asked[job->count] =
		(struct asked){ .handle = unit->handle, .life = running_hold(unit), .first = position };
	job->intents[job->count++] = (struct drover_intent){ .task_key = unit->task->key,
							     .unit = unit->unit,
							     .incarnation = job->engine->options.incarnation,
							     .attempt = unit->attempt,
							     .first = unit->indexes[position],
							     .count = 1 };
}

/* Units that have ended want nothing any more, nor do those that are to stop: an intent would never be followed. */
static struct running_unit *find_wanting(struct engine *e, uint64_t handle)
{
	struct running_unit *unit = running_find(e, handle);

	return unit && !unit->stopped && clock_boot_ms() < unit->deadline ? unit : NULL;
}

/* As much as fits into one transaction. */
static void fill(struct engine *e, struct active_task *task, struct want_job *job)
{
	size_t limit = ASK_HOSTS, hosts = 0;
	struct want *want;

	if (task->task.fanout && task->task.fanout < ASK_HOSTS)
		limit = (size_t)task->task.fanout;
	while (hosts < limit && (want = list_take(&task->wants))) {
		struct running_unit *unit = find_wanting(e, want->handle);
		size_t count = want->count < limit - hosts ? want->count : limit - hosts;

		for (size_t i = 0; unit && i < count; i++)
			add_host(job, unit, want->first + i);
		hosts += unit ? count : 0;
		if (unit && count < want->count)
			list_push(&task->wants, want->handle, want->first + count, want->count - count);
		free(want);
	}
	job->job.weight = (int64_t)hosts;
}

void wants_put(struct engine *e, struct active_task *task)
{
	struct want_job *job;

	if (task->asking || task->blocked_at || !task->wants.head || !engine_has_lease(e))
		return;
	job = xcalloc(1, sizeof(*job));
	job->job = (struct job){ .run = run_wants, .done = wants_done, .on_loop = true };
	job->engine = e;
	job->task = task;
	job->changes = task->changes;
	fill(e, task, job);
	if (!job->count) {
		free(job);
		return;
	}
	task->asking = true;
	if (task->task.fanout) /* results that came before are written before: they make room */
		results_flush(e);
	writer_put(e->writer, &job->job);
}

void wants_add(struct engine *e, struct running_unit *unit, size_t first, size_t count)
{
	struct want *want = xcalloc(1, sizeof(*want));

	*want = (struct want){ .handle = unit->handle, .first = first, .count = count };
	list_append(&unit->task->wants, want);
	wants_put(e, unit->task);
}
