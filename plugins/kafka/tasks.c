/* tasks.c - the two threads of the source of tasks; see tasks.h. */
#include "tasks.h"

#include <errno.h>
#include <time.h>

#include "source.h"

#define POLL 500     /* ms */
#define PATIENCE 300 /* ms that a message may take before fetching is stopped meanwhile */

static void add_ms(struct timespec *at, int64_t ms)
{
	at->tv_sec += ms / 1000;
	at->tv_nsec += ms % 1000 * 1000000;
	if (at->tv_nsec >= 1000000000) {
		at->tv_sec++;
		at->tv_nsec -= 1000000000;
	}
}

bool tasks_pause(struct tasks *t, int64_t ms)
{
	struct timespec end;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &end);
	add_ms(&end, ms);
	pthread_mutex_lock(&t->lock);
	while (!t->stop && pthread_cond_timedwait(&t->changed, &t->lock, &end) != ETIMEDOUT)
		;
	stop = t->stop;
	pthread_mutex_unlock(&t->lock);
	return !stop;
}

/* ------------------------------------------------------------------------------------ submitting */

static void *submit(void *context)
{
	struct tasks *t = context;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		int code;

		if (t->state != TASKS_BUSY) {
			pthread_cond_wait(&t->changed, &t->lock);
			continue;
		}
		pthread_mutex_unlock(&t->lock);
		code = tasks_take(t, t->message);
		pthread_mutex_lock(&t->lock);
		t->state = code ? TASKS_FAILED : TASKS_DONE;
		pthread_cond_broadcast(&t->changed);
		consumer_wake(&t->consumer);
	}
	if (t->state == TASKS_BUSY)
		t->state = TASKS_FAILED;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* --------------------------------------------------------------------------------------- polling */

static bool stopped(struct tasks *t)
{
	bool stop;

	pthread_mutex_lock(&t->lock);
	stop = t->stop;
	pthread_mutex_unlock(&t->lock);
	return stop;
}

static void hand_over(struct tasks *t)
{
	pthread_mutex_lock(&t->lock);
	t->message = t->consumer.message;
	t->state = TASKS_BUSY;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

/* Waits a little; most messages are done with by then. */
static enum tasks_state await(struct tasks *t, int64_t ms)
{
	struct timespec end;
	enum tasks_state state;

	clock_gettime(CLOCK_MONOTONIC, &end);
	add_ms(&end, ms);
	pthread_mutex_lock(&t->lock);
	while (t->state == TASKS_BUSY && !t->stop && pthread_cond_timedwait(&t->changed, &t->lock, &end) != ETIMEDOUT)
		;
	state = t->state;
	if (state != TASKS_BUSY)
		t->state = TASKS_IDLE;
	pthread_mutex_unlock(&t->lock);
	return state;
}

/* One message, from its being handed over to its end. */
static void carry(struct tasks *t)
{
	enum tasks_state state;

	hand_over(t);
	state = await(t, PATIENCE);
	while (state == TASKS_BUSY && !stopped(t)) {
		consumer_hold(&t->consumer, true);
		consumer_poll(&t->consumer, POLL);
		state = await(t, 0);
	}
	if (state == TASKS_DONE)
		consumer_done(&t->consumer);
	else if (state == TASKS_FAILED)
		consumer_forget(&t->consumer);
	if (state != TASKS_BUSY)
		consumer_hold(&t->consumer, false);
}

static void *poll(void *context)
{
	struct tasks *t = context;

	while (!stopped(t)) {
		consumer_poll(&t->consumer, POLL);
		if (t->consumer.message)
			carry(t);
	}
	pthread_join(t->submitter, NULL); /* it may look at the message yet */
	if (t->state == TASKS_DONE && t->consumer.message)
		consumer_done(&t->consumer);
	consumer_close(&t->consumer);
	return NULL;
}

/* ---------------------------------------------------------------------------------- begin and end */

static int subscribe(struct tasks *t, const struct source *s, struct drover_error *err)
{
	const struct kafka_connection from = source_connection(s);
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	int code;

	rd_kafka_topic_partition_list_add(topics, s->tasks, RD_KAFKA_PARTITION_UA);
	code = consumer_open(&t->consumer, &from, "the source of tasks", s->tasks_group_name, err);
	if (!code && (code = consumer_subscribe(&t->consumer, topics, err)))
		consumer_close(&t->consumer);
	rd_kafka_topic_partition_list_destroy(topics);
	return code;
}

static int start_threads(struct tasks *t, struct drover_error *err)
{
	if (pthread_create(&t->submitter, NULL, submit, t))
		return drover_error_set(err, DROVER_EFAULT, "cannot start a thread");
	if (!pthread_create(&t->poller, NULL, poll, t)) {
		t->runs = true;
		return 0;
	}
	tasks_drain(t);
	pthread_join(t->submitter, NULL);
	return drover_error_set(err, DROVER_EFAULT, "cannot start a thread");
}

int tasks_start(struct tasks *t, const struct source *s, struct drover_error *err)
{
	const struct kafka_connection to = source_connection(s);
	pthread_condattr_t clock;
	int code = 0;

	*t = (struct tasks){ .source = s, .consumer.commit_interval = s->commit_interval };
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &clock);
	pthread_condattr_destroy(&clock);
	if (s->open)
		drover_log(DROVER_LOG_WARNING,
			   "`open`: whoever can write to the topic %s may submit tasks for any host", s->tasks);
	else
		code = signers_open(&t->signers, s->producers, s->cluster, s->max_age, err);
	if (!code)
		code = letters_open(&t->letters, &to, s->dead_letter, s->close_timeout, err);
	if (!code) {
		code = subscribe(t, s, err);
		if (!code && (code = start_threads(t, err)))
			consumer_close(&t->consumer);
		if (code)
			letters_close(&t->letters);
	}
	if (code)
		signers_close(&t->signers);
	return code;
}

void tasks_drain(struct tasks *t)
{
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	letters_stop(&t->letters);
}

void tasks_stop(struct tasks *t)
{
	if (!t->runs)
		return;
	tasks_drain(t);
	pthread_join(t->poller, NULL);
	letters_close(&t->letters);
	signers_close(&t->signers);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	t->runs = false;
}
