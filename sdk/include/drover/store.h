/*
 * drover/store.h - the operations of a store: the database that holds tasks, units and hosts' results
 * and is the truth for them. A sink that gives this table can be configured as the store.
 *
 * Sessions. All work is done in sessions: one connection each, used by one thread at a time. The
 * core has one writing session (where nodes share the store, a second one, for its lease alone) and
 * several reading ones, each on threads of their own, so any call may block.
 *
 * Transactions. Operations under "writing" run between `begin` and `commit` of a writing session;
 * the core puts many of them into one transaction (group commit). An operation either does its
 * whole work in that transaction or returns an error, after which the core rolls the transaction
 * back and, for DROVER_ERETRY, does it again later, whole. An operation that finds that it is not
 * allowed any more (a unit taken over, a task cancelled) is no error: it says so in its outcome.
 *
 * Counts. A task's ten counts change in the transaction that changes its hosts, so they add up to
 * its hosts at every moment; and in that transaction, too, a task whose hosts are all final gets its
 * final state. The store does both; `commit` tells what changed.
 *
 * Fence. A unit's `attempt` grows with each claim. A write that comes with an older attempt than the
 * unit's, or from another incarnation than its holder, changes no status.
 *
 * Keys. A task has a text id and an integer key; its hosts have the integer ids
 * [host_base, host_base + hosts), in the order of submission; a unit has a number within its task
 * and covers the hosts [first, first + count) of it. Ids and keys stay below 2^53.
 *
 * Thresholds. `fanout`, `max_failed`, `waves` and `concurrency_key` of a task are kept here, in the
 * transactions that claim, begin and end hosts, so that they hold however many engines there are and
 * whoever dies. A claim or an intent that would break one is not granted. A result that exceeds
 * `max_failed` makes its task `aborting` in that same transaction, with a reason that names the
 * figures, and ends its hosts never started, as `cancel` does.
 *
 * Times are milliseconds since 1970, UTC, of the database's clock. Strings are UTF-8. Everything
 * passed to a callback is borrowed for that call; a callback that returns non-zero ends the query,
 * which then returns that value.
 */
#ifndef DROVER_STORE_H
#define DROVER_STORE_H

#include <stdint.h>

#include <drover/executor.h>
#include <drover/plugin.h>

struct drover_session; /* the store's own */

enum drover_session_mode { DROVER_SESSION_READ = 0, DROVER_SESSION_WRITE = 1 };

struct drover_bytes {
	const void *data;
	size_t size;
};

/* ------------------------------------------------------------------ tasks, units, hosts as stored */

/* It is exceeded when more hosts than it says are failed, unreachable, timeout or lost. */
enum drover_threshold {
	DROVER_THRESHOLD_NONE = 0,
	DROVER_THRESHOLD_HOSTS = 1,  /* of the task */
	DROVER_THRESHOLD_PERCENT = 2 /* hundredths of a percent of the hosts of a wave, counted within it */
};

/* A task. The members down to `body` are what is submitted; the others are the store's. */
struct drover_task {
	size_t size;
	int64_t key;
	const char *id;
	const char *name; /* or NULL */
	const char *type;
	const char *executor; /* the instance's name */
	const char *pool;
	const char *owner;      /* or NULL */
	const char *parent;     /* a task's id, or NULL */
	const char *note;       /* or NULL */
	const char *labels;     /* a JSON object as text, or NULL */
	const char *payload;    /* a JSON object as text */
	const char *options;    /* the task's other members as a JSON object: what units need is read from it */
	const char *credential; /* or NULL */
	int priority;           /* 1 to 100 */
	bool rerun_lost;        /* on_lost: "rerun" */
	int64_t timeout;        /* ms, a unit's */
	int64_t host_timeout;   /* ms, 0: none */
	int64_t connect_timeout;
	int64_t output_limit;
	int64_t fanout;
	int64_t expires_at; /* 0: never */
	int64_t unit_size;
	int64_t hosts; /* their number */
	int64_t units;
	const void *body; /* digest of the submitted body, to tell a repetition from a conflict */
	size_t body_size;

	int64_t host_base;
	enum drover_task_state state;
	const char *reason;                          /* why it was cancelled or aborted, or NULL */
	int64_t created_at, started_at, finished_at; /* 0: not yet */
	int64_t counts[DROVER_STATUS_COUNT];
	int64_t units_done;
	int64_t seq; /* number of its last change */

	/* As submitted. */
	int64_t waves;      /* 0 is 1 */
	int64_t wave_pause; /* ms, between a wave's last host and the next wave */
	enum drover_threshold max_failed_as;
	int64_t max_failed;          /* as that says */
	const char *concurrency_key; /* or NULL: of the tasks with one key, the oldest has hosts running */

	/* The store's. Waves are opened one after the other; only units of open waves may be claimed. */
	int64_t wave;            /* the last that is open, from 0 */
	int64_t wave_units;      /* units of the open waves: those are the task's first */
	int64_t wave_hosts;      /* hosts of that last open wave */
	int64_t next_wave_at;    /* the open waves are final, and the next may be opened then; 0: not yet */
	const char *waiting_for; /* id of the task that its concurrency_key waits for, or NULL */

	/* As submitted: the node that executes it, or NULL: any engine of its pool, told by a dispatcher. */
	const char *home;
	/* The store's. Units [0, published) were handed to the dispatcher at least once. */
	int64_t published;
	int64_t incarnation; /* that accepted it */

	const char *
		waiting; /* the core's service `task`: why nothing of it is executed; NULL: it is, or nothing is known */
};

/* A host as submitted. */
struct drover_host_spec {
	const char *name;
	const char *address; /* or NULL */
	const char *user;    /* or NULL */
	const char *vars;    /* or NULL */
	int port;            /* or 0 */
};

struct drover_unit_spec {
	int64_t first; /* index of its first host in the task */
	int64_t count;
	int64_t wave;                 /* from 0; never less than the unit's before it */
	struct drover_bytes envelope; /* what was signed of it, kept beside the unit and never changed; or empty */
};

/* A unit as stored. */
struct drover_unit_row {
	size_t size;
	int64_t task_key;
	int64_t unit;
	int64_t first, count;
	enum drover_unit_state state;
	int attempt;         /* 0: never claimed */
	int64_t incarnation; /* 0: none */
	const char *engine;  /* its node's name, or NULL */
	int64_t claimed_at, finished_at;
	int64_t deadline;    /* UTC ms, of the current attempt; 0: none */
	const char *message; /* how its last attempt ended, if not well */
	int64_t counts[DROVER_STATUS_COUNT];
	int64_t wave;
};

/* A host's row. Outputs are not in it: `stdout_size` bytes can be read by `output_part`. */
struct drover_result_row {
	size_t size;
	int64_t id; /* below 2^53; unique over tasks */
	int64_t task_key;
	const char *task; /* its id */
	const char *host;
	int64_t unit;
	enum drover_status status;
	enum drover_phase phase;
	enum drover_changed changed;
	enum drover_remote remote;
	bool has_rc;
	int rc;
	const char *signal, *message, *waiting_for, *via, *result, *engine; /* each may be NULL */
	int attempt;
	int64_t started_at, finished_at;    /* 0: not yet */
	int64_t stdout_size, stderr_size;   /* bytes kept */
	int64_t stdout_total, stderr_total; /* bytes the host wrote */
	int64_t seq;
	struct drover_bytes out, err; /* filled where the filter asks for outputs */
	const char *late;             /* a result that came after the unit was taken over, as JSON, or NULL */
};

/* ------------------------------------------------------------------------------------ writing */

/* A claim: compare-and-set of one ready unit, and the intents of its first hosts with it. */
struct drover_claim {
	int64_t task_key;     /* in */
	int64_t unit;         /* in */
	int64_t window;       /* in: intents for so many of its pending hosts; 0: all */
	bool claimed;         /* out: false: somebody else has it, or the task is ending */
	int attempt;          /* out */
	int64_t first, count; /* out: of the unit */
	bool later;           /* out: not claimed, but it may be when other hosts or tasks have ended */
	int excused;          /* out: of its attempts so far, those that do not count (drover_unit_end) */
};

/* Intents for more hosts of a claimed unit. */
struct drover_intent {
	int64_t task_key;
	int64_t unit;
	int64_t incarnation;
	int attempt;
	int64_t first, count;  /* hosts of the task, by index; those not pending are left alone */
	bool granted;          /* out: false: none of them may be touched */
	int64_t granted_count; /* out: so many of the first may be touched: where the task's fanout ends, fewer */
	bool later;            /* out: of the others, that they may be asked for again when hosts have ended */
};

/*
 * The opening of a task's next wave: compare-and-set. It opens when all hosts of the waves up to `wave` are
 * final, its pause is over, and the task is not ending.
 */
struct drover_advance {
	size_t size;
	int64_t task_key;   /* in */
	int64_t wave;       /* in: the one that is open */
	bool advanced;      /* out */
	int64_t first_unit; /* out: units of the new wave */
	int64_t unit_count;
};

enum drover_outcome {
	DROVER_WRITTEN = 0,
	DROVER_LATE = 1,     /* the unit was taken over: kept beside the row, no status changed */
	DROVER_REPEATED = 2, /* the host had a final status already */
	DROVER_FOREIGN = 3   /* no such host in that unit */
};

/*
 * A host's end, or, with DROVER_RUNNING, what is known of it before: only its `result` and `changed`,
 * which change no status and no count, and come too late without a trace. `report` as the executor sent it, outputs already cut to the limit. */
struct drover_result {
	int64_t task_key;
	int64_t unit;
	int64_t incarnation;
	int attempt;
	int64_t index; /* of the host in the task */
	/* Out: DROVER_LOST where this attempt gave the host up without an intent, and an earlier one did not. */
	enum drover_status status;
	struct drover_report report;
	enum drover_outcome outcome; /* out */
	int64_t age; /* in: ms since the host ended; more than a moment where the store was away meanwhile */
};

/*
 * The end of an attempt: what becomes of the unit's hosts that have no final status. Hosts with an
 * intent of this attempt get `begun` and `begun_message`, or are pending again where `begun` is
 * DROVER_PENDING; hosts without one get `rest`, where DROVER_PENDING means: the next attempt, the
 * unit becomes ready again. When that would be attempt max_attempts + 1 they get DROVER_FAILED with
 * a message that names the reason. `delta` of what changed is told by `commit`.
 *
 * With `begun` = DROVER_PENDING, `remote` says whether hosts may have been touched: DROVER_REMOTE_NONE, and it is as if
 * they never had an intent; DROVER_REMOTE_UNKNOWN, and in a task that says rerun they end as DROVER_LOST, whatever
 * comes, unless they are begun again.
 */
struct drover_unit_end {
	int64_t task_key;
	int64_t unit;
	int64_t incarnation;
	int attempt;
	enum drover_status begun, rest;
	enum drover_phase phase;   /* for `begun` that get DROVER_TIMEOUT; `rest` were waiting */
	enum drover_remote remote; /* for `begun` */
	const char *message;       /* for both; also kept as the unit's */
	int max_attempts;
	bool held;    /* out: false: the unit is another's by now; nothing was done */
	bool ready;   /* out: it is ready again */
	bool excused; /* in: this attempt does not count: hosts waited for the task's fanout, or the store was away */
	int64_t age;  /* in: ms since it ended; more than a moment where the store was away meanwhile */
};

/* A host that became final by something else than its result; as told by `commit`. */
struct drover_task_change {
	struct drover_task task;          /* as committed; strings valid until the next begin */
	enum drover_task_state old_state; /* equal to task.state: only counts changed */
	bool counted;                     /* some count changed */
	int64_t old_counts[DROVER_STATUS_COUNT];
};

typedef int drover_task_fn(void *context, const struct drover_task *task);
typedef int drover_unit_row_fn(void *context, const struct drover_unit_row *row);
typedef int drover_result_fn(void *context, const struct drover_result_row *row);
typedef int drover_change_fn(void *context, const struct drover_task_change *change);

/* ------------------------------------------------------------------------------------ queries */

struct drover_task_filter {
	size_t size;
	unsigned states;                        /* bits 1 << enum drover_task_state; 0: all but accepting */
	const char *type, *owner, *host, *name; /* NULL: any; `name` is a prefix */
	const char *label_key, *label_value;
	int64_t since, until; /* created_at, UTC ms; 0: open */
	int64_t before_key;   /* newest first, keys below it; 0: from the newest */
	int64_t limit;        /* rows; 0: all */
	bool feed;            /* tasks with seq above since_seq, in order of seq, by an index */
	int64_t since_seq;
};

enum drover_result_sort { DROVER_SORT_INDEX = 0, DROVER_SORT_FINISHED = 1, DROVER_SORT_STATUS = 2 };

struct drover_result_filter {
	size_t size;
	int64_t task_key;  /* 0: all tasks: needs `host` or `feed` */
	unsigned statuses; /* bits 1 << enum drover_status; 0: all */
	const char *host;  /* NULL: all */
	int64_t after_id;  /* of one task, by index: ids above it; of all tasks, newest first: ids below it */
	int64_t since_seq; /* only rows changed after it; 0: all */
	int64_t limit;
	bool outputs;         /* fill out and err */
	int64_t output_limit; /* at most so many bytes of each; 0: all */
	enum drover_result_sort sort;
	bool feed;        /* final rows of all tasks with seq above since_seq, in order of seq, by an index */
	int64_t until_id; /* of one task: ids up to it; 0: all */
	/* With `after_id` and another order than by index: what that row was ordered by when it was seen (0 for one
	 * that had not finished, where the order is that); NULL: what it would be by now. */
	const int64_t *after_value;
	const char *grep; /* of one task: rows whose kept outputs have these bytes in them; NULL: all */
	size_t grep_size;
};

/* Hosts of a task by what they printed. */
struct drover_group_filter {
	size_t size;
	int64_t task_key;
	unsigned statuses;             /* bits 1 << enum drover_status; 0: all final ones */
	int stream;                    /* 0: both streams count; 1, 2: only that one */
	bool printed;                  /* only groups that have printed something */
	int64_t after_count, after_id; /* of the group after which it goes on; 0: from the largest */
	int64_t limit;
	bool outputs; /* fill out and err */
};

/* Hosts that ended alike: same status, phase, rc and signal, and the same bytes printed. */
struct drover_group {
	size_t size;
	const char *hosts; /* of the store: names separated by commas; of the core's service: a node set */
	int64_t count;
	int64_t first_id; /* the lowest of its hosts' ids */
	enum drover_status status;
	enum drover_phase phase;
	bool has_rc;
	int rc;
	const char *signal;                 /* or NULL */
	const char *message;                /* where all have the same, else NULL */
	int64_t messages;                   /* how many different ones there are */
	int64_t stdout_size, stderr_size;   /* bytes kept */
	int64_t stdout_total, stderr_total; /* bytes written, at most, by one of them */
	struct drover_bytes out, err;       /* of the streams that count */
};

typedef int drover_group_fn(void *context, const struct drover_group *group);

/* One stream of one host, before its bytes are read. */
struct drover_output_info {
	size_t size;
	int64_t kept, total; /* bytes */
	char digest[65];     /* of what is kept, in hex; equal outputs have equal ones; "": nothing is kept */
	enum drover_status status;
	int64_t first, count; /* set by `want`: the bytes to be read; count 0: none */
};

/* Sees the output and says what is to be read of it. */
typedef int drover_output_want_fn(void *context, struct drover_output_info *info);
typedef int drover_output_fn(void *context, struct drover_bytes bytes);

/* What a recount finds; `drover verify`. */
struct drover_verification {
	int64_t hosts;                        /* as the task says */
	int64_t rows;                         /* that there are */
	int64_t distinct;                     /* different names among them */
	int64_t counted[DROVER_STATUS_COUNT]; /* rows by status */
	int64_t stored[DROVER_STATUS_COUNT];  /* the task's counts */
	int64_t units, units_done;
	int64_t without_intent; /* final by a result, but never begun */
	enum drover_task_state state;
};

/*
 * What a node tells of itself to the others that share its store. Distributors check tasks by it, and show it.
 */
struct drover_announcement {
	size_t size;
	const char *pools;     /* that it executes units of, separated by blanks; "": it is no engine */
	const char *executors; /* a JSON array as the core's slice of the configuration has it (conf/plan.h) */
	const char *isolation; /* "cgroup" or "subreaper" */
	const char *state;     /* "up", "draining" */
	int64_t capacity_hosts, capacity_units, running_hosts, running_units;
	bool dispatches; /* it publishes units for engines */
};

/* The renewal of a lease. */
struct drover_renewal {
	size_t size;
	int64_t incarnation; /* in */
	const struct drover_announcement
		*node_is;   /* in: its state and load; pools and executors only where they changed, else NULL */
	bool drain;         /* out: somebody wants it to drain */
	int64_t renewed_at; /* out */
};

/* Units that were handed to the dispatcher and taken by it. */
struct drover_publication {
	int64_t task_key;
	int64_t unit;
	int64_t again_in; /* ms: it is due again then where nobody has claimed it */
};

/* Units that are ready, were published, and are claimed by nobody: the oldest first. */
struct drover_due_filter {
	size_t size;
	bool due;          /* only those that are to be published again: their time has come, or they were given back */
	const char *pools; /* separated by blanks; NULL: of all */
	int64_t limit;
};

struct drover_due_unit {
	size_t size;
	int64_t task_key;
	int64_t unit;
	const char *pool;
	int publications; /* how often it was published since it became ready */
	struct drover_bytes envelope;
	const char *task, *executor; /* the task's id and executor; "": it is gone */
};

typedef int drover_due_fn(void *context, const struct drover_due_unit *unit);

/* Units of one executor in one pool that are ready and published, and claimed by nobody. */
struct drover_queued {
	size_t size;
	const char *pool, *executor;
	int64_t units;
};

typedef int drover_queued_fn(void *context, const struct drover_queued *queued);

struct drover_incarnation_row {
	int64_t incarnation;
	const char *node, *version;
	int64_t started_at, renewed_at, ended_at; /* 0: lives */
	int64_t claimed_units;
	struct drover_announcement node_is; /* as it announced itself, with its load as of its last renewal */
	bool drain;                         /* somebody wants it to drain */
};

typedef int drover_incarnation_fn(void *context, const struct drover_incarnation_row *row);

/* ------------------------------------------------------------------------------- the operations */

struct drover_store_ops {
	size_t size;

	/* A session; `self` is the instance. The first writing one migrates the schema. */
	int (*session_open)(void *self, enum drover_session_mode mode, struct drover_session **session,
			    struct drover_error *err);
	void (*session_close)(struct drover_session *session);

	/* -- writing ----------------------------------------------------------------------- */
	int (*begin)(struct drover_session *s, struct drover_error *err);
	/* Calls `change` for each task that the transaction changed, after it is durable. */
	int (*commit)(struct drover_session *s, drover_change_fn *change, void *context, struct drover_error *err);
	void (*rollback)(struct drover_session *s);

	/* A new incarnation of a node; ends the earlier ones of that name. */
	int (*incarnate)(struct drover_session *s, const char *node, const char *version, int64_t *incarnation,
			 struct drover_error *err);
	/* DROVER_ECONFLICT: it was ended by somebody. */
	int (*renew)(struct drover_session *s, struct drover_renewal *renewal, struct drover_error *err);
	/* The lease's orderly end. */
	int (*retire)(struct drover_session *s, int64_t incarnation, struct drover_error *err);
	/*
	 * Up to `limit` units held by ended incarnations are given back as by `end_unit` with
	 * begun = DROVER_LOST (or pending where the task says rerun) and rest = DROVER_PENDING. Calls
	 * `unit` with each as it is afterwards, and says in `*more` whether there may be others.
	 */
	int (*sweep)(struct drover_session *s, int max_attempts, int64_t limit, drover_unit_row_fn *unit, void *context,
		     bool *more, struct drover_error *err);

	/*
	 * Submission: insert_task (invisible), insert_hosts and insert_units as often as needed, in order,
	 * then accept; all in one transaction or in several. insert_task sets `key`, `host_base`.
	 * DROVER_ECONFLICT: the id is taken.
	 */
	int (*insert_task)(struct drover_session *s, int64_t incarnation, struct drover_task *task,
			   struct drover_error *err);
	int (*insert_hosts)(struct drover_session *s, const struct drover_task *task, int64_t first,
			    const struct drover_host_spec *hosts, int64_t count, struct drover_error *err);
	int (*insert_units)(struct drover_session *s, const struct drover_task *task, int64_t first_unit,
			    const struct drover_unit_spec *units, int64_t count, struct drover_error *err);
	int (*accept)(struct drover_session *s, int64_t task_key, struct drover_error *err);
	/* Deletes up to `limit` host rows of tasks still accepting whose incarnation has ended. */
	int (*sweep_accepting)(struct drover_session *s, int64_t limit, bool *more, struct drover_error *err);
	/* The same for one task that its own submitter gives up. */
	int (*abandon)(struct drover_session *s, int64_t task_key, struct drover_error *err);

	int (*claim)(struct drover_session *s, int64_t incarnation, struct drover_claim *claims, size_t count,
		     struct drover_error *err);
	int (*intend)(struct drover_session *s, struct drover_intent *intents, size_t count, struct drover_error *err);
	int (*results)(struct drover_session *s, struct drover_result *results, size_t count, struct drover_error *err);
	int (*end_unit)(struct drover_session *s, struct drover_unit_end *end, struct drover_error *err);
	/* Hosts never started end `cancelled`, units never claimed are done. DROVER_ECONFLICT: it has ended. */
	int (*cancel)(struct drover_session *s, int64_t task_key, const char *reason, struct drover_error *err);
	/* Hosts still pending of tasks whose expires_at has passed end `expired`. At most `limit` tasks. */
	int (*expire)(struct drover_session *s, int64_t limit, bool *more, struct drover_error *err);
	/* Deletes up to `limit` host rows of tasks that ended before `before`, and what hangs on them. */
	int (*retain)(struct drover_session *s, int64_t before, int64_t limit, bool *more, struct drover_error *err);

	/* -- reading, in any session --------------------------------------------------------- */
	/* By id, or by key where id is NULL. DROVER_ENOTFOUND. */
	int (*task)(struct drover_session *s, const char *id, int64_t key, drover_task_fn *fn, void *context,
		    struct drover_error *err);
	int (*tasks)(struct drover_session *s, const struct drover_task_filter *filter, drover_task_fn *fn,
		     void *context, struct drover_error *err);
	int (*units)(struct drover_session *s, int64_t task_key, int64_t after_unit, int64_t limit,
		     drover_unit_row_fn *fn, void *context, struct drover_error *err);
	/* Units that are ready, numbers above `after_unit` (-1: all), in order. */
	int (*ready_units)(struct drover_session *s, int64_t task_key, int64_t after_unit, int64_t limit,
			   drover_unit_row_fn *fn, void *context, struct drover_error *err);
	/* The hosts of a unit that have no final status, as submitted, by index. */
	int (*unit_hosts)(struct drover_session *s, int64_t task_key, int64_t unit,
			  int (*fn)(void *context, int64_t index, enum drover_status status,
				    const struct drover_host_spec *host),
			  void *context, struct drover_error *err);
	int (*results_query)(struct drover_session *s, const struct drover_result_filter *filter, drover_result_fn *fn,
			     void *context, struct drover_error *err);
	int (*verify)(struct drover_session *s, int64_t task_key, struct drover_verification *verification,
		      struct drover_error *err);
	int (*incarnations)(struct drover_session *s, int64_t limit, drover_incarnation_fn *fn, void *context,
			    struct drover_error *err);
	/* The highest seq that was given out. */
	int (*last_seq)(struct drover_session *s, int64_t *seq, struct drover_error *err);

	/* writing: see struct drover_advance. */
	int (*advance)(struct drover_session *s, struct drover_advance *advance, struct drover_error *err);
	/* reading: all hosts of a task, as submitted, by index, with what became of them. */
	int (*task_hosts)(struct drover_session *s, int64_t task_key,
			  int (*fn)(void *context, int64_t index, enum drover_status status, enum drover_remote remote,
				    const struct drover_host_spec *host),
			  void *context, struct drover_error *err);
	/* Groups, the largest first, equal ones by first_id. Each output is read once. */
	int (*groups)(struct drover_session *s, const struct drover_group_filter *filter, drover_group_fn *fn,
		      void *context, struct drover_error *err);
	/* A part of one stream (1 stdout, 2 stderr) of one host. `fn` is not called where no bytes are wanted. DROVER_ENOTFOUND. */
	int (*output_part)(struct drover_session *s, int64_t task_key, const char *host, int stream,
			   drover_output_want_fn *want, drover_output_fn *fn, void *context, struct drover_error *err);

	/*
	 * Looks at a store that nobody has open, and tells what it finds; changes nothing. `self` has its options and
	 * was not opened. May take long. NULL: it cannot.
	 */
	int (*examine)(void *self, drover_finding_fn *fn, void *context, struct drover_error *err);

	/* ---------------------------------------------------------------- where several nodes share the store */

	bool shared; /* several nodes may have it open at once */

	/*
	 * writing: ends the lease of another, if it is still as it was read: compare-and-set on `renewed_at`.
	 * What it held is for `sweep`.
	 */
	int (*expel)(struct drover_session *s, int64_t incarnation, int64_t renewed_at, bool *ended,
		     struct drover_error *err);
	/* writing: asks the living incarnation of a node to drain, or to go on. DROVER_ENOTFOUND: none lives. */
	int (*ask_drain)(struct drover_session *s, const char *node, bool drain, struct drover_error *err);
	/* reading: for each node its newest incarnation, by name. */
	int (*nodes)(struct drover_session *s, drover_incarnation_fn *fn, void *context, struct drover_error *err);

	/* writing: see struct drover_publication. A unit that is not ready any more is left alone. */
	int (*published)(struct drover_session *s, const struct drover_publication *publications, size_t count,
			 struct drover_error *err);
	/* reading */
	int (*due_units)(struct drover_session *s, const struct drover_due_filter *filter, drover_due_fn *fn,
			 void *context, struct drover_error *err);
	void (*unused)(void); /* it was: units by pool */
	/* reading: of a task's units from number `first` on, in order, whatever their states. */
	int (*envelopes)(struct drover_session *s, int64_t task_key, int64_t first, int64_t limit,
			 int (*fn)(void *context, int64_t unit, struct drover_bytes envelope), void *context,
			 struct drover_error *err);
	/* reading: `fn` gets each pool and executor with such units once. */
	int (*queued)(struct drover_session *s, drover_queued_fn *fn, void *context, struct drover_error *err);
};

#endif
