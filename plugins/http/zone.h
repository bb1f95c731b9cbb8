/*
 * zone.h - times of day in one time zone, by the system's time-zone files.
 *
 * The C library knows one zone for the whole process; this process may have others' threads in it.
 */
#ifndef ZONE_H
#define ZONE_H

#include <stdint.h>

#include <drover/error.h>

#define ZONE_TEXT_SIZE 32

struct zone;

/* `Asia/Shanghai`, `UTC`, …; NULL: the machine's own. Errors: DROVER_EINVALID: there is no such zone. */
int zone_open(struct zone **zone, const char *name, struct drover_error *err);
void zone_close(struct zone *zone);

/* `YYYY-MM-DD HH:MM:SS` of a UTC time in ms. Any thread. */
void zone_format(const struct zone *zone, int64_t utc_ms, char text[ZONE_TEXT_SIZE]);

#endif
