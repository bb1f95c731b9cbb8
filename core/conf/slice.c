/* slice.c - an instance made from the slice that a child process got; see option.h. */
#include <json-c/json.h>
#include <string.h>

#include <drover/error.h>

#include "conf/option.h"
#include "util/log.h"

/* The log must not show them. */
static void tell_secrets(const struct drover_option *option, struct json_object *value)
{
	if (option->type == DROVER_TYPE_SECRET)
		log_secret(json_object_get_string(value));
	if (!json_object_is_type(value, json_type_object))
		return;
	json_object_object_foreach (value, key, member)
		if (option_is_secret(option, key))
			log_secret(json_object_get_string(member));
}

int slice_options(struct json_object *options, const struct drover_option *table, size_t self_size, void **self,
		  struct drover_error *err)
{
	void *made = option_new(table, self_size);
	struct drover_error why = { 0 };

	*self = NULL;
	if (options && !json_object_is_type(options, json_type_object)) {
		option_free(table, made);
		return drover_error_set(err, DROVER_EINVALID, "the options are no object");
	}
	if (options) {
		json_object_object_foreach (options, name, value) {
			const struct drover_option *option = option_find(table, name);
			int code = option_set(table, made, name, value, &why);

			if (code) {
				option_free(table, made);
				return drover_error_set(err, code, "%.80s: %.400s", name, why.message);
			}
			tell_secrets(option, value);
		}
	}
	for (const struct drover_option *o = table; o && o->type != DROVER_TYPE_END; o++)
		if ((o->flags & DROVER_REQUIRED) && (!options || !json_object_object_get_ex(options, o->name, NULL))) {
			option_free(table, made);
			return drover_error_set(err, DROVER_EINVALID, "%s: is required", o->name);
		}
	*self = made;
	return 0;
}
