/* wipe.c - see wipe.h. */
#include "conf/wipe.h"

#include <json-c/json.h>
#include <string.h>

static void wipe(struct json_object *json)
{
	if (json_object_is_type(json, json_type_string)) {
		explicit_bzero((char *)json_object_get_string(json), (size_t)json_object_get_string_len(json));
	} else if (json_object_is_type(json, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(json); i++)
			wipe(json_object_array_get_idx(json, i));
	} else if (json_object_is_type(json, json_type_object)) {
		json_object_object_foreach (json, key, member) {
			(void)key;
			wipe(member);
		}
	}
}

void wipe_put(struct json_object *json)
{
	wipe(json);
	json_object_put(json);
}
