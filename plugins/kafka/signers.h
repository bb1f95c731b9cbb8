/*
 * signers.h - who may submit tasks by messages: a file of public keys, and the signatures that are held against it.
 *
 * One JSON object a line:
 *
 *	{"name":"ci","role":"submit","hosts":"web[1-9]","key":"drover-signing-public1:…","expires":"2027-01-31T00:00:00Z"}
 *
 * `key` is what `drover key` prints. What the other members are and when it is read again: principals/principals.h. A
 * message is signed by its headers, as drover/signing.h has it.
 *
 * Of one thread.
 */
#ifndef KAFKA_SIGNERS_H
#define KAFKA_SIGNERS_H

#include "principals/principals.h"

struct signers {
	struct principals file;
	const char *cluster; /* borrowed */
	int64_t max_age;     /* ms that an expiry may lie ahead */
};

/* A message as it came; headers that are missing are NULL. */
struct signed_message {
	const void *value;
	size_t size;
	const char *key, *expires, *signature; /* ended by a NUL */
};

int signers_open(struct signers *signers, const char *path, const char *cluster, int64_t max_age,
		 struct drover_error *err);
void signers_close(struct signers *signers);
/*
 * DROVER_EDENIED with the reason, or `*by` is who signed it, with strings that stay until the next call. Nothing of
 * the value is looked at but its bytes.
 */
int signers_verify(struct signers *signers, const struct signed_message *message, struct drover_principal *by,
		   struct drover_error *err);

#endif
