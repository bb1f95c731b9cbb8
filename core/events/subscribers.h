/* subscribers.h - the hub's subscribers: those who want events as they happen. Any thread. */
#ifndef EVENTS_SUBSCRIBERS_H
#define EVENTS_SUBSCRIBERS_H

#include <pthread.h>
#include <stdatomic.h>

#include <drover/source.h>

struct subscriber;

struct subscribers {
	pthread_mutex_t lock; /* held while they are called */
	struct subscriber *first;
	atomic_int count; /* for those that must not wait for the lock */
	int64_t told;     /* they have had the feed up to here; under lock */
};

/* They are told what comes after `seq`. */
void subscribers_init(struct subscribers *subscribers, int64_t seq);
void subscribers_dispose(struct subscribers *subscribers);
void *subscribers_add(struct subscribers *subscribers, const char *task, unsigned kinds, drover_subscriber_fn *fn,
		      void *context);
/* The task whose output it watches, or NULL. Borrowed. */
const char *subscribers_watches(const void *subscription);
/* Returns when no call to it is under way. */
void subscribers_remove(struct subscribers *subscribers, void *subscription);
/* Tells an event that is not of the feed. */
void subscribers_tell(struct subscribers *subscribers, const struct drover_event *event);
/* Tells what the feed has; with nobody there, only moves on to `committed`. */
int subscribers_feed(struct subscribers *subscribers, const struct drover_store_ops *ops,
		     struct drover_session *session, int64_t committed);

#endif
