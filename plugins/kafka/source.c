/* source.c - see source.h and drover/source.h. */
#include "source.h"

#include <stdio.h>
#include <string.h>

#include "topics.h"

static const struct drover_option table[] = {
	DROVER_OPT_STRING(struct source, brokers, NULL, "where to find Kafka: `host:9092`, several by commas",
			  .flags = DROVER_REQUIRED | DROVER_CONNECTION),
	DROVER_OPT_MAP(struct source, options,
		       "any of librdkafka's options; of its passwords and keys each as `{file: PATH}`",
		       .choices = settings_secrets, .flags = DROVER_CONNECTION),
	DROVER_OPT_STRING(struct source, topic_prefix, "drover.units.",
			  "what the topics of units begin with; the pool's name follows", .flags = DROVER_CONNECTION),
	DROVER_OPT_BOOL(struct source, units, "yes", "whether this node executes units from the topics of its pools"),
	DROVER_OPT_LIST(struct source, pools, "pools whose units are taken; without it the node's"),
	DROVER_OPT_STRING(struct source, cluster, NULL, "the cluster's name; without it that of `cluster`"),
	DROVER_OPT_STRING(struct source, group, NULL,
			  "the consumer group of the engines; without it `drover.` and the cluster's name"),
	DROVER_OPT_DURATION(struct source, commit_interval, "200ms", "0s", "1m",
			    "how long offsets of what was taken may gather before they are committed"),
	DROVER_OPT_END
};

struct kafka_connection source_connection(const struct source *s)
{
	return (struct kafka_connection){ s->brokers, &s->options };
}

static int check(const void *self, struct drover_error *err)
{
	const struct source *s = self;
	const struct kafka_connection from = source_connection(s);

	if (!settings_topic_sound(s->topic_prefix))
		return drover_error_set(err, DROVER_EINVALID,
					"topic_prefix: \"%.80s\" is no beginning of a topic's name", s->topic_prefix);
	return settings_check(&from, RD_KAFKA_CONSUMER, err);
}

static void name_group(struct source *s)
{
	if (s->group && *s->group)
		snprintf(s->group_name, sizeof(s->group_name), "%s", s->group);
	else if (s->cluster && *s->cluster)
		snprintf(s->group_name, sizeof(s->group_name), "drover.%s", s->cluster);
	else
		snprintf(s->group_name, sizeof(s->group_name), "drover");
}

static void close_source(void *self)
{
	struct source *s = self;

	units_stop(&s->unit_reader);
}

static int open_source(void *self, const struct drover_source_services *services, void *core, struct drover_error *err)
{
	struct source *s = self;

	s->services = services;
	s->core = core;
	name_group(s);
	return s->units ? units_start(&s->unit_reader, s, err) : 0;
}

static int drain(void *self, int64_t deadline, struct drover_error *err)
{
	struct source *s = self;

	(void)deadline;
	(void)err;
	units_drain(&s->unit_reader);
	return 0;
}

static int examine(void *self, const struct drover_examination *how, drover_finding_fn *fn, void *context,
		   struct drover_error *err)
{
	struct source *s = self;
	const struct kafka_connection from = source_connection(s);
	struct topics topics = { .connection = &from, .how = how, .fn = fn, .context = context };
	int code = topics_open(&topics, err);

	for (size_t i = 0; s->units && i < s->pools.count && !code; i++) {
		char topic[512];

		snprintf(topic, sizeof(topic), "%s%s", s->topic_prefix, s->pools.items[i]);
		code = topics_examine(&topics, topic, TOPIC_UNITS, err);
	}
	topics_close(&topics);
	return code;
}

const struct drover_source kafka_source = {
	.size = sizeof(struct drover_source),
	.name = "kafka",
	.version = "1.0.0",
	.summary = "takes units, and tasks, from topics of Kafka",
	.self_size = sizeof(struct source),
	.options = table,
	.check = check,
	.open = open_source,
	.drain = drain,
	.close = close_source,
	.examine = examine,
};
