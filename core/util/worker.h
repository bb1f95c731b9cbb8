/*
 * worker.h - a thread that waits to be told something or for a time to come, does it, and waits again.
 *
 * Its lock guards `stop` and what its owner tells it. Whoever tells it something does so under the lock, and wakes it:
 *
 *	worker_lock(&mill->worker);
 *	mill->told = something;
 *	worker_wake(&mill->worker);
 *	worker_unlock(&mill->worker);
 *
 * and its thread takes that under the lock, too:
 *
 *	worker_lock(&mill->worker);
 *	while (!mill->told && worker_wait(&mill->worker, until))
 *		;
 *	something = mill->told;
 *	mill->told = NULL;
 *	stop = mill->worker.stop;
 *	worker_unlock(&mill->worker);
 *
 * Thread: init, start, stop and dispose are the owner's; wait is the worker's; the others are any thread's.
 */
#ifndef UTIL_WORKER_H
#define UTIL_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct drover_error;

#define WORKER_FOREVER INT64_MAX

struct worker {
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool stop; /* under lock: it is to end */

	const char *name; /* borrowed; at most 15 bytes */
	void (*run)(void *context);
	void *context;
	pthread_t thread;
	bool runs; /* the owner's: it was started and not stopped */
};

void worker_init(struct worker *worker);
/* Starts the thread, which is in `run` until that returns. DROVER_EFAULT: nothing is started. */
int worker_start(struct worker *worker, const char *name, void (*run)(void *context), void *context,
		 struct drover_error *err);
/* Under the lock: tells the thread to end. For an owner that has to break off what it does, at the same moment. */
void worker_end(struct worker *worker);
/* Tells the thread to end, and waits until it has. Where none runs, nothing. */
void worker_stop(struct worker *worker);
/* Stops it, too. */
void worker_dispose(struct worker *worker);

void worker_lock(struct worker *worker);
void worker_unlock(struct worker *worker);
/* Under the lock. */
void worker_wake(struct worker *worker);
/*
 * Under the lock, which is free while it waits: until somebody wakes it, or until `until` (CLOCK_BOOTTIME ms, or
 * WORKER_FOREVER). True: look again, it may be for nothing. False: it is to end, or the time has come.
 */
bool worker_wait(struct worker *worker, int64_t until);
/* Without the lock: waits until then, whatever it is told meanwhile. False: it is to end. */
bool worker_sleep(struct worker *worker, int64_t until);

#endif
