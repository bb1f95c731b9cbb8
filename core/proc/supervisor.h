/*
 * supervisor.h - what the files of the supervisor share: its one state, its children.
 *
 * One thread, one event loop, nothing here blocks for long; it loads no plugin, so that nothing that
 * a plugin does can take it down.
 */
#ifndef PROC_SUPERVISOR_H
#define PROC_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc/control.h"
#include "proc/roles.h"

struct json_object;
struct sd_event;
struct sd_event_source;
struct supervisor;

#define EXIT_CONFIG 78 /* systemd does not start it again */

enum child_role { CHILD_CORE = 0, CHILD_EXECUTOR = 1, CHILD_SINK = 2, CHILD_MONITOR = 3 };

/* See the table in child.c. */
enum child_state {
	CHILD_DOWN = 0,     /* no process; waits for its time, or for the core */
	CHILD_STARTING = 1, /* a process that has not said that it is ready */
	CHILD_UP = 2,
	CHILD_ENDING = 3,   /* told to end; killed when its time is over */
	CHILD_KILLED = 4,   /* SIGKILL is under way */
	CHILD_CLEANING = 5, /* the process is gone, something that it started may not be */
	CHILD_STOPPED = 6   /* for good */
};

struct child {
	struct supervisor *supervisor;
	enum child_role role;
	char *name;  /* owned: "shell" */
	char *title; /* owned: "executor: shell", as in deaths.json and /v1/engines */
	char *user;  /* owned, or NULL: the supervisor's own */
	char *slice; /* owned, JSON text */
	enum child_state state;
	bool removed;     /* the configuration has it no more: ends for good */
	bool failed_once; /* it has died before it was ever ready: readiness waits no longer for it */
	bool was_ready;   /* in this life */
	bool expected;    /* its end was asked for: no death */
	pid_t pid;
	unsigned serial; /* of its processes; names the cgroup */
	char *cgroup;    /* owned: the folder of this life's group, or NULL */
	int control;     /* -1: none */
	struct sd_event_source *control_source;
	struct sd_event_source *timer; /* by state: start again, kill, look again */
	struct sd_event_source *call;  /* a plugin's call that may hang */
	char call_what[64];
	int64_t call_timeout;
	char cause[256];      /* why we killed it; "" where it died by itself */
	char failure[224];    /* why it cannot start, as it said itself; "" */
	int64_t started_boot; /* CLOCK_BOOTTIME ms */
	int64_t started_at;   /* UTC ms */
	int64_t backoff;      /* ms before the next start */
	int64_t killed_at;    /* CLOCK_BOOTTIME ms */
	int64_t restarts, died_at;
	char last_death[256];
	/* Core: its last pulse. */
	int64_t pulse_at; /* CLOCK_BOOTTIME ms, 0: none yet */
	struct control_pulse pulse;
	struct child *next;
};

struct supervisor {
	const struct supervisor_options *options;
	struct sd_event *event;
	struct json_object *plan;   /* owned; what runs now */
	struct plan_loader *loader; /* under way, or NULL */
	struct child *children;     /* list; the core first */
	char *state_dir;
	char run[96];         /* value of DROVER_RUN */
	int64_t started_boot; /* CLOCK_BOOTTIME ms */
	int lock;             /* descriptor that every child inherits */
	char *tree;           /* the cgroup folder of all children, or NULL: the subreaper way */
	bool started;         /* the first plan is carried out */
	bool stopping;
	bool told_ready;
	char *status; /* owned: the last that systemd was told */
	bool pid_file_written;
	bool reload_again;    /* a SIGHUP came while one was worked on */
	bool parts_dirty;     /* the core is to be told */
	int64_t drain;        /* ms that SIGTERM gives running units */
	int64_t core_silence; /* ms after which a silent core is wedged */
	int64_t restarts;     /* of any part */
	int exit_code;
};

/* ----------------------------------------------------------------------------------- child.c */

struct child *child_new(struct supervisor *s, enum child_role role, const char *name);
void child_free(struct child *c);
struct child *child_find(struct supervisor *s, enum child_role role, const char *name);
struct child *child_core(struct supervisor *s);
/* Starts it when it is down and its time has come. */
void child_start(struct child *c);
/* Asks it to end: it is killed when it has not by `patience` ms. Not counted as a death. */
void child_end(struct child *c, int64_t patience);
/* Kills it now; `cause` is what its death is put down to. */
void __attribute__((format(printf, 2, 3))) child_kill(struct child *c, const char *cause, ...);
void child_ready(struct child *c);
/* It has said why it cannot start. */
void child_failed(struct child *c, const char *why);
/* Its process was reaped. */
void child_exited(struct child *c, int status);
/* It does not come back. */
void child_remove(struct child *c, int64_t patience);
void child_entered(struct child *c, const char *what, int64_t timeout);
void child_left(struct child *c);
/* Starts whatever may start now; ends the supervisor when all have stopped. */
void child_settle_all(struct supervisor *s);

/* ----------------------------------------------------------------------------------- spawn.c */

/* Makes its process, with control connection, slice and link. 0 or negative; nothing is left after an error. */
int spawn_child(struct child *c, struct drover_error *err);
/* Execs this program in another role with only these descriptors; used between fork and exec. */
void __attribute__((noreturn))
spawn_exec(const char *program, char *const argv[], char *const envp[], const int *keep, size_t count);

/* ----------------------------------------------------------------------------------- peers.c */

/* Begins to listen to the child's control connection. */
int peers_watch(struct child *c, struct drover_error *err);
/* Gives the core its end of a link to `peer`. The descriptor stays the caller's. */
bool peers_introduce(struct child *core, const struct child *peer, int fd);
void peers_send_parts(struct supervisor *s);
void peers_send_health(struct supervisor *s);
void peers_send_reload(struct child *c);
void peers_send_drain(struct child *c, int64_t deadline);

/* ---------------------------------------------------------------------------------- deaths.c */

/* Reads what earlier supervisors have recorded, into a child that is being made. */
void deaths_load(struct child *c);
/* Writes all children's records. */
void deaths_save(struct supervisor *s);

/* --------------------------------------------------------------------------------- cleanup.c */

/* Kills what is left of the child's processes. True: nothing is. */
bool cleanup_child(struct child *c);

/* ---------------------------------------------------------------------------------- notify.c */

/* Tells systemd how things are. */
void notify_state(struct supervisor *s);
void notify_stopping(struct supervisor *s);
void notify_reloading(struct supervisor *s);
/* Once a second: the watchdog is fed while the core lives. */
void notify_watchdog(struct supervisor *s);

/* ----------------------------------------------------------------------------------- apply.c */

/* Makes, changes and removes children as the plan says, which is taken over. */
int apply_plan(struct supervisor *s, struct json_object *plan, struct drover_error *err);

/* ------------------------------------------------------------------------------ supervisor.c */

/* Ends the whole node: the core finishes what runs, within the drain time. */
void supervisor_stop(struct supervisor *s, const char *why);

#endif
