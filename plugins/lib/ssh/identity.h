/*
 * identity.h - private keys and their certificates, read once for all hosts of a fan-out.
 *
 * One that cannot be used is kept with its problem, to be told when the authentication fails.
 */
#ifndef LIB_SSH_IDENTITY_H
#define LIB_SSH_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#include <libssh/libssh.h>

struct identity {
	char *label;         /* owned: its path, or "the key of credential x" */
	char *source;        /* owned: what it was made of, to find it again */
	ssh_key private;     /* NULL: could not be used; with the certificate in it, if there is one */
	ssh_key certificate; /* or NULL */
	const char *problem; /* why not, or NULL */
	bool missing;        /* there is no such file */
	struct identity *next;
};

struct identities {
	struct identity *first; /* owned */
};

/* The texts of a credential; any may be NULL. */
struct identity_text {
	const char *name, *key, *passphrase, *certificate;
};

/* Each gives NULL only where memory is short; what they give is borrowed from `all`. */
const struct identity *identity_file(struct identities *all, const char *path);
/* The key of that file with a certificate; `missing` where the certificate is, or is of another key. */
const struct identity *identity_certified(struct identities *all, const char *path, const char *certificate);
const struct identity *identity_text(struct identities *all, const struct identity_text *text);
/* Keys are overwritten by libssh. */
void identities_dispose(struct identities *all);

#endif
