/* recap.h - how playbooks went on their hosts: Ansible's counts of steps, hosts with the same ones as one. */
#ifndef CLI_RECAP_H
#define CLI_RECAP_H

#include <stdio.h>

#include <json-c/json.h>

#include "cli/cli.h"

struct recap_group;

/* Zeroed: nothing yet. */
struct recap {
	struct recap_group *groups;
};

/* Takes a result's `recap`; a result without one is none of a playbook's. */
void recap_add(struct recap *recap, struct json_object *row);
/* A line for each group, those with the most hosts first. Nothing where there are none. */
void recap_print(const struct cli *cli, FILE *out, struct recap *recap);
void recap_dispose(struct recap *recap);

#endif
