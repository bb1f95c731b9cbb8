/*
 * hostnames.h - which lines of known_hosts files name a host, without looking at all of them.
 *
 * For names as they stand in the files, `[10.0.0.1]:2222` or `web1`, in any case of letters. Lines with
 * patterns and hashed names are for all hosts: they go under the name "".
 */
#ifndef LIB_SSH_HOSTNAMES_H
#define LIB_SSH_HOSTNAMES_H

#include <stddef.h>

struct hostnames; /* NULL: empty */

/* A line of a name, and the next in the order of their adding. */
struct hostnames_line {
	struct hostnames_line *next;
	size_t line;
};

/* Returns 0 or -ENOMEM. */
int hostnames_add(struct hostnames **names, const char *name, size_t size, size_t line);
/* NULL: none. */
const struct hostnames_line *hostnames_find(struct hostnames *names, const char *name);
void hostnames_free(struct hostnames *names);

#endif
