/*
 * drover/metric.h - what the core counts about itself, told value by value to whoever shows it.
 *
 * Names and units are Prometheus's: a name without the prefix `drover_`, seconds and bytes, counters end
 * in `_total`. All values of one name come one after another.
 */
#ifndef DROVER_METRIC_H
#define DROVER_METRIC_H

#include <stddef.h>
#include <stdint.h>

enum drover_metric_type {
	DROVER_COUNTER = 1,  /* since the core's start */
	DROVER_GAUGE = 2,    /* as it is now */
	DROVER_HISTOGRAM = 3 /* counter with `buckets` */
};

/* Borrowed for the call. */
struct drover_metric {
	size_t size;
	const char *name;
	const char *help; /* one line */
	enum drover_metric_type type;
	const char *const *labels; /* name, value, name, value, …, NULL; or NULL: none */
	double value;              /* of a histogram: the sum of what was observed */
	const double *bounds;      /* upper ones, rising */
	const int64_t *buckets; /* how many were within each bound and above the one before, and at last those beyond */
	size_t bucket_count;    /* of bounds; there is one bucket more */
};

typedef void drover_metric_fn(void *context, const struct drover_metric *metric);

#endif
