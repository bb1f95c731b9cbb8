/*
 * workers.h - a small pool of threads for what may block, since the threads that serve connections
 * must not.
 *
 * A job is something that is woken: `run` is called by one of the threads after each wake, never by
 * two at once, and wakes that come meanwhile are not lost but fold into one. So waiting for an event, for
 * a deadline and for work are one thing: a job that is not done returns, and is woken again by
 * whoever has news, or at `due`.
 */
#ifndef WORKERS_H
#define WORKERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum job_result {
	JOB_KEPT, /* the job lives on, and is woken again */
	JOB_GONE  /* it may be freed already: not touched again; nobody wakes it from now on */
};

enum job_state { JOB_IDLE = 0, JOB_QUEUED, JOB_RUNNING };

/* Embedded in what the job is about; zeroed, then `run` set. The other members are workers.c's. */
struct job {
	enum job_result (*run)(struct job *job);
	int64_t due; /* set by `run`: workers_now() in ms at which it is woken at the latest; 0: no such time */

	enum job_state state;
	bool again; /* woken while running */
	bool timed; /* in the list of those with a time */
	TAILQ_ENTRY(job) entry;
};

TAILQ_HEAD(job_list, job);

struct workers {
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct job_list queue;
	struct job_list timed; /* by `due` */
	pthread_t *threads;
	size_t count;
	size_t queued;
	bool stopping;
};

/* CLOCK_MONOTONIC in ms. */
int64_t workers_now(void);

/* The threads block all signals: those are the process's main thread's. 0, or an errno value. */
int workers_start(struct workers *w, size_t count);

/* Any thread; does not block. */
void workers_wake(struct workers *w, struct job *job);

/* How many jobs wait for a thread. Any thread. */
size_t workers_queued(struct workers *w);

/* Runs what is queued, then ends the threads. Jobs that only wait for their time are left alone. */
void workers_stop(struct workers *w);

#endif
