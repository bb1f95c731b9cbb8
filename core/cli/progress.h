/*
 * progress.h - how far a task is, on stderr: a bar that is drawn over itself on a terminal; elsewhere a line
 * every 10 s if the user wants it (-v), else nothing.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"

struct json_object;

struct progress {
	const struct cli *cli;
	int64_t start;      /* boot ms */
	int64_t first_done; /* hosts that were final when this began, */
	int64_t last_done;  /* … and at the last look */
	int64_t changed;    /* boot ms of the last look that saw more of them */
	int64_t shown;      /* boot ms of the last line, 0: none */
	bool drawn;         /* a bar stands on the terminal */
};

void progress_begin(struct progress *progress, const struct cli *cli);
/* `task` as GET /v1/tasks/ID gives it. */
void progress_show(struct progress *progress, struct json_object *task);
/* Takes the bar away, so that something else can be written. */
void progress_clear(struct progress *progress);
/* Hosts of the task that are final. */
int64_t progress_done(struct json_object *task);

#endif
