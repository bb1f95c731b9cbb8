/* ready.c - see ready.h. */
#include "sched/ready.h"

#include <assert.h>
#include <stdlib.h>

#include "util/buf.h"

static void link_last(struct ready_queue *queue, struct ready_task *task)
{
	struct ready_task **ring = &queue->rings[task->priority];

	if (task->next || task->parked)
		return;
	if (!*ring) {
		task->previous = task->next = task;
		*ring = task;
		return;
	}
	task->next = *ring;
	task->previous = (*ring)->previous;
	task->previous->next = task;
	(*ring)->previous = task;
}

static void unlink_task(struct ready_queue *queue, struct ready_task *task)
{
	struct ready_task **ring = &queue->rings[task->priority];

	if (!task->next)
		return;
	if (queue->reserved == task)
		queue->reserved = NULL;
	task->passed = 0;
	if (*ring == task)
		*ring = task->next == task ? NULL : task->next;
	task->previous->next = task->next;
	task->next->previous = task->previous;
	task->previous = task->next = NULL;
}

int64_t ready_count(const struct ready_task *task)
{
	return task->total - task->fresh + (int64_t)task->returned_count;
}

void ready_add(struct ready_queue *queue, struct ready_task *task, int priority, int64_t fresh, int64_t total)
{
	assert(priority >= 0 && priority < READY_PRIORITIES && fresh <= total && !task->next);
	task->priority = priority;
	task->fresh = fresh;
	task->total = total;
	queue->units += total - fresh;
	if (ready_count(task))
		link_last(queue, task);
}

void ready_open(struct ready_queue *queue, struct ready_task *task, int64_t count)
{
	task->total += count;
	queue->units += count;
	if (count)
		link_last(queue, task);
}

void ready_return(struct ready_queue *queue, struct ready_task *task, int64_t unit)
{
	if (task->returned_count == task->returned_room) {
		task->returned_room = task->returned_room ? task->returned_room * 2 : 8;
		task->returned = xrealloc(task->returned, task->returned_room * sizeof(*task->returned));
	}
	task->returned[task->returned_count++] = unit;
	queue->units++;
	link_last(queue, task);
}

void ready_park(struct ready_queue *queue, struct ready_task *task, bool parked)
{
	task->parked = parked;
	if (parked)
		unlink_task(queue, task);
	else if (ready_count(task))
		link_last(queue, task);
}

void ready_drop(struct ready_queue *queue, struct ready_task *task)
{
	queue->units -= ready_count(task);
	unlink_task(queue, task);
	free(task->returned);
	task->returned = NULL;
	task->returned_count = task->returned_room = 0;
	task->fresh = task->total;
}

static int64_t take_unit(struct ready_queue *queue, struct ready_task *task)
{
	int64_t unit = task->returned_count ? task->returned[--task->returned_count] : task->fresh++;

	queue->units--;
	task->passed = 0;
	if (queue->reserved == task)
		queue->reserved = NULL;
	/* Its turn has passed: the ring goes on to the next task. */
	queue->rings[task->priority] = task->next;
	if (!ready_count(task))
		unlink_task(queue, task);
	return unit;
}

/* Whether room is kept for another task that this one would take it from. */
static bool is_held_back(const struct ready_queue *queue, const struct ready_rules *rules, struct ready_task *task)
{
	struct ready_task *reserved = queue->reserved;

	return reserved && reserved != task && reserved->priority >= task->priority &&
	       rules->fits(rules->context, reserved) != READY_NOT_NOW && rules->shares(rules->context, reserved, task);
}

static void pass_over(struct ready_queue *queue, const struct ready_rules *rules, struct ready_task *passed,
		      struct ready_task *by)
{
	if (!passed || !rules->shares(rules->context, passed, by))
		return;
	if (++passed->passed >= READY_PATIENCE && !queue->reserved)
		queue->reserved = passed;
}

bool ready_take(struct ready_queue *queue, const struct ready_rules *rules, struct ready_task **task, int64_t *unit)
{
	struct ready_task *too_large = NULL; /* the first in order */

	for (int priority = READY_PRIORITIES - 1; priority >= 0; priority--) {
		struct ready_task *first = queue->rings[priority], *t = first;

		if (!first)
			continue;
		do {
			enum ready_fit fit = rules->fits(rules->context, t);

			if (fit == READY_FITS && !is_held_back(queue, rules, t)) {
				pass_over(queue, rules, too_large, t);
				*task = t;
				*unit = take_unit(queue, t);
				return true;
			}
			if (fit == READY_NO_ROOM && !too_large)
				too_large = t;
			t = t->next;
		} while (t != first);
	}
	return false;
}
