/* rows.c - see rows.h. */
#include "cli/rows.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/field.h"

#define PAGE 1000 /* the daemon ends a page earlier where its rows hold much output */

int rows_each(struct session *session, const char *id, const char *query, rows_fn *fn, void *context,
	      struct drover_error *err)
{
	char *base = session_task_path(session, id, "/results"), *after = xstrdup("");
	int rc = 0;

	while (!rc && after) {
		struct json_object *answer = NULL, *items;
		struct buf path = BUF_INIT;

		buf_printf(&path, "%s?limit=%d%s%s", base, PAGE, *query ? "&" : "", query);
		if (*after) {
			buf_string(&path, "&after=");
			client_escape(&session->client, &path, after);
		}
		free(after);
		after = NULL;
		rc = client_call(&session->client, "GET", path.data, NULL, &answer, err);
		items = rc ? NULL : field_items(answer);
		for (size_t i = 0; !rc && i < field_count(items); i++)
			rc = fn(context, json_object_array_get_idx(items, i));
		if (!rc && field_count(items) && *field_text(answer, "next"))
			after = xstrdup(field_text(answer, "next"));
		json_object_put(answer);
		buf_dispose(&path);
	}
	free(after);
	free(base);
	return rc;
}

struct buf rows_bytes(struct json_object *row, const char *stream)
{
	struct json_object *value = field(row, stream);
	struct buf bytes = BUF_INIT;
	char encoding[32];
	const char *text;
	size_t size;

	buf_append(&bytes, "", 0);
	if (!json_object_is_type(value, json_type_string))
		return bytes;
	text = json_object_get_string(value);
	size = (size_t)json_object_get_string_len(value);
	buf_append(&bytes, text, size);
	snprintf(encoding, sizeof(encoding), "%s_encoding", stream);
	if (strcmp(field_text(row, encoding), "base64"))
		return bytes;
	if (!sodium_base642bin((unsigned char *)bytes.data, bytes.size, text, size, "\r\n", &bytes.size, NULL,
			       sodium_base64_VARIANT_ORIGINAL))
		bytes.data[bytes.size] = '\0';
	return bytes;
}
