/* outbox_state.h - the outbox's own structures, for its files only. All of it belongs to the outbox's thread but `inbox`. */
#ifndef SCHED_OUTBOX_STATE_H
#define SCHED_OUTBOX_STATE_H

#include <stdatomic.h>
#include <uthash.h>

#include "sched/outbox.h"
#include "sched/ready.h"
#include "store/readers.h"
#include "util/worker.h"

/* What somebody tells the outbox. */
struct outbox_note {
	struct outbox_note *next;
	void (*take)(struct outbox *outbox, struct outbox_note *note); /* on the outbox's thread; frees it */
};

struct outbox_engine {
	int64_t hosts, units; /* that it executes at once */
};

/*
 * Units of one executor in a pool: as many of them are out as the engines that have it can take. So a backlog for
 * an executor that few have does not hold up what others wait for.
 */
struct outbox_lane {
	struct outbox_pool *pool;
	char *executor;
	int64_t queued; /* published and claimed by nobody, as the store said last, and what came since */
	int64_t in_flight;
	struct outbox_engine *engines; /* of the pool, on which it is up */
	size_t engine_count;
	struct outbox_lane *next;
};

struct outbox_pool {
	char *name;
	struct ready_queue queue;
	struct outbox_lane *lanes;
	struct outbox_pool *next;
};

struct outbox_task {
	struct ready_task ready; /* first: the queue's view of it */
	int64_t key;
	struct outbox_lane *lane;
	int64_t unit_size;
	int64_t waves, wave, wave_units, next_wave_at;
	int64_t delivered;    /* so many units were published */
	int64_t refreshed_at; /* CLOCK_BOOTTIME ms: when its waves were last read */
	bool advancing;
	UT_hash_handle hh;
};

struct outbox_unit_key {
	int64_t task_key, unit;
};

/* Handed to the dispatcher, and not yet marked in the store. */
struct outbox_flight {
	struct outbox_unit_key key;
	struct outbox_lane *lane;
	int publications; /* before this one */
	UT_hash_handle hh;
};

struct outbox_marks;

struct outbox {
	struct outbox_options options;
	struct readers *readers; /* of one session */

	struct worker worker;
	struct outbox_note *inbox, **inbox_tail; /* under its lock */

	struct outbox_pool *pools;
	struct outbox_task *tasks;
	struct outbox_flight *flights;
	struct outbox_marks *marks; /* being gathered, or NULL */
	bool marking;               /* a job of them is under way */

	/* The living: this node's place among those that dispatch, and whose tasks are not to be adopted. */
	int64_t *living;
	size_t living_count;
	int64_t rank, ranks;
	bool look_for_orphans;
	int64_t next_nodes, next_depths, next_due; /* CLOCK_BOOTTIME ms */
	int64_t not_before;                        /* the dispatcher takes nothing until then */
	int64_t told_unsure_at;                    /* when a unit was last told of that cannot be verified here */
	bool store_ok;

	atomic_llong published, again, failed, waiting, out, task_count, adopted, voided, unsure;
};

/* outbox.c */
void outbox_post(struct outbox *outbox, struct outbox_note *note);
struct outbox_lane *outbox_lane(struct outbox *outbox, const char *pool, const char *executor);
struct outbox_task *outbox_find(struct outbox *outbox, int64_t key);
void outbox_take_up(struct outbox *outbox, const struct drover_task *task);
/* Of a task that is known: what a row says of its state and waves. */
void outbox_update(struct outbox *outbox, struct outbox_task *task, const struct drover_task *row);
/* Forgets it where nothing of it is to be published any more. */
void outbox_release(struct outbox *outbox, struct outbox_task *task);
/* outbox_look.c: what it reads of the store. Both lend `session`. */
int outbox_look_nodes(struct outbox *outbox, struct drover_session *session, struct drover_error *err);
int outbox_look_depths(struct outbox *outbox, struct drover_session *session, struct drover_error *err);
int outbox_look_orphans(struct outbox *outbox, struct drover_session *session, struct drover_error *err);
/* outbox_publish.c */
int outbox_publish_fresh(struct outbox *outbox, struct drover_session *session, struct drover_error *err);
int outbox_publish_due(struct outbox *outbox, struct drover_session *session, struct drover_error *err);
void outbox_report(struct outbox *outbox, int64_t task_key, int64_t unit, int code);
/* That it was published, or is to be looked at again as if it had been. */
void outbox_mark(struct outbox *outbox, struct outbox_lane *lane, int64_t task_key, int64_t unit, int publications);
void outbox_put_marks(struct outbox *outbox);
void outbox_drop_marks(struct outbox *outbox);
/* outbox_void.c: whether nobody will ever execute it; then it is being ended. */
bool outbox_void(struct outbox *outbox, struct outbox_lane *lane, const struct drover_due_unit *unit);
/* outbox_waves.c */
int outbox_waves(struct outbox *outbox, struct drover_session *session, struct drover_error *err);

#endif
