/* histogram.c - see histogram.h. */
#include "util/histogram.h"

const double histogram_bounds[HISTOGRAM_BOUNDS] = { 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5 };

void histogram_add(struct histogram *h, int64_t microseconds)
{
	size_t i = 0;

	while (i < HISTOGRAM_BOUNDS && (double)microseconds > histogram_bounds[i] * 1e6)
		i++;
	atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, microseconds, memory_order_relaxed);
}

double histogram_read(struct histogram *h, int64_t buckets[HISTOGRAM_BOUNDS + 1])
{
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
		buckets[i] = atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
	return (double)atomic_load_explicit(&h->sum, memory_order_relaxed) / 1e6;
}
