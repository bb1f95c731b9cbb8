/* config_import.h - the first generation's configuration files, made into Drover's. */
#ifndef CLI_CONFIG_IMPORT_H
#define CLI_CONFIG_IMPORT_H

#include <stddef.h>

/*
 * Reads `files`, writes what they say as YAML to `output` (NULL: standard output) and their secrets to files in
 * `secrets` (NULL: `secrets` beside `output`, or `drover-secrets` here). What could not be taken over is told on
 * standard error and in the YAML, with its place. Returns what to exit with.
 */
int config_import(char *const *files, size_t count, const char *output, const char *secrets);

#endif
