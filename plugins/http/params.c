/* params.c - see params.h. */
#define _GNU_SOURCE
#include "params.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "request.h"
#include "utf8.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *params_decode(const char *text, size_t size)
{
	char *out = malloc(size + 1);
	size_t n = 0;

	if (!out)
		return NULL;
	for (size_t i = 0; i < size; i++) {
		out[n] = text[i];
		if (text[i] == '%') {
			if (size - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				goto malformed;
			out[n] = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		}
		n++;
	}
	out[n] = '\0';
	if (utf8_is_text(out, n))
		return out;

malformed:
	free(out);
	return NULL;
}

void params_wrong(struct request *r, const char *name, const char *format, ...)
{
	char detail[256];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	problem_set(&r->problem, PROBLEM_PARAMETERS, "%s", "");
	problem_add(&r->problem, "parameter", name, detail);
}

/* Not by params_string: a parameter that is there twice is not asked for by a handler. */
static bool is_given(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->parameter_count; i++)
		if (!strcmp(r->parameters[i].name, name))
			return true;
	return false;
}

static enum MHD_Result take(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
			    const char *value, size_t value_size)
{
	struct request *r = context;
	struct request_parameter p = { params_decode(name, name_size), params_decode(value ? value : "", value_size) };

	(void)kind;
	if (!p.name || !p.value)
		params_wrong(r, p.name ? p.name : "", "is not percent-encoded UTF-8");
	else if (!route_takes(r->route, p.name))
		params_wrong(r, p.name, "is not known here; there are: %s",
			     *r->route->parameters ? r->route->parameters : "none");
	else if (is_given(r, p.name))
		params_wrong(r, p.name, "is given twice");
	else if (r->parameter_count < REQUEST_PARAMETERS) {
		r->parameters[r->parameter_count++] = p;
		return MHD_YES;
	}
	free(p.name);
	free(p.value);
	return MHD_YES;
}

void params_read(struct request *r)
{
	MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, take, r);
}

const char *params_string(struct request *r, const char *name)
{
	for (size_t i = 0; i < r->parameter_count; i++)
		if (!strcmp(r->parameters[i].name, name))
			return r->parameters[i].value;
	return NULL;
}

int64_t params_int(struct request *r, const char *name, int64_t otherwise, int64_t low, int64_t high)
{
	const char *text = params_string(r, name);
	char *end;
	long long value;

	if (!text)
		return otherwise;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (!strchr("-0123456789", *text) || !*text || *end || errno || value < low || value > high) {
		params_wrong(r, name, "must be a whole number from %lld to %lld", (long long)low, (long long)high);
		return otherwise;
	}
	return value;
}

bool params_bool(struct request *r, const char *name, bool otherwise)
{
	static const char *const words[] = { "false", "true", NULL };

	return params_choice(r, name, words, otherwise);
}

int params_choice(struct request *r, const char *name, const char *const *words, int otherwise)
{
	const char *text = params_string(r, name);
	char known[128] = "";

	if (!text)
		return otherwise;
	for (int i = 0; words[i]; i++) {
		if (!strcmp(text, words[i]))
			return i;
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i ? ", " : "", words[i]);
	}
	params_wrong(r, name, "must be one of: %s", known);
	return otherwise;
}

/* `.123` and the zone behind the seconds, in ms, or false. */
static bool parse_zone(const char *text, int64_t *ms)
{
	int64_t scale = 100;
	int hours, minutes, n = 0;

	*ms = 0;
	if (*text == '.') {
		if (!strchr("0123456789", *++text) || !*text)
			return false;
		for (; *text >= '0' && *text <= '9'; text++, scale /= 10)
			*ms += (*text - '0') * scale;
	}
	if (!strcasecmp(text, "Z"))
		return true;
	if ((*text != '+' && *text != '-') || sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &n) != 2 || n != 5 ||
	    text[6] || hours > 23 || minutes > 59)
		return false;
	*ms -= (*text == '-' ? -1 : 1) * (int64_t)(hours * 60 + minutes) * 60000;
	return true;
}

int64_t params_time(struct request *r, const char *name)
{
	const char *text = params_string(r, name), *rest;
	struct tm tm = { 0 };
	int64_t ms;

	if (!text)
		return 0;
	rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest || tm.tm_year < 70 || tm.tm_year > 8000 || !parse_zone(rest, &ms)) {
		params_wrong(r, name, "must be a time as 2024-05-17T08:30:00Z");
		return 0;
	}
	return (int64_t)timegm(&tm) * 1000 + ms;
}

int64_t params_duration(struct request *r, const char *name, int64_t otherwise, int64_t high, const char *option)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = { { "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 }, { "h", 3600000 } };
	const char *text = params_string(r, name);
	long long value;
	char *end;

	if (!text)
		return otherwise;
	value = strtoll(text, &end, 10);
	for (size_t i = 0; *text >= '0' && *text <= '9' && i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].unit) && value <= high / units[i].ms)
			return value * units[i].ms;
	params_wrong(r, name, "must be a duration as 30s, 5m or 250ms, at most %llds (option %s)",
		     (long long)(high / 1000), option);
	return otherwise;
}

unsigned params_words(struct request *r, const char *name, int (*parse)(const char *word))
{
	const char *text = params_string(r, name);
	unsigned bits = 0;

	while (text) {
		const char *comma = strchrnul(text, ',');
		char word[32];
		int value;

		snprintf(word, sizeof(word), "%.*s", (int)(comma - text), text);
		value = parse(word);
		if (value < 0)
			params_wrong(r, name, "\"%s\" is not one of the words it knows", word);
		else
			bits |= 1u << value;
		text = *comma ? comma + 1 : NULL;
	}
	return bits;
}
