/* zone.c - see zone.h: reads TZif files (RFC 8536). */
#include "zone.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ZONES "/usr/share/zoneinfo"
#define LOCAL "/etc/localtime"
#define FILE_MOST ((size_t)1 << 20)
#define HEADER 44
/* The weekdays of the years from 1901 to 2099 repeat after 28 of them, and so do the rules for summer time. */
#define CYCLE (INT64_C(10227) * 86400)
#define CYCLES_MOST 3

struct change {
	int64_t at;     /* UTC, seconds */
	int32_t offset; /* seconds east, from then on */
};

struct zone {
	int32_t first; /* before the first change */
	struct change *changes;
	size_t count;
	bool repeats; /* beyond the last change as in the years before it */
};

/* What of a file is left to be read. */
struct reader {
	const unsigned char *at;
	size_t left;
};

/* Counts of a header, in the order of the file. */
struct counts {
	uint32_t isut, isstd, leap, time, type, chars;
};

static int64_t big_endian(const unsigned char *p, int size)
{
	uint64_t value = 0;

	for (int i = 0; i < size; i++)
		value = value << 8 | p[i];
	return size == 4 ? (int64_t)(int32_t)(uint32_t)value : (int64_t)value;
}

static bool read_header(struct reader *r, struct counts *c, char *version)
{
	uint32_t *const fields[] = { &c->isut, &c->isstd, &c->leap, &c->time, &c->type, &c->chars };

	if (r->left < HEADER || memcmp(r->at, "TZif", 4))
		return false;
	*version = (char)r->at[4];
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		*fields[i] = (uint32_t)big_endian(r->at + 20 + 4 * i, 4);
		if (*fields[i] > FILE_MOST)
			return false;
	}
	r->at += HEADER;
	r->left -= HEADER;
	return true;
}

static size_t body_size(const struct counts *c, size_t time_size)
{
	return c->time * (time_size + 1) + c->type * (size_t)6 + c->chars + c->leap * (time_size + 4) + c->isstd +
	       c->isut;
}

static bool read_changes(struct zone *zone, struct reader *r, const struct counts *c, int time_size)
{
	const unsigned char *times = r->at, *indexes = times + (size_t)time_size * c->time, *types = indexes + c->time;

	if (!c->type || r->left < body_size(c, (size_t)time_size))
		return false;
	zone->changes = calloc(c->time + 1, sizeof(*zone->changes));
	if (!zone->changes)
		return false;
	zone->first = (int32_t)big_endian(types, 4);
	for (uint32_t i = 0; i < c->time; i++) {
		if (indexes[i] >= c->type)
			return false;
		zone->changes[i].at = big_endian(times + (size_t)time_size * i, time_size);
		zone->changes[i].offset = (int32_t)big_endian(types + (size_t)6 * indexes[i], 4);
	}
	zone->count = c->time;
	r->at += body_size(c, (size_t)time_size);
	r->left -= body_size(c, (size_t)time_size);
	return true;
}

/* The rule for later times; one with commas in it changes with the seasons. */
static bool read_rule(struct zone *zone, const struct reader *r)
{
	if (r->left < 2 || r->at[0] != '\n' || r->at[r->left - 1] != '\n')
		return false;
	zone->repeats = memchr(r->at, ',', r->left);
	/* Files that leave to the rule what a table can hold are not what Debian and Ubuntu have. */
	return !zone->repeats || (zone->count && zone->changes[zone->count - 1].at > INT64_C(2114380800)); /* 2037 */
}

static bool parse(struct zone *zone, const unsigned char *data, size_t size)
{
	struct reader r = { data, size };
	struct counts c;
	char version;

	if (!read_header(&r, &c, &version))
		return false;
	if (version < '2')
		return read_changes(zone, &r, &c, 4);
	if (r.left < body_size(&c, 4))
		return false;
	r.at += body_size(&c, 4);
	r.left -= body_size(&c, 4);
	return read_header(&r, &c, &version) && read_changes(zone, &r, &c, 8) && read_rule(zone, &r);
}

/* A name, never a way to another file. */
static bool is_name(const char *name)
{
	static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";

	return *name && *name != '/' && strlen(name) < 64 && !name[strspn(name, characters)] && !strstr(name, "//");
}

int zone_open(struct zone **out, const char *name, struct drover_error *err)
{
	unsigned char *data = malloc(FILE_MOST);
	struct zone *zone = calloc(1, sizeof(*zone));
	char path[128] = LOCAL;
	FILE *file = NULL;
	int code = 0;

	if (!data || !zone) {
		code = drover_error_set(err, DROVER_ENOMEM, "not enough memory");
		goto out;
	}
	if (name && !strcmp(name, "UTC"))
		goto out;
	if (name && !is_name(name)) {
		code = drover_error_set(err, DROVER_EINVALID, "timezone: \"%.60s\" is not a name such as Asia/Shanghai",
					name);
		goto out;
	}
	if (name)
		snprintf(path, sizeof(path), ZONES "/%s", name);
	file = fopen(path, "re");
	if (!file && !name && errno == ENOENT)
		goto out; /* a machine without one has UTC */
	if (!file)
		code = drover_error_set(err, DROVER_EINVALID,
					"timezone: cannot read %s: %m (the package tzdata has it)", path);
	else if (!parse(zone, data, fread(data, 1, FILE_MOST, file)))
		code = drover_error_set(err, DROVER_EINVALID, "timezone: %s is not a time-zone file of Debian's kind",
					path);
out:
	if (file)
		fclose(file);
	free(data);
	if (code)
		zone_close(zone);
	else
		*out = zone;
	return code;
}

void zone_close(struct zone *zone)
{
	if (!zone)
		return;
	free(zone->changes);
	free(zone);
}

static int32_t offset_at(const struct zone *zone, int64_t at)
{
	size_t low = 0, high = zone->count;

	for (int i = 0; i < CYCLES_MOST && zone->repeats && at >= zone->changes[zone->count - 1].at; i++)
		at -= CYCLE;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (zone->changes[middle].at <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? zone->changes[low - 1].offset : zone->first;
}

void zone_format(const struct zone *zone, int64_t utc_ms, char text[ZONE_TEXT_SIZE])
{
	int64_t at = utc_ms / 1000;
	time_t shifted = (time_t)(at + offset_at(zone, at));
	struct tm tm;

	*text = '\0';
	if (gmtime_r(&shifted, &tm))
		strftime(text, ZONE_TEXT_SIZE, "%Y-%m-%d %H:%M:%S", &tm);
}
