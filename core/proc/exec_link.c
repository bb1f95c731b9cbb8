/* exec_link.c - see exec_link.h. */
#include "proc/exec_link.h"

#include <stdlib.h>

#include "proc/messages.h"
#include "proc/stream.h"
#include "util/clock.h"

struct exec_link {
	struct stream *stream;
	const struct exec_link_events *events;
	void *context;
};

static const char *on_result(struct exec_link *link, uint64_t unit, struct wire_reader *r)
{
	struct drover_report report;
	enum drover_status status;
	size_t position;

	if (!message_get_result(r, &position, &status, &report))
		return "a result that is none";
	link->events->result(link->context, unit, position, status, &report);
	return NULL;
}

static const char *on_output(struct exec_link *link, uint64_t unit, struct wire_reader *r)
{
	struct exec_output output;

	if (!message_get_output(r, &output))
		return "an output that is none";
	if (link->events->output)
		link->events->output(link->context, unit, &output);
	return NULL;
}

static const char *on_ended(struct exec_link *link, uint64_t unit, struct wire_reader *r)
{
	struct exec_ended ended;

	if (!message_get_ended(r, &ended))
		return "a unit's end that is none";
	ended.handle = unit;
	link->events->ended(link->context, &ended);
	return NULL;
}

static const char *on_frame(void *context, const struct wire_header *header, struct wire_reader *r)
{
	struct exec_link *link = context;
	const char *text;
	int64_t a, b;

	switch (header->type) {
	case WIRE_READY:
		text = wire_get_string(r);
		if (!wire_get_end(r) || !text)
			break;
		link->events->ready(link->context, text);
		return NULL;
	case WIRE_STARTED:
		a = wire_get_i64(r);
		if (!wire_get_end(r))
			break;
		link->events->started(link->context, header->unit, (int)a);
		return NULL;
	case WIRE_BEGIN:
		a = wire_get_i64(r);
		b = wire_get_i64(r);
		if (!wire_get_end(r) || a < 0 || b < 0)
			break;
		link->events->begin(link->context, header->unit, (size_t)a, (size_t)b);
		return NULL;
	case WIRE_NOTE:
		text = wire_get_string(r);
		if (!wire_get_end(r) || !text)
			break;
		link->events->note(link->context, header->unit, text);
		return NULL;
	case WIRE_DRAINING:
		if (link->events->draining)
			link->events->draining(link->context);
		return NULL;
	case WIRE_RESULT:
		return on_result(link, header->unit, r);
	case WIRE_ENDED:
		return on_ended(link, header->unit, r);
	case WIRE_OUTPUT:
		return on_output(link, header->unit, r);
	default:
		break;
	}
	return "a frame of no known kind";
}

static void on_closed(void *context, const char *reason)
{
	struct exec_link *link = context;

	link->events->closed(link->context, reason ? reason : "the executor host is gone");
}

static const struct stream_events stream_events = { .frame = on_frame, .closed = on_closed };

int exec_link_new(struct sd_event *event, int fd, const struct exec_link_events *events, void *context,
		  struct exec_link **link, struct drover_error *err)
{
	struct exec_link *l = xcalloc(1, sizeof(*l));
	int rc;

	l->events = events;
	l->context = context;
	rc = stream_new(event, fd, WIRE_PAYLOAD_MAX, &stream_events, l, &l->stream, err);
	if (rc) {
		free(l);
		return rc;
	}
	*link = l;
	return 0;
}

void exec_link_free(struct exec_link *link)
{
	if (!link)
		return;
	stream_free(link->stream);
	free(link);
}

void exec_link_execute(struct exec_link *link, const struct exec_unit *unit)
{
	message_put_unit(stream_begin(link->stream, WIRE_EXECUTE, unit->handle), unit);
	stream_send(link->stream);
}

void exec_link_stop(struct exec_link *link, uint64_t handle, const char *reason)
{
	wire_put_string(stream_begin(link->stream, WIRE_STOP, handle), reason);
	stream_send(link->stream);
}

void exec_link_grant(struct exec_link *link, uint64_t handle, size_t first, size_t count, bool granted)
{
	struct buf *b = stream_begin(link->stream, WIRE_GRANTED, handle);

	wire_put_i64(b, (int64_t)first);
	wire_put_i64(b, (int64_t)count);
	wire_put_u32(b, granted);
	stream_send(link->stream);
}

void exec_link_permit(struct exec_link *link)
{
	wire_put_i64(stream_begin(link->stream, WIRE_PERMIT, 0), clock_boot_ms());
	stream_send(link->stream);
}

void exec_link_watch(struct exec_link *link, uint64_t handle, unsigned watched)
{
	wire_put_u32(stream_begin(link->stream, WIRE_WATCH, handle), watched);
	stream_send(link->stream);
}

void exec_link_pause(struct exec_link *link, bool paused)
{
	stream_pause(link->stream, paused);
}
