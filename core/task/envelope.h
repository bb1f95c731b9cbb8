/*
 * envelope.h - what an engine may execute: one unit, written down and signed at submission.
 *
 * The message is "DRV1", the key's id (8 bytes: the first of the BLAKE2b of the public key), the signature
 * (64 bytes, Ed25519, RFC 8032, by libsodium) and the text, a JSON object. Signed are "drover unit 1", the key's id
 * and the text's exact bytes, and nothing of the text is parsed before the signature was verified. The text
 * holds all that an engine acts on; the payload is kept once per task and is in it by its SHA-256. Write access to
 * the dispatcher's messages or to the database can hide, delay or, until it expires, replay a unit, and never
 * change what runs or where. So a node that can verify executes nothing without an envelope.
 *
 * The text's version is 1. A node reads its own version and all before it, so engines are upgraded before
 * distributors; nobody reads a newer one, nor a member that its version does not have.
 *
 * Pure functions over bytes; any thread.
 */
#ifndef TASK_ENVELOPE_H
#define TASK_ENVELOPE_H

#include <drover/store.h>

#include "task/executors.h"
#include "task/signing_keys.h"
#include "util/buf.h"

struct json_object;

/* What is in an envelope. Strings are the envelope's own. */
struct envelope {
	struct json_object *root; /* owned */
	char key[17];             /* id of the key that signed it, in hex */
	/* id, type, executor, pool, owner, priority, credential, rerun_lost, timeouts, output_limit, fanout. */
	struct drover_task task;
	unsigned char payload_digest[32];
	int64_t unit, first, count;
	struct drover_host_spec *hosts; /* `count`; owned */
	int64_t made_at, expires_at;    /* UTC ms; never executed after the latter */
	/* Who submitted it may touch certain hosts only: not for an executor whose tasks are not bound to their hosts. */
	bool confined;
	bool newer; /* its signature is good, and its version is one that this node does not know yet: nothing else is set */
	bool altered; /* it names a key that is known here, and that key has not signed it */
};

/* What becomes of a unit that the store has with this envelope. */
enum envelope_verdict {
	ENVELOPE_SOUND,
	ENVELOPE_UNSURE, /* this node would not execute it, and another may: it knows more keys, or a newer version */
	ENVELOPE_VOID    /* nobody will execute it */
};

/*
 * Appends the message for a unit of the task; `hosts` are the unit's. Its key in the store is no part of it.
 * DROVER_ELIMIT: it is larger than cluster.unit_limit; DROVER_EFAULT: there is no key.
 */
int envelope_sign(const struct signing_keys *keys, const struct drover_task *task, int64_t unit,
		  const struct drover_unit_spec *spec, const struct drover_host_spec *hosts, bool confined,
		  struct buf *message, struct drover_error *err);
/*
 * Verifies and reads. `now`: UTC ms; 0: it may have expired, since it is not to be executed. DROVER_EDENIED with the
 * reason (for a log line) where it is not to be executed; dispose of it in any case. Which pool's and which unit's it is
 * is for the caller to compare: by envelope_check_pool, and with what it was found as.
 */
int envelope_open(const struct signing_keys *keys, const void *message, size_t size, int64_t now,
		  struct envelope *envelope, struct drover_error *err);
void envelope_dispose(struct envelope *envelope);
/*
 * Of what the store has beside that unit of that task (its id). It may have expired: the task does, too. Unless it is
 * sound `why` says what is wrong.
 */
enum envelope_verdict envelope_judge(const struct signing_keys *keys, const void *message, size_t size,
				     const char *task, int64_t unit, struct drover_error *why);
/* DROVER_EDENIED: the pool is none of these (NULL-terminated). */
int envelope_check_pool(const struct envelope *envelope, char *const *pools, struct drover_error *err);
/*
 * Whether this node's own configuration lets that executor do it: its types, its `match`, and whether it is bound to
 * hosts. What distributors were told of executors came by the store.
 */
int envelope_check_executor(const struct envelope *envelope, const struct executor_entry *executor,
			    struct drover_error *err);
/*
 * Whether the store says the same as what was signed: the task with its payload; a host of the unit by its index
 * in the task. DROVER_EDENIED, and the message names the member that differs. A task that has a `home` is not one of
 * these: it is refused, too.
 */
int envelope_check_task(const struct envelope *envelope, const struct drover_task *task, struct drover_error *err);
/* Whether another unit's envelope is of the same task. DROVER_EDENIED. */
int envelope_check_same(const struct envelope *envelope, const struct envelope *other, struct drover_error *err);
int envelope_check_host(const struct envelope *envelope, int64_t index, const struct drover_host_spec *host,
			struct drover_error *err);

#endif
