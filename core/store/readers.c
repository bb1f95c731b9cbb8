/* readers.c - see readers.h. */
#define _GNU_SOURCE /* pthread_cond_clockwait */
#include "store/readers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "util/buf.h"
#include "util/clock.h"

#define TRY_EVERY 300 /* ms between attempts to reach a store that is away */

struct readers {
	const struct drover_store_ops *ops;
	void *self;
	pthread_mutex_t lock;
	pthread_cond_t given;
	struct drover_session **idle;
	size_t idle_count;
	size_t open; /* idle and lent */
	size_t room;
	int64_t patience;
	bool away;        /* the last session could not be opened */
	bool trying;      /* somebody finds out whether that is still so */
	int64_t tried_at; /* CLOCK_BOOTTIME ms: when that was last known */
};

struct readers *readers_new(const struct drover_store_ops *ops, void *self, size_t room, int64_t patience)
{
	struct readers *r = xcalloc(1, sizeof(*r));

	r->ops = ops;
	r->self = self;
	r->room = room;
	r->patience = patience;
	r->idle = xcalloc(room, sizeof(*r->idle));
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->given, NULL);
	return r;
}

void readers_free(struct readers *r)
{
	if (!r)
		return;
	while (r->idle_count)
		r->ops->session_close(r->idle[--r->idle_count]);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->given);
	free(r->idle);
	free(r);
}

/* Under the lock. Waits until one is idle or may be opened. */
static int await_room(struct readers *r, struct drover_error *err)
{
	struct timespec until = clock_monotonic_in((r->patience / 1000 + 1) * 1000); /* never early */
	int code = 0;

	while (!r->idle_count && r->open == r->room && code != ETIMEDOUT)
		code = pthread_cond_clockwait(&r->given, &r->lock, CLOCK_MONOTONIC, &until);
	if (r->idle_count)
		return 0;
	if (r->open == r->room)
		return drover_error_set(err, DROVER_ERETRY,
					"the store is busy with other questions, or does not answer");
	/* While it is away one at a time waits for it, so that the others are told soon. */
	if (r->away && (r->trying || clock_boot_ms() - r->tried_at < TRY_EVERY))
		return drover_error_set(err, DROVER_ERETRY, "the store is away");
	return 0;
}

static int open_one(struct readers *r, struct drover_session **session, struct drover_error *err)
{
	int code;

	r->open++;
	r->trying = r->away;
	pthread_mutex_unlock(&r->lock);
	code = r->ops->session_open(r->self, DROVER_SESSION_READ, session, err);
	pthread_mutex_lock(&r->lock);
	r->trying = false;
	r->away = code != 0;
	r->tried_at = clock_boot_ms();
	if (code) {
		r->open--;
		pthread_cond_signal(&r->given);
	}
	return code;
}

int readers_take(struct readers *r, struct drover_session **session, struct drover_error *err)
{
	int code;

	*session = NULL;
	pthread_mutex_lock(&r->lock);
	code = await_room(r, err);
	if (!code && r->idle_count)
		*session = r->idle[--r->idle_count];
	else if (!code)
		code = open_one(r, session, err);
	pthread_mutex_unlock(&r->lock);
	return code;
}

void readers_give(struct readers *r, struct drover_session *session, bool broken)
{
	if (broken)
		r->ops->session_close(session);
	pthread_mutex_lock(&r->lock);
	if (broken)
		r->open--;
	else
		r->idle[r->idle_count++] = session;
	pthread_cond_signal(&r->given);
	pthread_mutex_unlock(&r->lock);
}
