/*
 * elsewhere.c - what other nodes have changed in a shared store: tasks that they have cancelled, hosts whose end
 * makes room or opens a wave, and all that event streams and sinks tell.
 *
 * A thread with a reading session of its own asks for the highest change number, which is one row; only where it
 * has grown does it read the tasks that changed. What this node has changed by itself comes along: to be told
 * twice does no harm.
 */
#include <stdlib.h>

#include "daemon/cluster.h"
#include "sched/outbox.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/worker.h"

#define BATCH 500 /* tasks in one query */

struct elsewhere {
	struct core *core;
	int64_t interval; /* ms */
	int64_t since;    /* everything up to this change number was told */
	struct drover_session *session;
	bool failing;
	struct worker worker;
};

/* Tasks that changed, on their way to the loop: numbers, states, and concurrency keys of their own. */
struct changed_tasks {
	struct job job;
	struct core *core;
	size_t count;
	int64_t seq; /* of the last that was read, also of those that nobody here needs */
	size_t read;
	struct drover_task tasks[BATCH];
};

/* On the loop. */
static void tell_engine(struct job *base, int code, const struct drover_error *err)
{
	struct changed_tasks *changed = (struct changed_tasks *)base;
	struct engine *engine = changed->core->engine;

	(void)code;
	(void)err;
	for (size_t i = 0; i < changed->count; i++) {
		struct drover_task *task = &changed->tasks[i];

		if (task->state == DROVER_TASK_CANCELLING || task->state == DROVER_TASK_CANCELLED)
			engine_task_cancelled(engine, task->key);
		engine_task_changed(engine, task);
		free((char *)task->concurrency_key);
	}
	free(changed);
}

static struct changed_tasks *new_changed(struct core *core)
{
	struct changed_tasks *changed = xcalloc(1, sizeof(*changed));

	changed->job.done = tell_engine;
	changed->core = core;
	return changed;
}

static int keep_task(void *context, const struct drover_task *task)
{
	struct changed_tasks *changed = context;
	bool open = task->state == DROVER_TASK_QUEUED || task->state == DROVER_TASK_RUNNING;

	metrics_seen(&changed->core->metrics, task);
	outbox_changed(changed->core->outbox, task);
	changed->seq = task->seq;
	changed->read++;
	if (!open || engine_cares_for(task))
		changed->tasks[changed->count++] =
			(struct drover_task){ .size = sizeof(struct drover_task),
					      .key = task->key,
					      .state = task->state,
					      .wave = task->wave,
					      .next_wave_at = task->next_wave_at,
					      .concurrency_key = xstrdup(task->concurrency_key) };
	return 0;
}

static void free_changed(struct changed_tasks *changed)
{
	for (size_t i = 0; i < changed->count; i++)
		free((char *)changed->tasks[i].concurrency_key);
	free(changed);
}

/* One query of at most BATCH tasks. 1: there may be more. */
static int read_tasks(struct elsewhere *e, int64_t end, struct drover_error *err)
{
	struct drover_task_filter filter = {
		.size = sizeof(filter), .feed = true, .since_seq = e->since, .limit = BATCH
	};
	struct changed_tasks *changed = new_changed(e->core);
	int code = e->core->ops->tasks(e->session, &filter, keep_task, changed, err);
	bool more;

	if (code) {
		free_changed(changed);
		return code;
	}
	more = changed->read == BATCH;
	/* Change numbers become visible in their order, so what this query saw has nothing unseen below it. */
	e->since = more || changed->seq > end ? changed->seq : end;
	if (changed->count)
		writer_post(e->core->writer, &changed->job);
	else
		free(changed);
	return more;
}

static int look(struct elsewhere *e, struct drover_error *err)
{
	const struct drover_store_ops *ops = e->core->ops;
	int64_t end = 0;
	int code = e->session ? 0 : ops->session_open(e->core->store_self, DROVER_SESSION_READ, &e->session, err);

	if (!code)
		code = ops->last_seq(e->session, &end, err);
	if (code || end <= e->since)
		return code;
	do
		code = read_tasks(e, end, err);
	while (code > 0);
	hub_committed(e->core->hub, end);
	return code;
}

static void one_round(struct elsewhere *e)
{
	struct drover_error err = { 0 };
	int code = look(e, &err);

	if (code && !e->failing)
		log_warning("cannot read what other nodes have changed: %s", err.message);
	if (!code && e->failing)
		log_info("what other nodes change is read again");
	e->failing = code != 0;
	if (code && e->session) {
		e->core->ops->session_close(e->session);
		e->session = NULL;
	}
}

static void elsewhere_thread(void *context)
{
	struct elsewhere *e = context;

	while (worker_sleep(&e->worker, clock_boot_ms() + e->interval))
		one_round(e);
}

int elsewhere_new(struct core *core, int64_t interval, int64_t since, struct elsewhere **elsewhere,
		  struct drover_error *err)
{
	struct elsewhere *e = xcalloc(1, sizeof(*e));

	e->core = core;
	e->interval = interval;
	e->since = since;
	worker_init(&e->worker);
	*elsewhere = e;
	return worker_start(&e->worker, "elsewhere", elsewhere_thread, e, err);
}

void elsewhere_stop(struct elsewhere *e)
{
	if (e)
		worker_stop(&e->worker);
}

void elsewhere_free(struct elsewhere *e)
{
	if (!e)
		return;
	worker_dispose(&e->worker);
	if (e->session)
		e->core->ops->session_close(e->session);
	free(e);
}
