/*
 * producer.h - writes messages and tells what became of each: the dispatcher's units, and dead letters.
 *
 * Has a thread of its own, which serves librdkafka's reports and makes the handle anew after an error that it cannot
 * recover from. producer_send: any thread.
 */
#ifndef KAFKA_PRODUCER_H
#define KAFKA_PRODUCER_H

#include <pthread.h>
#include <stdatomic.h>

#include "link.h"
#include "settings.h"

/* 0, DROVER_ENOTFOUND (no such topic), DROVER_ELIMIT (too large), DROVER_ERETRY. On the producer's thread. */
typedef void producer_report_fn(void *context, void *message, int code, const char *why);

struct producer {
	struct kafka_connection connection;
	producer_report_fn *report;
	void *context;
	int64_t close_timeout; /* ms */
	struct link link;
	int64_t next_missing; /* under the lock: when a missing topic is told again */

	pthread_mutex_t lock; /* of the handle: only the thread changes it */
	rd_kafka_t *handle;   /* NULL while it is made anew */
	pthread_t thread;
	bool runs;
	atomic_bool stop;
};

struct producer_message {
	const char *topic;
	const void *value;
	size_t size;
	const void *key; /* or NULL: any partition */
	size_t key_size;
	rd_kafka_headers_t *headers; /* or NULL; taken where 0 is returned */
	void *message;               /* for the report */
};

/* The connection is borrowed until producer_close. `what`: for the log. */
int producer_open(struct producer *producer, const struct kafka_connection *connection, const char *what,
		  int64_t close_timeout, producer_report_fn *report, void *context, struct drover_error *err);
/* What was taken is reported, once. Other codes: as of a report. */
int producer_send(struct producer *producer, const struct producer_message *message, struct drover_error *err);
/* Every message is reported before it returns. */
void producer_close(struct producer *producer);

#endif
