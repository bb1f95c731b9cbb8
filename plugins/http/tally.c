/* tally.c - see tally.h. */
#include "tally.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "route.h"

#define LOWEST 100
#define STATUSES 500

/* One row a route, and a last one for what had none. */
struct tally {
	atomic_llong counts[STATUSES];
};

struct tally *tally_new(void)
{
	return calloc(route_count() + 1, sizeof(struct tally));
}

void tally_free(struct tally *tally)
{
	free(tally);
}

void tally_add(struct tally *tally, const struct route *route, int status)
{
	size_t row = route ? (size_t)(route - route_at(0)) : route_count();

	if (status >= LOWEST && status < LOWEST + STATUSES)
		atomic_fetch_add_explicit(&tally[row].counts[status - LOWEST], 1, memory_order_relaxed);
}

void tally_each(const struct tally *tally, tally_fn *fn, void *context)
{
	for (size_t row = 0; row <= route_count(); row++)
		for (int i = 0; i < STATUSES; i++) {
			int64_t count = atomic_load_explicit(&tally[row].counts[i], memory_order_relaxed);

			if (count)
				fn(context, row < route_count() ? route_at(row) : NULL, LOWEST + i, count);
		}
}
