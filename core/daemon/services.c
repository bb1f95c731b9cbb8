/* services.c - what sources may ask of the core: drover/source.h. Runs on the sources' threads. */
#include <stdlib.h>
#include <string.h>

#include <drover/crash_point.h>

#include "daemon/core.h"
#include "daemon/distribution.h"
#include "daemon/waiting.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

static int lend(struct core *core, struct drover_session **session, struct drover_error *err)
{
	atomic_store(&core->last_request, clock_boot_ms());
	return readers_take(core->readers, session, err);
}

/* A callback's own value ends a query early, which breaks nothing. */
static void give_back(struct core *core, struct drover_session *session, int code)
{
	readers_give(core->readers, session, code == DROVER_EFAULT || code == DROVER_ERETRY);
}

struct task_seen {
	struct core *core;
	drover_task_fn *fn;
	void *context;
	char refused[512];
};

/* Adds what the core knows of it. */
static int see_task(void *context, const struct drover_task *row)
{
	struct task_seen *seen = context;
	struct drover_task task = *row;
	char waiting[512];

	waiting_say(seen->core->waiting, row, waiting, sizeof(waiting));
	task.waiting = *waiting ? waiting : *seen->refused ? seen->refused : NULL;
	return seen->fn(seen->context, &task);
}

static int query_task(void *context, const char *id, drover_task_fn *fn, void *fn_context, struct drover_error *err)
{
	struct core *core = context;
	struct task_seen seen = { core, fn, fn_context, "" };
	struct drover_session *session;
	int code;

	if (core->waiting)
		waiting_refresh(core->waiting);
	code = lend(core, &session, err);
	if (code)
		return code;
	if (core->waiting)
		waiting_judge(core, session, id, seen.refused, sizeof(seen.refused));
	code = core->ops->task(session, id, 0, core->waiting ? see_task : fn, core->waiting ? &seen : fn_context, err);
	give_back(core, session, code);
	return code;
}

static int query_tasks(void *context, const struct drover_task_filter *filter, drover_task_fn *fn, void *fn_context,
		       struct drover_error *err)
{
	struct core *core = context;
	struct drover_session *session;
	int code = lend(core, &session, err);

	if (code)
		return code;
	code = core->ops->tasks(session, filter, fn, fn_context, err);
	give_back(core, session, code);
	return code;
}

static int query_units(void *context, int64_t task_key, int64_t after_unit, int64_t limit, drover_unit_row_fn *fn,
		       void *fn_context, struct drover_error *err)
{
	struct core *core = context;
	struct drover_session *session;
	int code = lend(core, &session, err);

	if (code)
		return code;
	code = core->ops->units(session, task_key, after_unit, limit, fn, fn_context, err);
	give_back(core, session, code);
	return code;
}

static int query_results(void *context, const struct drover_result_filter *filter, drover_result_fn *fn,
			 void *fn_context, struct drover_error *err)
{
	struct core *core = context;
	struct drover_session *session;
	int code = lend(core, &session, err);

	if (code)
		return code;
	code = core->ops->results_query(session, filter, fn, fn_context, err);
	give_back(core, session, code);
	return code;
}

static int query_verify(void *context, int64_t task_key, struct drover_verification *verification,
			struct drover_error *err)
{
	struct core *core = context;
	struct drover_session *session;
	int code = lend(core, &session, err);

	if (code)
		return code;
	code = core->ops->verify(session, task_key, verification, err);
	give_back(core, session, code);
	return code;
}

/* ------------------------------------------------------------------------------------ cancel */

struct cancel_job {
	struct job job;
	int64_t task_key;
	const char *reason;
};

static int run_cancel(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		      struct drover_error *err)
{
	struct cancel_job *job = (struct cancel_job *)base;
	int code;

	CRASH_POINT("cancel.write");
	code = ops->cancel(session, job->task_key, job->reason, err);
	CRASH_POINT("cancel.written");
	return code;
}

struct cancelled_note {
	struct job job;
	struct core *core;
	int64_t task_key;
};

static void tell_engine(struct job *base, int code, const struct drover_error *err)
{
	struct cancelled_note *note = (struct cancelled_note *)base;

	(void)code;
	(void)err;
	engine_task_cancelled(note->core->engine, note->task_key);
	free(note);
}

static int take_key(void *context, const struct drover_task *task)
{
	*(int64_t *)context = task->key;
	return 0;
}

static int cancel(void *context, const char *id, const char *reason, drover_task_fn *fn, void *fn_context,
		  struct drover_error *err)
{
	struct core *core = context;
	struct cancel_job job = { .job = { .run = run_cancel, .weight = 100, .impatient = true }, .reason = reason };
	struct cancelled_note *note;
	int code = query_task(context, id, take_key, &job.task_key, err);

	if (!code)
		code = writer_wait(core->writer, &job.job, err);
	if (code)
		return code;
	CRASH_POINT("cancel.done");
	log_info("task %s is cancelled", id);
	note = xcalloc(1, sizeof(*note));
	note->job.done = tell_engine;
	note->core = core;
	note->task_key = job.task_key;
	writer_post(core->writer, &note->job);
	return query_task(context, id, fn, fn_context, err);
}

/* -------------------------------------------------------------------------- the node's state */

static void health(void *context, struct drover_core_health *health)
{
	struct core *core = context;
	bool draining = atomic_load(&core->draining), store_ok = core_store_ok(core);

	pthread_mutex_lock(&core->lock);
	*health = (struct drover_core_health){ .size = sizeof(*health),
					       .ready = !draining && store_ok,
					       .draining = draining,
					       .store_ok = store_ok,
					       .message = draining    ? "the daemon is stopping"
							  : !store_ok ? "the store cannot be written to"
								      : NULL,
					       .ready_units = core->view.load.ready_units,
					       .running_units = core->view.load.running_units,
					       .running_hosts = core->view.load.running_hosts };
	pthread_mutex_unlock(&core->lock);
}

static int subscribe(void *context, const char *task, unsigned kinds, drover_subscriber_fn *fn, void *fn_context,
		     void **subscription, struct drover_error *err)
{
	return hub_subscribe(((struct core *)context)->hub, task, kinds, fn, fn_context, subscription, err);
}

static void unsubscribe(void *context, void *subscription)
{
	hub_unsubscribe(((struct core *)context)->hub, subscription);
}

static const char *node(void *context)
{
	return ((struct core *)context)->node;
}

static const char *version(void *context)
{
	(void)context;
	return DROVER_VERSION;
}

const struct drover_source_services core_services = {
	.size = sizeof(struct drover_source_services),
	.submit = core_submit,
	.cancel = cancel,
	.task = query_task,
	.tasks = query_tasks,
	.units = query_units,
	.results = query_results,
	.verify = query_verify,
	.engines = core_engines,
	.executors = core_executors,
	.health = health,
	.subscribe = subscribe,
	.unsubscribe = unsubscribe,
	.node = node,
	.version = version,
	.permit = access_permit,
	.audit = core_audit,
	.metrics = metrics_tell,
	.retry = core_retry,
	.groups = core_groups,
	.output_part = core_output_part,
	.inventory = core_inventory,
	.host_groups = core_host_groups,
	.drain_engine = core_drain_engine,
	.offer_unit = distribution_offer_unit,
	.await_room = distribution_await_room,
	.takes_units = distribution_takes_units,
};
