/* payload.h - a task's payload held against its executor's table. */
#ifndef TASK_PAYLOAD_H
#define TASK_PAYLOAD_H

#include "task/executors.h"
#include "task/problems.h"

/* Tells each problem with its pointer below /payload. `payload` is an object. */
void payload_check(const struct executor_entry *executor, struct json_object *payload, struct problems *problems);

#endif
