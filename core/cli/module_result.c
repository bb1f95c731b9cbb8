/* module_result.c - see module_result.h. */
#include "cli/module_result.h"

#include <string.h>

#include "cli/field.h"
#include "util/buf.h"

/* Its own arguments, and what differs from host to host without saying anything. */
static bool is_noise(const char *name)
{
	static const char *const names[] = { "invocation", "stdout_lines", "stderr_lines", "start", "end", "delta" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return !strncmp(name, "_ansible", 8);
}

void module_result_show(struct json_object *row)
{
	struct json_object *result = field(row, "result"), *shown;
	struct buf text = BUF_INIT;

	if (!json_object_is_type(result, json_type_object) || *field_text(row, "stdout") || *field_text(row, "stderr"))
		return;
	shown = json_object_new_object();
	json_object_object_foreach (result, name, value)
		if (!is_noise(name))
			json_object_object_add(shown, name, json_object_get(value));
	buf_printf(&text, "%s\n",
		   json_object_to_json_string_ext(shown, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_object_add(row, "stdout", json_object_new_string_len(text.data, (int)text.size));
	json_object_object_add(row, "stdout_encoding", json_object_new_string("utf-8"));
	json_object_put(shown);
	buf_dispose(&text);
}
