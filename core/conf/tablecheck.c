/* tablecheck.c - is an option table sound? Asked of each plugin when it is loaded; see option.h. */
#include <ctype.h>
#include <json-c/json.h>
#include <string.h>

#include <drover/error.h>

#include "conf/option.h"
#include "conf/value.h"

#define OPTIONS_MAX 256

static bool name_sound(const char *name)
{
	if (!islower((unsigned char)name[0]))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name) && strlen(name) <= 64;
}

/* The bounds and the default, by assigning each to an instance made for it. */
static int check_values(const struct drover_option *option, size_t self_size, struct drover_error *err)
{
	const char *const texts[] = { option->minimum, option->maximum, option->initial };
	const char *const words[] = { "minimum", "maximum", "default" };
	struct drover_error why = { 0 };
	int code = 0;

	for (size_t i = 0; i < 3 && !code; i++) {
		struct json_object *value;
		void *self;
		struct drover_option alone[] = { *option, DROVER_OPT_END };

		if (!texts[i])
			continue;
		alone[0].initial = NULL;
		self = option_new(alone, self_size);
		value = json_object_new_string(texts[i]);
		code = option_assign(&alone[0], self, value, &why);
		json_object_put(value);
		option_free(alone, self);
		if (code)
			drover_error_set(err, DROVER_EINVALID, "its option %s has a bad %s: %.300s", option->name,
					 words[i], why.message);
	}
	return code ? DROVER_EINVALID : 0;
}

static int check_option(const struct drover_option *option, size_t self_size, struct drover_error *err)
{
	size_t size = option_field_size(option->type);

	if (!option->name || !name_sound(option->name))
		return drover_error_set(err, DROVER_EINVALID,
					"its option \"%.64s\" is not named by lower case, digits and _",
					option->name ? option->name : "(none)");
	if (!size)
		return drover_error_set(err, DROVER_EINVALID, "its option %s has the unknown type %d", option->name,
					(int)option->type);
	if (option->offset > self_size || size > self_size - option->offset)
		return drover_error_set(err, DROVER_EINVALID,
					"its option %s lies outside of the instance (self_size %zu)", option->name,
					self_size);
	if (!option->help)
		return drover_error_set(err, DROVER_EINVALID, "its option %s has no help text", option->name);
	if (option->type == DROVER_TYPE_CHOICE && (!option->choices || !option->choices[0]))
		return drover_error_set(err, DROVER_EINVALID, "its option %s has no choices", option->name);
	if (option->initial && (option->type == DROVER_TYPE_SECRET || option->type == DROVER_TYPE_MAP))
		return drover_error_set(err, DROVER_EINVALID, "its option %s cannot have a default", option->name);
	if (option->initial && (option->flags & DROVER_REQUIRED))
		return drover_error_set(err, DROVER_EINVALID, "its option %s is required and has a default",
					option->name);
	return check_values(option, self_size, err);
}

int option_check(const struct drover_option *table, size_t self_size, struct drover_error *err)
{
	for (size_t i = 0; table && table[i].type != DROVER_TYPE_END; i++) {
		int code = check_option(&table[i], self_size, err);

		if (code)
			return code;
		if (option_find(table, table[i].name) != &table[i])
			return drover_error_set(err, DROVER_EINVALID, "its option %s is there twice", table[i].name);
		if (i == OPTIONS_MAX)
			return drover_error_set(err, DROVER_EINVALID, "it has more than %d options", OPTIONS_MAX);
	}
	return 0;
}
