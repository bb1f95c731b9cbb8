/*
 * offers.h - units for this node's engine that come from elsewhere: by a message, or found by a look of its own.
 *
 * Whatever way a unit comes, its envelope is verified first, and nothing that does not verify is looked at
 * further. Then, on a thread of its own, the task is read from the store and compared with what was signed; only
 * then the engine hears of the unit and holds it in its hand (sched/hand.c) until it claims it.
 *
 * The engine asks for a look when it has room and nothing to claim: so a full engine's units are taken by others,
 * and a lost message costs no more than a look.
 */
#ifndef SCHED_OFFERS_H
#define SCHED_OFFERS_H

#include <drover/store.h>

#include "sched/engine.h"
#include "store/writer.h"
#include "task/envelope.h"

struct offers;

struct offers_options {
	const struct drover_store_ops *ops;
	void *store; /* the store's instance */
	struct writer *writer;
	struct engine *engine;
	const struct signing_keys *keys;
	const struct executors *executors;
	char *const *pools;  /* NULL-terminated */
	int64_t limit_units; /* that wait here for being claimed, about */
	int64_t limit_bytes; /* of their envelopes */
};

enum offers_refusal {
	OFFERS_SIGNATURE = 0, /* no envelope, or not signed by a key that is known here, or expired */
	OFFERS_POOL = 1,      /* of a pool that is none of this node's */
	OFFERS_DIFFERS = 2,   /* the store says otherwise than what was signed */
	OFFERS_REFUSALS = 3
};

/* Since its start, but `hand` and `waiting`: units now in the engine's hand, and on the way there. */
struct offers_counts {
	int64_t by_message, by_look;
	int64_t refused[OFFERS_REFUSALS];
	int64_t elsewhere; /* taken and forgotten, since no executor here serves them */
	int64_t newer;     /* … since they were signed by a node of a newer version: left to engines that know it */
	int64_t stale;     /* claimed by others before */
	int64_t hand, waiting;
};

/* What `options` points to is borrowed until offers_free. */
int offers_new(const struct offers_options *options, struct offers **offers, struct drover_error *err);
/* Ends its thread. What it has told the writer's event loop may still be there, so free it after the writer. */
void offers_stop(struct offers *offers);
void offers_free(struct offers *offers);

/* The services of drover/source.h. Any thread. */
int offers_take(struct offers *offers, const void *envelope, size_t size, struct drover_error *err);
void offers_await_room(struct offers *offers, void (*room)(void *context), void *context);

void offers_count(struct offers *offers, struct offers_counts *counts);
/* In words, for the label of a metric. */
const char *offers_refusal_name(enum offers_refusal refusal);

/* ---------------------------------------------------------- for the engine, on the event loop */

/* A unit that was verified; its envelope goes with it. */
struct offer {
	char *message; /* owned */
	size_t size;
	char *refusal; /* owned: why nothing of it may be executed: its hosts end so; NULL: it may */
};

void offer_free(struct offer *offer);
/* The hand's size has changed by so much. */
void offers_hand_changed(struct offers *offers, int64_t units, int64_t bytes);
/* Four times a second: whoever waits for room may have some, such as after a drain that was ended. */
void offers_tell_room(struct offers *offers);
/* Looks in the store for up to `wanted` units; nothing happens while a look is under way. */
void offers_look(struct offers *offers, int64_t wanted);
/* Whether the last look found something for this node. */
bool offers_found(const struct offers *offers);
/*
 * Whether what is about to be executed is what was signed: the task, and the hosts that the store gave. `indexes`:
 * of each host in the task. DROVER_EDENIED with the reason.
 */
int offers_check(struct offers *offers, const struct offer *offer, const struct drover_task *task,
		 const struct drover_claim *claim, const struct drover_target *hosts, const int64_t *indexes,
		 size_t count, struct drover_error *err);
/* Counts and logs it. */
void offers_refused(struct offers *offers, enum offers_refusal refusal, const char *what, const char *why);
void offers_stale(struct offers *offers);

#endif
