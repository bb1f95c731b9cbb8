/*
 * exec_link.h - the core's end of its connection to one executor host.
 *
 * The core hands out units and permits and hears of begun hosts, results and ends. Thread: the
 * core's event loop. Nothing here blocks: what the socket does not take is queued (bounded by the
 * capacity that the scheduler keeps to), and `exec_link_pause` stops reading while the store is
 * behind, so that the pressure reaches the unit processes.
 */
#ifndef PROC_EXEC_LINK_H
#define PROC_EXEC_LINK_H

#include <drover/executor.h>

struct sd_event;
struct exec_link;

/* How a unit's processes came to their end. All of them are gone when this is told. */
enum exec_end {
	EXEC_RETURNED = 0,   /* run returned 0 */
	EXEC_ERROR = 1,      /* run returned an error: message */
	EXEC_EXITED = 2,     /* exit(code) before run returned */
	EXEC_KILLED = 3,     /* by signal `code` that was not ours */
	EXEC_DEADLINE = 4,   /* at the deadline, or stopped there in time */
	EXEC_STOPPED = 5,    /* exec_link_stop */
	EXEC_NO_PERMIT = 6,  /* the core was silent for too long */
	EXEC_GARBAGE = 7,    /* it sent what is no frame */
	EXEC_NOT_STARTED = 8 /* no process could be made: message; no host was touched */
};

/* A unit to execute: `info` with all that run sees; `targets` are its hosts without a final status. */
struct exec_unit {
	uint64_t handle;              /* the core's own, never used twice in its life */
	struct drover_unit_info info; /* info.deadline is the end of the unit */
	const int64_t *indexes;       /* of each target in the task: told to the unit, given back in results */
	size_t begun;                 /* so many of the first targets have their intents already */
	int64_t begin_by; /* CLOCK_BOOTTIME ms: not begun later, since it may be another's by then; 0: whenever */
};

struct exec_ended {
	uint64_t handle;
	enum exec_end how;
	int code;            /* exit code or signal */
	const char *message; /* run's error, or NULL */
	const char *tail;    /* the last of what it wrote to its standard output and error, or NULL */
};

/* What a host has just printed, shown to those who watch. */
struct exec_output {
	size_t position; /* in targets */
	int stream;      /* 1 or 2 */
	int64_t offset;  /* from the stream's begin */
	const void *data;
	size_t size;
};

/* All strings are borrowed for the call. The core checks every number against its own records. */
struct exec_link_events {
	void (*ready)(void *context, const char *version);
	void (*started)(void *context, uint64_t handle, int pid);
	void (*begin)(void *context, uint64_t handle, size_t first, size_t count); /* positions in targets */
	void (*result)(void *context, uint64_t handle, size_t position, enum drover_status status,
		       const struct drover_report *report);
	void (*note)(void *context, uint64_t handle, const char *text);
	void (*ended)(void *context, const struct exec_ended *ended);
	/* The other side is gone, or sent what is no frame (`reason`). Units that had not ended: none of
	 * their processes lives when the supervisor gives the next link. The link may be freed here. */
	void (*closed)(void *context, const char *reason);
	/* Hand out no more: it closes when its last unit has ended; the supervisor gives the next link then. Optional. */
	void (*draining)(void *context);
	/* Best effort, and only of units that exec_link_watch has named. Optional. */
	void (*output)(void *context, uint64_t handle, const struct exec_output *output);
};

/* Takes over `fd`. `events` is borrowed and must stay. */
int exec_link_new(struct sd_event *event, int fd, const struct exec_link_events *events, void *context,
		  struct exec_link **link, struct drover_error *err);
void exec_link_free(struct exec_link *link);

void exec_link_execute(struct exec_link *link, const struct exec_unit *unit);
void exec_link_stop(struct exec_link *link, uint64_t handle, const char *reason);
void exec_link_grant(struct exec_link *link, uint64_t handle, size_t first, size_t count, bool granted);
void exec_link_permit(struct exec_link *link);
/* `watched` 0: the unit's output is not watched any more; else another number than before with each watcher. */
void exec_link_watch(struct exec_link *link, uint64_t handle, unsigned watched);
void exec_link_pause(struct exec_link *link, bool paused);

#endif
