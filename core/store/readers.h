/* readers.h - reading sessions of the store, lent to one thread at a time. */
#ifndef STORE_READERS_H
#define STORE_READERS_H

#include <drover/store.h>

struct readers;

/*
 * Up to `room` sessions, opened when first needed. `self` is the store's instance, borrowed. `patience`: ms that
 * one waits for a free session.
 */
struct readers *readers_new(const struct drover_store_ops *ops, void *self, size_t room, int64_t patience);
/* All must have been given back. */
void readers_free(struct readers *readers);
/* Waits for a free one; DROVER_ERETRY: for too long, or none can be opened. Any thread but the event loop's. */
int readers_take(struct readers *readers, struct drover_session **session, struct drover_error *err);
/* `broken`: its last query failed otherwise than by DROVER_ENOTFOUND: a new one is opened next time. */
void readers_give(struct readers *readers, struct drover_session *session, bool broken);

#endif
