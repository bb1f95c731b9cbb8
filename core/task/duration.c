/* duration.c - see duration.h. */
#include "task/duration.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX (10.0 * 365 * 86400 * 1000)

static int64_t bounded(double ms)
{
	return isfinite(ms) && ms >= 0 && ms <= DURATION_MAX ? (int64_t)(ms + 0.5) : -1;
}

int64_t duration_parse(const char *text)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	char *end;
	double value;

	if (*text < '0' || *text > '9' || strpbrk(text, "xXpP"))
		return -1;
	errno = 0;
	value = strtod(text, &end);
	if (errno)
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].unit))
			return bounded(value * units[i].ms);
	return -1;
}

int64_t duration_from_json(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_int:
	case json_type_double:
		return bounded(json_object_get_double(value) * 1000);
	case json_type_string:
		return duration_parse(json_object_get_string(value));
	default:
		return -1;
	}
}
