/* clock.c - see clock.h. */
#define _GNU_SOURCE /* strptime, timegm */
#include "util/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_boot_ms(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

struct timespec clock_monotonic_in(int64_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += ms % 1000 * 1000000;
	at.tv_sec += ms / 1000 + at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	return at;
}

int64_t clock_boot_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_utc_ms(void)
{
	return read_clock(CLOCK_REALTIME);
}

char *clock_format(int64_t utc_ms, char *text, size_t size)
{
	time_t seconds = (time_t)(utc_ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &tm);
	if (n)
		snprintf(text + n, size - n, ".%03dZ", (int)(utc_ms % 1000));
	return text;
}

int64_t clock_parse(const char *text)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ms = 0;

	if (rest && *rest == '.')
		for (int unit = 100; *++rest >= '0' && *rest <= '9'; unit /= 10)
			ms += unit * (*rest - '0');
	return rest && !strcmp(rest, "Z") ? timegm(&tm) * INT64_C(1000) + ms : -1;
}
