/*
 * link.h - what is said about a handle's way to the brokers: once when they are away, once when they are back.
 *
 * Of one thread, the one that polls the handle.
 */
#ifndef KAFKA_LINK_H
#define KAFKA_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

struct link {
	const char *what; /* for whom: "the dispatcher", … */
	bool down;
	bool fatal; /* the handle is of no use any more */
	int64_t next_look;
	char reason[256]; /* the last that was told of a broker */
};

/* From librdkafka's error callback. */
void link_error(struct link *link, rd_kafka_t *handle, int error, const char *reason);
/* While the brokers are away: asks them now and then. Takes at most 200 ms. */
void link_look(struct link *link, rd_kafka_t *handle);

/* librdkafka's own lines, which are for those who look for an error in it: debug. */
void link_log(const rd_kafka_t *handle, int level, const char *facility, const char *text);

/* CLOCK_MONOTONIC, ms. */
int64_t link_now(void);
/* Once a minute true; `next` begins as 0. */
bool link_minute(int64_t *next);

/* Ends a handle; what takes longer than `limit` ms is left to itself, and told. */
void link_destroy(rd_kafka_t *handle, int64_t limit, const char *what);

#endif
