/*
 * ready.h - which unit is next: by priority, then round robin over the tasks of that priority.
 *
 * Pure bookkeeping of one thread: no clock, no store. A task in the queue has units that were never
 * claimed (a counter) and units that came back (a list); those that came back go first.
 *
 * A unit that there is no room for when its turn comes is passed over, so that what is free is used; but
 * not for ever. After READY_PATIENCE such turns room is kept for it: of what is as urgent or less,
 * nothing that would use the same room is taken before it.
 */
#ifndef SCHED_READY_H
#define SCHED_READY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READY_PRIORITIES 101
#define READY_PATIENCE 16

/* Embed it in what stands for a task. Zeroed is a task outside of the queue. */
struct ready_task {
	struct ready_task *previous, *next; /* the ring of its priority; NULL: not queued */
	int priority;
	bool parked;          /* out of its ring, whatever it has ready */
	int passed;           /* turns of its that went to another, since there was no room for this */
	int64_t fresh, total; /* units [fresh, total) were never claimed */
	int64_t *returned;    /* owned */
	size_t returned_count, returned_room;
};

struct ready_queue {
	struct ready_task *rings[READY_PRIORITIES]; /* each: the task whose turn it is */
	struct ready_task *reserved;                /* room is kept for it; or NULL */
	int64_t units;                              /* in all tasks */
};

enum ready_fit {
	READY_FITS,
	READY_NOT_NOW, /* room would not help: its executor is down, it waits for another task */
	READY_NO_ROOM
};

struct ready_rules {
	enum ready_fit (*fits)(void *context, struct ready_task *task);
	/* Whether `task` would use some of the room that `waiting` has too little of. */
	bool (*shares)(void *context, struct ready_task *waiting, struct ready_task *task);
	void *context;
};

/* The task's fresh units join the queue. */
void ready_add(struct ready_queue *queue, struct ready_task *task, int priority, int64_t fresh, int64_t total);
/* `count` more fresh units, the ones after those that it has had. */
void ready_open(struct ready_queue *queue, struct ready_task *task, int64_t count);
/* A unit came back. */
void ready_return(struct ready_queue *queue, struct ready_task *task, int64_t unit);
/* A task that nothing can be taken of now costs no look at it until it is unparked. */
void ready_park(struct ready_queue *queue, struct ready_task *task, bool parked);
/* Takes all of the task's units out. */
void ready_drop(struct ready_queue *queue, struct ready_task *task);
/* The next unit whose task fits, or false. The task goes to the end of its ring. */
bool ready_take(struct ready_queue *queue, const struct ready_rules *rules, struct ready_task **task, int64_t *unit);
/* How many of the task's units wait. */
int64_t ready_count(const struct ready_task *task);

#endif
