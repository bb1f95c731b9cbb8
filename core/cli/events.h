/* events.h - the changes of a task as they happen: its event stream, taken up again where it breaks off. */
#ifndef CLI_EVENTS_H
#define CLI_EVENTS_H

#include <json-c/json.h>

#include "cli/session.h"
#include "cli/sse.h"

struct drover_error;

/* `kind` as in docs/events.md. Non-zero ends the reading, and is returned; the event comes again after that. */
typedef int events_fn(void *context, const char *kind, struct json_object *event);

struct events {
	struct client client; /* a connection of its own: the session's is free for questions meanwhile */
	char *path;           /* owned */
	struct sse sse;
	bool ended; /* the task's end was told */
	events_fn *fn;
	void *context;
	struct drover_error *err; /* of the reading that is under way */
};

/* All events from the task's beginning on. 0, or an error; nothing is to be closed then. */
int events_open(struct events *events, struct session *session, const char *id, events_fn *fn, void *context,
		struct drover_error *err);
/*
 * Reads until the stream ends, which it does behind the task's end (`ended` then) or by accident: read again.
 * 0, an error of the client, or what `fn` returned.
 */
int events_read(struct events *events, struct drover_error *err);
void events_close(struct events *events);

#endif
