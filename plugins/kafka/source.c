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
	DROVER_OPT_STRING(struct source, tasks, NULL,
			  "a topic of tasks, each a message with the JSON of POST /v1/tasks; without it none"),
	DROVER_OPT_STRING(struct source, tasks_group, NULL,
			  "the consumer group of that topic; without it `group` and `.tasks`"),
	DROVER_OPT_STRING(struct source, dead_letter, "drover.tasks.dead",
			  "topic that messages which make no task are put aside into, with the reason"),
	DROVER_OPT_STRING(struct source, producers, NULL,
			  "file of who may submit by that topic: public keys that messages are signed with"),
	DROVER_OPT_BOOL(struct source, open, "no",
			"whether whoever can write to that topic may submit, without a signature"),
	DROVER_OPT_DURATION(struct source, max_age, "24h", "1s", "30d",
			    "how far ahead a signature's expiry may lie; less than tasks are kept in the store"),
	DROVER_OPT_SIZE(struct source, task_size, "8M", "1K", "1G", "the largest message that is read as a task"),
	DROVER_OPT_DURATION(struct source, close_timeout, "5s", "0s", "1m",
			    "how long the last messages put aside may take when the daemon ends"),
	DROVER_OPT_DURATION(struct source, commit_interval, "200ms", "0s", "1m",
			    "how long offsets of what was taken may gather before they are committed"),
	DROVER_OPT_END
};

struct kafka_connection source_connection(const struct source *s)
{
	return (struct kafka_connection){ s->brokers, &s->options };
}

#define TASKS_LENGTH 100 /* of the topic's name: ids are made of it */

static int check_tasks(const struct source *s, struct drover_error *err)
{
	if (!settings_topic_sound(s->tasks) || strlen(s->tasks) > TASKS_LENGTH)
		return drover_error_set(
			err, DROVER_EINVALID,
			"tasks: \"%.80s\" is no topic's name: 1 to %d letters, digits, `.`, `_` and `-`", s->tasks,
			TASKS_LENGTH);
	if (!settings_topic_sound(s->dead_letter) || !strcmp(s->dead_letter, s->tasks))
		return drover_error_set(err, DROVER_EINVALID,
					"dead_letter: \"%.80s\" is no name of another topic than that of `tasks`",
					s->dead_letter);
	if (s->open && s->producers)
		return drover_error_set(err, DROVER_EINVALID,
					"open: nobody would look at the signatures of `producers`: leave one out");
	if (!s->open && !s->producers)
		return drover_error_set(
			err, DROVER_EINVALID,
			"tasks: needs `producers`, a file of who may submit, or else whoever can write to "
			"the topic could execute anything anywhere (`open: yes` permits just that)");
	if (!s->open && (!s->cluster || !*s->cluster))
		return drover_error_set(err, DROVER_EINVALID,
					"tasks: needs the cluster's name: tasks are signed for one cluster");
	return 0;
}

static int check(const void *self, struct drover_error *err)
{
	const struct source *s = self;
	const struct kafka_connection from = source_connection(s);

	if (!settings_topic_sound(s->topic_prefix))
		return drover_error_set(err, DROVER_EINVALID,
					"topic_prefix: \"%.80s\" is no beginning of a topic's name", s->topic_prefix);
	if (s->tasks && check_tasks(s, err))
		return DROVER_EINVALID;
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
	if (s->tasks_group && *s->tasks_group)
		snprintf(s->tasks_group_name, sizeof(s->tasks_group_name), "%s", s->tasks_group);
	else
		snprintf(s->tasks_group_name, sizeof(s->tasks_group_name), "%.200s.tasks", s->group_name);
}

static void close_source(void *self)
{
	struct source *s = self;

	units_stop(&s->unit_reader);
	tasks_stop(&s->task_reader);
}

static int open_source(void *self, const struct drover_source_services *services, void *core, struct drover_error *err)
{
	struct source *s = self;
	int code = 0;

	s->services = services;
	s->core = core;
	name_group(s);
	if (s->tasks)
		code = tasks_start(&s->task_reader, s, err);
	if (!code && s->units) {
		code = units_start(&s->unit_reader, s, err);
		if (code)
			tasks_stop(&s->task_reader);
	}
	return code;
}

static int drain(void *self, int64_t deadline, struct drover_error *err)
{
	struct source *s = self;

	(void)deadline;
	(void)err;
	units_drain(&s->unit_reader);
	if (s->task_reader.runs)
		tasks_drain(&s->task_reader);
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
	if (s->tasks && !code)
		code = topics_examine(&topics, s->tasks, TOPIC_TASKS, err);
	if (s->tasks && !code)
		code = topics_examine(&topics, s->dead_letter, TOPIC_DEAD, err);
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
