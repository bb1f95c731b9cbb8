/* tick.c - what the core does by the clock, four times a second: see each function. Event loop. */
#include <stdlib.h>

#include "daemon/core.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define PULSE_MS 1000
#define EXPIRE_MS 1000
#define RETAIN_MS (10 * 60 * 1000)
#define RETAIN_ROWS 2000
#define STOP_GRACE_MS 4000 /* before the drain's deadline: for units that are ended there */

/* True once each `period`. */
static bool is_due(int64_t now, int64_t *next, int64_t period)
{
	if (now < *next)
		return false;
	*next = now + period;
	return true;
}

void core_view_update(struct core *core)
{
	bool changed;

	pthread_mutex_lock(&core->lock);
	engine_load(core->engine, &core->view.load);
	changed = core_look_at_executors(core);
	pthread_mutex_unlock(&core->lock);
	if (changed)
		core_announce(core);
}

struct core_job {
	struct job job;
	struct core *core;
	bool more;
};

static void put(struct core *core, job_run_fn *run, job_done_fn *done)
{
	struct core_job *job = xcalloc(1, sizeof(*job));

	job->job = (struct job){ .run = run, .done = done, .weight = 1, .on_loop = true };
	job->core = core;
	writer_put(core->writer, &job->job);
}

/* ---------------------------------------------------- the lease, in a store of the node's own */

static int run_renew(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		     struct drover_error *err)
{
	struct drover_renewal renewal = { .size = sizeof(renewal),
					  .incarnation = ((struct core_job *)base)->core->incarnation };

	return ops->renew(session, &renewal, err);
}

static void renew_done(struct job *base, int code, const struct drover_error *err)
{
	struct core *core = ((struct core_job *)base)->core;

	core->renewing = false;
	if (!code) {
		atomic_store(&core->renewed_at, clock_utc_ms());
	} else if (code == DROVER_ECONFLICT) {
		/* Somebody else is this node now: two of them would execute the same hosts. */
		log_error("this core's lease was ended by another: %s; it stops", err->message);
		sd_event_exit(core->event, 1);
	}
	free(base);
}

/* ------------------------------------------------------------------------ expiry, retention */

static int run_expire(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		      struct drover_error *err)
{
	return ops->expire(session, 100, &((struct core_job *)base)->more, err);
}

static void expire_done(struct job *base, int code, const struct drover_error *err)
{
	struct core_job *job = (struct core_job *)base;

	job->core->expiring = false;
	if (code)
		log_error("cannot expire tasks: %s", err->message);
	else if (job->more)
		job->core->next_expire = 0;
	free(job);
}

static int run_retain(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		      struct drover_error *err)
{
	struct core_job *job = (struct core_job *)base;

	return ops->retain(session, clock_utc_ms() - atomic_load(&job->core->keep), RETAIN_ROWS, &job->more, err);
}

static void retain_done(struct job *base, int code, const struct drover_error *err)
{
	struct core_job *job = (struct core_job *)base;

	job->core->retaining = false;
	if (code)
		log_error("cannot remove old tasks: %s", err->message);
	else if (job->more)
		job->core->next_retain = 0;
	free(job);
}

static void expire(struct core *core, int64_t now)
{
	int64_t next = engine_next_expiry(core->engine);
	/* In a shared store there may be tasks of nodes that are gone, of which nobody knows when they expire. */
	bool due = core->ops->shared || (next && next <= clock_utc_ms());

	if (!due || core->expiring ||
	    !is_due(now, &core->next_expire, core->ops->shared ? core->lease_renew : EXPIRE_MS))
		return;
	core->expiring = true;
	put(core, run_expire, expire_done);
}

/* --------------------------------------------------------------------------- coming to an end */

static void drain(struct core *core, int64_t now, const struct engine_load *load)
{
	if (!core->drain_deadline)
		return;
	if (!load->running_units || now >= core->drain_deadline) {
		sd_event_exit(core->event, 0);
		return;
	}
	if (!core->stopping_units && now >= core->drain_deadline - STOP_GRACE_MS) {
		log_warning("%lld units still run at the end of the drain: they are ended",
			    (long long)load->running_units);
		core->stopping_units = true;
		engine_stop_units(core->engine, "droverd is stopped");
	}
}

static void idle(struct core *core, int64_t now, const struct engine_load *load)
{
	if (!core->idle_exit || core->drain_deadline)
		return;
	if (load->tasks)
		atomic_store(&core->last_request, now);
	else if (now - atomic_load(&core->last_request) >= core->idle_exit)
		control_idle(core->control);
}

void core_tick(struct core *core)
{
	int64_t now = clock_boot_ms();
	struct engine_load load;

	core_view_update(core);
	engine_tick(core->engine);
	engine_load(core->engine, &load);
	if (is_due(now, &core->next_pulse, PULSE_MS))
		control_pulse(core->control, &(struct control_pulse){ .store_ok = core_store_ok(core),
								      .running_hosts = load.running_hosts,
								      .running_units = load.running_units,
								      .ready_units = load.ready_units });
	if (is_due(now, &core->next_permit, core->lease_permit))
		engine_permit(core->engine);
	if (!core->lease && !core->renewing && is_due(now, &core->next_renew, core->lease_renew)) {
		core->renewing = true;
		put(core, run_renew, renew_done);
	}
	expire(core, now);
	if (atomic_load(&core->keep) && !core->retaining && is_due(now, &core->next_retain, RETAIN_MS)) {
		core->retaining = true;
		put(core, run_retain, retain_done);
	}
	drain(core, now, &load);
	idle(core, now, &load);
}
