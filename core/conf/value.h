/*
 * value.h - scalars as a user writes them, turned into numbers.
 *
 * Each returns 0 or DROVER_EINVALID with a message that quotes the text and says what it is not:
 * `"many" is not a whole number`. The whole text must be used up; blanks around it are wrong. Any thread.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct drover_error;

int value_int(const char *text, int64_t *number, struct drover_error *err);
/* true/false, yes/no, on/off */
int value_bool(const char *text, bool *truth, struct drover_error *err);
/* Milliseconds; `90s`, `5m`, `250ms`, `2h`, `30d`; a bare number is seconds. Never negative. */
int value_duration(const char *text, int64_t *ms, struct drover_error *err);
/* Bytes; `64K`, `10M`, `1G`, `1T`: powers of 1024; a bare number is bytes. Never negative. */
int value_size(const char *text, int64_t *bytes, struct drover_error *err);

/* Is it UTF-8, so that it can travel as JSON? */
bool value_utf8(const char *text);

#endif
