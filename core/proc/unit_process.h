/*
 * unit_process.h - the process that runs a plugin's code for one unit.
 *
 * Forked from the executor host for each unit; it never returns. It is not trusted: the plugin's
 * code may do anything in it, so everything that it says is checked by the other side.
 */
#ifndef PROC_UNIT_PROCESS_H
#define PROC_UNIT_PROCESS_H

#include <drover/executor.h>

#include "proc/credentials.h"
#include "proc/exec_link.h"
#include "proc/forked.h"
#include "proc/live.h"
#include "proc/permit.h"
#include "proc/wire.h"

/* What the child needs; all borrowed from the executor host's memory, of which it has a copy. */
struct unit_start {
	const struct drover_executor *executor;
	const void *self;
	const struct credentials *credentials;
	struct exec_unit unit;
	struct wire_reader targets; /* the rest of the frame */
	const char *folder;         /* its cgroup, or NULL */
	const struct live_board *board;
	int place;         /* on the board, or -1 */
	int64_t live_rate; /* bytes a second that it shows */
	const struct permit *permit;
	struct forked forked; /* its socket is the one to the executor host */
};

void __attribute__((noreturn)) unit_process_run(const struct unit_start *start);

#endif
