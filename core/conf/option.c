/* option.c - see option.h. */
#include "conf/option.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "conf/value.h"
#include "util/buf.h"
#include "util/log.h"
#include "util/nodeset.h"

static const struct {
	size_t size;
	const char *name;
} types[] = {
	[DROVER_TYPE_STRING] = { sizeof(char *), "string" },
	[DROVER_TYPE_INT] = { sizeof(int64_t), "whole number" },
	[DROVER_TYPE_BOOL] = { sizeof(bool), "true or false" },
	[DROVER_TYPE_DURATION] = { sizeof(int64_t), "duration" },
	[DROVER_TYPE_SIZE] = { sizeof(int64_t), "size" },
	[DROVER_TYPE_CHOICE] = { sizeof(int), "choice" },
	[DROVER_TYPE_LIST] = { sizeof(struct drover_list), "list" },
	[DROVER_TYPE_MAP] = { sizeof(struct drover_map), "mapping" },
	[DROVER_TYPE_SECRET] = { sizeof(char *), "secret" },
	[DROVER_TYPE_NODESET] = { sizeof(char *), "hosts" },
};

size_t option_field_size(enum drover_option_type type)
{
	return (size_t)type < sizeof(types) / sizeof(types[0]) ? types[type].size : 0;
}

const char *option_type_name(enum drover_option_type type)
{
	return option_field_size(type) ? types[type].name : "unknown";
}

const struct drover_option *option_find(const struct drover_option *table, const char *name)
{
	for (; table && table->type != DROVER_TYPE_END; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

static void *field(const struct drover_option *option, void *self)
{
	return (char *)self + option->offset;
}

static void list_clear(struct drover_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct drover_list){ 0 };
}

static void map_clear(struct drover_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		explicit_bzero(map->pairs[i].value, strlen(map->pairs[i].value)); /* it may be a secret */
		free(map->pairs[i].key);
		free(map->pairs[i].value);
	}
	free(map->pairs);
	*map = (struct drover_map){ 0 };
}

static void clear(const struct drover_option *option, void *self)
{
	char **text = field(option, self);

	switch (option->type) {
	case DROVER_TYPE_LIST:
		list_clear(field(option, self));
		break;
	case DROVER_TYPE_MAP:
		map_clear(field(option, self));
		break;
	case DROVER_TYPE_SECRET:
		if (*text)
			explicit_bzero(*text, strlen(*text));
		/* fall through */
	case DROVER_TYPE_STRING:
	case DROVER_TYPE_NODESET:
		free(*text);
		*text = NULL;
		break;
	default:
		break;
	}
}

/* INT, DURATION and SIZE: parsed as the type says. */
static int number(enum drover_option_type type, const char *text, int64_t *out, struct drover_error *err)
{
	if (type == DROVER_TYPE_DURATION)
		return value_duration(text, out, err);
	if (type == DROVER_TYPE_SIZE)
		return value_size(text, out, err);
	return value_int(text, out, err);
}

static int assign_number(const struct drover_option *option, void *self, const char *text, struct drover_error *err)
{
	const char *lo = option->minimum, *hi = option->maximum;
	int64_t value, bound;
	int code = number(option->type, text, &value, err);
	bool low, high;

	if (code)
		return code;
	low = lo && !number(option->type, lo, &bound, NULL) && value < bound;
	high = hi && !number(option->type, hi, &bound, NULL) && value > bound;
	if (low || high) {
		if (lo && hi)
			return drover_error_set(err, DROVER_EINVALID, "must be %s to %s, not %.80s", lo, hi, text);
		return drover_error_set(err, DROVER_EINVALID, "must be at %s %s, not %.80s", low ? "least" : "most",
					low ? lo : hi, text);
	}
	*(int64_t *)field(option, self) = value;
	return 0;
}

static int assign_choice(const struct drover_option *option, void *self, const char *text, struct drover_error *err)
{
	struct buf words = BUF_INIT;

	for (int i = 0; option->choices[i]; i++) {
		if (!strcmp(option->choices[i], text)) {
			*(int *)field(option, self) = i;
			buf_dispose(&words);
			return 0;
		}
		buf_printf(&words, "%s`%s`", !i ? "" : option->choices[i + 1] ? ", " : " or ", option->choices[i]);
	}
	buf_char(&words, '\0');
	drover_error_set(err, DROVER_EINVALID, "\"%.80s\" is not one of its words: write %.300s", text, words.data);
	buf_dispose(&words);
	return DROVER_EINVALID;
}

static int assign_text(const struct drover_option *option, void *self, const char *text, struct drover_error *err)
{
	char **to = field(option, self);
	struct nodeset set;
	char *copy;
	int code;

	if (option->type == DROVER_TYPE_NODESET) {
		code = nodeset_expand(text, OPTION_NODESET_LIMIT, NULL, NULL, &set, err);
		if (code)
			return code;
		nodeset_dispose(&set);
	}
	copy = xstrdup(text);
	clear(option, self);
	*to = copy;
	return 0;
}

/* `value` is a string or an array of strings. */
static void assign_list(const struct drover_option *option, void *self, struct json_object *value)
{
	bool scalar = !json_object_is_type(value, json_type_array);
	struct drover_list list = { .count = scalar ? 1 : json_object_array_length(value) };

	list.items = xcalloc(list.count + 1, sizeof(char *));
	for (size_t i = 0; i < list.count; i++)
		list.items[i] = xstrdup(json_object_get_string(scalar ? value : json_object_array_get_idx(value, i)));
	clear(option, self);
	*(struct drover_list *)field(option, self) = list;
}

static void assign_map(const struct drover_option *option, void *self, struct json_object *value)
{
	struct drover_map map = { 0 };

	map.pairs = xcalloc((size_t)json_object_object_length(value) + 1, sizeof(struct drover_pair));
	json_object_object_foreach (value, key, member)
		map.pairs[map.count++] = (struct drover_pair){ xstrdup(key), xstrdup(json_object_get_string(member)) };
	clear(option, self);
	*(struct drover_map *)field(option, self) = map;
}

/* Are all members strings? json-c would print others as JSON, which nobody wrote. */
static bool all_strings(struct json_object *value)
{
	if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			if (!json_object_is_type(json_object_array_get_idx(value, i), json_type_string))
				return false;
	} else if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach (value, key, member) {
			(void)key;
			if (!json_object_is_type(member, json_type_string))
				return false;
		}
	}
	return true;
}

static int assign_scalar(const struct drover_option *option, void *self, const char *text, struct drover_error *err)
{
	switch (option->type) {
	case DROVER_TYPE_INT:
	case DROVER_TYPE_DURATION:
	case DROVER_TYPE_SIZE:
		return assign_number(option, self, text, err);
	case DROVER_TYPE_BOOL:
		return value_bool(text, field(option, self), err);
	case DROVER_TYPE_CHOICE:
		return assign_choice(option, self, text, err);
	default:
		return assign_text(option, self, text, err);
	}
}

int option_assign(const struct drover_option *option, void *self, struct json_object *value, struct drover_error *err)
{
	bool scalar = json_object_is_type(value, json_type_string);

	if (!all_strings(value))
		return drover_error_set(err, DROVER_EINVALID, "nothing may be nested in it but plain values");
	if (option->type == DROVER_TYPE_LIST && (scalar || json_object_is_type(value, json_type_array))) {
		assign_list(option, self, value);
		return 0;
	}
	if (option->type == DROVER_TYPE_MAP && json_object_is_type(value, json_type_object)) {
		assign_map(option, self, value);
		return 0;
	}
	if (option->type == DROVER_TYPE_LIST)
		return drover_error_set(err, DROVER_EINVALID, "is a list: write `[a, b]`");
	if (option->type == DROVER_TYPE_MAP)
		return drover_error_set(err, DROVER_EINVALID, "is a mapping: write `{key: value}`");
	if (!scalar)
		return drover_error_set(err, DROVER_EINVALID, "takes one plain value (%s)",
					option_type_name(option->type));
	return assign_scalar(option, self, json_object_get_string(value), err);
}

int option_set(const struct drover_option *table, void *self, const char *name, struct json_object *value,
	       struct drover_error *err)
{
	const struct drover_option *option = option_find(table, name);

	if (!option)
		return drover_error_set(err, DROVER_ENOTFOUND, "there is no option `%.80s`", name);
	return option_assign(option, self, value, err);
}

bool option_is_secret(const struct drover_option *option, const char *key)
{
	if (option->type != DROVER_TYPE_MAP || !option->choices)
		return false;
	for (const char *const *word = option->choices; *word; word++)
		if (!strcmp(*word, key))
			return true;
	return false;
}

void *option_new(const struct drover_option *table, size_t self_size)
{
	void *self = xcalloc(1, self_size ? self_size : 1);

	for (; table && table->type != DROVER_TYPE_END; table++) {
		struct json_object *initial;

		if (!table->initial)
			continue;
		initial = json_object_new_string(table->initial);
		option_assign(table, self, initial, NULL);
		json_object_put(initial);
	}
	return self;
}

void option_free(const struct drover_option *table, void *self)
{
	if (!self)
		return;
	for (; table && table->type != DROVER_TYPE_END; table++)
		clear(table, self);
	free(self);
}
