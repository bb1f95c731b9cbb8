/*
 * feed.h - the store's changes after a seq, tasks and hosts together, in order of seq, as events.
 */
#ifndef EVENTS_FEED_H
#define EVENTS_FEED_H

#include <drover/sink.h>
#include <drover/store.h>

/* Non-zero ends the reading; the event counts as not taken. */
typedef int feed_event_fn(void *context, const struct drover_event *event);

#define FEED_ALL (1u << DROVER_EVENT_TASK | 1u << DROVER_EVENT_HOST)

/*
 * Reads one batch of the `kinds` (bits 1 << enum drover_event_kind) after `*seq`, calls `fn` for each event and moves `*seq` on to the last one taken.
 * 1: there may be more; 0: that was all; or a negative code, or what `fn` returned.
 */
int feed_read(const struct drover_store_ops *ops, struct drover_session *session, unsigned kinds, int64_t *seq,
	      feed_event_fn *fn, void *context, struct drover_error *err);

#endif
