/*
 * old_config.h - the first generation's configuration files: sections of `KEY = VALUE`, as Python's configparser
 * reads them. Names do not care about upper and lower case.
 */
#ifndef CLI_OLD_CONFIG_H
#define CLI_OLD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

struct drover_error;

struct old_key {
	const char *file; /* borrowed */
	int line;
	char *section, *name, *value; /* owned */
	bool used;                    /* something was made, or said, of it */
};

struct old_config {
	struct old_key *keys; /* owned */
	size_t count, room;
};

/* Adds a file's keys. `file` is kept by reference. Errors: DROVER_EFAULT, DROVER_EINVALID with file:line. */
int old_config_read(struct old_config *config, const char *file, struct drover_error *err);
/* The first key of a section by one of the names (separated by blanks), or NULL. All of that name become used. */
struct old_key *old_config_find(struct old_config *config, const char *section, const char *names);
/* Its value, or NULL; an empty one is NULL, too. */
const char *old_config_value(struct old_config *config, const char *section, const char *names);
void old_config_dispose(struct old_config *config);

#endif
