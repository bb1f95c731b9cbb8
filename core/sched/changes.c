/*
 * changes.c - what a task's claims and intents depend on has changed: hosts have ended and make room in its
 * fan-out, an older task with its concurrency key has ended, its waves have ended, it is being aborted.
 *
 * The store decides all of that; here is only when it is asked again. No wake-up is lost: what a refusal
 * was based on is known by task->changes, and a change that came in between unblocks at once.
 */
#include <string.h>

#include "sched/engine_state.h"
#include "sched/offers.h"
#include "util/clock.h"

#define ASK_AGAIN 1000 /* ms: changes that other engines make are not heard of */

bool engine_cares_for(const struct drover_task *task)
{
	return task->fanout || task->waves > 1 || task->max_failed_as || task->concurrency_key;
}

/* The oldest with that key that is here; NULL: none. */
static struct active_task *find_oldest(struct engine *e, const char *key)
{
	struct active_task *oldest = NULL;

	for (struct active_task *task = e->tasks; task; task = task->hh.next)
		if (!task->ending && task->task.concurrency_key && !strcmp(task->task.concurrency_key, key) &&
		    (!oldest || task->key < oldest->key))
			oldest = task;
	return oldest;
}

void changes_block(struct engine *e, struct active_task *task, int64_t changes)
{
	const char *key = task->task.concurrency_key;

	if (task->changes != changes || task->ending)
		return;
	task->blocked_at = clock_boot_ms();
	/* An older one that is shared may leave this engine before it ends. */
	task->behind = key && !task->shared && find_oldest(e, key) != task;
	ready_park(&e->ready, &task->ready, true);
}

static void unblock(struct engine *e, struct active_task *task)
{
	task->changes++;
	task->blocked_at = 0;
	task->behind = false;
	ready_park(&e->ready, &task->ready, false);
	wants_put(e, task);
}

void engine_task_changed(struct engine *e, const struct drover_task *now)
{
	bool open = now->state == DROVER_TASK_QUEUED || now->state == DROVER_TASK_RUNNING;
	struct active_task *task, *oldest;

	HASH_FIND(hh, e->tasks, &now->key, sizeof(now->key), task);
	if (task) {
		task->task.next_wave_at = now->next_wave_at;
		task->ending = task->ending || !open;
		unblock(e, task);
		if (task->ending)
			task_drop_units(e, task);
		waves_advance(e, task);
		task_release(e, task);
	}
	if (drover_task_state_is_final(now->state) && now->concurrency_key) {
		oldest = find_oldest(e, now->concurrency_key);
		if (oldest)
			unblock(e, oldest);
	}
	engine_wake(e);
}

void engine_tick(struct engine *e)
{
	struct active_task *task, *next;
	int64_t now = clock_boot_ms();

	engine_check_lease(e);
	HASH_ITER (hh, e->tasks, task, next) {
		if (task->blocked_at && !task->behind && now - task->blocked_at >= ASK_AGAIN)
			unblock(e, task);
		waves_advance(e, task);
	}
	results_tick(e);
	if (!engine_takes_units(e))
		hand_empty(e);
	if (e->offers)
		offers_tell_room(e->offers);
	engine_wake(e);
}
