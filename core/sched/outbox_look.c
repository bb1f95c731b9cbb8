/* outbox_look.c - what the outbox reads of the store: who lives, how much is out, whose tasks nobody publishes. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "sched/outbox_state.h"
#include "task/announced.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

/* ------------------------------------------------------------------------------------ nodes */

struct nodes_seen {
	struct outbox *outbox;
	int64_t *living;
	size_t count;
	int64_t before, dispatching; /* of those that dispatch: with a lower incarnation than ours, and all */
};

/* The node's capacity, or the executor's own where that is less. */
static int64_t least(int64_t node, int64_t own)
{
	node = node > 0 ? node : 1;
	return own > 0 && own < node ? own : node;
}

/* `list`: what it announced of its executors. */
static void add_engine(struct outbox *o, const char *name, size_t size, const struct drover_announcement *node,
		       struct json_object *list)
{
	struct outbox_pool *pool = o->pools;
	struct announced_executor executor;

	/* Only what something waits for matters. */
	while (pool && (strncmp(pool->name, name, size) != 0 || pool->name[size]))
		pool = pool->next;
	for (struct outbox_lane *lane = pool ? pool->lanes : NULL; lane; lane = lane->next) {
		if (!announced_find(list, lane->executor, &executor) || !executor.up)
			continue;
		lane->engines = xrealloc(lane->engines, (lane->engine_count + 1) * sizeof(*lane->engines));
		lane->engines[lane->engine_count++] = (struct outbox_engine){
			.hosts = least(node->capacity_hosts, executor.hosts),
			.units = least(node->capacity_units, executor.units),
		};
	}
}

static int see_node(void *context, const struct drover_incarnation_row *row)
{
	struct nodes_seen *seen = context;
	struct outbox *o = seen->outbox;
	const struct drover_announcement *node = &row->node_is;
	const char *name = node->pools ? node->pools : "";
	bool own = row->incarnation == o->options.incarnation;
	struct json_object *list;

	if (row->ended_at)
		return 0;
	seen->living = xrealloc(seen->living, (seen->count + 1) * sizeof(*seen->living));
	seen->living[seen->count++] = row->incarnation;
	if (node->dispatches || own) {
		seen->dispatching++;
		seen->before += row->incarnation < o->options.incarnation;
	}
	if (row->drain || (node->state && !strcmp(node->state, "draining")))
		return 0;
	list = *name && o->pools ? announced_parse(node->executors) : NULL;
	for (size_t size; *(name += strspn(name, " ")); name += size) {
		size = strcspn(name, " ");
		add_engine(o, name, size, node, list);
	}
	json_object_put(list);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

	return (one > other) - (one < other);
}

static bool lives(const struct outbox *o, int64_t incarnation)
{
	return o->living_count &&
	       bsearch(&incarnation, o->living, o->living_count, sizeof(*o->living), by_number) != NULL;
}

int outbox_look_nodes(struct outbox *o, struct drover_session *session, struct drover_error *err)
{
	struct nodes_seen seen = { .outbox = o };
	int code;

	for (struct outbox_pool *pool = o->pools; pool; pool = pool->next)
		for (struct outbox_lane *lane = pool->lanes; lane; lane = lane->next)
			lane->engine_count = 0;
	code = o->options.ops->nodes(session, see_node, &seen, err);
	if (code) {
		free(seen.living);
		return code;
	}
	if (seen.count)
		qsort(seen.living, seen.count, sizeof(*seen.living), by_number);
	/* Whoever ends leaves tasks behind; and who comes changes who sees to whose. */
	if (seen.count != o->living_count ||
	    (seen.count && memcmp(seen.living, o->living, seen.count * sizeof(*seen.living)) != 0) ||
	    seen.dispatching != o->ranks || seen.before != o->rank)
		o->look_for_orphans = true;
	free(o->living);
	o->living = seen.living;
	o->living_count = seen.count;
	o->rank = seen.before;
	o->ranks = seen.dispatching > 0 ? seen.dispatching : 1;
	return 0;
}

/* ---------------------------------------------------------------------------------- how much */

static int see_depth(void *context, const struct drover_queued *queued)
{
	struct outbox *o = context;

	for (struct outbox_pool *pool = o->pools; pool; pool = pool->next)
		for (struct outbox_lane *lane = pool->lanes; lane; lane = lane->next)
			if (!strcmp(pool->name, queued->pool) && !strcmp(lane->executor, queued->executor))
				lane->queued = queued->units;
	return 0;
}

int outbox_look_depths(struct outbox *o, struct drover_session *session, struct drover_error *err)
{
	for (struct outbox_pool *pool = o->pools; pool; pool = pool->next)
		for (struct outbox_lane *lane = pool->lanes; lane; lane = lane->next)
			lane->queued = 0;
	return o->options.ops->queued(session, see_depth, o, err);
}

/* ----------------------------------------------------------------------------------- orphans */

struct orphans {
	struct outbox *outbox;
	struct drover_task *tasks; /* numbers; pools and executors are copies */
	size_t count;
};

static int see_task(void *context, const struct drover_task *row)
{
	struct orphans *orphans = context;
	struct outbox *o = orphans->outbox;

	if (row->home || row->incarnation == o->options.incarnation || lives(o, row->incarnation) ||
	    row->key % o->ranks != o->rank || outbox_find(o, row->key) ||
	    (row->published >= row->wave_units && row->wave + 1 >= row->waves))
		return 0;
	orphans->tasks = xrealloc(orphans->tasks, (orphans->count + 1) * sizeof(*orphans->tasks));
	orphans->tasks[orphans->count++] = (struct drover_task){ .size = sizeof(struct drover_task),
								 .key = row->key,
								 .pool = xstrdup(row->pool),
								 .executor = xstrdup(row->executor),
								 .priority = row->priority,
								 .unit_size = row->unit_size,
								 .waves = row->waves,
								 .wave = row->wave,
								 .wave_units = row->wave_units,
								 .next_wave_at = row->next_wave_at,
								 .published = row->published };
	return 0;
}

int outbox_look_orphans(struct outbox *o, struct drover_session *session, struct drover_error *err)
{
	const struct drover_task_filter filter = { .size = sizeof(filter),
						   .states = 1u << DROVER_TASK_QUEUED | 1u << DROVER_TASK_RUNNING };
	struct orphans orphans = { .outbox = o };
	int code = o->options.ops->tasks(session, &filter, see_task, &orphans, err);

	/* Newest first came out of the store; the oldest goes first here. */
	for (size_t i = orphans.count; i-- > 0;) {
		if (!code)
			outbox_take_up(o, &orphans.tasks[i]);
		free((char *)orphans.tasks[i].pool);
		free((char *)orphans.tasks[i].executor);
	}
	free(orphans.tasks);
	if (code)
		return code;
	o->look_for_orphans = false;
	if (orphans.count) {
		atomic_fetch_add(&o->adopted, (int64_t)orphans.count);
		log_info("%zu tasks are taken up: who accepted them has ended", orphans.count);
	}
	return 0;
}
