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
	/* Somebody begins or ceases to watch a task's output. On the subscriber's thread. */
	void (*watch)(void *context, const char *task, bool watched);
	void *context;
};

int hub_new(const struct hub_options *options, struct hub **hub, struct drover_error *err);
void hub_free(struct hub *hub);

/* Before hub_start. `folder` is its spool; `limit` bytes; `kinds` as in sinks.h. */
int hub_add_sink(struct hub *hub, const char *name, const char *folder, int64_t limit, unsigned kinds,
		 struct drover_error *err);
/* A line of the audit log: audit.h. Any thread. */
int hub_audit(struct hub *hub, const struct drover_audit *line, struct drover_error *err);
int hub_start(struct hub *hub, struct drover_error *err);
/* The sink's process is there: a byte to `fd` says that there is something to read. Owned. Any thread. */
void hub_sink_up(struct hub *hub, const char *name, int fd);

/* Something was committed, up to this seq. Any thread; quick. */
void hub_committed(struct hub *hub, int64_t seq);
/* A unit was claimed or ended: told to subscribers as it happens, kept by nobody. Any thread; quick. */
void hub_unit(struct hub *hub, const char *task, int64_t unit, const char *state, int attempt);

/* What a host has just printed: as hub_unit. */
void hub_output(struct hub *hub, const char *task, const char *host, int stream, int64_t offset, const void *data,
		size_t size);

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
