/* stream.c - see stream.h. */
#include "proc/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drover/error.h>
#include <systemd/sd-event.h>

/* Read at once. The memory is given back when nothing is left over, so that an idle stream has none. */
#define READ_SIZE (32u << 10)
/* In one turn of the loop, so that one busy stream does not starve the others. */
#define READ_TURN (256u << 10)

struct stream {
	sd_event_source *io;
	sd_event_source *flush; /* once, at the end of the turn in which something was written */
	sd_event_source *resume;
	int fd;
	size_t limit;
	const struct stream_events *events;
	void *context;
	struct buf in;
	struct buf out;
	size_t sent;  /* of out */
	size_t frame; /* place of the frame that is being written */
	bool blocked; /* the socket takes no more: waits for EPOLLOUT */
	bool paused;
	bool closed;
	bool busy; /* within an event: freed later */
	bool freed;
};

static void destroy(struct stream *s)
{
	sd_event_source_disable_unref(s->io);
	sd_event_source_disable_unref(s->flush);
	sd_event_source_disable_unref(s->resume);
	if (s->fd >= 0)
		close(s->fd);
	buf_dispose(&s->in);
	buf_dispose(&s->out);
	free(s);
}

static void watch(struct stream *s)
{
	unsigned events = (s->paused || s->closed ? 0 : EPOLLIN) | (s->blocked ? EPOLLOUT : 0);

	sd_event_source_set_io_events(s->io, events);
	/* Paused and quiet, a socket whose other side is gone would still wake the loop for EPOLLHUP. */
	sd_event_source_set_enabled(s->io, events ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void set_closed(struct stream *s, const char *reason)
{
	if (s->closed)
		return;
	s->closed = true;
	s->blocked = false;
	watch(s);
	if (!s->freed)
		s->events->closed(s->context, reason);
}

/* Gives every whole frame that is there. */
static void deliver(struct stream *s)
{
	size_t at = 0;

	while (!s->paused && !s->closed && !s->freed) {
		struct wire_header header;
		struct wire_reader payload;
		const char *wrong;
		size_t used;
		int rc = wire_next(s->in.data + at, s->in.size - at, s->limit, &header, &payload, &used);

		if (!rc)
			break;
		wrong = rc < 0 ? "a frame that is too long" : s->events->frame(s->context, &header, &payload);
		if (wrong) {
			set_closed(s, wrong);
			break;
		}
		at += used;
	}
	if (s->closed || at == s->in.size)
		buf_dispose(&s->in);
	else
		buf_consume(&s->in, at);
}

/* 1: more may come at once; 0: not now. */
static int fill(struct stream *s)
{
	ssize_t n;

	buf_reserve(&s->in, READ_SIZE);
	n = recv(s->fd, s->in.data + s->in.size, s->in.room - s->in.size - 1, MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			set_closed(s, NULL);
		else if (!s->in.size)
			buf_dispose(&s->in);
		return 0;
	}
	if (!n) {
		set_closed(s, NULL); /* half a frame may be there: of somebody who was killed in the middle */
		return 0;
	}
	s->in.size += (size_t)n;
	return 1;
}

static void write_out(struct stream *s)
{
	bool was_blocked = s->blocked;

	while (s->sent < s->out.size) {
		ssize_t n = send(s->fd, s->out.data + s->sent, s->out.size - s->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* full; or gone, which reading will tell */
		s->sent += (size_t)n;
	}
	s->blocked = s->sent < s->out.size && errno == EAGAIN;
	if (s->sent >= s->out.size) {
		/* A large queue's memory is given back: it may have been the only time. */
		if (s->out.room > READ_SIZE * 8)
			buf_dispose(&s->out);
		s->out.size = s->sent = 0;
	} else if (s->sent > s->out.size / 2) {
		buf_consume(&s->out, s->sent);
		s->sent = 0;
	}
	if (s->blocked != was_blocked)
		watch(s);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct stream *s = context;
	size_t turn = 0;

	(void)source;
	(void)fd;
	s->busy = true;
	if (revents & EPOLLOUT) {
		write_out(s);
		if (s->events->drained)
			s->events->drained(s->context);
	}
	while (!s->paused && !s->closed && !s->freed && turn < READ_TURN && fill(s)) {
		turn += READ_SIZE;
		deliver(s);
	}
	s->busy = false;
	if (s->freed)
		destroy(s);
	return 0;
}

static int on_flush(sd_event_source *source, void *context)
{
	struct stream *s = context;

	(void)source;
	if (!s->blocked && !s->closed)
		write_out(s);
	return 0;
}

static int on_resume(sd_event_source *source, void *context)
{
	struct stream *s = context;

	(void)source;
	s->busy = true;
	deliver(s);
	s->busy = false;
	if (s->freed)
		destroy(s);
	return 0;
}

int stream_new(struct sd_event *event, int fd, size_t limit, const struct stream_events *events, void *context,
	       struct stream **stream, struct drover_error *err)
{
	struct stream *s = xcalloc(1, sizeof(*s));
	int rc;

	s->fd = fd;
	s->limit = limit;
	s->events = events;
	s->context = context;
	rc = sd_event_add_io(event, &s->io, fd, EPOLLIN, on_io, s);
	if (rc >= 0)
		rc = sd_event_add_defer(event, &s->flush, on_flush, s);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(s->flush, SD_EVENT_OFF);
	if (rc >= 0)
		rc = sd_event_add_defer(event, &s->resume, on_resume, s);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(s->resume, SD_EVENT_OFF);
	if (rc < 0) {
		destroy(s);
		return drover_error_set(err, DROVER_EFAULT, "cannot watch a socket: %s", strerror(-rc));
	}
	*stream = s;
	return 0;
}

void stream_free(struct stream *s)
{
	if (!s || s->freed)
		return;
	if (!s->closed)
		write_out(s);
	s->freed = true;
	if (!s->busy)
		destroy(s);
}

struct buf *stream_begin(struct stream *s, enum wire_type type, uint64_t unit)
{
	s->frame = wire_begin(&s->out, type, unit);
	return &s->out;
}

void stream_send(struct stream *s)
{
	wire_finish(&s->out, s->frame);
	if (s->closed) {
		s->out.size = s->sent = 0;
		return;
	}
	if (!s->blocked)
		sd_event_source_set_enabled(s->flush, SD_EVENT_ONESHOT);
}

void stream_shutdown(struct stream *s)
{
	if (s->closed)
		return;
	write_out(s);
	shutdown(s->fd, SHUT_WR);
}

size_t stream_queued(const struct stream *s)
{
	return s->out.size - s->sent;
}

void stream_pause(struct stream *s, bool paused)
{
	if (s->paused == paused)
		return;
	s->paused = paused;
	watch(s);
	if (!paused && s->in.size)
		sd_event_source_set_enabled(s->resume, SD_EVENT_ONESHOT);
}
