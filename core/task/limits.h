/* limits.h - the bounds that a task is held to; the configuration's `limits`. */
#ifndef TASK_LIMITS_H
#define TASK_LIMITS_H

#include <stdint.h>

struct task_limits {
	int64_t hosts;          /* of one task */
	int64_t unit_size;      /* hosts */
	int64_t output;         /* bytes kept of each stream of a host, at most */
	int64_t output_default; /* … where the task does not say */
	int64_t results;        /* reported and not yet stored, at most, before reading stops */
	int64_t attempts;       /* of a unit */
	int64_t waves;          /* of one task */
};

#define TASK_UNIT_SIZE_DEFAULT 30
#define TASK_PRIORITY_DEFAULT 50
#define TASK_TIMEOUT_DEFAULT 100000 /* ms, a unit's */
#define TASK_TIMEOUT_PLAYBOOK 600000
#define TASK_ID_MAX 160

#endif
