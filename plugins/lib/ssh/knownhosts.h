/*
 * knownhosts.h - the lines of known_hosts files in memory, and which of them are about a host; for
 * hostkey.c, which decides what they mean for a key.
 */
#ifndef LIB_SSH_KNOWNHOSTS_H
#define LIB_SSH_KNOWNHOSTS_H

#include "ssh/hashedname.h"
#include "ssh/hostkey.h"

#define KNOWNHOSTS_ENTRY 300 /* "[name]:port" */

struct knownhosts_line {
	char *text; /* owned; without marker */
	const char *path;
	int number;
	bool revoked, authority;
	bool pattern; /* hashed or with wildcards: only a full match can tell */
	bool is_hashed;
	struct hashedname hashed;
};

struct hostkeys {
	char **paths; /* owned */
	size_t path_count;
	struct hostkeys *another; /* owned */
	struct knownhosts_line *lines;
	size_t count, room;
	struct hostnames *names;           /* of the lines; those with patterns under "" */
	struct hashedname_context *hasher; /* or NULL: libssh compares hashed names */
};

typedef void knownhosts_fn(void *context, const struct knownhosts_line *line, ssh_key key);

/* Takes a line of a file in, if it is one. Returns 0 or -ENOMEM. */
int knownhosts_add(struct hostkeys *hk, const char *text, const char *path, int number);
/* The host as known_hosts files name it, in `text`, which has room for KNOWNHOSTS_ENTRY; returns it. */
const char *knownhosts_entry(const char *name, int port, bool alias, char *text);
/* Calls `fn` with the lines about the name; where there is none, with those about the address. */
void knownhosts_match(const struct hostkeys *hk, const struct hostkey_host *host, knownhosts_fn *fn, void *context);

#endif
