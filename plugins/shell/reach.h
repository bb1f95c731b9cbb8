/*
 * reach.h - the executor's options, the credential and the task, as a fan-out over ssh is told them.
 */
#ifndef SHELL_REACH_H
#define SHELL_REACH_H

#include "payload.h"
#include "shell.h"

struct reach {
	struct fanout_config config; /* borrows from all that it was made of */
	struct fanout_credential credential;
	char **paths;            /* owned; ended by NULL */
	char *home, *local_user; /* owned */
};

/* All but command, width and callbacks. 0, DROVER_ENOMEM or DROVER_EINVALID. Dispose of it in any case. */
int reach_make(struct reach *r, struct drover_unit *unit, const struct payload *payload, struct drover_error *err);
void reach_dispose(struct reach *r);

#endif
