/*
 * spawn.h - a process for a command on this machine.
 */
#ifndef SHELL_SPAWN_H
#define SHELL_SPAWN_H

#include <sys/types.h>

#include "payload.h"

struct spawn {
	const char *shell;             /* path */
	const struct payload *payload; /* borrowed for the call */
	pid_t pid;                     /* out: the leader of a session and group of its own */
	int out, err;                  /* out: the caller's, non-blocking */
};

/*
 * Starts the command in the home folder, with default signals, an empty or the payload's standard
 * input, and an environment that has nothing of the daemon's but what a login sets. Returns 0 or a
 * negative errno.
 */
int spawn_command(struct spawn *spawn);

#endif
