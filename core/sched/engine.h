/*
 * engine.h - claims units, has them executed and records what became of their hosts.
 *
 * All of it runs on the core's event loop; the store's work is put as jobs to the writer and comes
 * back to the loop. The order of the writer's jobs is what keeps the truth: a unit's claim and first
 * intents, then its further intents and results as they came, then its end.
 */
#ifndef SCHED_ENGINE_H
#define SCHED_ENGINE_H

#include <drover/store.h>

#include "sched/room.h"
#include "store/writer.h"
#include "task/executors.h"

struct sd_event;
struct active_task;
struct engine;
struct hub;
struct offer;
struct offers;
struct results_spool;

struct engine_options {
	struct room_limits capacity; /* running at once */
	int64_t incarnation;
	int max_attempts;                  /* of a unit */
	int64_t result_backlog;            /* results not yet stored, above which nothing more is read */
	const struct executors *executors; /* borrowed */
	struct results_spool *results;     /* transferred */
	int64_t results_limit;             /* bytes of results in files, at most */
	int64_t results_patience;          /* ms that results wait for the store before they go to a file */
};

struct engine_load {
	int64_t capacity_hosts, capacity_units;
	int64_t running_hosts, running_units, ready_units, tasks;
	bool results_full; /* nothing is claimed, since results cannot be kept */
};

struct engine *engine_new(struct sd_event *event, struct writer *writer, struct hub *hub,
			  const struct engine_options *options);
void engine_free(struct engine *engine);

/* The supervisor has started that executor: `fd` is the connection to it, owned from here on. */
void engine_executor_up(struct engine *engine, const char *name, int fd);
bool engine_executor_is_up(const struct engine *engine, size_t executor);

/*
 * A task for the engine, with copies of what it needs; any thread. engine_task_accepted takes it over:
 * it is stored and visible and the units of its first wave are ready. engine_task_free where that does not come.
 */
struct active_task *engine_task_copy(const struct drover_task *task, int executor);
void engine_task_free(struct active_task *task);
void engine_task_accepted(struct engine *engine, struct active_task *task);
/* Tasks found at the start: each, then its ready units, and at the end engine_tasks_found. */
void engine_task_found(struct engine *engine, const struct drover_task *task);
void engine_unit_ready(struct engine *engine, int64_t task_key, int64_t unit);
void engine_tasks_found(struct engine *engine);
/* Whether engine_task_changed wants to hear of a task's changes. Any thread. */
bool engine_cares_for(const struct drover_task *task);
/*
 * Where units of other nodes' tasks come from; borrowed, set before any comes. Without it the engine has its own only.
 * `forged` hears of units of which the store says otherwise than what was signed: their hosts end `failed`. Event loop.
 */
typedef void engine_forged_fn(void *context, const char *task, int64_t unit, const char *why);
void engine_set_offers(struct engine *engine, struct offers *offers, engine_forged_fn *forged, void *context);
/* Such a unit, verified; takes over `task`, a copy of the row that it was compared with, and `offer`. Event loop. */
void engine_unit_offered(struct engine *engine, struct active_task *task, int64_t unit, struct offer *offer);
/* A change of such a task was committed; of `task` the numbers, states and the concurrency key are read. */
void engine_task_changed(struct engine *engine, const struct drover_task *task);
/* Four times a second: what happens by the clock. */
void engine_tick(struct engine *engine);
/* It was cancelled in the store: ends its hosts here, too. */
void engine_task_cancelled(struct engine *engine, int64_t task_key);

/* Somebody begins or ceases to watch what its hosts print. */
void engine_watch(struct engine *engine, const char *task, bool watched);

/* When the first of its tasks expires, UTC ms; 0: none does. */
int64_t engine_next_expiry(const struct engine *engine);

/* What runs already runs on. */
void engine_set_capacity(struct engine *engine, const struct room_limits *capacity);
/* Looks for units to claim, soon: something may have changed, or a pause may be over. */
void engine_wake(struct engine *engine);
/* Permits for all executor hosts: every lease.permit. */
void engine_permit(struct engine *engine);
/*
 * Until when (CLOCK_BOOTTIME ms) hosts may be begun; any thread. After it nothing is claimed and no host begun, and
 * units of tasks with on_lost: rerun are ended, since others may begin their hosts again. Without a call: for ever.
 */
void engine_set_lease(struct engine *engine, int64_t until);
/* Claims nothing more; what was offered to it is left to others. */
void engine_drain(struct engine *engine);
/* The same for as long as `hold` says; any thread. What is under way is still claimed. */
void engine_hold(struct engine *engine, bool hold);
bool engine_is_held(const struct engine *engine);
/* Neither drained nor held; any thread. */
bool engine_takes_units(const struct engine *engine);
/* Ends all running units now: hosts that were begun become lost, the rest is given back. */
void engine_stop_units(struct engine *engine, const char *reason);
void engine_load(const struct engine *engine, struct engine_load *load);

#endif
