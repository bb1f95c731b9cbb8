/* json.c - see json.h. */
#include "task/json.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

/* The length of the well-formed UTF-8 sequence at `p` (RFC 3629), or 0; `left` bytes are there. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char first, last; /* of the first byte */
		unsigned char low, high;   /* of the second */
		size_t size;
	} forms[] = { { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		      { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		      { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 } };

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (p[0] < forms[i].first || p[0] > forms[i].last)
			continue;
		if (forms[i].size > left || (forms[i].size > 1 && (p[1] < forms[i].low || p[1] > forms[i].high)))
			return 0;
		for (size_t k = 2; k < forms[i].size; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].size;
	}
	return 0;
}

/* The code unit of `\uXXXX` at `p`, or -1: none is there. */
static int code_unit(const char *p, size_t left)
{
	int unit = 0;

	if (left < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		const char *digit = p[i] ? strchr("0123456789abcdef0123456789ABCDEF", p[i]) : NULL;

		if (!digit)
			return -1;
		unit = unit << 4 | (int)(digit - "0123456789abcdef0123456789ABCDEF") % 16;
	}
	return unit;
}

static bool is_surrogate(int unit, int kind)
{
	return unit >= 0 && (unit & 0xfc00) == kind;
}

/* The length of the escape at `p`; 0: half a pair of surrogates, which the library would replace unasked. */
static size_t escape_sequence(const char *p, size_t left)
{
	int unit = code_unit(p, left);

	if (is_surrogate(unit, 0xdc00))
		return 0;
	if (is_surrogate(unit, 0xd800))
		return is_surrogate(code_unit(p + 6, left - 6), 0xdc00) ? 12 : 0;
	return unit >= 0 ? 6 : 2;
}

/* From behind the opening quote at `*at` to the closing one. `*nul`: there is a NUL in it. */
static int scan_string(const char *text, size_t size, size_t *at, bool *nul, struct drover_error *err)
{
	*nul = false;
	for (size_t i = *at; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		size_t length = c == '\\' ? escape_sequence(text + i, size - i)
					  : utf8_sequence((const unsigned char *)text + i, size - i);

		if (c == '"') {
			*at = i;
			return 0;
		}
		if (c < 0x20)
			return drover_error_set(err, DROVER_EINVALID,
						"byte %zu: a control character inside a string: write it as \\u%04x", i,
						c);
		if (!length)
			return drover_error_set(err, DROVER_EINVALID, "byte %zu: %s", i,
						c == '\\' ? "half a pair of surrogates" : "not UTF-8");
		*nul |= !code_unit(text + i, size - i);
		i += length - 1;
	}
	*at = size;
	return 0;
}

/*
 * Walks the text outside and inside of strings. Counts the members of all objects: each has one colon
 * outside of strings, so a parsed tree with fewer members had a key twice. A key ends at a NUL for the
 * library, and would pass for another one.
 */
static int scan(const char *text, size_t size, size_t *members, struct drover_error *err)
{
	bool nul = false;
	int code = 0;

	*members = 0;
	for (size_t i = 0; i < size && !code; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"') {
			i++;
			code = scan_string(text, size, &i, &nul, err);
		} else if (c == ':') {
			++*members;
			if (nul)
				code = drover_error_set(err, DROVER_EINVALID, "byte %zu: a key with a NUL in it", i);
		} else if (c == '\'' || c == 'N' || c == 'I' || c == '/' || c == '\0' || c > 0x7e) {
			code = drover_error_set(err, DROVER_EINVALID, "byte %zu: unexpected %s", i,
						c == '\'' ? "single quote: strings are written in double quotes"
							  : "character");
		}
	}
	return code;
}

static size_t count_members(struct json_object *value)
{
	size_t count = 0;

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach (value, key, member) {
			(void)key;
			count += 1 + count_members(member);
		}
	} else if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++)
			count += count_members(json_object_array_get_idx(value, i));
	}
	return count;
}

int json_read(const void *text, size_t size, struct json_object **value, struct drover_error *err)
{
	struct json_tokener *tokener;
	size_t members, end;
	int code = scan(text, size, &members, err);

	*value = NULL;
	if (code)
		return code;
	if (size > INT32_MAX)
		return drover_error_set(err, DROVER_EINVALID, "longer than 2 GiB");
	tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
	if (!tokener)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*value = json_tokener_parse_ex(tokener, text, (int)size);
	/* A number or a word at the top ends only when something comes after it. */
	end = json_tokener_get_parse_end(tokener);
	if (json_tokener_get_error(tokener) == json_tokener_continue) {
		*value = json_tokener_parse_ex(tokener, " ", 1);
		end = size;
	}
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		code = drover_error_set(err, DROVER_EINVALID, "byte %zu: the text ends too early", size);
	else if (json_tokener_get_error(tokener) != json_tokener_success)
		code = drover_error_set(err, DROVER_EINVALID, "byte %zu: %s", end,
					json_tokener_error_desc(json_tokener_get_error(tokener)));
	else
		for (size_t i = end; i < size && !code; i++)
			if (!strchr(" \t\r\n", ((const char *)text)[i]))
				code = drover_error_set(err, DROVER_EINVALID, "byte %zu: more after the value", i);
	if (!code && count_members(*value) != members)
		code = drover_error_set(err, DROVER_EINVALID, "an object has the same key twice");
	json_tokener_free(tokener);
	if (code) {
		json_object_put(*value);
		*value = NULL;
	}
	return code;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void canonical_object(struct json_object *value, struct buf *out)
{
	size_t count = (size_t)json_object_object_length(value), n = 0;
	const char **keys = xcalloc(count, sizeof(*keys));

	json_object_object_foreach (value, name, unused) {
		(void)unused;
		keys[n++] = name;
	}
	qsort(keys, n, sizeof(*keys), by_key);
	buf_char(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(out, ',');
		json_quote(out, keys[i]);
		buf_char(out, ':');
		json_canonical(json_object_object_get(value, keys[i]), out);
	}
	buf_char(out, '}');
	free(keys);
}

void json_canonical(struct json_object *value, struct buf *out)
{
	if (json_object_is_type(value, json_type_object)) {
		canonical_object(value, out);
	} else if (json_object_is_type(value, json_type_array)) {
		buf_char(out, '[');
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			if (i)
				buf_char(out, ',');
			json_canonical(json_object_array_get_idx(value, i), out);
		}
		buf_char(out, ']');
	} else {
		buf_string(out, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
	}
}

bool json_is_text(const void *data, size_t size)
{
	const unsigned char *p = data, *end = p + size;

	while (p < end) {
		size_t length = *p ? utf8_sequence(p, (size_t)(end - p)) : 0;

		if (!length)
			return false;
		p += length;
	}
	return true;
}

void json_quote(struct buf *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);

	buf_char(out, '"');
	while (p < end) {
		size_t size = utf8_sequence(p, (size_t)(end - p));

		if (!size) {
			buf_string(out, "\xef\xbf\xbd");
			p++;
		} else if (*p == '"' || *p == '\\') {
			buf_char(out, '\\');
			buf_char(out, (char)*p++);
		} else if (*p < 0x20 || *p == 0x7f) {
			buf_printf(out, "\\u%04x", *p++);
		} else {
			buf_append(out, p, size);
			p += size;
		}
	}
	buf_char(out, '"');
}
