/* field.h - reading the fields of an answer; one that is absent or of another type reads as nothing. */
#ifndef CLI_FIELD_H
#define CLI_FIELD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <json-c/json.h>

/* Any value, or NULL. Borrowed, as all of these. */
static inline struct json_object *field(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return value;
}

/* A string, or "". */
static inline const char *field_text(struct json_object *object, const char *name)
{
	struct json_object *value = field(object, name);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

/*
 * A word of the daemon's own (an id, a state, a signal's name), which can be printed as it is; "?" where it is none: a
 * server may send anything.
 */
static inline const char *field_word(struct json_object *object, const char *name)
{
	const char *text = field_text(object, name);

	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._:-")] ? "?" : text;
}

/* A whole number, or `otherwise`. */
static inline int64_t field_int(struct json_object *object, const char *name, int64_t otherwise)
{
	struct json_object *value = field(object, name);

	return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : otherwise;
}

static inline bool field_bool(struct json_object *object, const char *name)
{
	return json_object_get_boolean(field(object, name));
}

/* The items of a list, however it comes: as an array or as {"items": […]}. */
static inline struct json_object *field_items(struct json_object *answer)
{
	struct json_object *items = json_object_is_type(answer, json_type_array) ? answer : field(answer, "items");

	return json_object_is_type(items, json_type_array) ? items : NULL;
}

static inline size_t field_count(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

#endif
