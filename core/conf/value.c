/* value.c - see value.h. */
#include "conf/value.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

/* Enough of a wrong value to recognise it. */
#define SHOWN "\"%.80s\""

struct suffix {
	const char *word;
	int64_t factor;
};

static const struct suffix durations[] = {
	{ "ms", 1 }, { "s", 1000 }, { "", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
};

static const struct suffix sizes[] = {
	{ "", 1 },
	{ "K", INT64_C(1) << 10 },
	{ "M", INT64_C(1) << 20 },
	{ "G", INT64_C(1) << 30 },
	{ "T", INT64_C(1) << 40 },
	{ NULL, 0 },
};

static const struct {
	const char *word;
	bool truth;
} truths[] = {
	{ "true", true }, { "yes", true }, { "on", true }, { "false", false }, { "no", false }, { "off", false }
};

/* Digits with an optional sign, and where they end; strtoll alone would skip blanks. -1: not that, or too large. */
static int digits(const char *text, int64_t *number, const char **end)
{
	const char *first = text + (*text == '-' || *text == '+');
	char *stop;

	if (!isdigit((unsigned char)*first))
		return -1;
	errno = 0;
	*number = strtoll(text, &stop, 10);
	*end = stop;
	return errno ? -1 : 0;
}

int value_int(const char *text, int64_t *number, struct drover_error *err)
{
	const char *end;

	if (digits(text, number, &end) || *end)
		return drover_error_set(err, DROVER_EINVALID, SHOWN " is not a whole number", text);
	return 0;
}

int value_bool(const char *text, bool *truth, struct drover_error *err)
{
	for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++)
		if (!strcasecmp(text, truths[i].word)) {
			*truth = truths[i].truth;
			return 0;
		}
	return drover_error_set(err, DROVER_EINVALID, SHOWN " is neither true nor false", text);
}

/* A number that is not negative, times what its suffix says. */
static int scaled(const char *text, const struct suffix *suffixes, int64_t *out)
{
	const char *end;
	int64_t number;

	if (digits(text, &number, &end) || number < 0 || *text == '-')
		return -1;
	for (const struct suffix *s = suffixes; s->word; s++)
		if (!strcmp(end, s->word))
			return __builtin_mul_overflow(number, s->factor, out) ? -1 : 0;
	return -1;
}

int value_duration(const char *text, int64_t *ms, struct drover_error *err)
{
	if (scaled(text, durations, ms))
		return drover_error_set(
			err, DROVER_EINVALID,
			SHOWN " is not a duration: write a whole number and ms, s, m, h or d, as in `90s`", text);
	return 0;
}

int value_size(const char *text, int64_t *bytes, struct drover_error *err)
{
	if (scaled(text, sizes, bytes))
		return drover_error_set(err, DROVER_EINVALID,
					SHOWN " is not a size: write a whole number and K, M, G or T, as in `64K`",
					text);
	return 0;
}

bool value_utf8(const char *text)
{
	struct json_object *value = json_object_new_string(text), *back;
	const char *json = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
	struct json_tokener *tokener = json_tokener_new();

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	back = json_tokener_parse_ex(tokener, json, (int)strlen(json));
	json_tokener_free(tokener);
	json_object_put(value);
	json_object_put(back);
	return back != NULL;
}
