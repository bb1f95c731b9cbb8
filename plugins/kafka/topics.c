/* topics.c - see topics.h. */
#include "topics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "link.h"

#define ASK_TIMEOUT 5000   /* ms */
#define MAKE_TIMEOUT 30000 /* ms, until a topic that was made can be written to */
#define PARTITIONS_UNITS 16
#define PARTITIONS_TASKS 4
#define PARTITIONS_A_NODE 4 /* of units: some node's share is never none, and work spreads */
#define REPLICATION 3

static void __attribute__((format(printf, 4, 5)))
tell(struct topics *t, enum drover_finding finding, const char *advice, const char *format, ...)
{
	char why[600];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	t->fn(t->context, finding, why, advice);
}

static void on_error(rd_kafka_t *handle, int error, const char *reason, void *context)
{
	struct topics *t = context;

	(void)handle;
	if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !*t->reason)
		snprintf(t->reason, sizeof(t->reason), "%s", reason);
}

static int ask(struct topics *t, struct drover_error *err)
{
	rd_kafka_resp_err_t error;

	if (t->metadata)
		rd_kafka_metadata_destroy(t->metadata);
	t->metadata = NULL;
	error = rd_kafka_metadata(t->handle, 1, NULL, &t->metadata, ASK_TIMEOUT);
	if (!error)
		return 0;
	rd_kafka_poll(t->handle, 0);
	return drover_error_set(err, DROVER_ERETRY, "no broker of %.200s answers: %s", t->connection->brokers,
				*t->reason ? t->reason : rd_kafka_err2str(error));
}

int topics_open(struct topics *t, struct drover_error *err)
{
	rd_kafka_conf_t *conf;
	int code = settings_make(t->connection, RD_KAFKA_PRODUCER, NULL, &conf, err);

	if (code)
		return code;
	rd_kafka_conf_set_opaque(conf, t);
	rd_kafka_conf_set_error_cb(conf, on_error);
	code = settings_handle(conf, RD_KAFKA_PRODUCER, &t->handle, err);
	if (!code)
		code = ask(t, err);
	if (!code)
		tell(t, DROVER_FINDING_FINE, NULL, "%d brokers of Kafka can be reached by %s", t->metadata->broker_cnt,
		     t->connection->brokers);
	return code;
}

void topics_close(struct topics *t)
{
	if (t->metadata)
		rd_kafka_metadata_destroy(t->metadata);
	if (t->handle)
		link_destroy(t->handle, ASK_TIMEOUT, "doctor");
	t->metadata = NULL;
	t->handle = NULL;
}

static const struct rd_kafka_metadata_topic *find(const struct topics *t, const char *topic)
{
	for (int i = 0; i < t->metadata->topic_cnt; i++)
		if (!strcmp(t->metadata->topics[i].topic, topic) && !t->metadata->topics[i].err)
			return &t->metadata->topics[i];
	return NULL;
}

/* ----------------------------------------------------------------------------------------- making */

static int wanted_partitions(const struct topics *t, enum topic_kind kind)
{
	int64_t engines = t->how->engines * PARTITIONS_A_NODE;

	if (kind == TOPIC_DEAD)
		return 1;
	if (t->how->partitions)
		return (int)t->how->partitions;
	if (kind == TOPIC_TASKS)
		return PARTITIONS_TASKS;
	return engines > PARTITIONS_UNITS ? (int)engines : PARTITIONS_UNITS;
}

static int wanted_replication(const struct topics *t)
{
	if (t->how->replication)
		return (int)t->how->replication;
	return t->metadata->broker_cnt < REPLICATION ? t->metadata->broker_cnt : REPLICATION;
}

/* What the brokers answer to the wish for one topic. */
static int take_answer(rd_kafka_event_t *event, const char *topic, struct drover_error *err)
{
	const rd_kafka_topic_result_t **results;
	rd_kafka_resp_err_t error = rd_kafka_event_error(event);
	const char *why = rd_kafka_event_error_string(event);
	size_t count = 0;

	if (!error) {
		results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
		error = count ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__FAIL;
		why = count ? rd_kafka_topic_result_error_string(results[0]) : NULL;
	}
	if (!error || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		return 0;
	return drover_error_set(err, DROVER_EFAULT, "cannot make the topic %s: %s", topic,
				why ? why : rd_kafka_err2str(error));
}

static int create(struct topics *t, const char *topic, int partitions, int replication, struct drover_error *err)
{
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(t->handle, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(t->handle);
	rd_kafka_event_t *event = NULL;
	rd_kafka_NewTopic_t *new;
	char why[300] = "no answer";
	int code;

	new = rd_kafka_NewTopic_new(topic, partitions, replication, why, sizeof(why));
	rd_kafka_AdminOptions_set_operation_timeout(options, MAKE_TIMEOUT, NULL, 0);
	rd_kafka_AdminOptions_set_request_timeout(options, MAKE_TIMEOUT, NULL, 0);
	if (new) {
		rd_kafka_CreateTopics(t->handle, &new, 1, options, queue);
		event = rd_kafka_queue_poll(queue, MAKE_TIMEOUT + ASK_TIMEOUT);
		rd_kafka_NewTopic_destroy(new);
	}
	code = event ? take_answer(event, topic, err)
		     : drover_error_set(err, DROVER_EFAULT, "cannot make the topic %s: %s", topic, why);
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	return code;
}

static int leaderless(const struct rd_kafka_metadata_topic *topic)
{
	int count = 0;

	for (int i = 0; i < topic->partition_cnt; i++)
		count += topic->partitions[i].leader < 0;
	return count;
}

/* Whoever asked for it will use it at once: it has to be there then. */
static int await_topic(struct topics *t, const char *topic, struct drover_error *err)
{
	int64_t end = link_now() + MAKE_TIMEOUT;
	const struct rd_kafka_metadata_topic *found;
	int code;

	do {
		code = ask(t, err);
		found = code ? NULL : find(t, topic);
		if (found && !leaderless(found))
			return 0;
		rd_kafka_poll(t->handle, 50);
	} while (!code && link_now() < end);
	return code ? code
		    : drover_error_set(err, DROVER_ETIMEOUT, "the topic %s was made, but it does not appear", topic);
}

static int make_topic(struct topics *t, const char *topic, enum topic_kind kind, struct drover_error *err)
{
	int partitions = wanted_partitions(t, kind), replication = wanted_replication(t);
	int code = create(t, topic, partitions, replication, err);

	if (!code)
		code = await_topic(t, topic, err);
	if (!code)
		tell(t, DROVER_FINDING_FINE, NULL, "made the topic %s: %d partitions, %d replicas of each", topic,
		     partitions, replication);
	return code;
}

/* --------------------------------------------------------------------------------------- looking */

int topics_examine(struct topics *t, const char *topic, enum topic_kind kind, struct drover_error *err)
{
	const struct rd_kafka_metadata_topic *found = find(t, topic);
	int64_t enough = t->how->engines * PARTITIONS_A_NODE;

	if (!found && t->how->make)
		return make_topic(t, topic, kind, err);
	if (!found)
		tell(t, DROVER_FINDING_BAD, "make it with `drover doctor --create-topic'", "there is no topic %s",
		     topic);
	else if (leaderless(found))
		tell(t, DROVER_FINDING_BAD, "look at Kafka's brokers", "%d of the %d partitions of %s have no leader",
		     leaderless(found), found->partition_cnt, topic);
	else if (kind == TOPIC_UNITS && found->partition_cnt < enough)
		tell(t, DROVER_FINDING_DOUBTFUL, "give it more by Kafka's `kafka-topics.sh --alter --partitions'",
		     "the topic %s has %d partitions, which is less than %d for each of %" PRId64 " engines", topic,
		     found->partition_cnt, PARTITIONS_A_NODE, t->how->engines);
	else
		tell(t, DROVER_FINDING_FINE, NULL, "the topic %s has %d partitions", topic, found->partition_cnt);
	return 0;
}
