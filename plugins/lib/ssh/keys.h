/*
 * keys.h - private keys, read once for all hosts.
 */
#ifndef LIB_SSH_KEYS_H
#define LIB_SSH_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include <libssh/libssh.h>

struct key {
	const char *path;    /* borrowed */
	ssh_key private;     /* NULL: could not be used */
	const char *problem; /* why not, or NULL */
};

struct keys {
	struct key *items;
	size_t count;
};

/* A key that cannot be read is kept with its problem, to be told when authentication fails.
 * Optional ones that do not exist are left out. Returns 0 or -ENOMEM. */
int keys_load(struct keys *keys, const char *const *paths, size_t count, bool optional);
void keys_dispose(struct keys *keys);

#endif
