/* dispatcher.c - see dispatcher.h and drover/dispatcher.h. */
#include "dispatcher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "producer.h"
#include "topics.h"

struct dispatcher {
	/* options */
	char *brokers;
	struct drover_map options;
	char *topic_prefix;
	struct drover_list pools;
	int64_t close_timeout;

	struct producer producer;
	const struct drover_dispatcher_services *services;
	void *core;
};

static const struct drover_option table[] = {
	DROVER_OPT_STRING(struct dispatcher, brokers, NULL, "where to find Kafka: `host:9092`, several by commas",
			  .flags = DROVER_REQUIRED | DROVER_CONNECTION),
	DROVER_OPT_MAP(struct dispatcher, options,
		       "any of librdkafka's options; of its passwords and keys each as `{file: PATH}`",
		       .choices = settings_secrets, .flags = DROVER_CONNECTION),
	DROVER_OPT_STRING(struct dispatcher, topic_prefix, "drover.units.",
			  "what the topics of units begin with; the pool's name follows", .flags = DROVER_CONNECTION),
	DROVER_OPT_LIST(struct dispatcher, pools,
			"pools whose topics `drover doctor` looks at and makes; without it the node's"),
	DROVER_OPT_DURATION(struct dispatcher, close_timeout, "5s", "0s", "1m",
			    "how long the last messages may take when the daemon ends"),
	DROVER_OPT_END
};

/* Of each message on its way. */
struct dispatched {
	int64_t task_key, unit;
};

static struct kafka_connection connection(const struct dispatcher *d)
{
	return (struct kafka_connection){ d->brokers, &d->options };
}

static int check(const void *self, struct drover_error *err)
{
	const struct dispatcher *d = self;
	const struct kafka_connection to = connection(d);

	if (!settings_topic_sound(d->topic_prefix))
		return drover_error_set(err, DROVER_EINVALID,
					"topic_prefix: \"%.80s\" is no beginning of a topic's name", d->topic_prefix);
	return settings_check(&to, RD_KAFKA_PRODUCER, err);
}

static void on_report(void *context, void *message, int code, const char *why)
{
	struct dispatcher *d = context;
	struct dispatched *unit = message;

	if (code)
		drover_log(DROVER_LOG_DEBUG, "unit %" PRId64 " of task %" PRId64 " is not delivered: %s", unit->unit,
			   unit->task_key, why);
	d->services->delivered(d->core, unit->task_key, unit->unit, code);
	free(unit);
}

static int open_dispatcher(void *self, const struct drover_dispatcher_services *services, void *core,
			   struct drover_error *err)
{
	struct dispatcher *d = self;
	const struct kafka_connection to = connection(d);

	d->services = services;
	d->core = core;
	return producer_open(&d->producer, &to, "the dispatcher", d->close_timeout, on_report, d, err);
}

static int publish(void *self, const struct drover_dispatch *unit, struct drover_error *err)
{
	struct dispatcher *d = self;
	struct dispatched *sent = malloc(sizeof(*sent));
	char topic[512], key[64];
	struct producer_message message = {
		.topic = topic,
		.value = unit->envelope,
		.size = unit->envelope_size,
		/* Again: to any partition, since the last one's engine may be what is wrong. */
		.key = unit->publications ? NULL : key,
		.message = sent,
	};
	int code;

	if (!sent)
		return drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	*sent = (struct dispatched){ unit->task_key, unit->unit };
	snprintf(topic, sizeof(topic), "%s%s", d->topic_prefix, unit->pool);
	message.key_size = (size_t)snprintf(key, sizeof(key), "%" PRId64 "/%" PRId64, unit->task_key, unit->unit);
	code = producer_send(&d->producer, &message, err);
	if (code)
		free(sent);
	return code;
}

static void close_dispatcher(void *self)
{
	struct dispatcher *d = self;

	producer_close(&d->producer);
}

static int examine(void *self, const struct drover_examination *how, drover_finding_fn *fn, void *context,
		   struct drover_error *err)
{
	struct dispatcher *d = self;
	const struct kafka_connection to = connection(d);
	struct topics topics = { .connection = &to, .how = how, .fn = fn, .context = context };
	int code = topics_open(&topics, err);

	for (size_t i = 0; i < d->pools.count && !code; i++) {
		char topic[512];

		snprintf(topic, sizeof(topic), "%s%s", d->topic_prefix, d->pools.items[i]);
		code = topics_examine(&topics, topic, TOPIC_UNITS, err);
	}
	topics_close(&topics);
	return code;
}

const struct drover_dispatcher kafka_dispatcher = {
	.size = sizeof(struct drover_dispatcher),
	.name = "kafka",
	.version = "1.0.0",
	.summary = "hands units to engines by topics of Kafka, one for each pool",
	.self_size = sizeof(struct dispatcher),
	.options = table,
	.check = check,
	.open = open_dispatcher,
	.publish = publish,
	.close = close_dispatcher,
	.examine = examine,
};
