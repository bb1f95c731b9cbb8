/*
 * drover/monitor.h - the contract of a monitor: it tells the outside how the node is.
 *
 * UNSTABLE: may change without a new major version until the first monitor is in the box.
 *
 * Process and thread. All monitors of a node live in one process, single-threaded, beside the core.
 * `tick` is called every `interval`; a call that takes longer than the instance's `call_timeout`
 * ends the process, which is started again. What it is told of the core comes from the supervisor,
 * which asks the core: a dead or wedged core is never told as alive.
 */
#ifndef DROVER_MONITOR_H
#define DROVER_MONITOR_H

#include <stdint.h>

#include <drover/plugin.h>

/* Borrowed for the call. */
struct drover_health {
	size_t size;
	const char *node;
	bool core_alive;      /* it answered the supervisor within the last 5 s */
	bool store_reachable; /* its last transaction worked */
	int64_t core_silent;  /* ms since its last answer; -1: never */
	int64_t running_hosts;
	int64_t running_units;
	int64_t ready_units;
	int64_t restarts; /* of any part, since the supervisor's start */
};

struct drover_monitor {
	DROVER_PLUGIN_INFO;
	int (*open)(void *self, struct drover_error *err);
	int (*tick)(void *self, const struct drover_health *health, struct drover_error *err); /* required */
	void (*close)(void *self);
};

#define DROVER_MONITOR(...)                                                                                            \
	static const struct drover_monitor drover_monitor_ = { .size = sizeof(struct drover_monitor), __VA_ARGS__ };   \
	DROVER_MODULE(.monitor = &drover_monitor_)

#endif
