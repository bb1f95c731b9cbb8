/*
 * source.h - the plugin's source: units from the topics of this node's pools, and tasks from a topic of their own.
 */
#ifndef KAFKA_SOURCE_H
#define KAFKA_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>

#include <drover/source.h>

#include "tasks.h"

struct units {
	const struct source *source;
	struct consumer consumer;
	pthread_t thread;
	bool runs;
	bool member; /* of the group, or about to be */
	atomic_bool stop, room;
	int64_t next_offer; /* CLOCK_MONOTONIC ms: without having been told of room */
};

struct source {
	/* options */
	char *brokers;
	struct drover_map options;
	char *topic_prefix;
	struct drover_list pools;
	bool units;
	char *cluster, *group;
	char *tasks, *tasks_group, *dead_letter, *producers;
	bool open;
	int64_t max_age, task_size, commit_interval, close_timeout;

	const struct drover_source_services *services;
	void *core;
	char group_name[256], tasks_group_name[256];
	struct units unit_reader;
	struct tasks task_reader;
};

extern const struct drover_source kafka_source;

struct kafka_connection source_connection(const struct source *source);

/* units.c: a thread that offers what comes. `units_stop` may be called twice. */
int units_start(struct units *units, const struct source *source, struct drover_error *err);
/* Asks the thread to leave the group and to end; does not wait. */
void units_drain(struct units *units);
void units_stop(struct units *units);

#endif
