/* settings.c - see settings.h. */
#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "link.h"

#define TOPIC_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define TOPIC_LENGTH 249

struct pair {
	const char *name, *value;
};

/*
 * All handles. Topics are looked for again so often, since one that was missing has to be found soon after it was made.
 */
static const struct pair both[] = { { "topic.metadata.refresh.interval.ms", "5000" },
				    { "reconnect.backoff.max.ms", "2000" },
				    { "client.id", "drover" },
				    { "log_level", "6" },
				    { NULL, NULL } };

/* Kafka acknowledges before it syncs to disk: what is lost then is published again by the outbox. */
static const struct pair producing[] = { { "enable.idempotence", "true" },
					 { "acks", "all" },
					 { "linger.ms", "5" },
					 { "message.timeout.ms", "30000" },
					 /* A missing topic is told at once, since none is made by itself. */
					 { "topic.metadata.propagation.max.ms", "1000" },
					 { NULL, NULL } };

/*
 * An offset is committed when its message was taken; a new group begins with the oldest. Few messages are fetched ahead: a
 * full engine leaves them to others, by the store. cooperative-sticky loops in this version (librdkafka#4783, #4059).
 */
static const struct pair consuming[] = { { "enable.auto.commit", "false" },
					 { "enable.auto.offset.store", "false" },
					 { "auto.offset.reset", "earliest" },
					 { "partition.assignment.strategy", "roundrobin" },
					 /* So long what a killed node had waits. */
					 { "session.timeout.ms", "10000" },
					 { "queued.min.messages", "100" },
					 { "queued.max.messages.kbytes", "16384" },
					 { "fetch.error.backoff.ms", "200" },
					 { NULL, NULL } };

/* Never by accident: whatever the brokers would do. */
static const struct pair last[] = { { "allow.auto.create.topics", "false" }, { NULL, NULL } };

static const struct pair refused[] = {
	{ "bootstrap.servers", "write `brokers` instead" },
	{ "metadata.broker.list", "write `brokers` instead" },
	{ "group.id", "write `group` or `tasks_group` instead" },
	{ "enable.auto.commit", "offsets are committed when a message was taken, or it could be lost" },
	{ "auto.commit.enable", "offsets are committed when a message was taken, or it could be lost" },
	{ "enable.auto.offset.store", "offsets are stored when a message was taken, or it could be lost" },
	{ "auto.offset.reset", "a new group has to begin with the oldest message, or it would miss some" },
	{ "offset.store.method", "offsets are kept by the brokers" },
	{ "partition.assignment.strategy",
	  "others than roundrobin lose their assignment in this version of librdkafka" },
	{ "enable.idempotence", "messages must not be repeated or reordered by a retry" },
	{ "acks", "a message counts as delivered when all replicas in sync have it" },
	{ "request.required.acks", "a message counts as delivered when all replicas in sync have it" },
	{ "transactional.id", "no transactions are used" },
	{ "allow.auto.create.topics", "topics are made by `drover doctor --create-topic`, never by accident" },
	{ "plugin.library.paths", "no other code is loaded into the core" },
	{ NULL, NULL }
};

const char *const settings_secrets[] = { "sasl.password",
					 "ssl.key.password",
					 "ssl.key.pem",
					 "ssl.keystore.password",
					 "sasl.oauthbearer.config",
					 "sasl.oauthbearer.client.secret",
					 NULL };

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct drover_error *err)
{
	char why[400];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
		return 0;
	return drover_error_set(err, DROVER_EINVALID, "options.%.100s: %s", name, why);
}

static int set_all(rd_kafka_conf_t *conf, const struct pair *pairs, struct drover_error *err)
{
	int code = 0;

	for (; pairs->name && !code; pairs++)
		code = set(conf, pairs->name, pairs->value, err);
	return code;
}

static int set_users(rd_kafka_conf_t *conf, const struct drover_map *options, struct drover_error *err)
{
	int code = 0;

	for (size_t i = 0; i < options->count && !code; i++) {
		const struct drover_pair *pair = &options->pairs[i];

		for (const struct pair *r = refused; r->name; r++)
			if (!strcmp(r->name, pair->key))
				return drover_error_set(err, DROVER_EINVALID, "options.%.100s: cannot be set: %s",
							r->name, r->value);
		code = set(conf, pair->key, pair->value, err);
	}
	return code;
}

int settings_make(const struct kafka_connection *connection, rd_kafka_type_t type, const char *group,
		  rd_kafka_conf_t **conf, struct drover_error *err)
{
	int code;

	*conf = rd_kafka_conf_new();
	code = set_all(*conf, both, err);
	if (!code)
		code = set_all(*conf, type == RD_KAFKA_PRODUCER ? producing : consuming, err);
	if (!code)
		code = set_users(*conf, connection->options, err);
	if (!code)
		code = set_all(*conf, last, err);
	if (!code && connection->brokers)
		code = set(*conf, "bootstrap.servers", connection->brokers, err);
	if (!code && type == RD_KAFKA_CONSUMER)
		code = set(*conf, "group.id", group, err);
	rd_kafka_conf_set_log_cb(*conf, link_log);
	if (code) {
		rd_kafka_conf_destroy(*conf);
		*conf = NULL;
	}
	return code;
}

int settings_handle(rd_kafka_conf_t *conf, rd_kafka_type_t type, rd_kafka_t **handle, struct drover_error *err)
{
	char why[400];

	*handle = rd_kafka_new(type, conf, why, sizeof(why));
	if (*handle)
		return 0;
	rd_kafka_conf_destroy(conf);
	return drover_error_set(err, DROVER_EINVALID, "options: %s", why);
}

int settings_check(const struct kafka_connection *connection, rd_kafka_type_t type, struct drover_error *err)
{
	const struct kafka_connection nowhere = { NULL, connection->options };
	rd_kafka_conf_t *conf;
	rd_kafka_t *handle;
	int code;

	if (!connection->brokers || !connection->brokers[strspn(connection->brokers, ", ")])
		return drover_error_set(err, DROVER_EINVALID, "brokers: write at least one, as `host:9092`");
	code = settings_make(&nowhere, type, "check", &conf, err);
	if (!code)
		code = settings_handle(conf, type, &handle, err);
	if (!code)
		rd_kafka_destroy(handle);
	return code;
}

bool settings_topic_sound(const char *topic)
{
	size_t size = strlen(topic);

	return size && size <= TOPIC_LENGTH && strspn(topic, TOPIC_LETTERS) == size && strcmp(topic, ".") &&
	       strcmp(topic, "..");
}
