/* rows.c - see rows.h. */
#include "cli/rows.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/field.h"
#include "cli/pages.h"
#include "conf/value.h"

int rows_each(struct session *session, const char *id, const char *query, rows_fn *fn, void *context,
	      struct drover_error *err)
{
	char *path = session_task_path(session, id, "/results");
	struct buf whole = BUF_INIT;
	int rc;

	buf_printf(&whole, "%s%s", *query ? "&" : "", query);
	rc = pages_each(&session->client, path, whole.data, INT64_MAX, fn, context, err);
	buf_dispose(&whole);
	free(path);
	return rc;
}

/* Undoes base64; what is none stays as it is. */
static void decode(struct buf *bytes, const char *text, size_t size)
{
	if (!sodium_base642bin((unsigned char *)bytes->data, bytes->size, text, size, "\r\n", &bytes->size, NULL,
			       sodium_base64_VARIANT_ORIGINAL))
		bytes->data[bytes->size] = '\0';
}

struct buf rows_bytes(struct json_object *row, const char *stream)
{
	struct json_object *value = field(row, stream);
	struct buf bytes = BUF_INIT;
	char name[32];
	bool encoded;

	snprintf(name, sizeof(name), "%s_encoding", stream);
	encoded = !strcmp(field_text(row, name), "base64");
	if (!value) {
		snprintf(name, sizeof(name), "%s_base64", stream);
		value = field(row, name);
		encoded = true;
	}
	buf_append(&bytes, "", 0);
	if (!json_object_is_type(value, json_type_string))
		return bytes;
	buf_append(&bytes, json_object_get_string(value), (size_t)json_object_get_string_len(value));
	if (encoded)
		decode(&bytes, json_object_get_string(value), bytes.size);
	return bytes;
}

void rows_add_bytes(struct json_object *object, const char *member, const char *data, size_t size)
{
	char encoding[32];
	struct buf text = BUF_INIT;
	bool plain;

	buf_append(&text, data, size);
	plain = !memchr(text.data, '\0', size) && value_utf8(text.data);
	if (!plain) {
		buf_dispose(&text);
		buf_reserve(&text, sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL));
		sodium_bin2base64(text.data, sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL),
				  (const unsigned char *)data, size, sodium_base64_VARIANT_ORIGINAL);
		text.size = strlen(text.data);
	}
	json_object_object_add(object, member, json_object_new_string_len(text.data, (int)text.size));
	snprintf(encoding, sizeof(encoding), "%s_encoding", member);
	json_object_object_add(object, encoding, json_object_new_string(plain ? "utf-8" : "base64"));
	buf_dispose(&text);
}
