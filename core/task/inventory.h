/*
 * inventory.h - an Ansible inventory as `ansible-inventory --list` prints it: groups, their hosts, how to reach these.
 *
 * A snapshot never changes once it is made. Whoever has a reference may read it on any thread, and keeps its strings
 * until he gives the reference back; so a task resolves all of its groups from one state of the inventory.
 *
 * Host names are lower-cased, as they are in tasks. What is no host name by the grammar of util/nodeset.h is left out
 * and told by inventory_skipped.
 */
#ifndef TASK_INVENTORY_H
#define TASK_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct drover_error;
struct inventory;
struct json_object;

/* What may be said of a host and not be usable. */
enum inventory_field { INVENTORY_ADDRESS, INVENTORY_PORT, INVENTORY_USER, INVENTORY_CONNECTION, INVENTORY_FIELDS };

struct inventory_host {
	char *name;
	char *address, *user; /* ansible_host, ansible_user; NULL: not said */
	int port;             /* ansible_port; 0: not said */
	char *vars;           /* its other variables as a JSON object, or NULL */
	/*
	 * The value as text where there is one that cannot be used: no address (a template, say), no port, no user's
	 * name; a connection that is not ssh. Else NULL.
	 */
	char *bad[INVENTORY_FIELDS];
};

/* The configuration's. */
struct inventory_limits {
	int64_t hosts, groups;
	int64_t members; /* hosts and children that are named in groups */
};

struct inventory_group {
	const char *name;
	const char *const *hosts; /* names, its children's too, each once */
	size_t host_count;
	const char *const *children; /* groups directly in it */
	size_t child_count;
};

/*
 * Of the whole answer, which is borrowed. DROVER_EINVALID: it is no inventory, or a group contains itself;
 * DROVER_ELIMIT: it is too large.
 */
int inventory_build(struct json_object *list, const struct inventory_limits *limits, struct inventory **inventory,
		    struct drover_error *err);
struct inventory *inventory_ref(struct inventory *inventory); /* NULL gives NULL */
void inventory_unref(struct inventory *inventory);            /* may be NULL */

/* NULL: it does not know that host. `name` is lower case. */
const struct inventory_host *inventory_host(const struct inventory *inventory, const char *name);
/* The group's hosts as a node set; `*` and `all` are every host. Owned by the caller; NULL: no such group. */
char *inventory_pattern(const struct inventory *inventory, const char *group);
/* The group's name that is nearest to `word`: "; did you mean `web`?" or "". In `text`, which is returned. */
const char *inventory_suggest(const struct inventory *inventory, const char *word, char *text, size_t size);

/*
 * Calls `fn` for each group that comes after the name `after` (NULL: from the first) in the order of names, until
 * it returns something else than 0, which is returned.
 */
int inventory_groups(const struct inventory *inventory, const char *after,
		     int (*fn)(void *context, const struct inventory_group *group), void *context);
/* The same for one group. DROVER_ENOTFOUND. */
int inventory_group(const struct inventory *inventory, const char *name,
		    int (*fn)(void *context, const struct inventory_group *group), void *context);
size_t inventory_host_count(const struct inventory *inventory);
size_t inventory_group_count(const struct inventory *inventory);
/* Names that are no host names: how many, and some of them, with commas between. "" where there are none. */
const char *inventory_skipped(const struct inventory *inventory, size_t *count);

#endif
