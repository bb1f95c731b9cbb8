/*
 * clock.h - the two clocks: deadlines go by CLOCK_BOOTTIME, what is stored goes by UTC.
 */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds of CLOCK_BOOTTIME: grows through suspend, is not set by anybody. */
int64_t clock_boot_ms(void);
/* The same in microseconds. */
int64_t clock_boot_us(void);
/* Milliseconds since 1970, UTC. */
int64_t clock_utc_ms(void);
/* Writes RFC 3339 with milliseconds and `Z`; `size` at least 25. Returns `text`. */
char *clock_format(int64_t utc_ms, char *text, size_t size);
/* Reads that, with any fraction of a second or none; -1: it is something else. */
int64_t clock_parse(const char *text);

#endif
