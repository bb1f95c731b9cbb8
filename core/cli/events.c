/* events.c - see events.h. */
#include "cli/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>
#include <drover/status.h>

#include "cli/field.h"

#define DEPTH 16

int events_open(struct events *events, struct session *session, const char *id, events_fn *fn, void *context,
		struct drover_error *err)
{
	int rc;

	*events = (struct events){ .fn = fn, .context = context };
	rc = client_open(&events->client, &session->client.address, err);
	if (rc)
		return rc;
	events->client.wake = session->client.wake;
	events->path = session_task_path(session, id, "/events?output=true");
	return 0;
}

void events_close(struct events *events)
{
	client_close(&events->client);
	sse_dispose(&events->sse);
	free(events->path);
}

static int take_event(void *context, const char *kind, const char *data, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
	struct json_object *event = json_tokener_parse_ex(tokener, data, (int)size);
	struct events *events = context;
	int rc;

	json_tokener_free(tokener);
	if (!json_object_is_type(event, json_type_object)) {
		json_object_put(event);
		return drover_error_set(events->err, DROVER_EFAULT, "an event of the daemon is no JSON object");
	}
	rc = events->fn(events->context, kind, event);
	if (!rc && !strcmp(kind, "task")) {
		const char *state = field_text(event, "state");

		events->ended = !strcmp(state, "done") || !strcmp(state, "cancelled") || !strcmp(state, "aborted");
	}
	json_object_put(event);
	return rc;
}

static int take_bytes(void *context, const char *data, size_t size)
{
	struct events *events = context;

	return sse_take(&events->sse, data, size, take_event, events, events->err);
}

int events_read(struct events *events, struct drover_error *err)
{
	char header[SSE_ID_SIZE + 32];

	snprintf(header, sizeof(header), "Last-Event-ID: %s", *events->sse.last_id ? events->sse.last_id : "0");
	sse_again(&events->sse);
	events->err = err;
	return client_raw(&events->client, events->path, header, true, take_bytes, events, err);
}
