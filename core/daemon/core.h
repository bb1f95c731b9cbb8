/*
 * core.h - the core process: one object that holds its parts. For the files of core/daemon/ only.
 */
#ifndef DAEMON_CORE_H
#define DAEMON_CORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <systemd/sd-event.h>

#include <drover/dispatcher.h>
#include <drover/source.h>

#include "daemon/metrics.h"
#include "daemon/access.h"
#include "daemon/served.h"
#include "events/hub.h"
#include "loader/loader.h"
#include "proc/control.h"
#include "sched/engine.h"
#include "sched/lease.h"
#include "store/readers.h"
#include "store/writer.h"
#include "task/announced.h"
#include "task/limits.h"
#include "task/signing_keys.h"
#include "task/submission.h"

struct core_source {
	char *name;
	const struct drover_source *plugin;
	void *self;
	bool open;
};

/* `plugin` is NULL where units are executed on this node. */
struct core_dispatcher {
	char *name;
	const struct drover_dispatcher *plugin;
	void *self;
	bool open;
};

struct core_part {
	char *name, *last_death;
	struct drover_part part; /* its strings are those above */
};

struct core_executor {
	struct announced_state is;
	int64_t death; /* UTC ms: its last one before it was down, as parts tell it; 0: it had none */
	bool known;    /* … was told */
};

/* What other threads than the loop's may see; under core.lock. */
struct core_view {
	struct engine_load load;
	struct core_executor *executors; /* of each configured one */
	struct core_part *parts;
	size_t part_count;
	char isolation[16]; /* the way that was found to work */
};

struct core {
	sd_event *event;
	struct control *control;
	struct json_object *slice;

	/* from the configuration */
	char *node;
	char *state_dir;
	char **pools; /* NULL-terminated */
	struct executors executors;
	struct task_limits limits;
	struct served_keeper *served;                        /* of a distributor: what engines there are; else NULL */
	struct signing_keys *keys;                           /* of the cluster; none in it where none are configured */
	int64_t lease_renew, lease_permit, lease_stop_after; /* ms */
	atomic_llong keep;                                   /* ms; a reload changes it */
	int64_t idle_exit;                                   /* ms */
	bool dispatches;

	/* the store */
	const struct drover_sink *store_plugin;
	void *store_self;
	bool store_open;
	const struct drover_store_ops *ops;
	struct drover_session *session; /* the writing one */
	struct writer *writer;
	struct readers *readers;
	int64_t incarnation;
	int64_t started_at;

	/* cluster.c; NULL where nobody shares the store */
	struct lease *lease;
	struct elsewhere *elsewhere;
	int64_t changes_since; /* the store's last change number before this core read its tasks */
	char *announced_pools;
	struct json_object *announced_executors; /* task/announced.h; the lease's thread's, as the following */
	char announced_isolation[16];

	struct hub *hub;
	struct keeper *inventory;
	struct engine *engine;
	struct core_dispatcher dispatcher;
	struct waiting *waiting; /* where the store is shared */
	/* Where there is a dispatcher; the writer's thread looks at it from its first commit on. */
	struct outbox *_Atomic outbox;
	struct offers *offers; /* where units of others are executed */
	struct core_source *sources;
	size_t source_count;

	struct access access;
	struct core_metrics metrics;
	pthread_mutex_t lock;
	struct core_view view;
	atomic_bool draining;      /* it is stopping */
	atomic_llong last_request; /* CLOCK_BOOTTIME ms: for idle_exit */
	atomic_llong renewed_at;   /* UTC ms */

	int64_t drain_deadline; /* CLOCK_BOOTTIME ms, 0: none */
	bool stopping_units;
	int64_t next_pulse, next_permit, next_renew, next_expire, next_retain; /* next_renew: without a lease thread */
	bool renewing, expiring, retaining;
};

/* services.c: the table that sources get. */
extern const struct drover_source_services core_services;
/* core_changes.c: after a commit, on the writer's thread. */
void core_task_changed(struct core *core, const struct drover_task_change *change);
/*
 * cluster.c. A distributor's tasks are handed by its dispatcher to any engine; others are executed by the node that
 * took them.
 */
bool core_is_distributor(const struct core *core);
bool core_is_draining(const struct core *core);
/* Whether the last transaction worked, the lease's among them. Any thread. */
bool core_store_ok(const struct core *core);
/* Takes no further units, or does again. Any thread. */
void core_hold(struct core *core, bool hold);
/* Others hear soon of how this node is now. Any thread. */
void core_announce(struct core *core);
/* Its pools, separated by blanks; owned. */
char *core_pools_text(const struct core *core);
/* core_engines.c: services. */
int core_engines(void *core, int (*fn)(void *fn_context, const struct drover_engine *engine), void *fn_context,
		 struct drover_error *err);
/*
 * core_executors.c. How the executors are now, into the view: under core.lock, on the loop. Whether others are to be told.
 */
bool core_look_at_executors(struct core *core);
int core_executors(void *core, int (*fn)(void *fn_context, const struct drover_executor_row *row), void *fn_context,
		   struct drover_error *err);
/* core_drain.c */
int core_drain_engine(void *core, const char *name, bool drain, struct drover_error *err);
/* core_submit.c */
int core_submit(void *core, struct drover_submission *submission, struct drover_error *err);
/* A task that has a parent; its hosts are as they are written, whatever the inventory says now. */
int core_submit_child(struct core *core, struct drover_submission *submission, const char *parent,
		      struct drover_error *err);
/* core_given_up.c; `certain`: the task's row is there, as `s` has its key. */
void core_given_up(struct core *core, const struct submission *s, bool certain);
/* core_retry.c */
int core_retry(void *core, const char *parent, struct drover_retry *retry, struct drover_error *err);
/* core_outputs.c; core_watch is for the hub. */
void core_watch(void *core, const char *task, bool watched);
int core_groups(void *core, const struct drover_group_filter *filter, drover_group_fn *fn, void *fn_context,
		struct drover_error *err);
int core_output_part(void *core, int64_t task_key, const char *host, int stream, drover_output_want_fn *want,
		     drover_output_fn *fn, void *fn_context, struct drover_error *err);
/* inventory_service.c */
void core_inventory(void *context, void (*fn)(void *fn_context, const struct drover_inventory *inventory),
		    void *fn_context);
int core_host_groups(void *core, const struct drover_principal *by, const char *name, const char *after,
		     drover_host_group_fn *fn, void *fn_context, struct drover_error *err);
/* audit.c: the service; and a line of the daemon's own, whose failure is only logged. */
int core_audit(void *core, const struct drover_audit *line, struct drover_error *err);
void core_audit_own(struct core *core, const char *action, const char *detail);
/* startup.c: from the slice to a core that can run. */
int core_configure(struct core *core, int config_fd, struct drover_error *err);
void core_open_inventory(struct core *core);
int core_open_store(struct core *core, struct drover_error *err);
int core_recover(struct core *core, struct drover_error *err);
/* What the configuration says of how much runs at once. */
struct room_limits core_capacity(struct json_object *slice);
int core_open_sinks(struct core *core, struct drover_error *err);
int core_open_sources(struct core *core, struct drover_error *err);
/* Loads the plugin of an instance in the slice and makes its options. */
int core_load_instance(struct json_object *instance, enum plugin_kind kind, const struct drover_module **module,
		       void **self, struct drover_error *err);
/* dispatcher.c: the one that the slice names, if any; closed before what it reports to. */
int core_open_dispatcher(struct core *core, struct drover_error *err);
void core_close_dispatcher(struct core *core);
void core_close(struct core *core);
void core_view_dispose(struct core_view *view);
/* reload.c */
void core_reload(struct core *core, const char *slice);
/* tick.c: all that happens by the clock. */
void core_tick(struct core *core);
void core_view_update(struct core *core);

#endif
