/*
 * test_kafka.c - the dispatcher of the plugin kafka at librdkafka's mock brokers, for faults that a real broker does not
 * make on demand. What a real one does is in tests/system/test_kafka.py.
 */
#include <drover/dispatcher.h>

#include "unit/kafka_fixture.h"

#define PRODUCE 0 /* the protocol's number of that request */

static const struct drover_dispatcher *plugin;

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

int main(void)
{
	const TTest *const tests[] = {
		reports_what_is_delivered,   reports_what_is_refused,           goes_on_after_a_fatal_error,
		says_when_its_queue_is_full, misses_a_topic_and_finds_it_later, reports_everything_before_it_is_closed,
	};

	return run_kafka("kafka dispatcher", tests, sizeof(tests) / sizeof(tests[0]));
}
