/*
 * fuzz_http.c - any text as what a client may write into a request's head (libFuzzer): its query, the segments of its
 * path, Accept, Range and If-None-Match. What is refused has an error told; what is taken is UTF-8 and in its bounds.
 *
 * The first line of the input is the query, the second a segment of the path, the others are headers.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../../plugins/http/guard.c"
#include "../../plugins/http/lines.c"
#include "../../plugins/http/params.c"
#include "../../plugins/http/problem.c"
#include "../../plugins/http/range.c"
#include "../../plugins/http/utf8.c"
#include "../../plugins/http/writer.c"

#define LINES 5
#define DAY INT64_C(86400000)

const struct drover_host *drover_host;

static char *lines[LINES];
static size_t line_count;

/* ------------------------------------------------------------------ the library's part, as it is asked here */

int MHD_get_connection_values_n(struct MHD_Connection *connection, enum MHD_ValueKind kind, MHD_KeyValueIteratorN fn,
				void *context)
{
	char *save, *text = strdup(lines[0]);

	(void)connection;
	for (char *pair = strtok_r(text, "&", &save); pair; pair = strtok_r(NULL, "&", &save)) {
		char *value = strchr(pair, '=');

		if (value)
			*value++ = '\0';
		fn(context, kind, pair, strlen(pair), value, value ? strlen(value) : 0);
	}
	free(text);
	return 0;
}

const char *request_header(const struct request *r, const char *name)
{
	static const char *const names[] = { "", "", "Accept", "Range", "If-None-Match" };

	(void)r;
	for (size_t i = 2; i < line_count; i++)
		if (!strcmp(names[i], name))
			return lines[i];
	return NULL;
}

bool route_is_first_generation(const struct route *route)
{
	(void)route;
	return false;
}

bool route_takes(const struct route *route, const char *parameter)
{
	(void)route;
	return strlen(parameter) < 8;
}

/* ------------------------------------------------------------------------------------------ the checks */

static int parse_word(const char *word)
{
	return !strcmp(word, "ok") ? 2 : -1;
}

static void check_text(const char *text)
{
	if (text && !utf8_is_text(text, strlen(text)))
		abort();
}

static void check_numbers(struct request *r)
{
	static const char *const words[] = { "index", "status", NULL };
	int64_t number = params_int(r, "limit", 100, 1, 1000), time = params_time(r, "since"),
		duration = params_duration(r, "wait", 0, DAY, "wait_limit");
	int choice = params_choice(r, "sort", words, 0);

	if (number < 1 || number > 1000 || duration < 0 || duration > DAY || choice < 0 || choice > 1)
		abort();
	if (time < -DAY || time > INT64_C(8100) * 366 * DAY)
		abort();
	params_bool(r, "output", true);
	params_words(r, "status", parse_word);
	check_text(params_string(r, "name"));
}

static void check_range(void)
{
	int64_t first, last;

	if (line_count > 3 && range_read(lines[3], 1000, &first, &last) == RANGE_PART &&
	    (first < 0 || last < first || last >= 1000))
		abort();
	if (line_count > 4)
		range_none_match(lines[4], "\"x\"");
}

static void free_request(struct request *r)
{
	for (size_t i = 0; i < r->parameter_count; i++) {
		free(r->parameters[i].name);
		free(r->parameters[i].value);
	}
	problem_dispose(&r->problem);
}

static void check_request(void)
{
	static const struct route route = { .method = "GET", .parameters = "limit", .produces = "application/json" };
	struct request r = { .route = &route };
	char *segment = line_count > 1 ? params_decode(lines[1], strlen(lines[1])) : strdup("");

	check_text(segment);
	params_read(&r);
	check_numbers(&r);
	if (!r.problem.kind != !r.problem.count)
		abort();
	guard_accept(&r);
	check_range();
	fuzz_accepted += segment && !r.problem.kind && r.parameter_count;
	free(segment);
	free_request(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *at = text;

	if (!text)
		abort();
	line_count = 0;
	while (at && line_count < LINES)
		lines[line_count++] = strsep(&at, "\n");
	check_request();
	free(text);
	return 0;
}
