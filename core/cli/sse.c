/* sse.c - see sse.h. */
#include "cli/sse.h"

#include <stdio.h>
#include <string.h>

#include <drover/error.h>

/* An empty line: the event is whole. One without data is none. */
static int dispatch(struct sse *sse, sse_fn *fn, void *context)
{
	int rc = 0;

	if (sse->data.size)
		rc = fn(context, *sse->event ? sse->event : "message", sse->data.data, sse->data.size);
	/* Only what was dealt with is not asked for again. */
	if (!rc && sse->data.size && *sse->id)
		snprintf(sse->last_id, sizeof(sse->last_id), "%s", sse->id);
	sse->data.size = 0;
	*sse->event = *sse->id = '\0';
	return rc;
}

/* `name: value`; the one blank behind the colon is not the value's. */
static void take_field(struct sse *sse, const char *line, size_t size)
{
	const char *colon = memchr(line, ':', size), *value = colon ? colon + 1 : line + size;
	size_t name = colon ? (size_t)(colon - line) : size, length;

	if (value < line + size && *value == ' ')
		value++;
	length = (size_t)(line + size - value);
	if (name == 4 && !memcmp(line, "data", 4)) {
		if (sse->data.size)
			buf_char(&sse->data, '\n');
		buf_append(&sse->data, value, length);
	} else if (name == 5 && !memcmp(line, "event", 5)) {
		snprintf(sse->event, sizeof(sse->event), "%.*s", (int)length, value);
	} else if (name == 2 && !memcmp(line, "id", 2) && length < SSE_ID_SIZE) {
		snprintf(sse->id, sizeof(sse->id), "%.*s", (int)length, value);
	}
}

static int take_line(struct sse *sse, sse_fn *fn, void *context)
{
	size_t size = sse->line.size;

	if (size && sse->line.data[size - 1] == '\r')
		size--;
	if (!size)
		return dispatch(sse, fn, context);
	if (*sse->line.data != ':')
		take_field(sse, sse->line.data, size);
	return 0;
}

int sse_take(struct sse *sse, const char *bytes, size_t size, sse_fn *fn, void *context, struct drover_error *err)
{
	int rc = 0;

	while (size && !rc) {
		const char *newline = memchr(bytes, '\n', size);
		size_t part = newline ? (size_t)(newline - bytes) : size;

		if (sse->line.size + part > SSE_LONGEST || sse->data.size + part > SSE_LONGEST)
			return drover_error_set(err, DROVER_ELIMIT, "an event of the daemon is too large");
		buf_append(&sse->line, bytes, part);
		if (!newline)
			break;
		rc = take_line(sse, fn, context);
		sse->line.size = 0;
		bytes += part + 1;
		size -= part + 1;
	}
	return rc;
}

void sse_again(struct sse *sse)
{
	sse->line.size = sse->data.size = 0;
	*sse->event = *sse->id = '\0';
}

void sse_dispose(struct sse *sse)
{
	buf_dispose(&sse->line);
	buf_dispose(&sse->data);
}
