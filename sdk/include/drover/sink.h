/*
 * drover/sink.h - the contract of a sink: it receives what happened.
 *
 * Process and thread. A sink lives in a process of its own, single-threaded, fed from a spool on
 * disk: what the core has recorded is appended there, and the spool moves on when `write` has
 * returned 0. So a sink that hangs or crashes loses nothing and disturbs nobody: a call that takes
 * longer than the instance's `call_timeout` (30 s) ends the process, which is started again.
 *
 * Delivery is at least once, in order of `seq`: after a crash events may come again.
 *
 * A sink that also gives the operations of drover/store.h can be the store; as the store it lives
 * in the core and gets no events.
 */
#ifndef DROVER_SINK_H
#define DROVER_SINK_H

#include <stdint.h>

#include <drover/plugin.h>

struct drover_store_ops; /* drover/store.h */

enum drover_event_kind {
	DROVER_EVENT_TASK = 1,  /* a task was accepted, changed its state or ended */
	DROVER_EVENT_UNIT = 2,  /* a unit was claimed or ended */
	DROVER_EVENT_HOST = 3,  /* a host reached its final status */
	DROVER_EVENT_AUDIT = 4, /* somebody did something, or was refused */
	DROVER_EVENT_OUTPUT = 5 /* a host has printed something; subscribers only */
};

/* Borrowed for the call. */
struct drover_event {
	size_t size;
	int64_t seq; /* grows; the same event has the same number when it comes again */
	enum drover_event_kind kind;
	const char *task; /* its id; "" where there is none */
	const char *host; /* or NULL */
	const char *json; /* the whole event, one line without its end: docs/events.md */
	size_t json_size;
};

struct drover_sink {
	DROVER_PLUGIN_INFO;
	int (*open)(void *self, struct drover_error *err);
	/*
	 * Stores `count` events for good. 0: all are kept. DROVER_ERETRY: none is, they come again
	 * after a pause. Any other error: they are dropped, logged and counted. Required.
	 */
	int (*write)(void *self, const struct drover_event *events, size_t count, struct drover_error *err);
	int (*reopen)(void *self, struct drover_error *err); /* SIGHUP: files may have been moved away */
	int (*drain)(void *self, int64_t deadline, struct drover_error *err); /* CLOCK_BOOTTIME ms */
	void (*close)(void *self);
	const struct drover_store_ops *store; /* NULL: cannot be the store */
};

#define DROVER_SINK(...)                                                                                               \
	static const struct drover_sink drover_sink_ = { .size = sizeof(struct drover_sink), __VA_ARGS__ };            \
	DROVER_MODULE(.sink = &drover_sink_)

#endif
