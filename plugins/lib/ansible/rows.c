/* rows.c - from what results.py tells of a host to the report of it. */
#include <json-c/json.h>
#include <string.h>

#include "ansible.h"

const char *ansible_text(struct json_object *object, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(object, name, &value) && json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : NULL;
}

/* Text may hold NUL characters: its length is told, too. */
static const void *get_bytes(struct json_object *object, const char *name, size_t *size)
{
	struct json_object *value;

	*size = 0;
	if (!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, json_type_string))
		return NULL;
	*size = (size_t)json_object_get_string_len(value);
	return json_object_get_string(value);
}

static enum drover_phase get_phase(struct json_object *event)
{
	const char *word = ansible_text(event, "phase");

	for (int i = 0; word && i < DROVER_PHASE_COUNT; i++)
		if (!strcmp(drover_phase_name((enum drover_phase)i), word))
			return (enum drover_phase)i;
	return DROVER_PHASE_NONE;
}

static enum drover_status get_status(struct json_object *event)
{
	const char *word = ansible_text(event, "status");

	for (int i = DROVER_RUNNING; word && i < DROVER_STATUS_COUNT; i++)
		if (!strcmp(drover_status_name((enum drover_status)i), word))
			return (enum drover_status)i;
	return DROVER_FAILED;
}

bool ansible_report(struct drover_unit *unit, struct json_object *event)
{
	struct drover_report report = { .via = "ansible",
					.message = ansible_text(event, "message"),
					.result = ansible_text(event, "result"),
					.waiting_for = ansible_text(event, "waiting_for"),
					.phase = get_phase(event) };
	enum drover_status status = get_status(event);
	const char *host = ansible_text(event, "host");
	struct json_object *value;

	report.out = get_bytes(event, "stdout", &report.out_size);
	report.err = get_bytes(event, "stderr", &report.err_size);
	if (json_object_object_get_ex(event, "rc", &value) && json_object_is_type(value, json_type_int)) {
		report.has_rc = true;
		report.rc = json_object_get_int(value);
	}
	if (json_object_object_get_ex(event, "changed", &value) && json_object_is_type(value, json_type_boolean))
		report.changed = json_object_get_boolean(value) ? DROVER_CHANGED_YES : DROVER_CHANGED_NO;
	/* Ansible ends its own side of a step that takes too long; the remote one may live on. */
	if ((status == DROVER_TIMEOUT && report.phase == DROVER_PHASE_EXECUTION) || status == DROVER_LOST)
		report.remote = DROVER_REMOTE_UNKNOWN;
	drover_host->executor->report(unit, host, status, &report, sizeof(report));
	return status != DROVER_RUNNING;
}

void ansible_show(struct drover_unit *unit, struct json_object *event, unsigned *seen)
{
	const char *host = ansible_text(event, "host");
	unsigned watched = drover_unit_watched(unit);
	struct json_object *value;
	size_t size, skip = 0;
	const char *text = get_bytes(event, "text", &size);

	if (!host || !text || !watched)
		return;
	if (watched == *seen && json_object_object_get_ex(event, "new", &value))
		skip = size - (size_t)json_object_get_int(value);
	*seen = watched;
	if (skip < size)
		drover_output_at(unit, host, 1, (int64_t)skip, text + skip, size - skip);
}
