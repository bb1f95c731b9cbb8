/*
 * envelope.h - what an engine may execute: one unit, written down and signed at submission.
 *
 * The message is "DRV1", the key's id (8 bytes: the first of the BLAKE2b of the public key), the signature
 * (64 bytes, Ed25519, RFC 8032, by libsodium) and the text, a JSON object. Signed are "drover unit 1", the key's id
 * and the text's exact bytes, and nothing of the text is parsed before the signature was verified. The text
 * holds all that an engine acts on; the payload is kept once per task and is in it by its SHA-256. Write access to
 * the dispatcher's messages or to the database can hide, delay or, until it expires, replay a unit, and never
 * change what runs or where.
 *
 * Pure functions over bytes; any thread.
 */
#ifndef TASK_ENVELOPE_H
#define TASK_ENVELOPE_H

#include <drover/store.h>

#include "util/buf.h"

struct json_object;
struct signing_keys;

/* The keys of a cluster: the one that this node signs with, if it does, and those that it believes. */
int signing_keys_read(struct json_object *cluster, struct signing_keys **keys, struct drover_error *err);
void signing_keys_free(struct signing_keys *keys);
bool signing_keys_can_sign(const struct signing_keys *keys);
bool signing_keys_can_verify(const struct signing_keys *keys);

/* What is in an envelope. Strings are the envelope's own. */
struct envelope {
	struct json_object *root; /* owned */
	const char *key;          /* id of the key that signed it, in hex: in `key_text` */
	char key_text[17];
	/* What a unit needs: id, type, executor, pool, priority, credential, rerun_lost, timeouts, output_limit, fanout. */
	struct drover_task task;
	unsigned char payload_digest[32];
	int64_t unit, first, count;
	struct drover_host_spec *hosts; /* `count`; owned */
	int64_t made_at, expires_at;    /* UTC ms; never executed after the latter */
};

/* Appends the message for a unit of the task; `hosts` are the unit's. Its key in the store is no part of it. */
int envelope_sign(const struct signing_keys *keys, const struct drover_task *task, int64_t unit,
		  const struct drover_unit_spec *spec, const struct drover_host_spec *hosts, struct buf *message,
		  struct drover_error *err);
/*
 * Verifies and reads. `now`: UTC ms. DROVER_EDENIED with the reason (for a log line) where it is not to be
 * executed; dispose of it in any case.
 */
int envelope_open(const struct signing_keys *keys, const void *message, size_t size, int64_t now,
		  struct envelope *envelope, struct drover_error *err);
void envelope_dispose(struct envelope *envelope);
/*
 * Whether the store says the same as what was signed: the task with its payload; a host of the unit by its index
 * in the task. DROVER_EDENIED, and the message names the member that differs.
 */
int envelope_check_task(const struct envelope *envelope, const struct drover_task *task, struct drover_error *err);
int envelope_check_host(const struct envelope *envelope, int64_t index, const struct drover_host_spec *host,
			struct drover_error *err);

#endif
