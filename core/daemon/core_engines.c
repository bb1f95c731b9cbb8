/*
 * core_engines.c - the nodes that there are, for sources: this one as it is now, and those that share its store as
 * they last announced themselves. Runs on the sources' threads.
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core.h"
#include "task/announced.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define MESSAGE_MAX 256 /* bytes of why an executor is down, of others */

typedef int engine_fn(void *context, const struct drover_engine *engine);

/* ------------------------------------------------------------------------------------- this node */

/* A copy of the view, so that no lock is held while the source's callback runs. */
static void copy_view(struct core *core, struct core_view *copy)
{
	size_t executors = core->executors.count;

	pthread_mutex_lock(&core->lock);
	*copy = core->view;
	copy->parts = xcalloc(copy->part_count, sizeof(*copy->parts));
	for (size_t i = 0; i < copy->part_count; i++) {
		struct core_part *part = &copy->parts[i];

		*part = core->view.parts[i];
		part->part.name = part->name = xstrdup(part->name);
		part->part.last_death = part->last_death = xstrdup(part->last_death);
	}
	copy->executors = xcalloc(executors, sizeof(*copy->executors));
	if (executors)
		memcpy(copy->executors, core->view.executors, executors * sizeof(*copy->executors));
	pthread_mutex_unlock(&core->lock);
}

static struct drover_executor_state state_row(const char *name, bool up, int64_t since, const char *why)
{
	return (struct drover_executor_state){ .size = sizeof(struct drover_executor_state),
					       .name = name,
					       .state = up ? "up" : "down",
					       .since = up ? 0 : since,
					       .message = up || !why || !*why ? NULL : why };
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

/* Of each executor; `names` gets them all. Owned by the caller, the strings are the core's and the view's. */
static struct drover_executor_state *own_states(const struct core *core, const struct core_view *view,
						struct buf *names)
{
	struct drover_executor_state *states = xcalloc(core->executors.count, sizeof(*states));

	buf_append(names, "", 0);
	for (size_t i = 0; i < core->executors.count; i++) {
		const struct announced_state *is = &view->executors[i].is;
		const char *name = core->executors.items[i].name;

		buf_printf(names, "%s%s", i ? " " : "", name);
		states[i] = state_row(name, is->up, is->since, is->why);
	}
	return states;
}

static int tell_own(struct core *core, engine_fn *fn, void *context)
{
	struct core_view view;
	struct lease_numbers lease = { .age = 0 };
	struct buf executors = BUF_INIT;
	struct drover_executor_state *states;
	struct drover_part *rows;
	char *pools = core_pools_text(core);
	struct engine_told told = { .fn = fn, .context = context };

	copy_view(core, &view);
	states = own_states(core, &view, &executors);
	rows = xcalloc(view.part_count, sizeof(*rows));
	for (size_t i = 0; i < view.part_count; i++)
		rows[i] = view.parts[i].part;
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
		.executors = executors.data,
		.isolation = view.isolation,
		.capacity_hosts = view.load.capacity_hosts,
		.capacity_units = view.load.capacity_units,
		.running_hosts = view.load.running_hosts,
		.running_units = view.load.running_units,
		.parts = rows,
		.part_count = view.part_count,
		.own = true,
		.silent_for = core->lease ? lease.age : -1,
		.executor_states = states,
		.executor_state_count = core->executors.count,
	};
	core_inventory(core, tell_engine_with, &told);
	core_view_dispose(&view);
	free(states);
	free(rows);
	free(pools);
	buf_dispose(&executors);
	return told.code;
}

/* ------------------------------------------------------------------------------------- the others */

struct other {
	struct drover_engine engine; /* its strings are the following, and of the list; state is static */
	char *name, *version, *pools, *executors, *isolation;
	struct json_object *announced; /* the list, or NULL */
	struct drover_executor_state *states;
	char (*messages)[MESSAGE_MAX]; /* of each state */
};

struct others {
	struct core *core;
	struct other *items;
	size_t count;
};

static const char *state_of(const struct core *core, const struct drover_incarnation_row *row, int64_t silent)
{
	if (row->ended_at || silent >= core->lease_stop_after)
		return "down";
	return row->drain || (row->node_is.state && !strcmp(row->node_is.state, "draining")) ? "draining" : "up";
}

/* What it announced, which anybody may have written who can write to the database. */
static void keep_executors(struct other *o, const char *announced, bool lives)
{
	size_t count;
	struct buf names = BUF_INIT;

	buf_append(&names, "", 0);
	o->announced = announced_parse(announced);
	count = o->announced ? json_object_array_length(o->announced) : 0;
	o->states = xcalloc(count, sizeof(*o->states));
	o->messages = xcalloc(count, sizeof(*o->messages));
	for (size_t i = 0; i < count; i++) {
		struct announced_executor executor;
		const char *name = announced_at(o->announced, i, &executor) ? executor.name : "?", *why = executor.why;

		buf_printf(&names, "%s%s", i ? " " : "", name);
		if (!lives) {
			executor = (struct announced_executor){ .up = false };
			why = "its engine is down";
		}
		snprintf(o->messages[i], sizeof(o->messages[i]), "%s", why ? why : "");
		o->states[i] = state_row(name, executor.up, executor.since, o->messages[i]);
	}
	o->executors = buf_take(&names);
	o->engine.executors = o->executors;
	o->engine.executor_states = o->states;
	o->engine.executor_state_count = count;
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
			     .isolation = xstrdup(is->isolation ? is->isolation : "") };
	o->engine = (struct drover_engine){ .size = sizeof(struct drover_engine),
					    .name = o->name,
					    .version = o->version,
					    .state = state_of(others->core, row, silent),
					    .incarnation = row->incarnation,
					    .started_at = row->started_at,
					    .renewed_at = row->renewed_at,
					    .pools = o->pools,
					    .isolation = o->isolation,
					    .capacity_hosts = is->capacity_hosts,
					    .capacity_units = is->capacity_units,
					    .running_hosts = is->running_hosts,
					    .running_units = is->running_units,
					    .silent_for = silent };
	keep_executors(o, is->executors, strcmp(o->engine.state, "down") != 0);
	return 0;
}

static void dispose_others(struct others *others)
{
	for (size_t i = 0; i < others->count; i++) {
		struct other *o = &others->items[i];

		free(o->name);
		free(o->version);
		free(o->pools);
		free(o->executors);
		free(o->isolation);
		json_object_put(o->announced);
		free(o->states);
		free(o->messages);
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
