/*
 * engine_room.c - the room of the engine's node and of each of its executors: who takes of it, and who fits in. room.h has
 * the arithmetic.
 */
#include "sched/engine_state.h"

/* ------------------------------------------------------------------------------------ how much there is */

void engine_room_limit_executors(struct engine *e)
{
	for (size_t i = 0; i < e->options.executors->count; i++) {
		const struct executor_entry *executor = &e->options.executors->items[i];

		e->slots[i].limits = (struct room_limits){ .hosts = executor->capacity_hosts,
							   .units = executor->capacity_units,
							   .reserve = e->options.capacity.reserve };
	}
}

void engine_set_capacity(struct engine *e, const struct room_limits *capacity)
{
	e->options.capacity = *capacity;
	engine_room_limit_executors(e);
	engine_wake(e);
}

void engine_room_change(struct engine *e, size_t executor, struct kept_room kept, int64_t hosts, int64_t units)
{
	room_add(&e->room, kept.node, hosts, units);
	room_add(&e->slots[executor].room, kept.executor, hosts, units);
}

/* ---------------------------------------------------------------------------------------- who fits in */

int64_t engine_room_of_unit(const struct active_task *task)
{
	return task->task.unit_size < task->task.hosts ? task->task.unit_size : task->task.hosts;
}

enum room_fit engine_room_of_node(const struct engine *e, const struct active_task *task)
{
	return room_fit(&e->room, &e->options.capacity, engine_room_of_unit(task), !task->running);
}

enum room_fit engine_room_of_executor(const struct engine *e, const struct active_task *task)
{
	const struct executor_slot *slot = &e->slots[task->executor];

	return room_fit(&slot->room, &slot->limits, engine_room_of_unit(task), !task->running);
}

struct kept_room engine_room_kept(const struct engine *e, const struct active_task *task)
{
	return (struct kept_room){ .node = engine_room_of_node(e, task) == ROOM_KEPT,
				   .executor = engine_room_of_executor(e, task) == ROOM_KEPT };
}

/* Where the node itself has room, `waiting` lacks its own executor's. What is kept for first units is never another's. */
bool engine_room_shares(void *context, struct ready_task *waiting, struct ready_task *task)
{
	const struct engine *e = context;
	const struct active_task *w = (const struct active_task *)waiting, *t = (const struct active_task *)task;

	if (engine_room_of_node(e, w) == ROOM_NONE)
		return engine_room_of_node(e, t) != ROOM_KEPT;
	return w->executor == t->executor && engine_room_of_executor(e, t) != ROOM_KEPT;
}

bool engine_room_has_any(const struct engine *e)
{
	return room_fit(&e->room, &e->options.capacity, 1, false) != ROOM_NONE;
}
