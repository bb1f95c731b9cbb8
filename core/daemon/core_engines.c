/*
 * core_engines.c - the nodes that there are, for sources: this one as it is now, and those that share its store as
 * they last announced themselves. Runs on the sources' threads.
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core.h"
#include "proc/slice.h"
#include "task/json.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

typedef int engine_fn(void *context, const struct drover_engine *engine);

/* ------------------------------------------------------------------------------------- this node */

/* A copy of the parts, so that no lock is held while the source's callback runs. */
static struct core_part *copy_parts(struct core *core, size_t *count, struct engine_load *load, char *isolation)
{
	struct core_part *parts;

	pthread_mutex_lock(&core->lock);
	*count = core->view.part_count;
	*load = core->view.load;
	memcpy(isolation, core->view.isolation, sizeof(core->view.isolation));
	parts = xcalloc(*count, sizeof(*parts));
	for (size_t i = 0; i < *count; i++) {
		parts[i].part = core->view.parts[i].part;
		parts[i].part.name = parts[i].name = xstrdup(core->view.parts[i].name);
		parts[i].part.last_death = parts[i].last_death = xstrdup(core->view.parts[i].last_death);
	}
	pthread_mutex_unlock(&core->lock);
	return parts;
}

struct engine_told {
	int (*fn)(void *context, const struct drover_engine *engine);
	void *context;
	struct drover_engine engine;
	int code;
};

/* The inventory's state is borrowed for this call. */
static void tell_engine_with(void *context, const struct drover_inventory *inventory)
{
	struct engine_told *told = context;

	told->engine.inventory = strcmp(inventory->state, "none") ? inventory : NULL;
	told->code = told->fn(told->context, &told->engine);
}

static int tell_own(struct core *core, engine_fn *fn, void *context)
{
	struct engine_load load;
	struct lease_numbers lease = { .age = 0 };
	struct buf executors = BUF_INIT;
	size_t count;
	char isolation[sizeof(core->view.isolation)];
	struct core_part *parts = copy_parts(core, &count, &load, isolation);
	struct drover_part *rows = xcalloc(count, sizeof(*rows));
	char *pools = core_pools_text(core);
	struct engine_told told = { .fn = fn, .context = context };

	for (size_t i = 0; i < count; i++)
		rows[i] = parts[i].part;
	for (size_t i = 0; i < core->executors.count; i++)
		buf_printf(&executors, "%s%s", i ? " " : "", core->executors.items[i].name);
	if (core->lease)
		lease_read_numbers(core->lease, &lease);
	told.engine = (struct drover_engine){
		.size = sizeof(struct drover_engine),
		.name = core->node,
		.version = DROVER_VERSION,
		.state = core_is_draining(core) ? "draining" : "up",
		.incarnation = core->incarnation,
		.started_at = core->started_at,
		.renewed_at = atomic_load(&core->renewed_at),
		.pools = pools,
		.executors = executors.data ? executors.data : "",
		.isolation = isolation,
		.capacity_hosts = load.capacity_hosts,
		.capacity_units = load.capacity_units,
		.running_hosts = load.running_hosts,
		.running_units = load.running_units,
		.parts = rows,
		.part_count = count,
		.own = true,
		.silent_for = core->lease ? lease.age : -1,
	};
	core_inventory(core, tell_engine_with, &told);
	for (size_t i = 0; i < count; i++) {
		free(parts[i].name);
		free(parts[i].last_death);
	}
	free(parts);
	free(rows);
	free(pools);
	buf_dispose(&executors);
	return told.code;
}

/* ------------------------------------------------------------------------------------- the others */

struct other {
	struct drover_engine engine; /* its strings are the following; state is static */
	char *name, *version, *pools, *executors, *isolation;
};

struct others {
	struct core *core;
	struct other *items;
	size_t count;
};

/* The names in an announcement, which anybody may have written who can write to the database. */
static char *executor_names(const char *announced)
{
	struct json_object *array = NULL;
	struct drover_error err;
	struct buf names = BUF_INIT;

	buf_append(&names, "", 0);
	if (announced && *announced && !json_read(announced, strlen(announced), &array, &err) &&
	    json_object_is_type(array, json_type_array))
		for (size_t i = 0; i < json_object_array_length(array); i++)
			buf_printf(&names, "%s%s", names.size ? " " : "",
				   slice_text(json_object_array_get_idx(array, i), "name", "?"));
	json_object_put(array);
	return buf_take(&names);
}

static const char *state_of(const struct core *core, const struct drover_incarnation_row *row, int64_t silent)
{
	if (row->ended_at || silent >= core->lease_stop_after)
		return "down";
	return row->drain || (row->node_is.state && !strcmp(row->node_is.state, "draining")) ? "draining" : "up";
}

static int keep_other(void *context, const struct drover_incarnation_row *row)
{
	struct others *others = context;
	const struct drover_announcement *is = &row->node_is;
	int64_t silent = lease_silence(others->core->lease, row->incarnation);
	int64_t keep = atomic_load(&others->core->keep);
	struct other *o;

	/* Nodes that are no more are shown for as long as tasks are kept. */
	if (row->incarnation == others->core->incarnation ||
	    (row->ended_at && keep && row->ended_at < clock_utc_ms() - keep))
		return 0;
	others->items = xrealloc(others->items, (others->count + 1) * sizeof(*others->items));
	o = &others->items[others->count++];
	*o = (struct other){ .name = xstrdup(row->node),
			     .version = xstrdup(row->version),
			     .pools = xstrdup(is->pools ? is->pools : ""),
			     .executors = executor_names(is->executors),
			     .isolation = xstrdup(is->isolation ? is->isolation : "") };
	o->engine = (struct drover_engine){ .size = sizeof(struct drover_engine),
					    .name = o->name,
					    .version = o->version,
					    .state = state_of(others->core, row, silent),
					    .incarnation = row->incarnation,
					    .started_at = row->started_at,
					    .renewed_at = row->renewed_at,
					    .pools = o->pools,
					    .executors = o->executors,
					    .isolation = o->isolation,
					    .capacity_hosts = is->capacity_hosts,
					    .capacity_units = is->capacity_units,
					    .running_hosts = is->running_hosts,
					    .running_units = is->running_units,
					    .silent_for = silent };
	return 0;
}

static void dispose_others(struct others *others)
{
	for (size_t i = 0; i < others->count; i++) {
		free(others->items[i].name);
		free(others->items[i].version);
		free(others->items[i].pools);
		free(others->items[i].executors);
		free(others->items[i].isolation);
	}
	free(others->items);
}

static int read_others(struct core *core, struct others *others, struct drover_error *err)
{
	struct drover_session *session;
	int code = readers_take(core->readers, &session, err);

	if (code)
		return code;
	code = core->ops->nodes(session, keep_other, others, err);
	readers_give(core->readers, session, code != 0);
	return code;
}

/* While the store is away, this node alone: its processes and their deaths are what one wants to see then. */
int core_engines(void *context, engine_fn *fn, void *fn_context, struct drover_error *err)
{
	struct core *core = context;
	struct others others = { .core = core };
	struct drover_error why = { 0 };
	bool told_own = false;
	int code = 0;

	(void)err;
	atomic_store(&core->last_request, clock_boot_ms());
	if (core->lease && read_others(core, &others, &why))
		log_warning("cannot read the other nodes: %s", why.message);
	for (size_t i = 0; i < others.count && !code; i++) {
		if (!told_own && strcmp(others.items[i].name, core->node) > 0) {
			told_own = true;
			code = tell_own(core, fn, fn_context);
		}
		if (!code)
			code = fn(fn_context, &others.items[i].engine);
	}
	if (!told_own && !code)
		code = tell_own(core, fn, fn_context);
	dispose_others(&others);
	return code;
}

/* ------------------------------------------------------------------------------------ draining */

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
