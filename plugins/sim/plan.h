/*
 * plan.h - what a task's payload, over the instance's options, makes the simulated hosts do.
 *
 * Times are microseconds. One thread.
 */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <drover/status.h>

#include "choice.h"

struct drover_error;
struct json_object;

/* The options of an instance; filled by the host of the plugin. */
struct sim {
	char *latency;
	char *hang, *fail, *unreachable, *skip;
	char *output;
	char *lock_dir;
	int64_t seed;
	int64_t step;
};

struct plan {
	int64_t latency_min, latency_max;
	struct choice crash, hang, unreachable, fail, flap, skip;
	int64_t seed;
	int64_t step; /* hosts that run at once; 0: all */
	bool has_rc;
	int rc;
	enum drover_changed changed;
	int64_t pieces;     /* in which output is printed while the host executes; 0: with its end only */
	const char *output; /* in `json`, in the options or in `made` */
	size_t output_size;
	const char *lock_dir; /* or NULL */
	char *made;           /* owned: output of a wanted size */
	struct json_object *json;
};

/*
 * Fills a zeroed plan; `self` must outlive it. `payload` may be NULL: the options alone. Dispose of
 * it even after an error. DROVER_EINVALID names the member.
 */
int plan_read(const struct sim *self, const char *payload, struct plan *plan, struct drover_error *err);
void plan_dispose(struct plan *plan);

/* How long that host takes to answer. */
int64_t plan_latency(const struct plan *plan, uint64_t hash);

#endif
