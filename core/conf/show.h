/*
 * show.h - the configuration and the plugins, told to people and to programs.
 *
 * All write to `out` and return the exit code: 0, 78 for a configuration that is wrong (its errors
 * go to standard error), 1 for a plugin that is not there.
 */
#ifndef CONF_SHOW_H
#define CONF_SHOW_H

#include <stdbool.h>
#include <stdio.h>

/*
 * The effective configuration, as YAML that says of each value where it comes from, or as JSON
 * {"path": {"value", "origin"}}. Secrets are `***`. `file` NULL: the default.
 */
int conf_show(const char *file, bool json, FILE *out);

/* The plugins on the path (of `path`, NULL: the default path) with kinds, versions, summaries; broken ones with why. */
int conf_plugin_list(const char *path, bool json, FILE *out);
/* One plugin's options; with `json` their JSON Schema, one for each kind. */
int conf_plugin_describe(const char *path, const char *name, bool json, FILE *out);

/* docs/configuration.md: every option of the daemon, and of the plugins on the path. */
int conf_reference(const char *path, FILE *out);
/* The page drover.yaml(5), of the same tables. */
int conf_manual(const char *path, FILE *out);

#endif
