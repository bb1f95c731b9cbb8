/* event.c - see event.h. */
#include "spool/event.h"

#include <stdbool.h>
#include <string.h>

#define HEAD_SIZE 14

void event_encode(const struct drover_event *event, struct buf *out)
{
	uint32_t json_size = (uint32_t)event->json_size;
	char head[HEAD_SIZE];

	head[0] = (char)event->kind;
	head[1] = event->host != NULL;
	memcpy(head + 2, &event->seq, 8);
	memcpy(head + 10, &json_size, 4);
	buf_append(out, head, sizeof(head));
	buf_append(out, event->task, strlen(event->task) + 1);
	if (event->host)
		buf_append(out, event->host, strlen(event->host) + 1);
	buf_append(out, event->json, event->json_size);
	buf_char(out, '\0');
}

/* The string at `*at`, which moves behind it; NULL when no NUL comes before `end`. */
static const char *take_string(const char **at, const char *end)
{
	const char *text = *at;
	const char *nul = memchr(text, '\0', (size_t)(end - text));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

int event_decode(const char *data, size_t size, struct drover_event *event)
{
	const char *at = data + HEAD_SIZE, *end = data + size;
	uint32_t json_size;

	if (size < HEAD_SIZE || data[0] < DROVER_EVENT_TASK || data[0] > DROVER_EVENT_AUDIT)
		return DROVER_EINVALID;
	*event = (struct drover_event){ .size = sizeof(*event), .kind = (enum drover_event_kind)data[0] };
	memcpy(&event->seq, data + 2, 8);
	memcpy(&json_size, data + 10, 4);
	event->task = take_string(&at, end);
	if (!event->task)
		return DROVER_EINVALID;
	if (data[1]) {
		event->host = take_string(&at, end);
		if (!event->host)
			return DROVER_EINVALID;
	}
	if ((size_t)(end - at) != (size_t)json_size + 1 || end[-1] != '\0')
		return DROVER_EINVALID;
	event->json = at;
	event->json_size = json_size;
	return 0;
}
