/* engine_state.h - the engine's own structures, for its files only. */
#ifndef SCHED_ENGINE_STATE_H
#define SCHED_ENGINE_STATE_H

#include <stdatomic.h>
#include <systemd/sd-event.h>
#include <uthash.h>

#include "events/hub.h"
#include "proc/exec_link.h"
#include "sched/engine.h"
#include "sched/ready.h"
#include "sched/room.h"

/* Hosts that a unit's process waits for: positions [first, first + count) of the unit. */
struct want {
	struct want *next;
	uint64_t handle;
	size_t first, count;
};

struct want_list {
	struct want *head, *tail;
};

/* A task that may still need the engine. */
struct active_task {
	struct ready_task ready; /* first: the queue's view of it */
	int64_t key;
	struct drover_task task; /* strings owned */
	int executor;            /* position, -1: not configured any more */
	int64_t running;         /* units claimed, being claimed or being ended */
	bool cancelled;
	bool ending;  /* nothing of it is claimed any more */
	bool shared;  /* other engines execute units of it, too: it is here while it has some here */
	bool refused; /* what is here of it is not what was signed: nothing of it is executed */
	/*
	 * What its claims and intents depend on: `changes` counts what was heard of that. What was refused for
	 * now is asked for again after the next change, or after a while (other engines' changes are not heard of).
	 */
	int64_t changes;
	int64_t blocked_at;     /* CLOCK_BOOTTIME ms; 0: it is not */
	bool behind;            /* blocked, and an older task with its concurrency key is here: that one is asked for */
	struct want_list wants; /* hosts that its units have asked for, in order */
	bool asking;            /* an intent of it is under way */
	bool advancing;         /* … the opening of its next wave */
	int watchers;           /* of its output */
	unsigned watched;       /* 1 to 255: changes with each watcher who comes */
	UT_hash_handle hh;
};

/* Where a unit's room is of what is kept for first units. */
struct kept_room {
	bool node, executor;
};

/* A unit from its claim to its recorded end. */
/* Whether a unit has ended, for jobs of the writer that may still wait then. */
struct unit_life {
	atomic_int holders;
	atomic_bool ended;
};

struct running_unit {
	struct unit_life *life; /* held */
	uint64_t handle;
	struct active_task *task;
	int64_t unit;
	int attempt;
	int tries; /* attempts that count, with this one */
	int executor;
	size_t count;     /* hosts that it was given */
	size_t left;      /* of them without a result */
	int64_t *indexes; /* of each in the task */
	char **hosts;     /* their names; one allocation */
	bool *reported;
	char *notes;      /* what its process did wrong, or NULL */
	int64_t deadline; /* CLOCK_BOOTTIME ms */
	struct kept_room kept;
	bool stopped;  /* by us, before its deadline */
	bool shutdown; /* … since the node stops */
	bool cut_off;  /* … or not started, since the lease is not renewed */
	UT_hash_handle hh;
};

struct executor_slot {
	struct engine *engine;
	size_t position;
	struct exec_link *link; /* NULL: down */
	bool ready;             /* it has opened its plugin and takes units */
	int64_t not_before;     /* CLOCK_BOOTTIME ms: it could not start a unit; nothing more goes to it until then */
	bool paused;
	struct room room;
	struct room_limits limits;
};

struct result_batch;

struct hand_key {
	int64_t task_key, unit;
};

/* A unit that was offered, until it is claimed. */
struct hand_unit {
	struct hand_key key;
	struct offer *offer; /* owned */
	UT_hash_handle hh;
};

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
	struct room room;
	int64_t claiming_hosts, claiming_units; /* of that, in claims under way */
	struct result_batch *batch;             /* being filled, or NULL */
	/* Put to the writer, in that order, and not yet stored. */
	struct result_batch *unstored_first, *unstored_last;
	int64_t unstored;       /* results of them that wait in memory */
	int64_t unstored_bytes; /* of their outputs */
	int64_t spooled_bytes;  /* in files */
	bool spool_full;
	bool spool_failed;      /* the last file could not be written: not again before … */
	int64_t spool_again_at; /* CLOCK_BOOTTIME ms */
	struct offers *offers;  /* NULL: all units are the node's own */
	engine_forged_fn *forged;
	void *forged_context;
	struct hand_unit *hand;
	sd_event_source *look;    /* wakes it for the next look, or NULL */
	int64_t looked_at;        /* CLOCK_BOOTTIME ms: when it last asked for a look */
	bool look_soon;           /* it has claimed something since: there is work about */
	atomic_bool draining;     /* for good */
	atomic_bool held;         /* an administrator said so */
	atomic_llong lease_until; /* CLOCK_BOOTTIME ms: nothing is begun after it */
	bool cut_off;             /* it has passed, as of the last tick */
};

/* engine.c */
void task_release(struct engine *engine, struct active_task *task);
/* Nothing more of it is claimed here; what is ready of it goes. */
void task_drop_units(struct engine *engine, struct active_task *task);
bool engine_has_lease(const struct engine *engine);
void engine_check_lease(struct engine *engine);
/* claim.c */
void claim_units(struct engine *engine);
/* engine_room.c: the node's, and its executors' */
void engine_room_limit_executors(struct engine *engine);
/* Hosts and units of a task begin to take room, or no longer do where the numbers are negative. */
void engine_room_change(struct engine *engine, size_t executor, struct kept_room kept, int64_t hosts, int64_t units);
/* Hosts that a new unit would take. Its task's last one may be smaller, which is known once it is claimed. */
int64_t engine_room_of_unit(const struct active_task *task);
/* Whether a unit of the task fits in: on the node, and beside what else its executor runs. */
enum room_fit engine_room_of_node(const struct engine *engine, const struct active_task *task);
enum room_fit engine_room_of_executor(const struct engine *engine, const struct active_task *task);
/* Which of that would be of what is kept. */
struct kept_room engine_room_kept(const struct engine *engine, const struct active_task *task);
/* Of the ready queue's rules: whether `task` takes of the room that `waiting` lacks. The context is the engine. */
bool engine_room_shares(void *context, struct ready_task *waiting, struct ready_task *task);
/* For a unit of one host of a task that runs here. */
bool engine_room_has_any(const struct engine *engine);
/* hand.c: the envelope of a unit that is taken to be claimed; NULL: it has none. */
struct offer *hand_take(struct engine *engine, const struct active_task *task, int64_t unit);
void hand_return(struct engine *engine, struct active_task *task, int64_t unit, struct offer *offer);
void hand_drop(struct engine *engine, const struct active_task *task);
/* Leaves all of it to others. */
void hand_empty(struct engine *engine);
/* `idle`: it has room and nothing to claim. */
void hand_look(struct engine *engine, bool idle);
/* Whether a claimed unit may be executed; else `why` is the reason. */
bool hand_is_as_signed(struct engine *engine, const struct active_task *task, const struct offer *offer,
		       const struct drover_claim *claim, const struct drover_target *hosts, const int64_t *indexes,
		       size_t count, char *why, size_t size);
/* running.c */
extern const struct exec_link_events running_events;
void running_start(struct engine *engine, struct active_task *task, const struct drover_claim *claim,
		   struct kept_room kept, struct exec_unit *unit);
void running_free(struct engine *engine, struct running_unit *unit);
struct unit_life *running_hold(struct running_unit *unit);
void running_let_go(struct unit_life *life); /* any thread */
struct running_unit *running_find(struct engine *engine, uint64_t handle);
/* watching.c */
char **watching_names(const struct drover_target *targets, size_t count);
void watching_tell(struct engine *engine, const struct running_unit *unit);
void watching_output(void *context, uint64_t handle, const struct exec_output *output);
/* wants.c */
void wants_add(struct engine *engine, struct running_unit *unit, size_t first, size_t count);
/* Asks the store for what waits, unless that is under way or was refused for now. */
void wants_put(struct engine *engine, struct active_task *task);
void wants_drop(struct active_task *task);
/* waves.c */
void waves_advance(struct engine *engine, struct active_task *task);
/* changes.c: nothing more is granted to the task at present, as of when it had heard of `changes`. */
void changes_block(struct engine *engine, struct active_task *task, int64_t changes);
/* results.c */
void results_add(struct engine *engine, struct running_unit *unit, size_t position, enum drover_status status,
		 const struct drover_report *report);
/*
 * An attempt has ended, UTC ms, with so many hosts left; it comes to the store after the results that were added
 * before. The task stays until ending_stored is told of it.
 */
void results_end(struct engine *engine, struct active_task *task, const struct drover_unit_end *end, int64_t ended_at,
		 int64_t hosts);
/* Puts what was gathered: what is put to the writer after it comes to the store after it. */
void results_flush(struct engine *engine);
/* After each turn of the loop, and four times a second. */
void results_turn(struct engine *engine);
void results_tick(struct engine *engine);
void results_open(struct engine *engine);
void results_close(struct engine *engine);
/* ending.c */
void ending_put(struct engine *engine, struct running_unit *unit, const struct exec_ended *ended);
/* The store has it, or, not `stored`, it is known that it cannot have it in this life. */
void ending_stored(struct engine *engine, struct active_task *task, const struct drover_unit_end *end, bool stored);
/* A claimed unit of which nothing may be executed: its hosts end `failed`. */
void ending_refuse(struct engine *engine, struct active_task *task, const struct drover_claim *claim, const char *why);

#endif
