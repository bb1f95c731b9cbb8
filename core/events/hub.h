/*
 * hub.h - tells those who want to know what the store has recorded: sinks (through their spools) and
 * subscribers (event streams).
 *
 * The store's feed of changes is the only input: after each commit the hub's thread reads what has a
 * higher seq than what each consumer has had. So a sink misses nothing, whatever was killed when: its
 * spool remembers its last seq and the feed goes on from there, also when the spool was full.
 */
#ifndef EVENTS_HUB_H
#define EVENTS_HUB_H

#include <drover/source.h>

#include "store/readers.h"

struct hub;

struct hub_options {
	const char *node;
	const struct drover_store_ops *ops;
	struct readers *readers;
};

int hub_new(const struct hub_options *options, struct hub **hub, struct drover_error *err);
void hub_free(struct hub *hub);

/* Before hub_start. `folder` is its spool; `limit` bytes. */
int hub_add_sink(struct hub *hub, const char *name, const char *folder, int64_t limit, struct drover_error *err);
int hub_start(struct hub *hub, struct drover_error *err);
/* The sink's process is there: a byte to `fd` says that there is something to read. Owned. Any thread. */
void hub_sink_up(struct hub *hub, const char *name, int fd);

/* Something was committed, up to this seq. Any thread; quick. */
void hub_committed(struct hub *hub, int64_t seq);
/* A unit was claimed or ended: told to subscribers as it happens, kept by nobody. Any thread; quick. */
void hub_unit(struct hub *hub, const char *task, int64_t unit, const char *state, int attempt);

#define HUB_SINKS 64

/* How a sink is. Borrowed for the hub's life. */
struct hub_sink {
	const char *name;
	int64_t bytes; /* in its spool */
	bool full;
};

/* The first `room` sinks; their number. Looks at the spools' folders. Any thread. */
size_t hub_sinks(struct hub *hub, struct hub_sink *sinks, size_t room);
/* How many subscribers there are. Any thread. */
int64_t hub_subscribers(struct hub *hub);

/* See drover/source.h. */
int hub_subscribe(struct hub *hub, const char *task, unsigned kinds, drover_subscriber_fn *fn, void *context,
		  void **subscription, struct drover_error *err);
void hub_unsubscribe(struct hub *hub, void *subscription);

#endif
