/* offers_state.h - the offers' own structures, for their files only. */
#ifndef SCHED_OFFERS_STATE_H
#define SCHED_OFFERS_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

#include "sched/offers.h"
#include "store/readers.h"
#include "util/worker.h"

/* Verified, and on its way to the engine. */
struct offered {
	struct offered *next;
	struct envelope envelope;
	char *message; /* owned until the engine has it */
	size_t size;
	bool looked_up; /* it is the unit's own, as it stands in the store */
};

/* A task's row as it was read: those of the same task need not be read for each unit. */
struct known_task {
	char *id;
	int64_t read_at;         /* CLOCK_BOOTTIME ms */
	struct drover_task task; /* strings owned */
	UT_hash_handle hh;
};

struct offers {
	struct offers_options options;
	struct readers *readers; /* of one session */
	char *pools;             /* separated by blanks */

	struct worker worker;
	struct offered *queue, **queue_tail; /* under its lock */
	int64_t wanted;                      /* under its lock: by a look; 0: none is asked for */

	pthread_mutex_t room_lock;
	void (*room)(void *context); /* under room_lock, or NULL */
	void *room_context;
	atomic_bool refused_for_room;

	/* The thread's own. */
	struct known_task *known;
	int64_t look_units; /* how many a look reads */
	bool store_ok;

	/* Units on their way and in the hand, and their bytes. */
	atomic_llong waiting, hand, bytes;
	atomic_bool looking;
	atomic_bool found; /* the last look found something */

	atomic_llong by_message, by_look, elsewhere, stale, newer, refused[OFFERS_REFUSALS];
	atomic_llong newer_told_at; /* CLOCK_BOOTTIME ms; 0: never */
	atomic_llong told_at,
		untold; /* CLOCK_BOOTTIME ms of the last refusal that was logged, and how many were not since */
};

/* offers.c */
/* Verifies; whose it is and whether it can be executed here. 0: `*offered` is new; it takes `message`'s bytes over. */
int offers_open(struct offers *offers, const void *message, size_t size, struct offered **offered,
		struct drover_error *err);
void offered_free(struct offered *offered);
/* offers_tasks.c: reads its task and tells the engine. */
int offers_deliver(struct offers *offers, struct drover_session *session, struct offered *offered,
		   struct drover_error *err);
void offers_forget_tasks(struct offers *offers);
/* offers_look.c */
int offers_look_up(struct offers *offers, struct drover_session *session, int64_t wanted, struct drover_error *err);

#endif
