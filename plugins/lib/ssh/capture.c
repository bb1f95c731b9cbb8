#include "ssh/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void capture_init(struct capture *c, size_t limit)
{
	*c = (struct capture){ .limit = limit, .at = limit - limit / 2 };
}

void capture_dispose(struct capture *c)
{
	free(c->data);
	*c = (struct capture){ .data = NULL };
}

static int grow(struct capture *c, size_t want)
{
	size_t room = c->room ? c->room : 4096;
	char *data;

	if (want <= c->room)
		return 0;
	while (room < want)
		room *= 2;
	if (room > c->limit)
		room = c->limit;
	data = realloc(c->data, room);
	if (!data)
		return -ENOMEM;
	c->data = data;
	c->room = room;
	return 0;
}

/* The limit is reached: bytes go round in the second half. */
static void add_to_tail(struct capture *c, const char *data, size_t size)
{
	size_t head = c->limit - c->limit / 2;
	size_t ring = c->limit - head;

	if (!ring)
		return;
	if (size > ring) {
		data += size - ring;
		size = ring;
	}
	while (size) {
		size_t part = c->limit - c->at;

		if (part > size)
			part = size;
		memcpy(c->data + c->at, data, part);
		data += part;
		size -= part;
		c->at += part;
		if (c->at == c->limit)
			c->at = head;
	}
}

int capture_add(struct capture *c, const void *data, size_t size)
{
	const char *bytes = data;
	size_t part = c->limit - c->size;

	c->total += size;
	if (part > size)
		part = size;
	if (part) {
		if (grow(c, c->size + part) < 0)
			return -ENOMEM;
		memcpy(c->data + c->size, bytes, part);
		c->size += part;
	}
	if (size > part)
		add_to_tail(c, bytes + part, size - part);
	return 0;
}

size_t capture_head(const struct capture *c, const void **data)
{
	size_t head = c->limit - c->limit / 2;

	*data = c->data;
	return c->size < head ? c->size : head;
}

static void reverse(char *from, char *to)
{
	while (from < to) {
		char c = *from;

		*from++ = *--to;
		*to = c;
	}
}

void capture_finish(struct capture *c)
{
	size_t head = c->limit - c->limit / 2;

	if (c->total <= c->limit || c->at == head || c->size < c->limit)
		return;
	/* A rotation in place: turn both parts, then the whole. */
	reverse(c->data + head, c->data + c->at);
	reverse(c->data + c->at, c->data + c->limit);
	reverse(c->data + head, c->data + c->limit);
	c->at = head;
}
