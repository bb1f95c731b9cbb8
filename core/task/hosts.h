/* hosts.h - the `hosts` and `exclude` of a task: patterns, lists and objects to one list of hosts. */
#ifndef TASK_HOSTS_H
#define TASK_HOSTS_H

#include "task/submission.h"

/* Fills submission->hosts, each host once, in order of first appearance. */
void hosts_read(struct submission *submission, struct json_object *hosts, struct json_object *exclude,
		const struct task_limits *limits, struct problems *problems);

#endif
