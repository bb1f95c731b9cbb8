/*
 * test_kafka.c - the plugin kafka against librdkafka's mock brokers, for faults that a real broker does not make on demand.
 * What a real one does is in tests/system/test_kafka.py.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <drover/dispatcher.h>
#include <drover/source.h>

#include "sdk/fake_host.h"

#define PRODUCE 0 /* the protocol's number of that request */
#define TOPIC "drover.units.p"
#define UNITS 64

static rd_kafka_t *mocker;
static rd_kafka_mock_cluster_t *brokers;

/* What the fake core was told. */
static struct {
	pthread_mutex_t lock;
	int reports[UNITS], codes[UNITS]; /* by unit */
	int offers, answer, executors;
	char envelope[64]; /* the last that was offered */
	void (*room)(void *context);
	void *room_context;
} core = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int complaints_before;

static int complaints(void)
{
	return fake_host_complaints() - complaints_before;
}

static void setup(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[200];

	rd_kafka_conf_set(conf, "client.id", "mocker", NULL, 0);
	rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
	mocker = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	ck_assert_msg(mocker != NULL, "%s", why);
	brokers = rd_kafka_mock_cluster_new(mocker, 3);
	ck_assert_ptr_nonnull(brokers);
	rd_kafka_mock_topic_create(brokers, TOPIC, 4, 3);
	memset(core.reports, 0, sizeof(core.reports));
	memset(core.codes, 0, sizeof(core.codes));
	core.offers = core.answer = 0;
	core.executors = 1;
	complaints_before = fake_host_complaints();
}

static void teardown(void)
{
	rd_kafka_mock_cluster_destroy(brokers);
	rd_kafka_destroy(mocker);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until the condition holds; fails after a minute. */
#define AWAIT(condition)                                                                                               \
	do {                                                                                                           \
		const struct timespec pause_ = { .tv_nsec = 5000000 };                                                 \
		int64_t end_ = now() + 60000;                                                                          \
		bool met_ = false;                                                                                     \
		while (!met_ && now() < end_) {                                                                        \
			pthread_mutex_lock(&core.lock);                                                                \
			met_ = (condition);                                                                            \
			pthread_mutex_unlock(&core.lock);                                                              \
			if (!met_)                                                                                     \
				nanosleep(&pause_, NULL);                                                              \
		}                                                                                                      \
		ck_assert_msg(met_, "waited in vain for " #condition);                                                 \
	} while (0)

/* ---------------------------------------------------------------------------------- the dispatcher */

static const struct drover_dispatcher *plugin;
static void *self;

static void delivered(void *context, int64_t task_key, int64_t unit, int code)
{
	(void)context;
	ck_assert_int_eq(task_key, 7);
	pthread_mutex_lock(&core.lock);
	core.reports[unit]++;
	core.codes[unit] = code;
	pthread_mutex_unlock(&core.lock);
}

static const struct drover_dispatcher_services dispatcher_services = { .size = sizeof(dispatcher_services),
								       .delivered = delivered };

static void open_dispatcher(const char *option)
{
	const char *const options[] = { "brokers", rd_kafka_mock_cluster_bootstraps(brokers), option ? "options" : NULL,
					option, NULL };
	struct drover_error err = { 0 };

	plugin = fake_host_load("kafka")->dispatcher;
	self = fake_host_new(&plugin->info, options);
	ck_assert_msg(!plugin->open(self, &dispatcher_services, &core, &err), "%s", err.message);
}

static void close_dispatcher(void)
{
	plugin->close(self);
	fake_host_free(&plugin->info, self);
}

static int publish(int64_t unit, int publications, struct drover_error *err)
{
	struct drover_dispatch d = { .size = sizeof(d),
				     .task_key = 7,
				     .unit = unit,
				     .pool = "p",
				     .envelope = "an envelope",
				     .envelope_size = 11,
				     .publications = publications };

	return plugin->publish(self, &d, err);
}

/* While the handle is made anew it may be refused, or be lost with the old one: then another is published. */
static void publish_surely(int64_t unit)
{
	int64_t end = now() + 60000;

	do {
		while (publish(unit, 1, NULL) == DROVER_ERETRY && now() < end)
			;
		AWAIT(core.reports[unit] == 1);
	} while (core.codes[unit++] && now() < end);
	ck_assert_int_eq(core.codes[unit - 1], 0);
}

START_TEST(reports_what_is_delivered)
{
	open_dispatcher(NULL);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(publish(i, i % 2, NULL), 0);
	for (int i = 0; i < 10; i++)
		AWAIT(core.reports[i] == 1 && core.codes[i] == 0);
	close_dispatcher();
	ck_assert_int_eq(complaints(), 0);
}
END_TEST

START_TEST(reports_what_is_refused)
{
	open_dispatcher(NULL);
	rd_kafka_mock_push_request_errors(brokers, PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
	ck_assert_int_eq(publish(1, 0, NULL), 0);
	AWAIT(core.reports[1] == 1);
	ck_assert_int_eq(core.codes[1], DROVER_ERETRY);
	publish_surely(2);
	close_dispatcher();
	ck_assert_int_eq(core.reports[1], 1);
}
END_TEST

/* The messages that were in the broken handle are told as failed; the next go by a new one. */
START_TEST(goes_on_after_a_fatal_error)
{
	open_dispatcher(NULL);
	ck_assert_int_eq(publish(0, 0, NULL), 0);
	AWAIT(core.reports[0] == 1 && core.codes[0] == 0);
	rd_kafka_mock_push_request_errors(brokers, PRODUCE, 1, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	ck_assert_int_eq(publish(1, 0, NULL), 0);
	AWAIT(core.reports[1] == 1);
	ck_assert_int_eq(core.codes[1], DROVER_ERETRY);
	AWAIT(complaints() == 1);
	publish_surely(2);
	close_dispatcher();
}
END_TEST

START_TEST(says_when_its_queue_is_full)
{
	struct drover_error err = { 0 };
	int taken = 0;

	open_dispatcher("queue.buffering.max.messages=3");
	ck_assert_int_eq(publish(0, 0, NULL), 0);
	AWAIT(core.reports[0] == 1);
	for (int broker = 1; broker <= 3; broker++)
		rd_kafka_mock_broker_set_down(brokers, broker);
	for (int i = 1; i < 10 && !publish(i, 0, &err); i++)
		taken++;
	ck_assert_int_eq(taken, 3);
	ck_assert_int_eq(err.code, DROVER_ERETRY);
	AWAIT(complaints() == 1); /* that no broker can be reached */
	for (int broker = 1; broker <= 3; broker++)
		rd_kafka_mock_broker_set_up(brokers, broker);
	for (int i = 1; i <= taken; i++)
		AWAIT(core.reports[i] == 1 && core.codes[i] == 0);
	ck_assert_int_eq(publish(20, 0, NULL), 0);
	AWAIT(core.reports[20] == 1 && core.codes[20] == 0);
	close_dispatcher();
	ck_assert_int_eq(complaints(), 1);
}
END_TEST

START_TEST(misses_a_topic_and_finds_it_later)
{
	int64_t started = now();
	int code;

	rd_kafka_mock_topic_set_error(brokers, TOPIC, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	open_dispatcher(NULL);
	ck_assert_int_eq(publish(1, 0, NULL), 0);
	AWAIT(core.reports[1] == 1);
	ck_assert_int_eq(core.codes[1], DROVER_ENOTFOUND);
	ck_assert_int_lt(now() - started, 20000);
	ck_assert_int_eq(publish(2, 0, NULL), DROVER_ENOTFOUND); /* at once */
	ck_assert_int_eq(complaints(), 1);                       /* once a minute */
	rd_kafka_mock_topic_set_error(brokers, TOPIC, RD_KAFKA_RESP_ERR_NO_ERROR);
	started = now();
	do
		code = publish(3, 1, NULL);
	while (code && now() - started < 30000);
	ck_assert_int_eq(code, 0);
	AWAIT(core.reports[3] == 1 && core.codes[3] == 0);
	close_dispatcher();
}
END_TEST

START_TEST(reports_everything_before_it_is_closed)
{
	int64_t started;

	open_dispatcher(NULL);
	ck_assert_int_eq(publish(0, 0, NULL), 0);
	AWAIT(core.reports[0] == 1);
	for (int broker = 1; broker <= 3; broker++)
		rd_kafka_mock_broker_set_down(brokers, broker);
	for (int i = 1; i <= 20; i++)
		ck_assert_int_eq(publish(i, 0, NULL), 0);
	started = now();
	close_dispatcher();
	ck_assert_int_lt(now() - started, 20000);
	for (int i = 1; i <= 20; i++)
		ck_assert_msg(core.reports[i] == 1 && core.codes[i] == DROVER_ERETRY, "unit %d", i);
}
END_TEST

/* -------------------------------------------------------------------------------------- the source */

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
		ck_assert_int_lt(now() - told, 400); /* sooner than by polling */
	}
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
	Suite *suite = suite_create("kafka");
	TCase *dispatcher = tcase_create("dispatcher"), *units = tcase_create("units");
	SRunner *runner;
	int failed;

	tcase_set_timeout(dispatcher, 120);
	tcase_add_checked_fixture(dispatcher, setup, teardown);
	tcase_add_test(dispatcher, reports_what_is_delivered);
	tcase_add_test(dispatcher, reports_what_is_refused);
	tcase_add_test(dispatcher, goes_on_after_a_fatal_error);
	tcase_add_test(dispatcher, says_when_its_queue_is_full);
	tcase_add_test(dispatcher, misses_a_topic_and_finds_it_later);
	tcase_add_test(dispatcher, reports_everything_before_it_is_closed);
	tcase_set_timeout(units, 120);
	tcase_add_checked_fixture(units, setup, teardown);
	tcase_add_test(units, offers_what_comes_and_forgets_what_is_denied);
	tcase_add_test(units, waits_for_room_and_stays_in_its_group);
	tcase_add_test(units, asks_again_as_soon_as_there_is_room);
	tcase_add_test(units, takes_nothing_where_nothing_executes);
	suite_add_tcase(suite, dispatcher);
	suite_add_tcase(suite, units);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
