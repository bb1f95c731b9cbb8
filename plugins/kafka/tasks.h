/*
 * tasks.h - the source of tasks: each message of a topic is a task, as of POST /v1/tasks.
 *
 * Two threads: one polls, one submits, which may take as long as the store is away. A message's offset is committed
 * when its task is durable, or when it was put aside with the reason. A task without an id gets one from where its
 * message is, so that a repeated message is the same task.
 */
#ifndef KAFKA_TASKS_H
#define KAFKA_TASKS_H

#include <pthread.h>
#include <stdatomic.h>

#include "consumer.h"
#include "letters.h"
#include "signers.h"

struct source;

enum tasks_state { TASKS_IDLE, TASKS_BUSY, TASKS_DONE, TASKS_FAILED };

struct tasks {
	const struct source *source;
	struct consumer consumer;
	struct letters letters;
	struct signers signers; /* of the submitting thread */
	pthread_t poller, submitter;
	bool runs;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum tasks_state state;            /* of what follows */
	const rd_kafka_message_t *message; /* that the submitter has */
	bool stop;

	/* Of the submitter: what is told once in a while. */
	bool away;
	int64_t refused, next_refused;
};

int tasks_start(struct tasks *tasks, const struct source *source, struct drover_error *err);
/* Asks the threads to end; does not wait. */
void tasks_drain(struct tasks *tasks);
void tasks_stop(struct tasks *tasks);

/* task_message.c: one message, on the submitting thread. 0: it is done with; DROVER_ECANCELLED: it is not. */
int tasks_take(struct tasks *tasks, const rd_kafka_message_t *message);
/* Waits; false: the source ends. */
bool tasks_pause(struct tasks *tasks, int64_t ms);

#endif
