/*
 * executors.h - what the core knows of the configured executors: data from the configuration's slice;
 * their code runs in other processes only.
 */
#ifndef TASK_EXECUTORS_H
#define TASK_EXECUTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/nodeset.h"

struct json_object;
struct drover_error;

struct executor_field {
	char *name;
	unsigned types; /* enum drover_json_type */
	int group;
	bool required;
};

struct executor_entry {
	char *name, *plugin, *version, *summary;
	char **types; /* NULL-terminated */
	char *types_text;
	int64_t window;
	bool unconfined; /* DROVER_EXECUTOR_UNCONFINED */
	bool down;       /* of another node's: as it announced (task/announced.h) */
	bool has_match;
	struct nodeset match;   /* hosts that it serves, sorted; where has_match */
	int64_t capacity_hosts; /* 0: the node's */
	int64_t capacity_units;
	bool has_payload;
	struct executor_field *fields;
	size_t field_count;
};

struct executors {
	struct executor_entry *items;
	size_t count;
};

/*
 * Takes any JSON, since what other nodes announce comes by the store. DROVER_EINVALID: a `match` is no node set; dispose
 * in any case.
 */
int executors_read(struct json_object *array, struct executors *executors, struct drover_error *err);
void executors_dispose(struct executors *executors);
/* Position, or -1. */
int executors_find(const struct executors *executors, const char *name);
bool executor_serves(const struct executor_entry *executor, const char *type);
bool executor_matches(const struct executor_entry *executor, const char *host);

#endif
