/*
 * outbox.h - hands the units of accepted tasks to the dispatcher, in fair order and no more than engines can take.
 *
 * A distributor's tasks wait here, not with an engine: those that this incarnation accepted, and those whose
 * accepting incarnation has ended. The order is that of sched/ready.h, pool by pool. Of each executor in a pool as
 * many units are out (published, and claimed by nobody) as `ahead` times what the pool's living engines that have it
 * execute at once; with no such engine none is. A unit that nobody has claimed for a while is published again, with growing pauses.
 *
 * Nothing is lost with it: what was published is marked in the store after the dispatcher's report, so whoever takes
 * a task up publishes the rest. That may publish a unit twice, which is harmless: the claim decides.
 *
 * It has a thread and a reading session of its own; what it writes goes through the writer.
 */
#ifndef SCHED_OUTBOX_H
#define SCHED_OUTBOX_H

#include <drover/dispatcher.h>
#include <drover/store.h>

#include "store/writer.h"

struct outbox;
struct signing_keys;

struct outbox_options {
	const struct drover_store_ops *ops;
	void *store; /* the store's instance */
	struct writer *writer;
	const struct drover_dispatcher *dispatcher;
	void *dispatcher_self;           /* open */
	int64_t incarnation;             /* this node's */
	int64_t ahead;                   /* times the engines' capacity */
	const struct signing_keys *keys; /* by which units that nobody claims are judged; NULL: they are not */
	/* On the event loop: a unit was ended, since it is not what was signed. */
	void (*forged)(void *context, const char *task, int64_t unit, const char *why);
	void *context;
	/* ms */
	int64_t look;        /* between looks at how much is out, while something waits */
	int64_t nodes;       /* between looks at the nodes */
	int64_t due;         /* between looks for units that nobody has claimed */
	int64_t again_first; /* a unit's second publication comes so long after its first, … */
	int64_t again_most;  /* … each further pause is twice as long, up to this */
};

/* All since its start, but `waiting`, `out` and `tasks`: how much is there now. */
struct outbox_counts {
	int64_t published, again, failed;
	int64_t waiting, out, tasks;
	int64_t adopted;
	int64_t voided; /* units that were ended, since nobody will ever execute them */
	int64_t unsure; /* looks at units that nobody has claimed and that cannot be verified here */
};

/* What `options` points to is borrowed until outbox_free. */
struct outbox *outbox_new(const struct outbox_options *options);
/* Starts its thread: from here on the dispatcher may report. */
int outbox_start(struct outbox *outbox, struct drover_error *err);
/* Publishes nothing any more; what it has put to the writer may still be there, so free it after the writer. */
void outbox_stop(struct outbox *outbox);
void outbox_free(struct outbox *outbox);

/* From any thread; each may be called with NULL, for a node without a dispatcher. */
/* The task is stored and visible. */
void outbox_accepted(struct outbox *outbox, const struct drover_task *task);
/* A task was changed by a commit, of this node or another: its state, waves and times are read. */
void outbox_changed(struct outbox *outbox, const struct drover_task *task);
/* The dispatcher's report: drover/dispatcher.h. */
void outbox_delivered(struct outbox *outbox, int64_t task_key, int64_t unit, int code);
void outbox_count(struct outbox *outbox, struct outbox_counts *counts);

#endif
