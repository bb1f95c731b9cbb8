/*
 * inventory_vars.h - which variables of an inventory are taken over: those that say how to reach a host and, where all
 * are wanted, the others that are no secrets.
 */
#ifndef TASK_INVENTORY_VARS_H
#define TASK_INVENTORY_VARS_H

#include <stdbool.h>
#include <stddef.h>

struct drover_error;
struct inventory_host;
struct json_object;

/* What an `ansible-inventory --list` may be nested. */
#define INVENTORY_DEPTH 64

/* The JSON text, strictly. Owned by the caller. DROVER_EINVALID with the place. */
int inventory_json(const char *text, size_t size, struct json_object **list, struct drover_error *err);
/*
 * Takes from `list` all that Drover does not use, secrets before all. `notes` (an array) is told in sentences which
 * variables are not taken over although they matter.
 */
void inventory_reduce(struct json_object *list, bool all, struct json_object *notes);
/* Fills all of `host` but its name from its variables, which are changed by that. */
void inventory_read_host(struct json_object *vars, struct inventory_host *host);

#endif
