/* letters.c - see letters.h. */
#include "letters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <drover/plugin.h>

/* One on its way. Freed by whoever is the last to look at it: the report or, where it gave up, who waits. */
struct letter {
	bool told;
	int code;
	char why[200];
};

static void on_report(void *context, void *message, int code, const char *why)
{
	struct letters *l = context;
	struct letter *letter = message;

	pthread_mutex_lock(&l->lock);
	if (l->waiting == letter) {
		letter->told = true;
		letter->code = code;
		snprintf(letter->why, sizeof(letter->why), "%s", why);
		pthread_cond_signal(&l->told);
	} else {
		free(letter);
	}
	pthread_mutex_unlock(&l->lock);
}

int letters_open(struct letters *l, const struct kafka_connection *connection, const char *topic, int64_t close_timeout,
		 struct drover_error *err)
{
	*l = (struct letters){ .topic = topic };
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->told, NULL);
	return producer_open(&l->producer, connection, "the topic of dead letters", close_timeout, on_report, l, err);
}

static rd_kafka_headers_t *headers_of(const rd_kafka_message_t *message, const char *reason)
{
	rd_kafka_headers_t *headers, *own;
	char number[24];

	own = rd_kafka_message_headers(message, &headers) ? rd_kafka_headers_new(4) : rd_kafka_headers_copy(headers);
	rd_kafka_header_add(own, "drover-error", -1, reason, -1);
	rd_kafka_header_add(own, "drover-topic", -1, rd_kafka_topic_name(message->rkt), -1);
	snprintf(number, sizeof(number), "%" PRId32, message->partition);
	rd_kafka_header_add(own, "drover-partition", -1, number, -1);
	snprintf(number, sizeof(number), "%" PRId64, message->offset);
	rd_kafka_header_add(own, "drover-offset", -1, number, -1);
	return own;
}

/* Under the lock. */
static int await(struct letters *l, struct letter *letter, struct drover_error *err)
{
	int code;

	while (!letter->told && !l->stop)
		pthread_cond_wait(&l->told, &l->lock);
	l->waiting = NULL;
	if (!letter->told)
		return drover_error_set(err, DROVER_ECANCELLED, "the daemon ends"); /* its report frees it */
	code = letter->code;
	if (code)
		drover_error_set(err, code, "cannot write to the topic %s: %s", l->topic, letter->why);
	free(letter);
	return code;
}

int letters_put(struct letters *l, const rd_kafka_message_t *message, const char *reason, struct drover_error *err)
{
	struct letter *letter = calloc(1, sizeof(*letter));
	struct producer_message copy = { .topic = l->topic,
					 .value = message->payload,
					 .size = message->len,
					 .key = message->key,
					 .key_size = message->key_len,
					 .headers = headers_of(message, reason),
					 .message = letter };
	int code;

	if (!letter) {
		rd_kafka_headers_destroy(copy.headers);
		return drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	}
	pthread_mutex_lock(&l->lock);
	l->waiting = letter;
	pthread_mutex_unlock(&l->lock);
	code = producer_send(&l->producer, &copy, err);
	pthread_mutex_lock(&l->lock);
	if (code) {
		l->waiting = NULL;
		free(letter);
		rd_kafka_headers_destroy(copy.headers);
	} else {
		code = await(l, letter, err);
	}
	pthread_mutex_unlock(&l->lock);
	return code;
}

void letters_stop(struct letters *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->told);
	pthread_mutex_unlock(&l->lock);
}

void letters_close(struct letters *l)
{
	producer_close(&l->producer);
	pthread_cond_destroy(&l->told);
	pthread_mutex_destroy(&l->lock);
}
