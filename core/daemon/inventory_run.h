/* inventory_run.h - one reading of an inventory, from the process that does it to a snapshot. */
#ifndef DAEMON_INVENTORY_RUN_H
#define DAEMON_INVENTORY_RUN_H

#include <sys/types.h>

#include "task/inventory.h"

struct drover_error;
struct json_object;

struct inventory_run {
	int fd; /* of the conversation; shutdown(2) on it breaks the reading off, until inventory_run_close */
	pid_t pid;
	const char *command; /* borrowed: for messages */
	long timeout;        /* ms */
	struct inventory_limits limits;
};

/* Starts the process. `section` is the core's part of the configuration; `folder` for temporary files. */
int inventory_run_start(struct inventory_run *run, struct json_object *section, const char *folder,
			struct drover_error *err);
/*
 * Waits for its answer and its end. `*notes` is an array of sentences, owned by the caller, of what an operator should
 * know; NULL after an error.
 */
int inventory_run_finish(struct inventory_run *run, struct inventory **inventory, struct json_object **notes,
			 struct drover_error *err);
/* When nobody breaks it off any more: the descriptor's number is others' then. */
void inventory_run_close(struct inventory_run *run);

#endif
