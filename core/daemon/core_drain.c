/*
 * core_drain.c - for sources: a node takes no further units, or does again. Runs on the sources' threads.
 */
#include <string.h>

#include "daemon/core.h"
#include "util/clock.h"
#include "util/log.h"

struct drain_job {
	struct job job;
	const char *node;
	bool drain;
};

static int run_drain(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		     struct drover_error *err)
{
	struct drain_job *job = (struct drain_job *)base;

	return ops->ask_drain(session, job->node, job->drain, err);
}

/* In a shared store the order is kept there, so that whoever gave it, anybody can take it back. */
int core_drain_engine(void *context, const char *name, bool drain, struct drover_error *err)
{
	struct core *core = context;
	struct drain_job job = { .job = { .run = run_drain, .weight = 1, .impatient = true },
				 .node = name,
				 .drain = drain };
	bool own = !strcmp(name, core->node);
	int code = 0;

	atomic_store(&core->last_request, clock_boot_ms());
	if (core->lease)
		code = writer_wait(core->writer, &job.job, err);
	if (code == DROVER_ENOTFOUND || (!core->lease && !own))
		return drover_error_set(err, DROVER_ENOTFOUND, "there is no engine %.100s here", name);
	if (!code && own)
		core_hold(core, drain);
	else if (!code)
		log_info("node %s is asked %s", name, drain ? "to drain" : "to take units again");
	return code;
}
