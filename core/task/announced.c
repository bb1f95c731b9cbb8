/* announced.c - see announced.h. */
#include "task/announced.h"

#include <json-c/json.h>
#include <string.h>

#include <drover/error.h>

#include "task/json.h"

struct json_object *announced_parse(const char *text)
{
	struct json_object *list = NULL;
	struct drover_error err;

	if (!text || !*text || json_read(text, strlen(text), &list, &err))
		return NULL;
	if (json_object_is_type(list, json_type_array))
		return list;
	json_object_put(list);
	return NULL;
}

static int64_t number(struct json_object *object, const char *key)
{
	int64_t value = json_object_get_int64(json_object_object_get(object, key));

	return value > 0 ? value : 0;
}

bool announced_at(struct json_object *list, size_t position, struct announced_executor *executor)
{
	struct json_object *object = json_object_array_get_idx(list, position);
	struct json_object *up = json_object_object_get(object, "up");
	struct json_object *capacity = json_object_object_get(object, "capacity");

	*executor = (struct announced_executor){
		.up = !up || json_object_get_boolean(up),
		.name = json_object_get_string(json_object_object_get(object, "name")),
		.why = json_object_get_string(json_object_object_get(object, "why")),
		.since = number(object, "down_since"),
		.hosts = number(capacity, "hosts"),
		.units = number(capacity, "units"),
		.object = object,
	};
	return executor->name != NULL;
}

bool announced_find(struct json_object *list, const char *name, struct announced_executor *executor)
{
	size_t count = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count; i++)
		if (announced_at(list, i, executor) && !strcmp(executor->name, name))
			return true;
	return false;
}

bool announced_has_type(const struct announced_executor *executor, const char *type)
{
	struct json_object *types = json_object_object_get(executor->object, "types");
	size_t count = json_object_is_type(types, json_type_array) ? json_object_array_length(types) : 0;

	for (size_t i = 0; i < count; i++) {
		const char *its = json_object_get_string(json_object_array_get_idx(types, i));

		if (its && !strcmp(its, type))
			return true;
	}
	return false;
}

/* A message may have been cut within a character: those who read the list want UTF-8. */
static struct json_object *text_of(const char *text)
{
	struct buf quoted = BUF_INIT;
	struct json_object *value;

	json_quote(&quoted, text);
	value = json_tokener_parse(quoted.data);
	buf_dispose(&quoted);
	return value;
}

void announced_set(struct json_object *list, size_t position, const struct announced_state *state)
{
	struct json_object *object = json_object_array_get_idx(list, position);

	json_object_object_del(object, "up");
	json_object_object_del(object, "down_since");
	json_object_object_del(object, "why");
	if (state->up)
		return;
	json_object_object_add(object, "up", json_object_new_boolean(false));
	if (state->since)
		json_object_object_add(object, "down_since", json_object_new_int64(state->since));
	if (*state->why)
		json_object_object_add(object, "why", text_of(state->why));
}
