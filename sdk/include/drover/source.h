/*
 * drover/source.h - the contract of a source: it brings tasks in and answers questions about them.
 *
 * Process and thread. A source lives in the core: it is trusted. `open` and `close` are called on the
 * core's event loop and must not block for long; a source that serves clients starts threads of its
 * own in `open` and ends them in `close`. The services below may be called from any of the source's
 * own threads and may block (for a commit, for a free database connection); never call them from
 * `open`, `drain`, `close` or from a `subscribe` callback.
 */
#ifndef DROVER_SOURCE_H
#define DROVER_SOURCE_H

#include <stdint.h>
#include <stdio.h>

#include <drover/metric.h>
#include <drover/plugin.h>
#include <drover/sink.h>
#include <drover/store.h>

/* One thing that is wrong with a request: where (an RFC 6901 pointer, "" for the whole) and what. */
typedef void drover_problem_fn(void *context, const char *pointer, const char *detail);

/* What a caller may do. Each includes the ones before it. */
enum drover_role { DROVER_ROLE_NONE = 0, DROVER_ROLE_READ = 1, DROVER_ROLE_SUBMIT = 2, DROVER_ROLE_ADMIN = 3 };

/*
 * Who asks. Where a NULL is passed instead of one: somebody local who may do everything. Borrowed for
 * the call, with its strings.
 */
struct drover_principal {
	size_t size;
	const char *name; /* the owner of what it submits; NULL: somebody local, without a token */
	enum drover_role role;
	const char *hosts; /* a node set: the only hosts that it may touch; NULL: any */
	bool admin;        /* may use credentials that name nobody, and touch other owners' tasks */
	const char *token; /* the token's id, which is no secret; or NULL */
	const char *from;  /* where it asks from, for the audit log: an address, or "uid 1000"; or NULL */
};

struct drover_submission {
	size_t size;
	const void *json; /* the task, JSON text */
	size_t json_size;
	const char *owner;          /* or NULL */
	bool dry_run;               /* validate and split only */
	drover_problem_fn *problem; /* called for each error of the request, before submit returns */
	void *context;

	/* out */
	char id[161];
	bool repeated; /* the same id with an equal body was there already */
	enum drover_task_state state;
	int64_t hosts;
	int64_t units;
	char executor[64];

	/* in */
	const struct drover_principal *by; /* who submits; NULL: somebody local who may do everything */

	/* out */
	int64_t waves;
};

/*
 * A task that does again what ended badly in another, its parent: same type, payload, executor and limits, the
 * selected hosts with their address, port, user and variables as stored. `json`: {"id"?, "status"?, "hosts"?}, or
 * no bytes at all. `status` selects hosts by their statuses (a word, several with commas, or an array), `hosts`
 * by name (a node set, or an array of names); with neither: failed, unreachable, cancelled, expired, and
 * timeouts whose remote process does not live on. Without an `id` the child's id follows from the parent's and
 * the selection, so that the same retry twice gives one child.
 */
struct drover_retry {
	size_t size;
	const void *json;
	size_t json_size;
	const char *owner;                 /* as in a submission */
	const struct drover_principal *by; /* as in a submission */
	drover_problem_fn *problem;        /* called for each error of the request, before retry returns */
	void *context;

	/* out: the child */
	char id[161];
	bool repeated; /* it was there already */
	enum drover_task_state state;
	int64_t hosts, units, waves;
	char executor[64];
};

/* Something of the node that runs: this process's children and their deaths. Borrowed for the call. */
struct drover_part {
	size_t size;
	const char *name; /* "core", "executor: shell", … */
	int pid;
	int64_t started_at; /* UTC ms */
	int64_t restarts;
	int64_t died_at;        /* of the last death; 0: none */
	const char *last_death; /* "killed by signal 9", "hung in write for 30 s", …; or NULL */
};

/* Whether an executor of an engine can take units. */
struct drover_executor_state {
	size_t size;
	const char *name, *state; /* "up", "down" */
	int64_t since;       /* UTC ms by the engine's clock: when it went down; 0: it is up, or that is not known */
	const char *message; /* why it is down: how its process died; NULL: it is up, or that is not known */
};

struct drover_engine {
	size_t size;
	const char *name, *version, *state; /* "up", "draining", "down" */
	int64_t incarnation, started_at, renewed_at;
	const char *pools;     /* separated by blanks */
	const char *executors; /* names, separated by blanks */
	const char *isolation; /* "cgroup" or "subreaper" */
	int64_t capacity_hosts, capacity_units, running_hosts, running_units;
	const struct drover_part *parts;
	size_t part_count;
	const struct drover_inventory *inventory; /* or NULL: none is configured */
	/* Of other nodes that share the store there are no parts and no inventory here. */
	bool own;
	int64_t silent_for; /* ms since its lease was last seen to be renewed; -1: not known */
	const struct drover_executor_state *executor_states; /* in the order of `executors` */
	size_t executor_state_count;
};

/* The Ansible inventory that groups of hosts come from. */
struct drover_inventory {
	size_t size;
	const char *state;       /* "none", "reading" (for the first time), "ok", "stale", "failed" */
	const char *message;     /* why the last reading failed, or NULL */
	const char *sources;     /* paths, separated by blanks */
	int64_t read_at;         /* UTC ms: of what is in use; 0: nothing is */
	int64_t tried_at;        /* UTC ms: of the last reading's end; 0: none has ended */
	int64_t hosts, groups;   /* in use */
	int64_t skipped;         /* names that are no host names, */
	const char *skipped_are; /* and some of them, quoted; "" */
};

struct drover_host_group {
	size_t size;
	const char *name;
	const char *hosts; /* as a node set, its children's too */
	int64_t count;
	const char *const *children; /* the groups directly in it */
	size_t child_count;
};

typedef int drover_host_group_fn(void *context, const struct drover_host_group *group);

struct drover_executor_row {
	size_t size;
	const char *name, *plugin, *version, *types, *summary;
	const char *state; /* "up", "down" */
	const char *nodes; /* of a distributor: the engines that have it, separated by blanks; NULL: this node */
};

struct drover_core_health {
	size_t size;
	bool ready; /* takes tasks */
	bool draining;
	bool store_ok;       /* the last transaction worked */
	const char *message; /* why it is not ready, or NULL */
	int64_t ready_units, running_units, running_hosts;
};

/* Something that was done or refused, for the audit log. Borrowed for the call. */
struct drover_audit {
	size_t size;
	const char *action;                /* "submit", "cancel", … */
	const char *result;                /* "allowed", "refused", "failed" */
	const struct drover_principal *by; /* NULL: the daemon itself */
	const char *task;                  /* its id, or NULL */
	const char *detail;                /* one line of text, or NULL */
	int64_t times;                     /* how often, where it was folded; else 0 */
};

/* An event; as a sink gets it. Called on one of the core's threads: must not block or call a service. */
typedef void drover_subscriber_fn(void *context, const struct drover_event *event);

struct drover_source_services {
	size_t size;

	/*
	 * Validates, splits and stores a task; returns when it is durable and visible.
	 * DROVER_EINVALID: `problem` has told why (syntax errors of the JSON have the pointer NULL);
	 * DROVER_ECONFLICT: the id is another task's; DROVER_ERETRY: the store is away or the core
	 * drains; DROVER_ELIMIT: a bound was reached. After an error nothing of it is stored.
	 */
	int (*submit)(void *core, struct drover_submission *submission, struct drover_error *err);
	/* DROVER_ENOTFOUND; DROVER_ECONFLICT: it has ended; DROVER_ERETRY. `fn` sees it as it is then. */
	int (*cancel)(void *core, const char *id, const char *reason, drover_task_fn *fn, void *context,
		      struct drover_error *err);

	/* Queries as in drover/store.h; the core lends a reading session. */
	int (*task)(void *core, const char *id, drover_task_fn *fn, void *context, struct drover_error *err);
	int (*tasks)(void *core, const struct drover_task_filter *filter, drover_task_fn *fn, void *context,
		     struct drover_error *err);
	int (*units)(void *core, int64_t task_key, int64_t after_unit, int64_t limit, drover_unit_row_fn *fn,
		     void *context, struct drover_error *err);
	int (*results)(void *core, const struct drover_result_filter *filter, drover_result_fn *fn, void *context,
		       struct drover_error *err);
	int (*verify)(void *core, int64_t task_key, struct drover_verification *verification, struct drover_error *err);

	int (*engines)(void *core, int (*fn)(void *context, const struct drover_engine *engine), void *context,
		       struct drover_error *err);
	int (*executors)(void *core, int (*fn)(void *context, const struct drover_executor_row *row), void *context,
			 struct drover_error *err);
	/* Does not block. `message` in it is static. */
	void (*health)(void *core, struct drover_core_health *health);

	/*
	 * Calls `fn` for each event from now on of the `kinds` (bits 1 << enum drover_event_kind; those that
	 * nobody asks for cost nothing), of one task (its id) or of all (NULL), until
	 * unsubscribe, which returns when no call is under way. Events of a slow subscriber are not
	 * kept for it: copy what is needed.
	 */
	int (*subscribe)(void *core, const char *task, unsigned kinds, drover_subscriber_fn *fn, void *context,
			 void **subscription, struct drover_error *err);
	void (*unsubscribe)(void *core, void *subscription);

	/*
	 * The configured node's name and this program's version; borrowed for ever.
	 */
	const char *(*node)(void *core);
	const char *(*version)(void *core);

	/*
	 * Whether `by` may touch a task or a host (one of both is NULL): all of the task's hosts are in its node
	 * set, or it is the task's owner; the host is in its node set. 0, DROVER_EDENIED, DROVER_ENOTFOUND.
	 */
	int (*permit)(void *core, const struct drover_principal *by, const char *task, const char *host,
		      struct drover_error *err);
	/*
	 * Writes a line into the audit log; it survives a kill when this returns. An action is written before it
	 * is done (submit does that by itself), so a failure means: do not do it. Without a sink that asks for
	 * audit events: 0. DROVER_ERETRY.
	 */
	int (*audit)(void *core, const struct drover_audit *line, struct drover_error *err);

	/* What the core counts about itself. Costs no query. `fn` must not call a service. */
	void (*metrics)(void *core, drover_metric_fn *fn, void *context);

	/*
	 * Submits a child of the task `parent`. Errors as of submit, and DROVER_ENOTFOUND: no such task;
	 * DROVER_ECONFLICT: the parent has not ended, or the id is another task's; the message says which.
	 */
	int (*retry)(void *core, const char *parent, struct drover_retry *retry, struct drover_error *err);

	/* As in drover/store.h; `hosts` of a group is a node set here. */
	int (*groups)(void *core, const struct drover_group_filter *filter, drover_group_fn *fn, void *context,
		      struct drover_error *err);
	int (*output_part)(void *core, int64_t task_key, const char *host, int stream, drover_output_want_fn *want,
			   drover_output_fn *fn, void *context, struct drover_error *err);

	/* The inventory's state; costs no reading of it. */
	void (*inventory)(void *core, void (*fn)(void *context, const struct drover_inventory *inventory),
			  void *context);
	/*
	 * The group `name` or, where it is NULL, each that comes after the name `after` (NULL: from the first), in the
	 * order of names; only the hosts in the node set of `by` (may be NULL), and no group that has none of
	 * these. DROVER_ENOTFOUND: no such group; DROVER_ERETRY: the inventory could not be read yet (where all are
	 * asked for, there is none then). May wait some seconds for the very first reading.
	 */
	int (*host_groups)(void *core, const struct drover_principal *by, const char *name, const char *after,
			   drover_host_group_fn *fn, void *context, struct drover_error *err);
	/*
	 * With `drain` the engine `name` claims no further unit, until it is asked without, or its core starts again;
	 * what runs runs on, and tasks are taken as before. Another node that shares the store hears of it within a
	 * second. DROVER_ENOTFOUND: no such engine lives; DROVER_ERETRY.
	 */
	int (*drain_engine)(void *core, const char *name, bool drain, struct drover_error *err);

	/*
	 * A unit's envelope that came by a message. 0: it was taken, to be claimed; a message may be forgotten then,
	 * since a unit that nobody claims is published again. DROVER_ERETRY: there is no room now: offer it
	 * again after `room` was called. DROVER_EDENIED: not signed by a key that is known here, altered, expired,
	 * another cluster's or pool's: refused, counted and logged; forget it. Any thread; does not wait for the store.
	 */
	int (*offer_unit)(void *core, const void *envelope, size_t size, struct drover_error *err);
	/* `room` is called on one of the core's threads whenever there is room again; quick. NULL ends that. */
	void (*await_room)(void *core, void (*room)(void *context), void *context);
	/*
	 * Whether units are wanted at all: not while the engine drains. A source that holds some back from other nodes (a
	 * place in a consumer group) lets go of them meanwhile, and asks again, say twice a second. Any thread; does not block.
	 */
	bool (*takes_units)(void *core);
};

struct drover_source {
	DROVER_PLUGIN_INFO;
	int (*open)(void *self, const struct drover_source_services *services, void *core, struct drover_error *err);
	/* Takes no new tasks from now on; questions are still answered. */
	int (*drain)(void *self, int64_t deadline, struct drover_error *err);
	void (*close)(void *self);
	/*
	 * Writes what else there is to say about the plugin, one JSON object: `drover plugin describe --json` shows
	 * it as `about`. Without an instance and without side effects. NULL: nothing.
	 */
	void (*describe)(FILE *out);
	/* As a dispatcher's (drover/dispatcher.h): looks at the servers that it brings tasks or units from. Or NULL. */
	int (*examine)(void *self, const struct drover_examination *how, drover_finding_fn *fn, void *context,
		       struct drover_error *err);
};

#define DROVER_SOURCE_HAS(plugin, member)                                                                              \
	((plugin)->size >= offsetof(struct drover_source, member) + sizeof((plugin)->member) && (plugin)->member)

#define DROVER_SOURCE(...)                                                                                             \
	static const struct drover_source drover_source_ = { .size = sizeof(struct drover_source), __VA_ARGS__ };      \
	DROVER_MODULE(.source = &drover_source_)

#endif
