/*
 * unit.h - a unit as its executor host sees it; unit_parent.c has its life.
 */
#ifndef PROC_UNIT_H
#define PROC_UNIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <uthash.h>

#include "proc/executor_host.h"
#include "proc/unit_output.h"

struct sd_event_source;

/* The words are explained, and the transitions listed, in unit_parent.c. */
enum unit_state { UNIT_RUNNING = 0, UNIT_STOPPING = 1, UNIT_KILLING = 2, UNIT_DRAINING = 3 };

struct unit {
	struct executor_host *host;
	uint64_t handle;
	enum unit_state state;
	size_t count; /* hosts */
	int place;    /* on the host's board, or -1 */
	bool watched;
	pid_t pid;
	bool reaped;
	int status;         /* of waitpid */
	enum exec_end why;  /* EXEC_RETURNED: nobody has ended it */
	char *reason;       /* of `why`, or NULL */
	enum exec_end said; /* by its own last frame: EXEC_RETURNED or EXEC_ERROR */
	bool has_said;
	char *message;                 /* of `said` */
	int64_t started_at, killed_at; /* CLOCK_BOOTTIME ms */
	char *folder;                  /* its cgroup, or NULL */
	char label[192];               /* for the log */
	struct stream *stream;         /* NULL: at its end */
	struct unit_output output;
	struct sd_event_source *output_source;
	struct sd_event_source *timer;
	UT_hash_handle hh;
	UT_hash_handle pid_hh;
};

/* unit_clear.c: kills what is left of its processes. True: nothing is. */
bool unit_clear(struct unit *unit);

#endif
