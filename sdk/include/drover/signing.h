/*
 * drover/signing.h - how keys are written, and what a signed task is: for whatever signs tasks, and for sources that
 * take them from where anybody may write.
 *
 * Signatures are Ed25519 (RFC 8032) of 64 bytes. A private key is a line DROVER_SIGNING_PRIVATE and base64 (RFC 4648,
 * padded) of its 32 bytes (RFC 8032's seed), a public one a line DROVER_SIGNING_PUBLIC and base64 of its 32 bytes. A
 * key's id is the first 8 bytes of the BLAKE2b-256 of the public key; as text 16 lower-case hexadecimal digits.
 *
 * The SDK needs the C library only: what computes any of that (libsodium, say) is the includer's. Any thread.
 */
#ifndef DROVER_SIGNING_H
#define DROVER_SIGNING_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DROVER_SIGNING_PRIVATE "drover-signing-private1:"
#define DROVER_SIGNING_PUBLIC "drover-signing-public1:"
#define DROVER_SIGNING_KEY_SIZE 32
#define DROVER_SIGNING_ID_SIZE 8
#define DROVER_SIGNING_ID_TEXT (2 * DROVER_SIGNING_ID_SIZE + 1) /* with its NUL */

/* What goes beside a signed task, as headers of its message for example: all of it text. */
#define DROVER_SIGNED_KEY "drover-key"             /* the key's id */
#define DROVER_SIGNED_EXPIRES "drover-expires"     /* when it is taken no more: UTC seconds, decimal */
#define DROVER_SIGNED_SIGNATURE "drover-signature" /* base64 */

/* What a signature is for: none of the same key for anything else is good here. */
#define DROVER_SIGNED_TASK "drover task 1"

/*
 * The bytes that are signed: DROVER_SIGNED_TASK, the cluster that may take the task and when it expires, each with a
 * line end, and the task as it was written. For free(); NULL: no memory.
 */
static inline void *drover_signed_task(const char *cluster, const char *expires, const void *task, size_t task_size,
				       size_t *size)
{
	size_t head = strlen(DROVER_SIGNED_TASK) + strlen(cluster) + strlen(expires) + 3;
	char *bytes = malloc(head + task_size + 1);

	if (!bytes)
		return NULL;
	snprintf(bytes, head + 1, "%s\n%s\n%s\n", DROVER_SIGNED_TASK, cluster, expires);
	if (task_size)
		memcpy(bytes + head, task, task_size);
	*size = head + task_size;
	return bytes;
}

#endif
