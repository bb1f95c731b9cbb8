/* writer.c - see writer.h. */
#include "writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>
#include <sodium.h>

#include "utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD"
#define VALUE_DEPTH 64

void writer_dispose(struct writer *w)
{
	free(w->data);
	*w = (struct writer){ NULL };
}

char *writer_take(struct writer *w, size_t *size)
{
	char *data = w->data;

	*size = w->size;
	*w = (struct writer){ NULL };
	return data;
}

/* Room for `more` bytes, or NULL. */
static char *reserve(struct writer *w, size_t more)
{
	if (w->failed)
		return NULL;
	if (w->room - w->size < more) {
		size_t room = w->room ? w->room : 1024;
		char *data;

		while (room - w->size < more)
			room *= 2;
		data = realloc(w->data, room);
		if (!data) {
			w->failed = true;
			return NULL;
		}
		w->data = data;
		w->room = room;
	}
	return w->data + w->size;
}

void writer_append(struct writer *w, const void *data, size_t size)
{
	char *to = size ? reserve(w, size) : NULL;

	if (!to)
		return;
	memcpy(to, data, size);
	w->size += size;
}

void writer_printf(struct writer *w, const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0)
		writer_append(w, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* A string's inside. Runs of plain bytes are copied whole. */
static void escape(struct writer *w, const unsigned char *text, size_t size)
{
	size_t i = 0;

	while (i < size) {
		size_t start = i, length = 0;

		while (i < size && text[i] >= 0x20 && text[i] != '"' && text[i] != '\\' && text[i] != 0x7F &&
		       (length = utf8_length(text + i, size - i)))
			i += length;
		writer_append(w, text + start, i - start);
		if (i == size)
			return;
		if (text[i] == '"' || text[i] == '\\')
			writer_printf(w, "\\%c", text[i]);
		else if (text[i] == '\n')
			writer_append(w, "\\n", 2);
		else if (text[i] == '\t')
			writer_append(w, "\\t", 2);
		else if (text[i] < 0x20 || text[i] == 0x7F)
			writer_printf(w, "\\u%04x", text[i]);
		else
			writer_append(w, REPLACEMENT, 3);
		i++;
	}
}

static void begin(struct writer *w, const char *key)
{
	if (w->separate)
		writer_append(w, ",", 1);
	w->separate = true;
	if (!key)
		return;
	writer_append(w, "\"", 1);
	escape(w, (const unsigned char *)key, strlen(key));
	writer_append(w, "\":", 2);
}

static void open_with(struct writer *w, const char *key, const char *bracket)
{
	begin(w, key);
	writer_append(w, bracket, 1);
	w->separate = false;
}

static void close_with(struct writer *w, const char *bracket)
{
	writer_append(w, bracket, 1);
	w->separate = true;
}

void writer_object(struct writer *w, const char *key)
{
	open_with(w, key, "{");
}

void writer_object_end(struct writer *w)
{
	close_with(w, "}");
}

void writer_array(struct writer *w, const char *key)
{
	open_with(w, key, "[");
}

void writer_array_end(struct writer *w)
{
	close_with(w, "]");
}

void writer_null(struct writer *w, const char *key)
{
	begin(w, key);
	writer_append(w, "null", 4);
}

void writer_bool(struct writer *w, const char *key, bool value)
{
	begin(w, key);
	writer_printf(w, "%s", value ? "true" : "false");
}

void writer_int(struct writer *w, const char *key, int64_t value)
{
	begin(w, key);
	writer_printf(w, "%lld", (long long)value);
}

void writer_text(struct writer *w, const char *key, const void *text, size_t size)
{
	begin(w, key);
	writer_append(w, "\"", 1);
	escape(w, text, size);
	writer_append(w, "\"", 1);
}

void writer_string(struct writer *w, const char *key, const char *text)
{
	if (text)
		writer_text(w, key, text, strlen(text));
	else
		writer_null(w, key);
}

void writer_base64(struct writer *w, const char *key, const void *data, size_t size)
{
	size_t length = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL); /* with its NUL */
	char *to;

	begin(w, key);
	writer_append(w, "\"", 1);
	to = reserve(w, length);
	if (to) {
		sodium_bin2base64(to, length, data, size, sodium_base64_VARIANT_ORIGINAL);
		w->size += length - 1;
	}
	writer_append(w, "\"", 1);
}

void writer_time(struct writer *w, const char *key, int64_t utc_ms)
{
	time_t seconds = (time_t)(utc_ms / 1000);
	char text[64];
	struct tm tm;
	size_t n;

	if (utc_ms <= 0 || !gmtime_r(&seconds, &tm)) {
		writer_null(w, key);
		return;
	}
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%03dZ", (int)(utc_ms % 1000));
	writer_string(w, key, text);
}

void writer_seconds(struct writer *w, const char *key, int64_t ms)
{
	begin(w, key);
	if (ms % 1000)
		writer_printf(w, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
	else
		writer_printf(w, "%lld", (long long)(ms / 1000));
}

/* NULL: it is no JSON, or there is no memory. */
static struct json_object *parse(struct writer *w, const char *json)
{
	struct json_tokener *tokener = json_tokener_new_ex(VALUE_DEPTH);
	struct json_object *value = NULL;

	if (!tokener) {
		w->failed = true;
		return NULL;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* With its NUL, so that a number at the end is known to be complete. */
	value = json_tokener_parse_ex(tokener, json, (int)strlen(json) + 1);
	json_tokener_free(tokener);
	return value;
}

static void append_value(struct writer *w, const char *key, struct json_object *value)
{
	size_t length;
	const char *text = json_object_to_json_string_length(
		value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);

	begin(w, key);
	writer_append(w, text, length);
}

void writer_value(struct writer *w, const char *key, const char *json)
{
	struct json_object *value = json && strcmp(json, "null") ? parse(w, json) : NULL;

	if (value)
		append_value(w, key, value);
	else if (json && strcmp(json, "null"))
		writer_string(w, key, json);
	else
		writer_null(w, key);
	json_object_put(value);
}

void writer_members(struct writer *w, const char *json)
{
	struct json_object *object = parse(w, json);

	if (json_object_is_type(object, json_type_object)) {
		json_object_object_foreach (object, name, value)
			append_value(w, name, value);
	}
	json_object_put(object);
}
