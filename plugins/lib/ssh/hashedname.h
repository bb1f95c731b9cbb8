/*
 * hashedname.h - hashed host names of known_hosts files: `|1|salt|HMAC-SHA1 of the name`, in base64 (sshd(8)).
 *
 * Each line must be tried for each host, so it is done with one context and without parsing: libssh's own
 * way took 7 µs a line, which with a thousand lines is many times what a connection costs.
 */
#ifndef LIB_SSH_HASHEDNAME_H
#define LIB_SSH_HASHEDNAME_H

#include <stdbool.h>

#define HASHEDNAME_SIZE 20

struct hashedname {
	unsigned char salt[HASHEDNAME_SIZE], hash[HASHEDNAME_SIZE];
};

struct hashedname_context;

/* False: the text does not begin with a hashed name. */
bool hashedname_parse(const char *text, struct hashedname *name);
/* NULL: this machine's OpenSSL has no HMAC-SHA1, or no memory. */
struct hashedname_context *hashedname_context_new(void);
void hashedname_context_free(struct hashedname_context *context);
/* `host` as it would stand in the file: `web1`, `[web1]:2222`. Also true where it cannot be told: ask libssh then. */
bool hashedname_may_be(struct hashedname_context *context, const struct hashedname *name, const char *host);

#endif
