/*
 * signed_parent.h - a task that is to be done again where units are signed: only what its own envelopes say is signed
 * anew. From the store comes which hosts ended how, and the payload, if its digest is the one that was signed.
 *
 * Belongs to one thread.
 */
#ifndef DAEMON_SIGNED_PARENT_H
#define DAEMON_SIGNED_PARENT_H

#include "task/envelope.h"
#include "task/retry.h"

struct signed_parent;

/* Both are borrowed until signed_parent_free. */
struct signed_parent *signed_parent_new(const struct signing_keys *keys, struct retry *retry);
void signed_parent_free(struct signed_parent *parent);
/* How a host ended; each, before the envelopes are read. */
void signed_parent_status(struct signed_parent *parent, int64_t index, enum drover_status status,
			  enum drover_remote remote);
/*
 * Reads the envelopes of the task (its key, id and number of hosts are read) and fills the retry by retry_begin and
 * retry_offer. DROVER_ECONFLICT: they do not verify, do not belong together, or the store says otherwise.
 */
int signed_parent_read(struct signed_parent *parent, const struct drover_store_ops *ops, struct drover_session *session,
		       const struct drover_task *task, struct drover_error *err);
/* Whether that was so. NULL: no. */
bool signed_parent_is_forged(const struct signed_parent *parent);

#endif
