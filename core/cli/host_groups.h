/*
 * host_groups.h - groups of hosts, which the daemon knows: for node sets that are read here because they name files,
 * too, or because each host gets something of its own.
 */
#ifndef CLI_HOST_GROUPS_H
#define CLI_HOST_GROUPS_H

#include <stdbool.h>

#include "cli/hosts_arg.h"
#include "cli/session.h"

struct host_groups {
	struct cli *cli;
	struct session session;
	bool open; /* only when the first group is met */
	int code;  /* what to exit with, when a group could not be asked for; it was said why */
};

/* Whatever `arg` names by `@` is asked for by `groups`, which must live as long. */
void host_groups_attach(struct host_groups *groups, struct cli *cli, struct hosts_arg *arg);
/* Opens the conversation, if it is not. Returns CLI_OK, or says what is wrong and returns what to exit with. */
int host_groups_open(struct host_groups *groups, struct cli *cli);
void host_groups_close(struct host_groups *groups);

/* All groups as an array, owned by the caller; `*inventory` is the inventory's state, owned too. Code as above. */
int host_groups_list(struct host_groups *groups, struct json_object **items, struct json_object **inventory);

#endif
