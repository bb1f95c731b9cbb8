/*
 * sinks.h - the hub's sinks: each has a spool on disk and a place in the feed of its own.
 *
 * One thread (the hub's), but for sinks_up.
 */
#ifndef EVENTS_SINKS_H
#define EVENTS_SINKS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <drover/store.h>

#include "events/audit.h"

struct sink;

struct sinks {
	struct sink *items; /* owned */
	size_t count;
	pthread_mutex_t lock; /* of the connections to their processes */
	struct audit audit;   /* writes to the spools of those that ask for it */
};

void sinks_init(struct sinks *sinks);
void sinks_dispose(struct sinks *sinks);
/*
 * Before the hub's thread runs. A sink that was never there before begins after `seq`. `kinds` are bits
 * 1 << enum drover_event_kind; audit events are alone in a spool, since their numbers are others.
 */
int sinks_add(struct sinks *sinks, const char *name, const char *folder, int64_t limit, unsigned kinds, int64_t seq,
	      struct drover_error *err);
/* A line for the sinks that ask for audit events: audit.h. Any thread. */
int sinks_audit(struct sinks *sinks, const struct drover_audit *line, const char *node, struct drover_error *err);
/* The name of one of them, and how it is. Any thread, once the hub's thread runs. */
const char *sinks_look(struct sinks *sinks, size_t index, int64_t *bytes, bool *full);
/* The sink's process is there; `fd` is owned from here on. Any thread. */
void sinks_up(struct sinks *sinks, const char *name, int fd);
/*
 * Appends to each spool what the feed has for it and wakes its process. 0: all have all; DROVER_ELIMIT:
 * some spool is full, try again later; another code: the session may be broken.
 */
int sinks_feed(struct sinks *sinks, const struct drover_store_ops *ops, struct drover_session *session);

#endif
