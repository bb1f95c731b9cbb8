/*
 * test_kafka_source.c - the source of the plugin kafka at librdkafka's mock brokers: what it takes, and what it commits.
 */
#include <drover/source.h>

#include "unit/kafka_fixture.h"

static const struct drover_source *source;

static int offer_unit(void *context, const void *envelope, size_t size, struct drover_error *err)
{
	int code;

	(void)context;
	pthread_mutex_lock(&core.lock);
	core.offers++;
	snprintf(core.envelope, sizeof(core.envelope), "%.*s", (int)size, (const char *)envelope);
	code = core.answer;
	pthread_mutex_unlock(&core.lock);
	return code ? drover_error_set(err, code, "as the test wants") : 0;
}

static void await_room(void *context, void (*room)(void *room_context), void *room_context)
{
	(void)context;
	pthread_mutex_lock(&core.lock);
	core.room = room;
	core.room_context = room_context;
	pthread_mutex_unlock(&core.lock);
}

static int executors(void *context, int (*fn)(void *fn_context, const struct drover_executor_row *row),
		     void *fn_context, struct drover_error *err)
{
	const struct drover_executor_row row = { .size = sizeof(row), .name = "sim" };

	(void)context;
	(void)err;
	return core.executors ? fn(fn_context, &row) : 0;
}

static const struct drover_source_services source_services = {
	.size = sizeof(source_services), .executors = executors, .offer_unit = offer_unit, .await_room = await_room
};

static void open_source(const char *option, const char *more)
{
	const char *const options[] = { "brokers",
					rd_kafka_mock_cluster_bootstraps(brokers),
					"pools",
					"p",
					"units",
					"true",
					"commit_interval",
					"0s",
					option ? "options" : NULL,
					option,
					more ? "options" : NULL,
					more,
					NULL };
	struct drover_error err = { 0 };

	source = fake_host_load("kafka")->source;
	self = fake_host_new(&source->info, options);
	ck_assert_msg(!source->open(self, &source_services, &core, &err), "%s", err.message);
}

static void close_source(void)
{
	source->close(self);
	fake_host_free(&source->info, self);
	ck_assert_ptr_null(core.room);
}

static void produce(const char *text)
{
	ck_assert_int_eq(rd_kafka_producev(mocker, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(0),
					   RD_KAFKA_V_VALUE((void *)text, strlen(text)),
					   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
			 0);
	ck_assert_int_eq(rd_kafka_flush(mocker, 30000), 0);
}

/* A producer of its own, that knows the mock brokers. */
static void connect_producer(void)
{
	ck_assert_int_gt(rd_kafka_brokers_add(mocker, rd_kafka_mock_cluster_bootstraps(brokers)), 0);
}

static int64_t committed(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(1);
	rd_kafka_t *asker;
	int64_t offset;

	rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(brokers), NULL, 0);
	rd_kafka_conf_set(conf, "group.id", "drover", NULL, 0);
	asker = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
	rd_kafka_topic_partition_list_add(places, TOPIC, 0);
	ck_assert_int_eq(rd_kafka_committed(asker, places, 30000), 0);
	offset = places->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(places);
	rd_kafka_destroy(asker);
	return offset;
}

START_TEST(offers_what_comes_and_forgets_what_is_denied)
{
	connect_producer();
	core.answer = DROVER_EDENIED;
	produce("forged");
	open_source(NULL, NULL);
	AWAIT(core.offers == 1);
	pthread_mutex_lock(&core.lock);
	core.answer = 0;
	pthread_mutex_unlock(&core.lock);
	produce("good");
	AWAIT(core.offers == 2 && !strcmp(core.envelope, "good"));
	close_source();
	ck_assert_int_eq(committed(), 2);
}
END_TEST

/* Longer than a member may be silent: it is not put out of its group, and commits nothing that was not taken. */
START_TEST(waits_for_room_and_stays_in_its_group)
{
	const struct timespec silent = { .tv_sec = 8 };
	int offers;

	connect_producer();
	core.answer = DROVER_ERETRY;
	produce("one");
	produce("two");
	open_source("max.poll.interval.ms=6000", "session.timeout.ms=6000");
	AWAIT(core.offers >= 1);
	nanosleep(&silent, NULL);
	AWAIT(!strcmp(core.envelope, "one"));
	ck_assert_int_eq(committed(), RD_KAFKA_OFFSET_INVALID);
	ck_assert_int_eq(complaints(), 0);
	pthread_mutex_lock(&core.lock);
	offers = core.offers;
	core.answer = 0;
	core.room(core.room_context);
	pthread_mutex_unlock(&core.lock);
	AWAIT(core.offers == offers + 2 && !strcmp(core.envelope, "two"));
	close_source();
	ck_assert_int_eq(committed(), 2);
	ck_assert_int_eq(complaints(), 0);
}
END_TEST

START_TEST(asks_again_as_soon_as_there_is_room)
{
	int64_t told;
	int sooner = 0;

	connect_producer();
	core.answer = DROVER_ERETRY;
	produce("one");
	open_source(NULL, NULL);
	for (int i = 0; i < 5; i++) {
		int offers;

		AWAIT(core.offers >= 1);
		pthread_mutex_lock(&core.lock);
		offers = core.offers;
		told = now();
		core.room(core.room_context);
		pthread_mutex_unlock(&core.lock);
		AWAIT(core.offers > offers);
		sooner += now() - told < 400;
	}
	ck_assert_int_ge(sooner, 3); /* than by polling, but where the machine stood still */
	close_source();
	ck_assert_int_eq(committed(), RD_KAFKA_OFFSET_INVALID);
}
END_TEST

START_TEST(takes_nothing_where_nothing_executes)
{
	connect_producer();
	core.executors = 0;
	produce("one");
	open_source(NULL, NULL);
	AWAIT(complaints() == 1);
	close_source();
	ck_assert_int_eq(core.offers, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		offers_what_comes_and_forgets_what_is_denied,
		waits_for_room_and_stays_in_its_group,
		asks_again_as_soon_as_there_is_room,
		takes_nothing_where_nothing_executes,
	};

	return run_kafka("kafka source", tests, sizeof(tests) / sizeof(tests[0]));
}
