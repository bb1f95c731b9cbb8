/*
 * signing_keys.h - the keys of a cluster: the one that this node signs units with, if it does, and those that it
 * believes. Ed25519 (RFC 8032) by libsodium.
 *
 * How keys are written and what their ids are: drover/signing.h. Who signs believes its own signatures.
 *
 * Thread: any; an update waits for those who are using the keys.
 */
#ifndef TASK_SIGNING_KEYS_H
#define TASK_SIGNING_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <drover/signing.h>

struct drover_error;
struct json_object;

#define SIGNING_SIGNATURE_SIZE 64
#define SIGNING_KEY_TEXT 128 /* room for a key's line */

struct signing_keys;

/*
 * From the slice's `cluster`: {name, signing_key, public_keys: [line…], unit_life, unit_limit}, all of it optional;
 * NULL: no keys. DROVER_EINVALID. To be freed in any case where `*keys` is not NULL.
 */
int signing_keys_read(struct json_object *cluster, struct signing_keys **keys, struct drover_error *err);
/* Other keys, for all who hold these. The name of the cluster stays. After an error nothing has changed. */
int signing_keys_update(struct signing_keys *keys, struct json_object *cluster, struct drover_error *err);
void signing_keys_free(struct signing_keys *keys);

bool signing_keys_can_sign(const struct signing_keys *keys);
bool signing_keys_can_verify(const struct signing_keys *keys);
/* Borrowed; "" where none is configured. */
const char *signing_keys_cluster(const struct signing_keys *keys);
int64_t signing_keys_life(const struct signing_keys *keys);  /* of what is signed, ms */
int64_t signing_keys_limit(const struct signing_keys *keys); /* bytes of a message */

/* Signs the id of its key and the text. DROVER_EFAULT: there is no key. */
int signing_keys_sign(const struct signing_keys *keys, const void *text, size_t size, unsigned char *id,
		      unsigned char *signature, struct drover_error *err);
/* DROVER_ENOTFOUND: no such key is known; DROVER_EDENIED: it has not signed that. */
int signing_keys_verify(const struct signing_keys *keys, const unsigned char *id, const unsigned char *signature,
			const void *text, size_t size, struct drover_error *err);

/* Reads one line of either kind; a private one has its public key, too. DROVER_EINVALID says what it is instead. */
struct signing_key {
	unsigned char id[DROVER_SIGNING_ID_SIZE], public[DROVER_SIGNING_KEY_SIZE], private[64];
	bool has_private;
};
int signing_key_parse(const char *line, struct signing_key *key, struct drover_error *err);
/* A new pair, to be overwritten by sodium_memzero. */
int signing_key_make(struct signing_key *key, struct drover_error *err);
/* Its line, without a line end; `text` has SIGNING_KEY_TEXT bytes. */
void signing_key_private_text(const struct signing_key *key, char *text);
void signing_key_public_text(const struct signing_key *key, char *text);
/* In hex, DROVER_SIGNING_ID_TEXT bytes. */
void signing_key_id_text(const unsigned char *id, char *text);

#endif
