/*
 * lease.h - this core's lease on a store that nodes share, and those of the others: a thread with a writing
 * session of its own, so that neither a long transaction nor a busy loop makes a renewal late.
 *
 * Every `renew` it renews, with what the node tells of itself. About twice in `read_gap` it reads the nodes, expels
 * those that silence.h finds to be silent (compare-and-set: one that has renewed meanwhile stays), and has the
 * writer sweep what they held. Units of ended incarnations are swept by whoever sees them first.
 */
#ifndef SCHED_LEASE_H
#define SCHED_LEASE_H

#include <drover/store.h>

#include "store/writer.h"

struct lease;

/* Why a lease is over. */
enum lease_end {
	LEASE_EXPELLED = 0, /* this core was silent for too long: it may start again */
	LEASE_REPLACED = 1  /* another node of the same name has started: this one must not come again */
};

struct lease_options {
	const struct drover_store_ops *ops;
	void *store_self;
	struct writer *writer;
	const char *node; /* borrowed, as the others */
	int64_t incarnation;
	int64_t renew, take_over, read_gap, stop_after; /* ms */
	int max_attempts;                               /* of a unit: for sweeps */
	const char *pools;                              /* as in struct drover_announcement */
	/* On the lease's thread: fills in all but the pools. Strings stay valid until the next call. */
	void (*announce)(void *context, struct drover_announcement *now);
	/* On the lease's thread: no host is to be begun from `until` on, CLOCK_BOOTTIME ms; 0: from now on. */
	void (*renewed)(void *context, int64_t until);
	/* On the lease's thread: whether the node drains by request. */
	bool (*drains)(void *context);
	/* On the loop: somebody wants the node to drain, or to go on. */
	void (*drain)(void *context, bool drain);
	/* On the loop, once. */
	void (*ended)(void *context, enum lease_end how);
	void *context;
};

struct lease_numbers {
	int64_t age;             /* ms since the last renewal that worked */
	int64_t renewals_failed; /* each try */
	int64_t expelled;        /* others' incarnations, by this core */
	int64_t swept;           /* units */
};

/* Opens its session and starts the thread, which renews at once. */
int lease_new(const struct lease_options *options, struct lease **lease, struct drover_error *err);
/* Ends the thread: before writer_free. May wait for a call of the store. NULL is nothing. */
void lease_stop(struct lease *lease);
/* After writer_free. */
void lease_free(struct lease *lease);

/* What the node tells of itself has changed: renews now. Any thread. */
void lease_soon(struct lease *lease);
/* For how long an incarnation was read unchanged, ms; -1: it is not known. Any thread. */
int64_t lease_silence(struct lease *lease, int64_t incarnation);
/* Whether the last renewal failed. Any thread. */
bool lease_is_failing(const struct lease *lease);
/* Any thread. */
void lease_read_numbers(struct lease *lease, struct lease_numbers *numbers);

#endif
