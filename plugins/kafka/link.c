/* link.c - see link.h. */
#define _GNU_SOURCE /* pthread_timedjoin_np */
#include "link.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include <drover/plugin.h>

#define LOOK_EVERY 1000 /* ms */
#define LOOK_TIMEOUT 200

int64_t link_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool link_minute(int64_t *next)
{
	int64_t now = link_now();

	if (now < *next)
		return false;
	*next = now + 60000;
	return true;
}

void link_error(struct link *link, rd_kafka_t *handle, int error, const char *reason)
{
	char text[256];

	if (error == RD_KAFKA_RESP_ERR__FATAL) {
		rd_kafka_resp_err_t why = rd_kafka_fatal_error(handle, text, sizeof(text));

		link->fatal = true;
		drover_log(DROVER_LOG_WARNING, "%s: Kafka's client cannot go on and is made anew: %s: %s", link->what,
			   rd_kafka_err2name(why), text);
	} else if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
		snprintf(link->reason, sizeof(link->reason), "%s", reason);
	} else if (!link->down) {
		link->down = true;
		drover_log(DROVER_LOG_WARNING, "%s: no Kafka broker can be reached%s%s", link->what,
			   *link->reason ? ": " : "", link->reason);
	}
}

void link_look(struct link *link, rd_kafka_t *handle)
{
	const struct rd_kafka_metadata *metadata;

	if (!link->down || link_now() < link->next_look)
		return;
	link->next_look = link_now() + LOOK_EVERY;
	if (rd_kafka_metadata(handle, 0, NULL, &metadata, LOOK_TIMEOUT))
		return;
	rd_kafka_metadata_destroy(metadata);
	link->down = false;
	*link->reason = '\0';
	drover_log(DROVER_LOG_INFO, "%s: Kafka is back", link->what);
}

void link_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
	(void)level;
	drover_log(DROVER_LOG_DEBUG, "librdkafka %s: %s: %s", handle ? rd_kafka_name(handle) : "-", facility, text);
}

static void *destroy(void *handle)
{
	/* A consumer has left its group before, under a deadline. */
	rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return NULL;
}

void link_destroy(rd_kafka_t *handle, int64_t limit, const char *what)
{
	struct timespec end;
	pthread_t thread;

	if (pthread_create(&thread, NULL, destroy, handle)) {
		rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += limit / 1000;
	end.tv_nsec += limit % 1000 * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	if (!pthread_timedjoin_np(thread, NULL, &end))
		return;
	pthread_detach(thread);
	drover_log(DROVER_LOG_WARNING, "%s: Kafka's client did not end in %lld ms and is left behind", what,
		   (long long)limit);
}
