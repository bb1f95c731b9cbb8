/* worker.c - see worker.h. */
#define _GNU_SOURCE /* pthread_setname_np, pthread_cond_clockwait */
#include "util/worker.h"

#include <string.h>

#include <drover/error.h>

#include "util/clock.h"

void worker_init(struct worker *w)
{
	*w = (struct worker){ .stop = false };
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->told, NULL);
}

static void *worker_thread(void *arg)
{
	struct worker *w = arg;

	pthread_setname_np(pthread_self(), w->name);
	w->run(w->context);
	return NULL;
}

int worker_start(struct worker *w, const char *name, void (*run)(void *context), void *context,
		 struct drover_error *err)
{
	int code;

	w->name = name;
	w->run = run;
	w->context = context;
	code = pthread_create(&w->thread, NULL, worker_thread, w);
	if (code)
		return drover_error_set(err, DROVER_EFAULT, "cannot start the thread \"%s\": %s", name, strerror(code));
	w->runs = true;
	return 0;
}

void worker_end(struct worker *w)
{
	w->stop = true;
	worker_wake(w);
}

void worker_stop(struct worker *w)
{
	if (!w->runs)
		return;
	worker_lock(w);
	worker_end(w);
	worker_unlock(w);
	pthread_join(w->thread, NULL);
	w->runs = false;
}

void worker_dispose(struct worker *w)
{
	worker_stop(w);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->told);
}

void worker_lock(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
}

void worker_unlock(struct worker *w)
{
	pthread_mutex_unlock(&w->lock);
}

void worker_wake(struct worker *w)
{
	pthread_cond_signal(&w->told);
}

bool worker_wait(struct worker *w, int64_t until)
{
	int64_t left = until - clock_boot_ms();

	if (w->stop || left <= 0)
		return false;
	if (until == WORKER_FOREVER) {
		pthread_cond_wait(&w->told, &w->lock);
	} else {
		struct timespec at = clock_monotonic_in(left);

		pthread_cond_clockwait(&w->told, &w->lock, CLOCK_MONOTONIC, &at);
	}
	return true;
}

bool worker_sleep(struct worker *w, int64_t until)
{
	bool stop;

	worker_lock(w);
	while (worker_wait(w, until))
		;
	stop = w->stop;
	worker_unlock(w);
	return !stop;
}
