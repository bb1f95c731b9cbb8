/* output.c - see output.h. */
#include "output.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#define OUTPUT_MAX (INT64_C(1) << 30)

static void fill_lines(char *data, size_t size, const char *text)
{
	char line[64];
	size_t at = 0;

	for (unsigned number = 1; at < size; number++) {
		size_t length = (size_t)snprintf(line, sizeof(line), "%08u %s\n", number, text);

		if (length > size - at)
			length = size - at;
		memcpy(data + at, line, length);
		at += length;
	}
}

static void fill_bytes(char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i & 0xff);
}

char *output_make(struct json_object *wanted, size_t *size, struct drover_error *err)
{
	struct json_object *bytes = json_object_object_get(wanted, "bytes");
	struct json_object *kind = json_object_object_get(wanted, "kind");
	const char *word = kind ? json_object_get_string(kind) : "text";
	int64_t count = json_object_get_int64(bytes);
	char *data;

	if (!json_object_is_type(bytes, json_type_int) || count < 0 || count > OUTPUT_MAX) {
		drover_error_set(err, DROVER_EINVALID, "output: bytes must be a whole number from 0 to %lld",
				 (long long)OUTPUT_MAX);
		return NULL;
	}
	data = malloc((size_t)count + 1);
	if (!data) {
		drover_error_set(err, DROVER_ENOMEM, "output: no memory for %lld bytes", (long long)count);
		return NULL;
	}
	data[count] = '\0';
	*size = (size_t)count;
	if (!strcmp(word, "text"))
		fill_lines(data, *size, "a line of simulated output");
	else if (!strcmp(word, "binary"))
		fill_bytes(data, *size);
	else if (!strcmp(word, "utf8-invalid"))
		fill_lines(data, *size, "caf\xe9 \xff\xfe \xc3( \xe2\x82");
	else {
		drover_error_set(err, DROVER_EINVALID, "output: kind must be text, binary or utf8-invalid");
		free(data);
		return NULL;
	}
	return data;
}
