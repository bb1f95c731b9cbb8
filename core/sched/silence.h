/*
 * silence.h - who of those that share a store has been silent for so long that it may be expelled.
 *
 * Pure: no clock, no store. It is told of each reading of the nodes' leases and remembers since when each has been
 * read unchanged. A lease's value is only ever compared for equality with what was read before, so neither the
 * database's clock nor anybody's counts. Silence is counted from readings alone that followed each other
 * closely, by a reader that could itself renew: while the store is away, or takes no writes, nobody grows silent.
 *
 * Times are CLOCK_BOOTTIME ms. One thread.
 */
#ifndef SCHED_SILENCE_H
#define SCHED_SILENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct silence_node {
	int64_t incarnation;
	int64_t renewed_at; /* as it was read */
	int64_t since;      /* end of the first reading that had this value */
	bool read;          /* in the reading under way */
};

/* Zeroed, with its first three members set. */
struct silence {
	int64_t take_over;    /* ms: silent for so long, it may be expelled */
	int64_t read_gap;     /* ms: readings further apart do not count as neighbours */
	int64_t stop_after;   /* ms: a reader that has not renewed for so long does not count its readings */
	int64_t begun, ended; /* of the last reading; 0: there was none */
	struct silence_node *nodes;
	size_t count, room;
};

void silence_dispose(struct silence *silence);

/*
 * A reading that was answered, begun and ended then, by a reader whose own last renewal that worked began at `renewed`.
 * What was counted so far is forgotten where the time between this reading and the one before it is too long.
 */
void silence_begin(struct silence *silence, int64_t begun, int64_t ended, int64_t renewed);
/* A living incarnation as it was read: whether it may be expelled. */
bool silence_read(struct silence *silence, int64_t incarnation, int64_t renewed_at);
/* Forgets those that were not in the reading. */
void silence_end(struct silence *silence);

/* For how long it has been read unchanged, as of the last reading; -1: it is not known. */
int64_t silence_of(const struct silence *silence, int64_t incarnation);

#endif
