/*
 * plugin_run.h - one unit of an executor plugin, by itself: a private daemon with that plugin, a folder of its own and
 * one task. So it is run as it will be in service: options checked, a process for the unit, ended at its deadline.
 */
#ifndef CLI_PLUGIN_RUN_H
#define CLI_PLUGIN_RUN_H

#include <stddef.h>

struct cli;

struct plugin_run {
	const char *plugin;                           /* a name on the plugin path, or a file NAME.so */
	const char *path;                             /* --plugin-path, or NULL */
	const char *hosts, *payload, *type, *timeout; /* the last three may be NULL; payload: JSON or @FILE */
	char **options;                               /* NAME=VALUE */
	size_t count;
};

/* Returns what to exit with. */
int plugin_run(struct cli *cli, const struct plugin_run *run);

#endif
