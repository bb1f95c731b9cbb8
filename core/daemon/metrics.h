/*
 * metrics.h - what the core counts: kept up to date by the commits, so that asking costs no query.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include <stdatomic.h>

#include <drover/metric.h>
#include <drover/source.h>

struct core;

/* Zeroed at its beginning. The gauges count what is in the store, the counters what this core has seen. */
struct core_metrics {
	atomic_llong tasks[DROVER_TASK_STATE_COUNT]; /* gauges of the open states, counters of the final ones */
	atomic_llong accepted;
	atomic_llong hosts[DROVER_STATUS_COUNT]; /* the same: pending and running are gauges */
	bool shared;                             /* others write to the store, too: the gauges come by metrics_seen */
	struct seen_task *seen;                  /* owned; see metrics_seen */
};

/* At the start: a task that is open. */
void metrics_found(struct core_metrics *m, const struct drover_task *task);
/*
 * In a shared store, instead: a task that is open, at the start; then each that changed, as it is now. One thread at
 * a time.
 */
void metrics_seen(struct core_metrics *m, const struct drover_task *task);
void metrics_dispose(struct core_metrics *m);
/* After a commit, on the writer's thread. */
void metrics_changed(struct core_metrics *m, const struct drover_task_change *change);

/* The service: drover/source.h. Any thread; no query. */
void metrics_tell(void *core_context, drover_metric_fn *fn, void *context);

#endif
