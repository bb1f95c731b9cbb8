/*
 * hostkey.h - the known_hosts files, read once for all hosts, and the check of a server's key.
 *
 * libssh's own check reads and parses the files again for every session. Here the lines are held in
 * memory; libssh parses those that may concern a host. Markers: `@revoked` is honoured,
 * `@cert-authority` lines are passed over.
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
};

/* `paths` are borrowed. A file that is missing is empty. Returns 0 or -ENOMEM. */
int hostkeys_load(struct hostkeys **hostkeys, const char *const *paths, size_t count, bool accept_new);
void hostkeys_free(struct hostkeys *hostkeys);

/*
 * The host key algorithms to ask the server for, those of the host's known keys first, or NULL for
 * libssh's own order. Owned by the caller.
 */
char *hostkeys_algorithms(const struct hostkeys *hostkeys, const struct hostkey_host *host);
enum hostkey_verdict hostkeys_check(struct hostkeys *hostkeys, const struct hostkey_host *host, ssh_key key,
				    char *message, size_t size);

#endif
