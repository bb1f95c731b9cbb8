/*
 * hostkey.h - the known_hosts files, read once for all hosts, and the check of a server's key.
 *
 * libssh's own check reads and parses the files again for every session. Here the lines are held in
 * memory; libssh parses those that may concern a host. Markers: `@revoked` is honoured;
 * `@cert-authority` lines, whose certificates libssh cannot check, are named where they would matter.
 */
#ifndef LIB_SSH_HOSTKEY_H
#define LIB_SSH_HOSTKEY_H

#include <stdbool.h>
#include <stddef.h>

#include <libssh/libssh.h>

struct hostkeys;

enum hostkey_verdict {
	HOSTKEY_KNOWN,
	HOSTKEY_ACCEPTED, /* it was unknown and has been written down */
	HOSTKEY_REFUSED   /* the message says why and what to do */
};

/* A host as it is asked for: by its name, and by its address where that differs. */
struct hostkey_host {
	const char *name;
	const char *address; /* or NULL */
	int port;
	bool alias;      /* the name stands in the files without a port */
	bool accept_new; /* an unknown key is written down */
};

/* A file that is missing is empty. `another` is the rest of a list. Returns 0 or -ENOMEM. */
int hostkeys_load(struct hostkeys **hostkeys, const char *const *paths, size_t count, struct hostkeys *another);
/* Those of the list that were loaded from these paths, or NULL. */
struct hostkeys *hostkeys_find(struct hostkeys *list, const char *const *paths, size_t count);
/* With the rest of the list. */
void hostkeys_free(struct hostkeys *hostkeys);

/*
 * The host key algorithms to ask the server for, those of the host's known keys first, or NULL for
 * libssh's own order. Owned by the caller.
 */
char *hostkeys_algorithms(const struct hostkeys *hostkeys, const struct hostkey_host *host);
enum hostkey_verdict hostkeys_check(struct hostkeys *hostkeys, const struct hostkey_host *host, ssh_key key,
				    char *message, size_t size);

#endif
