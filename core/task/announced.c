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

bool announced_find(struct json_object *list, const char *name, struct announced_executor *executor)
{
	size_t count = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *object = json_object_array_get_idx(list, i), *up, *capacity;
		const char *its = json_object_get_string(json_object_object_get(object, "name"));

		if (!its || strcmp(its, name) != 0)
			continue;
		up = json_object_object_get(object, "up");
		capacity = json_object_object_get(object, "capacity");
		*executor = (struct announced_executor){ .up = !up || json_object_get_boolean(up),
							 .hosts = number(capacity, "hosts"),
							 .units = number(capacity, "units"),
							 .object = object };
		return true;
	}
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

void announced_set_up(struct json_object *list, const bool *up)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *object = json_object_array_get_idx(list, i);

		json_object_object_del(object, "up");
		if (!up[i])
			json_object_object_add(object, "up", json_object_new_boolean(false));
	}
}
