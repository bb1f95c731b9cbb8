/* payload.c - see payload.h. */
#include "task/payload.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include <drover/executor.h>

#include "task/duration.h"
#include "util/buf.h"

static const struct {
	unsigned bit;
	const char *name;
} kinds[] = {
	{ DROVER_JSON_STRING, "a string" },           { DROVER_JSON_INT, "a whole number" },
	{ DROVER_JSON_NUMBER, "a number" },           { DROVER_JSON_BOOL, "true or false" },
	{ DROVER_JSON_STRINGS, "a list of strings" }, { DROVER_JSON_MAP, "an object of strings, numbers and booleans" },
	{ DROVER_JSON_OBJECT, "an object" },          { DROVER_JSON_DURATION, "a duration (seconds, or 90s, 5m)" },
};

static bool all_strings(struct json_object *value)
{
	if (!json_object_is_type(value, json_type_array) || !json_object_array_length(value))
		return false;
	for (size_t i = 0; i < json_object_array_length(value); i++)
		if (!json_object_is_type(json_object_array_get_idx(value, i), json_type_string))
			return false;
	return true;
}

static bool all_scalars(struct json_object *value)
{
	if (!json_object_is_type(value, json_type_object))
		return false;
	json_object_object_foreach (value, key, member) {
		enum json_type type = json_object_get_type(member);

		(void)key;
		if (type != json_type_string && type != json_type_int && type != json_type_double &&
		    type != json_type_boolean)
			return false;
	}
	return true;
}

static bool is_kind(struct json_object *value, unsigned kind)
{
	enum json_type type = json_object_get_type(value);

	switch ((enum drover_json_type)kind) {
	case DROVER_JSON_STRING:
		return type == json_type_string;
	case DROVER_JSON_INT:
		return type == json_type_int;
	case DROVER_JSON_NUMBER:
		return type == json_type_int || type == json_type_double;
	case DROVER_JSON_BOOL:
		return type == json_type_boolean;
	case DROVER_JSON_STRINGS:
		return all_strings(value);
	case DROVER_JSON_MAP:
		return all_scalars(value);
	case DROVER_JSON_OBJECT:
		return type == json_type_object;
	case DROVER_JSON_ANY:
		return true;
	case DROVER_JSON_DURATION:
		return duration_from_json(value) >= 0;
	}
	return false;
}

/* A NUL in a string would end it in the executor's C. */
static bool has_nul(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) &&
	       strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value);
}

static void check_field(const struct executor_field *field, struct json_object *value, struct problems *problems)
{
	struct buf wanted = BUF_INIT;
	char pointer[128];

	snprintf(pointer, sizeof(pointer), "/payload/%s", field->name);
	if (has_nul(value)) {
		problems_add(problems, pointer, "must not contain a NUL character");
		return;
	}
	for (unsigned bit = 1; bit && bit <= DROVER_JSON_DURATION; bit <<= 1)
		if ((field->types & bit) && is_kind(value, bit))
			return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (field->types & kinds[i].bit)
			buf_printf(&wanted, "%s%s", wanted.size ? " or " : "", kinds[i].name);
	problems_add(problems, pointer, "must be %s", wanted.data ? wanted.data : "absent");
	buf_dispose(&wanted);
}

static const struct executor_field *find_field(const struct executor_entry *executor, const char *name)
{
	for (size_t i = 0; i < executor->field_count; i++)
		if (!strcmp(executor->fields[i].name, name))
			return &executor->fields[i];
	return NULL;
}

static void check_group(const struct executor_entry *executor, int group, struct json_object *payload,
			struct problems *problems)
{
	struct buf names = BUF_INIT;
	int present = 0;

	for (size_t i = 0; i < executor->field_count; i++) {
		if (executor->fields[i].group != group)
			continue;
		buf_printf(&names, "%s`%s`", names.size ? ", " : "", executor->fields[i].name);
		present += json_object_object_get(payload, executor->fields[i].name) != NULL;
	}
	if (names.size && present != 1)
		problems_add(problems, "/payload", "must have exactly one of %s", names.data);
	buf_dispose(&names);
}

void payload_check(const struct executor_entry *executor, struct json_object *payload, struct problems *problems)
{
	int groups = 0;

	if (!executor->has_payload)
		return;
	json_object_object_foreach (payload, key, value) {
		const struct executor_field *field = find_field(executor, key);

		if (field) {
			check_field(field, value, problems);
		} else {
			char pointer[256];

			snprintf(pointer, sizeof(pointer), "/payload/%.200s", key);
			problems_add(problems, pointer, "is not a member of a payload for the executor `%s`",
				     executor->name);
		}
	}
	for (size_t i = 0; i < executor->field_count; i++) {
		if (executor->fields[i].required && !json_object_object_get(payload, executor->fields[i].name))
			problems_add(problems, "/payload", "needs `%s`", executor->fields[i].name);
		if (executor->fields[i].group > groups)
			groups = executor->fields[i].group;
	}
	for (int group = 1; group <= groups; group++)
		check_group(executor, group, payload, problems);
}
