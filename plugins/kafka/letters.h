/*
 * letters.h - dead letters: messages that make no task, put aside in a topic of their own with the reason.
 *
 * The message as it was, with its key and headers, and the headers drover-error, drover-topic, drover-partition,
 * drover-offset. letters_put: one thread at a time.
 */
#ifndef KAFKA_LETTERS_H
#define KAFKA_LETTERS_H

#include "producer.h"

struct letter;

struct letters {
	const char *topic; /* borrowed */
	struct producer producer;
	pthread_mutex_t lock;
	pthread_cond_t told;
	struct letter *waiting; /* the one that somebody waits for, or NULL */
	bool stop;
};

int letters_open(struct letters *letters, const struct kafka_connection *connection, const char *topic,
		 int64_t close_timeout, struct drover_error *err);
/* Returns when the message is with the brokers. DROVER_ECANCELLED after letters_stop; otherwise try again. */
int letters_put(struct letters *letters, const rd_kafka_message_t *message, const char *reason,
		struct drover_error *err);
/* Nobody waits any longer. */
void letters_stop(struct letters *letters);
void letters_close(struct letters *letters);

#endif
