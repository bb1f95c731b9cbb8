/* histogram.h - durations counted by their size; any thread adds, any thread reads. */
#ifndef UTIL_HISTOGRAM_H
#define UTIL_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 11

/* Zeroed at its beginning. */
struct histogram {
	atomic_llong buckets[HISTOGRAM_BOUNDS + 1];
	atomic_llong sum; /* µs */
};

/* Upper bounds in seconds: 1 ms to 5 s. */
extern const double histogram_bounds[HISTOGRAM_BOUNDS];

void histogram_add(struct histogram *h, int64_t microseconds);
/* Copies what was counted; the sum is in seconds. */
double histogram_read(struct histogram *h, int64_t buckets[HISTOGRAM_BOUNDS + 1]);

#endif
