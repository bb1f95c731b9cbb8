/*
 * ready.h - which unit is next: by priority, then round robin over the tasks of that priority.
 *
 * Pure bookkeeping of one thread: no clock, no store. A task in the queue has units that were never
 * claimed (a counter) and units that came back (a list); those that came back go first.
 */
#ifndef SCHED_READY_H
#define SCHED_READY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READY_PRIORITIES 101

/* Embed it in what stands for a task. Zeroed is a task outside of the queue. */
struct ready_task {
	struct ready_task *previous, *next; /* the ring of its priority; NULL: not queued */
	int priority;
	int64_t fresh, total; /* units [fresh, total) were never claimed */
	int64_t *returned;    /* owned */
	size_t returned_count, returned_room;
};

struct ready_queue {
	struct ready_task *rings[READY_PRIORITIES]; /* each: the task whose turn it is */
	int64_t units;                              /* in all tasks */
};

/* Whether a task's units may be taken now (its executor is up and has room). */
typedef bool ready_fits_fn(void *context, struct ready_task *task);

/* The task's fresh units join the queue. */
void ready_add(struct ready_queue *queue, struct ready_task *task, int priority, int64_t fresh, int64_t total);
/* A unit came back. */
void ready_return(struct ready_queue *queue, struct ready_task *task, int64_t unit);
/* Takes all of the task's units out. */
void ready_drop(struct ready_queue *queue, struct ready_task *task);
/* The next unit whose task fits, or false. The task goes to the end of its ring. */
bool ready_take(struct ready_queue *queue, ready_fits_fn *fits, void *context, struct ready_task **task, int64_t *unit);
/* How many of the task's units wait. */
int64_t ready_count(const struct ready_task *task);

#endif
