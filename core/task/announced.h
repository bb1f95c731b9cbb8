/*
 * announced.h - what a node has told the others of its executors (struct drover_announcement), as they read it.
 *
 * It is the core's list of them (conf/plan.h) with one member more: "up": false for one that cannot take units now,
 * since its process is down or ending. Nodes before that member tell of none. It comes by the store, so it may be
 * anything. Any thread.
 */
#ifndef TASK_ANNOUNCED_H
#define TASK_ANNOUNCED_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;

struct announced_executor {
	bool up;
	int64_t hosts, units;       /* a capacity of its own; 0: the node's */
	struct json_object *object; /* borrowed: all of it */
};

/* NULL: it is no list; the caller's (json_object_put). */
struct json_object *announced_parse(const char *text);
bool announced_find(struct json_object *list, const char *name, struct announced_executor *executor);
bool announced_has_type(const struct announced_executor *executor, const char *type);
/* Writes into a list of the same executors which of them are up. */
void announced_set_up(struct json_object *list, const bool *up);

#endif
