/* duration.h - durations as people write them: seconds, or `250ms`, `90s`, `5m`, `2h`, `30d`. */
#ifndef TASK_DURATION_H
#define TASK_DURATION_H

#include <stdint.h>

struct json_object;

/* Milliseconds; -1: not a duration; at most 10 years. */
int64_t duration_parse(const char *text);
/* The same of a JSON number (seconds, a fraction is allowed) or string. */
int64_t duration_from_json(struct json_object *value);

#endif
