/*
 * units.c - the source of units: each message is a unit's signed envelope, offered to the core.
 *
 * A message only wakes up: who executes a unit is decided by the claim in the store, and what nobody claims is
 * published again. So an offset is committed as soon as the core has taken the envelope, or refused it.
 */
#include <stddef.h>
#include <stdio.h>

#include <drover/crash_point.h>

#include "source.h"

#define POLL 500         /* ms */
#define OFFER_EVERY 1000 /* ms, also without having been told of room */

static bool can_offer(const struct drover_source_services *services)
{
	return services->size >= offsetof(struct drover_source_services, await_room) + sizeof(services->await_room) &&
	       services->offer_unit && services->await_room;
}

/* On one of the core's threads. */
static void on_room(void *context)
{
	struct units *units = context;

	atomic_store(&units->room, true);
	consumer_wake(&units->consumer);
}

static void offer(struct units *u)
{
	const struct source *s = u->source;
	const rd_kafka_message_t *m = u->consumer.message;
	struct drover_error err = { 0 };
	int code;

	atomic_store(&u->room, false);
	CRASH_POINT("offer.take");
	code = s->services->offer_unit(s->core, m->payload ? m->payload : "", m->len, &err);
	CRASH_POINT("offer.taken");
	if (code == DROVER_ERETRY) {
		u->next_offer = link_now() + OFFER_EVERY;
		consumer_hold(&u->consumer, true);
		return;
	}
	if (code && code != DROVER_EDENIED)
		drover_log(DROVER_LOG_WARNING, "a unit's message cannot be taken: %s", err.message);
	consumer_done(&u->consumer);
	consumer_hold(&u->consumer, false);
}

static int count_one(void *context, const struct drover_executor_row *row)
{
	(void)row;
	++*(int *)context;
	return 0;
}

/* A node without would take units out of the topics only to refuse them. */
static bool has_executors(const struct source *s)
{
	int count = 0;

	s->services->executors(s->core, count_one, &count, NULL);
	if (!count)
		drover_log(DROVER_LOG_WARNING,
			   "this node has no executors, so it takes no units from Kafka: `units: no` "
			   "in its source says so");
	return count > 0;
}

static void subscribe(struct units *u)
{
	const struct source *s = u->source;
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new((int)s->pools.count);
	struct drover_error err = { 0 };
	char topic[512];

	for (size_t i = 0; i < s->pools.count; i++) {
		snprintf(topic, sizeof(topic), "%s%s", s->topic_prefix, s->pools.items[i]);
		rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
	}
	if (consumer_subscribe(&u->consumer, topics, &err))
		drover_log(DROVER_LOG_ERROR, "no units are taken from Kafka: %s", err.message);
	rd_kafka_topic_partition_list_destroy(topics);
}

static bool takes_units(const struct source *s)
{
	const struct drover_source_services *services = s->services;

	return services->size < offsetof(struct drover_source_services, takes_units) + sizeof(services->takes_units) ||
	       !services->takes_units || services->takes_units(s->core);
}

/* While the node drains, the partitions that it had are read by others. */
static void follow_drain(struct units *u)
{
	bool wanted = takes_units(u->source);

	if (wanted == u->member)
		return;
	u->member = wanted;
	if (wanted)
		subscribe(u);
	else
		consumer_unsubscribe(&u->consumer);
	drover_log(DROVER_LOG_DEBUG, "the source of units %s its group", wanted ? "joins" : "leaves");
}

static void *serve(void *context)
{
	struct units *u = context;
	struct consumer *c = &u->consumer;
	bool serves = has_executors(u->source);

	while (!atomic_load(&u->stop)) {
		bool held = c->message;

		if (serves)
			follow_drain(u);
		consumer_poll(c, held && atomic_load(&u->room) ? 0 : POLL);
		if (c->message && (c->lost || !u->member)) {
			consumer_forget(c);
			consumer_hold(c, false);
		}
		if (c->message && (!c->held || atomic_load(&u->room) || u->next_offer <= link_now()))
			offer(u);
	}
	u->source->services->await_room(u->source->core, NULL, u);
	consumer_close(c);
	return NULL;
}

int units_start(struct units *u, const struct source *s, struct drover_error *err)
{
	const struct kafka_connection from = source_connection(s);
	int code;

	*u = (struct units){ .source = s, .consumer.commit_interval = s->commit_interval };
	if (!can_offer(s->services))
		return drover_error_set(err, DROVER_EINVALID, "this node takes no units from elsewhere");
	code = consumer_open(&u->consumer, &from, "the source of units", s->group_name, err);
	if (code)
		return code;
	s->services->await_room(s->core, on_room, u);
	if (pthread_create(&u->thread, NULL, serve, u)) {
		s->services->await_room(s->core, NULL, u);
		consumer_close(&u->consumer);
		return drover_error_set(err, DROVER_EFAULT, "cannot start a thread");
	}
	u->runs = true;
	return 0;
}

void units_drain(struct units *u)
{
	atomic_store(&u->stop, true);
}

void units_stop(struct units *u)
{
	if (!u->runs)
		return;
	atomic_store(&u->stop, true);
	pthread_join(u->thread, NULL);
	u->runs = false;
}
