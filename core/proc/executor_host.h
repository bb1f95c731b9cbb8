/* executor_host.h - the process that has loaded one executor plugin, and its units. Single-threaded. */
#ifndef PROC_EXECUTOR_HOST_H
#define PROC_EXECUTOR_HOST_H

#include <sys/resource.h>

#include <drover/executor.h>
#include <uthash.h>

#include "proc/credentials.h"
#include "proc/exec_link.h"
#include "proc/live.h"
#include "proc/permit.h"
#include "proc/wire.h"

struct control;
struct helper;
struct sd_event;
struct stream;
struct unit;

struct executor_host {
	struct sd_event *event;
	struct control *control;
	struct stream *link; /* to the core */
	const char *cgroup;  /* the folder for units' folders, or NULL: the subreaper way */
	const struct drover_executor *executor;
	void *self;
	bool opened;
	struct credentials credentials;
	struct live_board board; /* tells units whether they are watched */
	struct live_budget live; /* for what all of them show */
	int64_t live_unit_rate;  /* bytes a second that one of them does; twice that at once */
	int *keep;               /* descriptors that the plugin's open has made */
	size_t keep_count;
	struct helper *helper;  /* the process that its units share, or NULL */
	struct rlimit files;    /* as we were started: units get it */
	struct unit *by_handle; /* hash */
	struct unit *by_pid;    /* hash; those whose process has not been reaped */
	int64_t permit_lost;    /* ms */
	int64_t call_timeout;   /* ms that a call of the plugin's may take, but for a unit's */
	/* CLOCK_BOOTTIME ms: when the core gave the last permit; when its age was last looked at; and when this process
	 * was found to have stood still, 0: never. */
	int64_t last_permit, checked_at, went_on_at;
	struct permit permit; /* what units know of that */
	bool paused;          /* too much waits for the core: units are not read */
	bool draining;        /* has told the core to hand out nothing more; ends when it is idle */
	bool closing;         /* ends when the last unit has */
};

/* ------------------------------------------------------------------------ unit_parent.c: one unit */

/* `head` and `targets` are of a WIRE_EXECUTE. Answers by WIRE_STARTED, or WIRE_ENDED where it cannot. */
void unit_parent_start(struct executor_host *host, const struct exec_unit *head, const struct wire_reader *targets);
/* Tells the core that the unit was not started, so that nothing of it was touched. */
void unit_parent_refuse(struct executor_host *host, uint64_t handle, const char *message);
struct unit *unit_parent_find(struct executor_host *host, uint64_t handle);
/* Asks it to end within the grace time, then kills it. */
void unit_parent_stop(struct unit *unit, enum exec_end why, const char *reason);
/* Kills it now. */
void unit_parent_kill(struct unit *unit, enum exec_end why, const char *reason);
void unit_parent_grant(struct unit *unit, const struct wire_reader *payload);
/* Tells it whether its output is watched: 0, or a number that changes with each watcher. */
void unit_parent_watch(struct unit *unit, unsigned watched);
/* A process of ours was reaped. */
void unit_parent_reaped(struct executor_host *host, pid_t pid, int status);
void unit_parent_pause_all(struct executor_host *host, bool paused);
void unit_parent_kill_all(struct executor_host *host, enum exec_end why, const char *reason);

/* ------------------------------------------------------------------------------ executor_host.c */

/* A unit has gone from the tables. */
void executor_host_unit_gone(struct executor_host *host);
/* Something was queued for the core. */
void executor_host_check_queue(struct executor_host *host);

#endif
