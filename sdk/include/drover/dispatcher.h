/*
 * drover/dispatcher.h - the contract of a dispatcher: it hands units to the nodes that execute them.
 *
 * Without one, units are executed on their own node.
 *
 * Process and thread: in the core. `open`, `drain` and `close` are called on its event loop, `publish` on the
 * outbox's thread; none may block for long. A unit is only woken up by a message: who executes it is
 * decided by the claim in the store, so messages may be lost, repeated and reordered.
 */
#ifndef DROVER_DISPATCHER_H
#define DROVER_DISPATCHER_H

#include <stdint.h>

#include <drover/plugin.h>

/* Borrowed for the call. */
struct drover_dispatch {
	size_t size;
	int64_t task_key;
	int64_t unit;
	const char *pool;
	const void *envelope; /* as signed: the whole message */
	size_t envelope_size;
	int publications; /* how often it was published before: then it should go another way than the last time */
};

struct drover_dispatcher_services {
	size_t size;
	/* The message is with the other side for good (or not: `code`). From any thread. */
	void (*delivered)(void *core, int64_t task_key, int64_t unit, int code);
};

struct drover_dispatcher {
	DROVER_PLUGIN_INFO;
	int (*open)(void *self, const struct drover_dispatcher_services *services, void *core,
		    struct drover_error *err);
	/* DROVER_ERETRY: its queue is full; asked again later. */
	int (*publish)(void *self, const struct drover_dispatch *unit, struct drover_error *err);
	int (*drain)(void *self, int64_t deadline, struct drover_error *err);
	void (*close)(void *self);
	/*
	 * Looks at the servers that units go by; of an instance that is not open, from any process. Says what it finds;
	 * an error is what kept it from looking. May take some seconds. NULL: it has nothing to tell.
	 */
	int (*examine)(void *self, const struct drover_examination *how, drover_finding_fn *fn, void *context,
		       struct drover_error *err);
};

#define DROVER_DISPATCHER_HAS(plugin, member)                                                                          \
	((plugin)->size >= offsetof(struct drover_dispatcher, member) + sizeof((plugin)->member) && (plugin)->member)

#endif
