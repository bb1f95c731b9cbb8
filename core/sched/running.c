/*
 * running.c - units while they are executed: what their executor hosts tell of them, checked against
 * what is known here. A unit process runs a plugin's code and may claim anything.
 */
#include <stdlib.h>
#include <string.h>

#include <drover/crash_point.h>

#include "sched/engine_state.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define NOTES_MAX 1024

struct running_unit *running_find(struct engine *e, uint64_t handle)
{
	struct running_unit *unit;

	HASH_FIND(hh, e->units, &handle, sizeof(handle), unit);
	return unit;
}

struct unit_life *running_hold(struct running_unit *unit)
{
	atomic_fetch_add(&unit->life->holders, 1);
	return unit->life;
}

void running_let_go(struct unit_life *life)
{
	if (atomic_fetch_sub(&life->holders, 1) == 1)
		free(life);
}

void running_free(struct engine *e, struct running_unit *unit)
{
	HASH_DEL(e->units, unit);
	atomic_store(&unit->life->ended, true);
	running_let_go(unit->life);
	free(unit->indexes);
	free(unit->reported);
	free(unit->hosts);
	free(unit->notes);
	free(unit);
}

void running_start(struct engine *e, struct active_task *task, const struct drover_claim *claim, struct kept_room kept,
		   struct exec_unit *exec)
{
	struct executor_slot *slot = &e->slots[task->executor];
	struct running_unit *unit = xcalloc(1, sizeof(*unit));
	size_t count = exec->info.count;
	bool has_lease = engine_has_lease(e);

	unit->handle = ++e->last_handle;
	unit->life = xcalloc(1, sizeof(*unit->life));
	atomic_init(&unit->life->holders, 1);
	unit->task = task;
	unit->unit = claim->unit;
	unit->attempt = claim->attempt;
	unit->tries = claim->attempt - claim->excused;
	unit->executor = task->executor;
	unit->count = unit->left = count;
	unit->indexes = xcalloc(count, sizeof(int64_t));
	if (count) /* the store may have lost the hosts */
		memcpy(unit->indexes, exec->indexes, count * sizeof(int64_t));
	unit->reported = xcalloc(count, sizeof(bool));
	unit->hosts = watching_names(exec->info.targets, count);
	HASH_ADD(hh, e->units, handle, sizeof(unit->handle), unit);
	unit->kept = kept;
	engine_room_change(e, slot->position, kept, (int64_t)count, 1);
	hub_unit(e->hub, task->task.id, unit->unit, "claimed", unit->attempt);
	if (!slot->link || task->cancelled || !count || !has_lease) {
		/* Between the claim and here the executor died, the task was cancelled, or this process stood still
		 * for so long that others may have the unit by now: nothing was touched. */
		unit->stopped = task->cancelled;
		unit->cut_off = !has_lease && !task->cancelled;
		ending_put(e, unit,
			   &(struct exec_ended){ .handle = unit->handle,
						 .how = task->cancelled ? EXEC_STOPPED : EXEC_NOT_STARTED,
						 .message = has_lease ? "its executor is down"
								      : "its engine's lease was not renewed" });
		return;
	}
	exec->handle = unit->handle;
	exec->begin_by = atomic_load(&e->lease_until);
	exec->info.deadline = unit->deadline = clock_boot_ms() + task->task.timeout;
	CRASH_POINT("execute.send");
	exec_link_execute(slot->link, exec);
	CRASH_POINT("execute.sent");
	if (task->watchers)
		watching_tell(e, unit);
}

static void add_note(struct running_unit *unit, const char *text)
{
	size_t old = unit->notes ? strlen(unit->notes) : 0;

	if (old + strlen(text) + 3 > NOTES_MAX)
		return;
	unit->notes = xrealloc(unit->notes, old + strlen(text) + 3);
	strcpy(unit->notes + old, old ? "; " : "");
	strcat(unit->notes, text);
}

static void on_ready(void *context, const char *version)
{
	struct executor_slot *slot = context;

	log_info("executor %s is up (%s)", slot->engine->options.executors->items[slot->position].name,
		 version ? version : "?");
	slot->ready = true;
	engine_wake(slot->engine);
}

static void on_draining(void *context)
{
	((struct executor_slot *)context)->ready = false;
}

static void on_started(void *context, uint64_t handle, int pid)
{
	struct executor_slot *slot = context;
	struct running_unit *unit = running_find(slot->engine, handle);

	if (unit)
		log_debug("task %s unit %lld attempt %d runs as process %d", unit->task->task.id, (long long)unit->unit,
			  unit->attempt, pid);
}

static void on_result(void *context, uint64_t handle, size_t position, enum drover_status status,
		      const struct drover_report *report)
{
	struct executor_slot *slot = context;
	struct engine *e = slot->engine;
	struct running_unit *unit = running_find(e, handle);

	if (!unit || unit->executor != (int)slot->position)
		return;
	if (position >= unit->count || (!drover_status_is_final(status) && status != DROVER_RUNNING)) {
		add_note(unit, "reported something impossible");
		return;
	}
	if (status == DROVER_RUNNING) {
		if (!unit->reported[position])
			results_add(e, unit, position, status, report);
		return;
	}
	if (unit->reported[position]) {
		add_note(unit, "reported a host twice; the first report stands");
		return;
	}
	unit->reported[position] = true;
	unit->left--;
	engine_room_change(e, slot->position, unit->kept, -1, 0);
	CRASH_POINT("result.take");
	results_add(e, unit, position, status, report);
	engine_wake(e);
}

static void on_note(void *context, uint64_t handle, const char *text)
{
	struct executor_slot *slot = context;
	struct running_unit *unit = running_find(slot->engine, handle);

	if (!unit)
		return;
	log_warning("task %s unit %lld: the executor %s %s", unit->task->task.id, (long long)unit->unit,
		    slot->engine->options.executors->items[slot->position].name, text);
	add_note(unit, text);
}

static void on_ended(void *context, const struct exec_ended *ended)
{
	struct executor_slot *slot = context;
	struct running_unit *unit = running_find(slot->engine, ended->handle);

	if (unit && unit->executor == (int)slot->position)
		ending_put(slot->engine, unit, ended);
}

static void on_begin(void *context, uint64_t handle, size_t first, size_t count)
{
	struct executor_slot *slot = context;
	struct engine *e = slot->engine;
	struct running_unit *unit = running_find(e, handle);

	if (!unit || unit->executor != (int)slot->position)
		return;
	if (first >= unit->count || !count || count > unit->count - first) {
		add_note(unit, "wanted to begin hosts that are not its own");
		exec_link_grant(slot->link, handle, first, count, false);
		return;
	}
	wants_add(e, unit, first, count);
}

/* The executor host died; the supervisor sees to it that nothing of its units lives on. */
static void on_closed(void *context, const char *reason)
{
	struct executor_slot *slot = context;
	struct engine *e = slot->engine;
	struct running_unit *unit, *next;
	char message[256];

	snprintf(message, sizeof(message), "the executor host %s died: %s",
		 e->options.executors->items[slot->position].name, reason ? reason : "its connection closed");
	log_error("%s", message);
	exec_link_free(slot->link);
	slot->link = NULL;
	slot->ready = false;
	HASH_ITER (hh, e->units, unit, next)
		if (unit->executor == (int)slot->position)
			ending_put(
				e, unit,
				&(struct exec_ended){ .handle = unit->handle, .how = EXEC_KILLED, .message = message });
}

const struct exec_link_events running_events = {
	.ready = on_ready,
	.draining = on_draining,
	.started = on_started,
	.begin = on_begin,
	.result = on_result,
	.note = on_note,
	.ended = on_ended,
	.closed = on_closed,
	.output = watching_output,
};
