/*
 * core_executors.c - executors as they are: this node's, which are looked at four times a second, and for sources those
 * of all engines.
 */
#include <string.h>

#include "daemon/core.h"
#include "util/buf.h"
#include "util/clock.h"

/* ------------------------------------------------------------------------------- how they are now */

static const struct drover_part *find_part(const struct core_view *view, const char *executor)
{
	static const char prefix[] = "executor: ";

	for (size_t i = 0; i < view->part_count; i++)
		if (!strncmp(view->parts[i].name, prefix, strlen(prefix)) &&
		    !strcmp(view->parts[i].name + strlen(prefix), executor))
			return &view->parts[i].part;
	return NULL;
}

/*
 * Its last death is why it is down, unless it was up since: who was asked to end has not died, and a record of last week
 * explains nothing.
 */
static bool look_at(struct core_executor *executor, const struct drover_part *part, bool up)
{
	struct announced_state *state = &executor->is;
	const struct announced_state before = *state;

	if (part && (up || !executor->known)) {
		executor->death = part->died_at;
		executor->known = true;
	}
	if (up) {
		*state = (struct announced_state){ .up = true };
		return !before.up;
	}
	state->up = false;
	if (!state->since)
		state->since = clock_utc_ms();
	if (part && part->last_death && part->died_at != executor->death)
		snprintf(state->why, sizeof(state->why), "%s", part->last_death);
	return before.up || strcmp(before.why, state->why) != 0;
}

bool core_look_at_executors(struct core *core)
{
	bool changed = false;

	for (size_t i = 0; i < core->executors.count; i++) {
		const struct drover_part *part = find_part(&core->view, core->executors.items[i].name);

		changed |= look_at(&core->view.executors[i], part, engine_executor_is_up(core->engine, i));
	}
	return changed;
}

/* ------------------------------------------------------------------------------------ for sources */

/* A distributor's tasks are executed by others. */
static int served_executors(struct core *core, int (*fn)(void *fn_context, const struct drover_executor_row *row),
			    void *fn_context, struct drover_error *err)
{
	struct served *served;
	int code = served_take(core->served, &served, err);

	for (size_t i = 0; !code && i < served->row_count; i++) {
		const struct served_row *row = &served->rows[i];

		code = fn(fn_context, &(struct drover_executor_row){ .size = sizeof(struct drover_executor_row),
								     .name = row->name,
								     .plugin = row->plugin,
								     .version = row->version,
								     .types = row->types,
								     .summary = row->summary,
								     .state = row->up ? "up" : "down",
								     .nodes = row->nodes });
	}
	served_give(served);
	return code;
}

static int own_executors(struct core *core, int (*fn)(void *fn_context, const struct drover_executor_row *row),
			 void *fn_context)
{
	int code = 0;

	for (size_t i = 0; i < core->executors.count && !code; i++) {
		const struct executor_entry *e = &core->executors.items[i];
		bool up;

		pthread_mutex_lock(&core->lock);
		up = core->view.executors[i].is.up;
		pthread_mutex_unlock(&core->lock);
		code = fn(fn_context, &(struct drover_executor_row){ .size = sizeof(struct drover_executor_row),
								     .name = e->name,
								     .plugin = e->plugin,
								     .version = e->version,
								     .types = e->types_text,
								     .summary = e->summary,
								     .state = up ? "up" : "down" });
	}
	return code;
}

int core_executors(void *context, int (*fn)(void *fn_context, const struct drover_executor_row *row), void *fn_context,
		   struct drover_error *err)
{
	struct core *core = context;

	atomic_store(&core->last_request, clock_boot_ms());
	return core->served ? served_executors(core, fn, fn_context, err) : own_executors(core, fn, fn_context);
}
