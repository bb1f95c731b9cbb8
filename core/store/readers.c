/* readers.c - see readers.h. */
#define _GNU_SOURCE /* pthread_cond_clockwait */
#include "store/readers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "util/buf.h"

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

int readers_take(struct readers *r, struct drover_session **session, struct drover_error *err)
{
	struct timespec until;
	int code = 0;

	*session = NULL;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += r->patience / 1000 + 1; /* never early */
	pthread_mutex_lock(&r->lock);
	while (!r->idle_count && r->open == r->room && code != ETIMEDOUT)
		code = pthread_cond_clockwait(&r->given, &r->lock, CLOCK_MONOTONIC, &until);
	if (!r->idle_count && r->open == r->room) {
		pthread_mutex_unlock(&r->lock);
		return drover_error_set(err, DROVER_ERETRY,
					"the store is busy with other questions, or does not answer");
	}
	if (r->idle_count) {
		*session = r->idle[--r->idle_count];
		pthread_mutex_unlock(&r->lock);
		return 0;
	}
	r->open++;
	pthread_mutex_unlock(&r->lock);
	code = r->ops->session_open(r->self, DROVER_SESSION_READ, session, err);
	if (code) {
		pthread_mutex_lock(&r->lock);
		r->open--;
		pthread_cond_signal(&r->given);
		pthread_mutex_unlock(&r->lock);
	}
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
