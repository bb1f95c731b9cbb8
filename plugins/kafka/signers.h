/*
 * signers.h - who may submit tasks by messages: a file of public keys, and the signatures that are held against it.
 *
 * One JSON object a line:
 *
 *	{"name":"ci","role":"submit","hosts":"web[1-9]","key":"drover-signing-public1:…","expires":"2027-01-31T00:00:00Z"}
 *
 * `key` is what `drover key` prints; `hosts` and `expires` may be missing. The file is looked at at most twice a second,
 * and read again when it has changed. One that cannot be read, or is wrong anywhere, changes nothing: those before it
 * stand, and it is logged, once.
 *
 * A message is signed by the headers `drover-key` (the key's id: 16 hexadecimal digits), `drover-expires` (UTC seconds,
 * decimal) and `drover-signature` (base64, Ed25519, RFC 8032) over "drover task 1\n", the cluster's name, "\n", the value
 * of drover-expires, "\n" and the message's value.
 *
 * Of one thread.
 */
#ifndef KAFKA_SIGNERS_H
#define KAFKA_SIGNERS_H

#include <stdint.h>
#include <sys/stat.h>

#include <drover/source.h>

#define SIGNER_NAME_SIZE 65 /* with its NUL */
#define SIGNER_ID_SIZE 17
#define SIGNER_KEY_SIZE 32

struct signer {
	char name[SIGNER_NAME_SIZE];
	char id[SIGNER_ID_SIZE];
	enum drover_role role;
	char *hosts;     /* owned, or NULL: any */
	int64_t expires; /* UTC ms, 0: never */
	unsigned char key[SIGNER_KEY_SIZE];
};

struct signers {
	const char *path, *cluster; /* borrowed */
	int64_t max_age;            /* ms that an expiry may lie ahead */
	struct signer *items;       /* owned */
	size_t count;
	struct stat look; /* of the file as it was read */
	int64_t next_look;
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
