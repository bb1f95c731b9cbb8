/*
 * tail.h - what hosts write, shown as it comes: `host: line`, standard output to stdout and standard error to
 * stderr, no line torn by another one. Of a single host, or of `logs`, the bytes alone.
 *
 * Live output is best effort; at a host's end what did not come live is read from the daemon, so that all that
 * was kept is shown once. Fed with events (events.h).
 */
#ifndef CLI_TAIL_H
#define CLI_TAIL_H

#include <stdint.h>

#include "cli/session.h"
#include "util/nameset.h"
#include "util/nodeset.h"

struct tail_host;

struct tail {
	struct session *session;
	const struct cli *cli;
	const char *id;             /* borrowed: the task's */
	const struct nodeset *only; /* borrowed: these hosts, NULL: all */
	bool bare;                  /* without the hosts' names */
	bool watching;              /* Ctrl-C only ends the watching */
	int64_t limit;              /* bytes of a stream that the task keeps; 0: not known yet */
	struct tail_host *hosts;    /* owned */
};

/* One event, as events_fn: 0, an error of the client, or DROVER_EFAULT: standard output is closed. */
int tail_event(struct tail *tail, const char *kind, struct json_object *event, struct drover_error *err);
void tail_dispose(struct tail *tail);

/*
 * Writes a line of a host, with its name in front (NULL: without), to stdout or (`stream` 2) stderr; with --json as
 * an object. Harmless on a terminal.
 */
void tail_line(const struct cli *cli, const char *host, int stream, const char *line, size_t size);

#endif
