/* engine_state.h - the engine's own structures, for its files only. */
#ifndef SCHED_ENGINE_STATE_H
#define SCHED_ENGINE_STATE_H

#include <systemd/sd-event.h>
#include <uthash.h>

#include "events/hub.h"
#include "proc/exec_link.h"
#include "sched/engine.h"
#include "sched/ready.h"

/* A task that may still need the engine. */
struct active_task {
	struct ready_task ready; /* first: the queue's view of it */
	int64_t key;
	struct drover_task task; /* strings owned */
	int executor;            /* position, -1: not configured any more */
	int64_t running;         /* units claimed, being claimed or being ended */
	bool cancelled;
	UT_hash_handle hh;
};

/* A unit from its claim to its recorded end. */
struct running_unit {
	uint64_t handle;
	struct active_task *task;
	int64_t unit;
	int attempt;
	int executor;
	size_t count;     /* hosts that it was given */
	size_t left;      /* of them without a result */
	int64_t *indexes; /* of each in the task */
	bool *reported;
	char *notes;   /* what its process did wrong, or NULL */
	bool stopped;  /* by us, before its deadline */
	bool shutdown; /* … since the node stops */
	UT_hash_handle hh;
};

struct executor_slot {
	struct engine *engine;
	size_t position;
	struct exec_link *link; /* NULL: down */
	bool ready;             /* it has opened its plugin and takes units */
	int64_t not_before;     /* CLOCK_BOOTTIME ms: it could not start a unit; nothing more goes to it until then */
	bool paused;
	int64_t running_hosts, running_units;
};

struct result_batch;

struct engine {
	sd_event *event;
	sd_event_source *work; /* claims and results are put when nothing else is to do */
	struct writer *writer;
	struct hub *hub;
	struct engine_options options;
	struct ready_queue ready;
	struct active_task *tasks;
	struct running_unit *units;
	struct executor_slot *slots;
	uint64_t last_handle;
	int64_t running_hosts, running_units;
	int64_t claiming_hosts, claiming_units; /* in claims under way */
	struct result_batch *batch;             /* being filled, or NULL */
	int64_t unstored;                       /* results in jobs under way */
	bool draining;
};

/* engine.c */
void task_release(struct engine *engine, struct active_task *task);
/* claim.c */
void claim_units(struct engine *engine);
/* running.c */
extern const struct exec_link_events running_events;
void running_start(struct engine *engine, struct active_task *task, const struct drover_claim *claim,
		   struct exec_unit *unit);
void running_free(struct engine *engine, struct running_unit *unit);
/* results.c */
void results_add(struct engine *engine, struct running_unit *unit, size_t position, enum drover_status status,
		 const struct drover_report *report);
void results_flush(struct engine *engine);
/* ending.c */
void ending_put(struct engine *engine, struct running_unit *unit, const struct exec_ended *ended);

#endif
