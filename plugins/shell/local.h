/*
 * local.h - the command on this machine, in the same event loop as the ssh hosts.
 *
 * Each command gets a session and a process group of its own, and an environment of its own: of
 * the daemon's only the few variables that a login would set. Thread: the event loop's.
 */
#ifndef SHELL_LOCAL_H
#define SHELL_LOCAL_H

#include <systemd/sd-event.h>

#include "payload.h"
#include "ssh/fanout.h"

struct local;

struct local_config {
	const char *shell;             /* path */
	const struct payload *payload; /* borrowed until the end */
	int64_t timeout;               /* ms, 0: none */
	int64_t term_grace;            /* ms between TERM and KILL */
	int64_t kill_grace;            /* … after KILL, until its end is given up */
	size_t output_limit;           /* bytes of each stream */
	/* The command ended; once. The object is freed when this returns. */
	void (*done)(void *context, size_t target, const struct fanout_result *result);
	/* Some of what a stream (1, 2) has got just now, at `offset` of it. NULL: nobody wants to see it. */
	void (*output)(void *context, size_t target, int stream, uint64_t offset, const void *data, size_t size);
	void *context;
	size_t target;
};

/*
 * Starts the command; `*local` is NULL and the end already told where it could not be started.
 * SIGCHLD must be blocked.
 */
void local_start(struct local **local, sd_event *event, const struct local_config *config);
/* The begin of what a stream has printed so far, at `*data`, borrowed until the event loop runs on. */
size_t local_head(const struct local *local, int stream, const void **data);
/* Ends the command: TERM, after `term_grace` KILL. `done` follows at the latest `kill_grace` later. */
void local_stop(struct local *local);

#endif
