/*
 * settings.h - librdkafka as this plugin needs it, and what of it a user may set.
 *
 * A connection is `brokers` and `options`, which may be any of librdkafka's but those on which the guarantees rest.
 */
#ifndef KAFKA_SETTINGS_H
#define KAFKA_SETTINGS_H

#include <librdkafka/rdkafka.h>

#include <drover/error.h>
#include <drover/option.h>

struct kafka_connection {
	const char *brokers;              /* borrowed, as all here */
	const struct drover_map *options; /* librdkafka's */
};

/* Those of librdkafka's options that are secrets; ended by NULL. */
extern const char *const settings_secrets[];

/*
 * Makes a configuration; owned by the caller, until rd_kafka_new has taken it. `group` is a consumer's, ignored for
 * producers. DROVER_EINVALID: "options.NAME: …", as a plugin's `check` says it.
 */
int settings_make(const struct kafka_connection *connection, rd_kafka_type_t type, const char *group,
		  rd_kafka_conf_t **conf, struct drover_error *err);
/* rd_kafka_new, with its error. Takes `conf`. */
int settings_handle(rd_kafka_conf_t *conf, rd_kafka_type_t type, rd_kafka_t **handle, struct drover_error *err);
/* Whether a handle can be made at all; without `brokers` nothing is connected to. For a plugin's `check`. */
int settings_check(const struct kafka_connection *connection, rd_kafka_type_t type, struct drover_error *err);
/* Whether that is how topics may be called. */
bool settings_topic_sound(const char *topic);

#endif
