/*
 * states.c - the lives of tasks, units and hosts as transition tables, and the counts that follow.
 */
#include "sqlstore.h"

#define BIT(state) (1u << (state))

/* By the state that is left, the states that may follow. */
static const unsigned task_moves[DROVER_TASK_STATE_COUNT] = {
	[DROVER_TASK_ACCEPTING] = BIT(DROVER_TASK_QUEUED),
	[DROVER_TASK_QUEUED] = BIT(DROVER_TASK_RUNNING) | BIT(DROVER_TASK_CANCELLING) | BIT(DROVER_TASK_DONE),
	[DROVER_TASK_RUNNING] = BIT(DROVER_TASK_CANCELLING) | BIT(DROVER_TASK_ABORTING) | BIT(DROVER_TASK_DONE),
	[DROVER_TASK_CANCELLING] = BIT(DROVER_TASK_CANCELLED),
	[DROVER_TASK_ABORTING] = BIT(DROVER_TASK_ABORTED),
};

static const unsigned unit_moves[DROVER_UNIT_STATE_COUNT] = {
	[DROVER_UNIT_READY] = BIT(DROVER_UNIT_CLAIMED) | BIT(DROVER_UNIT_DONE),
	[DROVER_UNIT_CLAIMED] = BIT(DROVER_UNIT_READY) | BIT(DROVER_UNIT_DONE),
};

#define FINAL (BIT(DROVER_STATUS_COUNT) - BIT(DROVER_OK))

static const unsigned host_moves[DROVER_STATUS_COUNT] = {
	[DROVER_PENDING] = BIT(DROVER_RUNNING) | FINAL,
	[DROVER_RUNNING] = BIT(DROVER_PENDING) | FINAL,
};

void states_move_task(struct task_row *task, enum drover_task_state to, int64_t now)
{
	assert(task_moves[task->state] & BIT(to));
	task->state = to;
	task->dirty = true;
	if (to == DROVER_TASK_RUNNING)
		task->started_at = now;
	if (drover_task_state_is_final(to))
		task->finished_at = now;
}

void states_move_unit(struct unit_row *unit, enum drover_unit_state to, int64_t now)
{
	assert(unit_moves[unit->state] & BIT(to));
	assert((to == DROVER_UNIT_DONE) == !unit->open);
	unit->state = to;
	unit->dirty = true;
	/* Given back it is due at once, and nobody has published it yet. */
	unit->publish_at = to == DROVER_UNIT_READY && !unit->task->has_home;
	unit->publications = 0;
	if (to == DROVER_UNIT_CLAIMED)
		unit->claimed_at = now;
	if (to == DROVER_UNIT_DONE) {
		unit->finished_at = now;
		unit->task->units_done++;
		unit->task->dirty = true;
	}
}

void states_move_hosts(struct task_row *task, struct unit_row *unit, enum drover_status from, enum drover_status to,
		       int64_t count, int64_t now)
{
	assert(host_moves[from] & BIT(to));
	if (!count)
		return;
	task->counts[from] -= count;
	task->counts[to] += count;
	task->dirty = task->counted = true;
	if (!unit)
		return;
	unit->dirty = true;
	if (!drover_status_is_final(to))
		return;
	unit->open -= count;
	if (!unit->open)
		states_move_unit(unit, DROVER_UNIT_DONE, now);
}
