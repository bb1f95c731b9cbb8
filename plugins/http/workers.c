/* workers.c - see workers.h. */
#define _GNU_SOURCE /* pthread_setname_np */
#include "workers.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

int64_t workers_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void enqueue(struct workers *w, struct job *job)
{
	job->state = JOB_QUEUED;
	TAILQ_INSERT_TAIL(&w->queue, job, entry);
	w->queued++;
	pthread_cond_signal(&w->news);
}

/* From the end, since most of them have the same interval. */
static void set_time(struct workers *w, struct job *job)
{
	struct job *before = TAILQ_LAST(&w->timed, job_list);

	while (before && before->due > job->due)
		before = TAILQ_PREV(before, job_list, entry);
	if (before)
		TAILQ_INSERT_AFTER(&w->timed, before, job, entry);
	else
		TAILQ_INSERT_HEAD(&w->timed, job, entry);
	job->timed = true;
	if (!before)
		pthread_cond_signal(&w->news); /* somebody has to wait for less long than before */
}

static void wake(struct workers *w, struct job *job)
{
	switch (job->state) {
	case JOB_IDLE:
		if (job->timed)
			TAILQ_REMOVE(&w->timed, job, entry);
		job->timed = false;
		enqueue(w, job);
		break;
	case JOB_QUEUED:
		break;
	case JOB_RUNNING:
		job->again = true;
		break;
	}
}

void workers_wake(struct workers *w, struct job *job)
{
	pthread_mutex_lock(&w->lock);
	wake(w, job);
	pthread_mutex_unlock(&w->lock);
}

/* Waits for news, or for the first of the times, and wakes those whose time has come. */
static void wait_for_news(struct workers *w)
{
	struct job *first = TAILQ_FIRST(&w->timed);
	struct timespec until;
	int64_t now;

	if (!first) {
		pthread_cond_wait(&w->news, &w->lock);
		return;
	}
	until.tv_sec = (time_t)(first->due / 1000);
	until.tv_nsec = (long)(first->due % 1000) * 1000000;
	pthread_cond_timedwait(&w->news, &w->lock, &until);
	now = workers_now();
	while ((first = TAILQ_FIRST(&w->timed)) && first->due <= now)
		wake(w, first);
}

static void run(struct workers *w, struct job *job)
{
	TAILQ_REMOVE(&w->queue, job, entry);
	w->queued--;
	job->state = JOB_RUNNING;
	job->again = false;
	job->due = 0;
	pthread_mutex_unlock(&w->lock);
	enum job_result result = job->run(job);
	pthread_mutex_lock(&w->lock);
	if (result == JOB_GONE)
		return;
	job->state = JOB_IDLE;
	if (job->again)
		enqueue(w, job);
	else if (job->due)
		set_time(w, job);
}

static void *work(void *argument)
{
	struct workers *w = argument;

	pthread_setname_np(pthread_self(), "http");
	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct job *job = TAILQ_FIRST(&w->queue);

		if (job)
			run(w, job);
		else if (w->stopping)
			break;
		else
			wait_for_news(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int workers_start(struct workers *w, size_t count)
{
	pthread_condattr_t attributes;
	sigset_t all, before;
	int rc = 0;

	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&w->news, &attributes);
	pthread_condattr_destroy(&attributes);
	TAILQ_INIT(&w->queue);
	TAILQ_INIT(&w->timed);
	w->stopping = false;
	w->queued = 0;
	w->count = 0;
	w->threads = calloc(count, sizeof(*w->threads));
	if (!w->threads)
		return ENOMEM;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!rc && w->count < count) {
		rc = pthread_create(&w->threads[w->count], NULL, work, w);
		if (!rc)
			w->count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		workers_stop(w);
	return rc;
}

size_t workers_queued(struct workers *w)
{
	size_t queued;

	pthread_mutex_lock(&w->lock);
	queued = w->queued;
	pthread_mutex_unlock(&w->lock);
	return queued;
}

void workers_stop(struct workers *w)
{
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->news);
	pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < w->count; i++)
		pthread_join(w->threads[i], NULL);
	free(w->threads);
	w->threads = NULL;
	w->count = 0;
	pthread_cond_destroy(&w->news);
	pthread_mutex_destroy(&w->lock);
}
