/*
 * announced.h - what a node has told the others of its executors (struct drover_announcement), as they read it.
 *
 * It is the core's list of them (conf/plan.h) with members for one that cannot take units now, since its process is down
 * or ending: "up": false, "down_since" (UTC ms by the node's clock), "why". Nodes before these members tell of none. It
 * comes by the store, so it may be anything. Any thread.
 */
#ifndef TASK_ANNOUNCED_H
#define TASK_ANNOUNCED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

#define ANNOUNCED_WHY 256

/* Of an executor, at its node. */
struct announced_state {
	bool up;
	int64_t since;           /* UTC ms: when it went down; 0: it is up, or that is not known */
	char why[ANNOUNCED_WHY]; /* "": it is up, or that is not known */
};

struct announced_executor {
	bool up;
	const char *name;           /* borrowed */
	const char *why;            /* borrowed; NULL: not told. It may be long. */
	int64_t since;              /* UTC ms; 0: not told */
	int64_t hosts, units;       /* a capacity of its own; 0: the node's */
	struct json_object *object; /* borrowed: all of it */
};

/* NULL: it is no list; the caller's (json_object_put). */
struct json_object *announced_parse(const char *text);
/* The executor at a position below json_object_array_length; false: it has no name. */
bool announced_at(struct json_object *list, size_t position, struct announced_executor *executor);
bool announced_find(struct json_object *list, const char *name, struct announced_executor *executor);
bool announced_has_type(const struct announced_executor *executor, const char *type);
/* Writes into the list how the executor at a position is. */
void announced_set(struct json_object *list, size_t position, const struct announced_state *state);

#endif
