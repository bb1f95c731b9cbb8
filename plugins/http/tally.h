/* tally.h - how many answers each route gave, by status. Any thread. */
#ifndef TALLY_H
#define TALLY_H

#include <stddef.h>
#include <stdint.h>

struct route;
struct tally;

typedef void tally_fn(void *context, const struct route *route, int status, int64_t count);

struct tally *tally_new(void);
void tally_free(struct tally *tally);
/* `route` NULL: there is none. */
void tally_add(struct tally *tally, const struct route *route, int status);
/* Calls `fn` for what was seen at least once, by route and status. */
void tally_each(const struct tally *tally, tally_fn *fn, void *context);

#endif
