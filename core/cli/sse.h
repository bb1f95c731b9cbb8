/*
 * sse.h - reads server-sent events (the HTML standard, 9.2) out of the bytes of their stream, as far as a daemon
 * uses them: `event`, `id`, `data` of one line or several, comments.
 */
#ifndef CLI_SSE_H
#define CLI_SSE_H

#include <stdbool.h>

#include "util/buf.h"

#define SSE_LONGEST ((size_t)16 * 1024 * 1024) /* bytes of one line, and of one event */
#define SSE_ID_SIZE 64

struct drover_error;

struct sse {
	struct buf line, data; /* owned */
	char event[32];
	char id[SSE_ID_SIZE];      /* of the event that is being read, or "" */
	char last_id[SSE_ID_SIZE]; /* of the last one that was given away and had one, or "" */
};

/* One event; `data` is borrowed for the call. Non-zero ends the reading, and is returned. */
typedef int sse_fn(void *context, const char *event, const char *data, size_t size);

/* Zeroed is the beginning. 0, what `fn` returned, or DROVER_ELIMIT. */
int sse_take(struct sse *sse, const char *bytes, size_t size, sse_fn *fn, void *context, struct drover_error *err);
/* A new connection: forgets what is half read, keeps `last_id`. */
void sse_again(struct sse *sse);
void sse_dispose(struct sse *sse);

#endif
