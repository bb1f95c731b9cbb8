/*
 * consumer.h - a member of a consumer group that takes one message at a time and commits its offset when it is done with:
 * what the source of units and the source of tasks have in common.
 *
 * All of it on the one thread that polls, but consumer_wake. Polling goes on, at least every 500 ms, also while a message
 * is held (consumer_hold): the group would else count this member as dead.
 */
#ifndef KAFKA_CONSUMER_H
#define KAFKA_CONSUMER_H

#include "link.h"
#include "settings.h"

struct consumer {
	rd_kafka_t *handle;
	rd_kafka_queue_t *queue;
	struct link link;
	bool held; /* nothing is fetched */
	/* Of the message that is held, if any: its partition went to another member. */
	rd_kafka_message_t *message;
	bool lost;
	bool uncommitted;
	int64_t next_commit, commit_interval; /* ms */
	int64_t next_missing;
};

/* The connection and `what` are borrowed. `commit_interval` was set before. */
int consumer_open(struct consumer *consumer, const struct kafka_connection *connection, const char *what,
		  const char *group, struct drover_error *err);
int consumer_subscribe(struct consumer *consumer, const rd_kafka_topic_partition_list_t *topics,
		       struct drover_error *err);
/* Leaves the group until the next consumer_subscribe; a message that is there is given back. Go on polling. */
void consumer_unsubscribe(struct consumer *consumer);
/*
 * Waits up to `timeout` ms for a message, which becomes consumer->message, where there is none yet and nothing is held;
 * serves the group in any case. Rebalances may take away the message that is there already (`lost`).
 */
void consumer_poll(struct consumer *consumer, int timeout);
/* Whether to fetch. With `held` the message stays. */
void consumer_hold(struct consumer *consumer, bool held);
/* Its message is done with: its offset is committed, within commit_interval. */
void consumer_done(struct consumer *consumer);
/* Its message is given back to the group: a later poll brings it again, or another member gets it. */
void consumer_forget(struct consumer *consumer);
/* Ends a poll. Any thread. */
void consumer_wake(struct consumer *consumer);
/* Commits what is done with, leaves the group. */
void consumer_close(struct consumer *consumer);

#endif
