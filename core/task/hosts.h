/* hosts.h - the `hosts` and `exclude` of a task: patterns, lists and objects to one list of hosts. */
#ifndef TASK_HOSTS_H
#define TASK_HOSTS_H

#include "task/submission.h"

/* May it be an account's name? Without blanks, and not like an option. */
bool hosts_user_valid(const char *user);

/*
 * Fills submission->hosts, each host once, in order of first appearance; what the task does not say of a host is as
 * the inventory has it.
 */
void hosts_read(struct submission *submission, struct json_object *hosts, struct json_object *exclude,
		const struct submission_rules *rules, struct problems *problems);

#endif
