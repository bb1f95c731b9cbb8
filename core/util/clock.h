/*
 * clock.h - the two clocks: deadlines go by CLOCK_BOOTTIME, what is stored goes by UTC.
 */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_BOOTTIME: grows through suspend, is not set by anybody. */
int64_t clock_boot_ms(void);
/* The same in microseconds. */
int64_t clock_boot_us(void);
/*
 * So many milliseconds from now by CLOCK_MONOTONIC: for pthread_cond_clockwait, which knows no CLOCK_BOOTTIME. They differ
 * by times of suspend only.
 */
struct timespec clock_monotonic_in(int64_t ms);
/* Milliseconds since 1970, UTC. */
int64_t clock_utc_ms(void);
/* Writes RFC 3339 with milliseconds and `Z`; `size` at least 25. Returns `text`. */
char *clock_format(int64_t utc_ms, char *text, size_t size);
/* Reads that, with any fraction of a second or none; -1: it is something else. */
int64_t clock_parse(const char *text);

#endif
