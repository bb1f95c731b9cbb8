/*
 * stream.h - a non-blocking socket that carries frames both ways, in an event loop.
 *
 * Frames written in one turn of the loop leave together. What the socket does not take is queued:
 * whoever writes looks at stream_queued and holds back. One thread.
 */
#ifndef PROC_STREAM_H
#define PROC_STREAM_H

#include "proc/wire.h"

struct drover_error;
struct sd_event;
struct stream;

struct stream_events {
	/* A whole frame; borrowed for the call. NULL, or what is wrong with it: then the stream is closed. */
	const char *(*frame)(void *context, const struct wire_header *header, struct wire_reader *payload);
	/* Nothing comes any more: the other side is gone (`reason` NULL), or it sent what is no frame. Called once. */
	void (*closed)(void *context, const char *reason);
	/* The queue has become shorter. Optional. */
	void (*drained)(void *context);
};

/* Takes over `fd`, also when it fails. `limit`: of a frame's payload. `events` is borrowed and must stay. */
int stream_new(struct sd_event *event, int fd, size_t limit, const struct stream_events *events, void *context,
	       struct stream **stream, struct drover_error *err);
/* May be called from within its own events. What was queued is tried once more, without waiting. */
void stream_free(struct stream *stream);

/* Begins a frame in the queue. Returns where to write its payload; ended by stream_send. */
struct buf *stream_begin(struct stream *stream, enum wire_type type, uint64_t unit);
void stream_send(struct stream *stream);
/* The other side reads an end after what was queued; it can still write. */
void stream_shutdown(struct stream *stream);
/* Bytes that wait. */
size_t stream_queued(const struct stream *stream);
/* Stops giving frames: what comes stays in the socket, and the other side blocks in time. */
void stream_pause(struct stream *stream, bool paused);

#endif
