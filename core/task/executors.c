/* executors.c - see executors.h. */
#include "task/executors.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "util/buf.h"

#define GROUPS 0xff /* of payload fields, at most */

static const char *text(struct json_object *object, const char *key)
{
	const char *value = json_object_get_string(json_object_object_get(object, key));

	return value ? value : "";
}

static int64_t number(struct json_object *object, const char *key)
{
	return json_object_get_int64(json_object_object_get(object, key));
}

static void read_fields(struct json_object *array, struct executor_entry *e)
{
	e->has_payload = json_object_is_type(array, json_type_array);
	if (!e->has_payload)
		return;
	e->field_count = json_object_array_length(array);
	e->fields = xcalloc(e->field_count, sizeof(*e->fields));
	for (size_t i = 0; i < e->field_count; i++) {
		struct json_object *field = json_object_array_get_idx(array, i);

		e->fields[i].name = xstrdup(text(field, "name"));
		e->fields[i].types = (unsigned)number(field, "types");
		e->fields[i].group = (int)(number(field, "group") & GROUPS);
		e->fields[i].required = json_object_get_boolean(json_object_object_get(field, "required"));
	}
}

static void read_types(struct json_object *array, struct executor_entry *e)
{
	size_t count = json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0, kept = 0;
	struct buf all = BUF_INIT;

	e->types = xcalloc(count + 1, sizeof(char *));
	for (size_t i = 0; i < count; i++) {
		const char *type = json_object_get_string(json_object_array_get_idx(array, i));

		if (!type)
			continue;
		e->types[kept++] = xstrdup(type);
		buf_printf(&all, "%s%s", all.size ? " " : "", type);
	}
	e->types_text = buf_take(&all);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_match(struct json_object *match, struct executor_entry *e, struct drover_error *err)
{
	const char *pattern = json_object_is_type(match, json_type_string) ? json_object_get_string(match) : NULL;
	int code;

	if (!pattern)
		return 0;
	code = nodeset_expand(pattern, 10000000, NULL, NULL, &e->match, err);
	if (code)
		return code;
	e->has_match = true;
	qsort(e->match.names, e->match.count, sizeof(char *), by_name);
	return 0;
}

int executors_read(struct json_object *array, struct executors *executors, struct drover_error *err)
{
	size_t count = json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;

	*executors = (struct executors){ xcalloc(count, sizeof(struct executor_entry)), count };
	for (size_t i = 0; i < count; i++) {
		struct json_object *object = json_object_array_get_idx(array, i);
		struct json_object *capacity = json_object_object_get(object, "capacity"), *up;
		struct executor_entry *e = &executors->items[i];
		int code;

		e->name = xstrdup(text(object, "name"));
		e->plugin = xstrdup(text(object, "plugin"));
		e->version = xstrdup(text(object, "version"));
		e->summary = xstrdup(text(object, "summary"));
		e->window = number(object, "window");
		e->unconfined = json_object_get_boolean(json_object_object_get(object, "unconfined"));
		e->down = json_object_object_get_ex(object, "up", &up) && !json_object_get_boolean(up);
		if (capacity) {
			e->capacity_hosts = number(capacity, "hosts");
			e->capacity_units = number(capacity, "units");
		}
		read_types(json_object_object_get(object, "types"), e);
		read_fields(json_object_object_get(object, "payload"), e);
		code = read_match(json_object_object_get(object, "match"), e, err);
		if (code)
			return code;
	}
	return 0;
}

void executors_dispose(struct executors *executors)
{
	for (size_t i = 0; i < executors->count; i++) {
		struct executor_entry *e = &executors->items[i];

		free(e->name);
		free(e->plugin);
		free(e->version);
		free(e->summary);
		free(e->types_text);
		for (char **type = e->types; type && *type; type++)
			free(*type);
		free(e->types);
		for (size_t k = 0; k < e->field_count; k++)
			free(e->fields[k].name);
		free(e->fields);
		if (e->has_match)
			nodeset_dispose(&e->match);
	}
	free(executors->items);
	*executors = (struct executors){ NULL, 0 };
}

int executors_find(const struct executors *executors, const char *name)
{
	for (size_t i = 0; i < executors->count; i++)
		if (!strcmp(executors->items[i].name, name))
			return (int)i;
	return -1;
}

bool executor_serves(const struct executor_entry *executor, const char *type)
{
	for (char **t = executor->types; *t; t++)
		if (!strcmp(*t, type))
			return true;
	return false;
}

bool executor_matches(const struct executor_entry *executor, const char *host)
{
	return !executor->has_match ||
	       bsearch(&host, executor->match.names, executor->match.count, sizeof(char *), by_name);
}
