/*
 * topics.h - looks at topics, and makes them: for `drover doctor`. Blocks; any thread that has nothing else to do.
 */
#ifndef KAFKA_TOPICS_H
#define KAFKA_TOPICS_H

#include <drover/plugin.h>

#include "settings.h"

enum topic_kind { TOPIC_UNITS, TOPIC_TASKS, TOPIC_DEAD };

struct topics {
	const struct kafka_connection *connection; /* borrowed, as all here */
	const struct drover_examination *how;
	drover_finding_fn *fn;
	void *context;

	rd_kafka_t *handle;
	const struct rd_kafka_metadata *metadata;
	char reason[256]; /* why no broker answers */
};

/* Asks the brokers for their topics and tells of them; the first four members are set. topics_close in any case. */
int topics_open(struct topics *topics, struct drover_error *err);
/* Tells how it is with that topic; makes it where it is missing and that is wanted. */
int topics_examine(struct topics *topics, const char *topic, enum topic_kind kind, struct drover_error *err);
void topics_close(struct topics *topics);

#endif
