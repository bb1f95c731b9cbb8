/*
 * kafka_fixture.h - librdkafka's mock brokers and a fake core for tests of the plugin kafka.
 */
#ifndef TESTS_KAFKA_FIXTURE_H
#define TESTS_KAFKA_FIXTURE_H

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "sdk/fake_host.h"

#define TOPIC "drover.units.p"
#define UNITS 64

static void *self; /* the plugin's instance */
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

static inline int complaints(void)
{
	return fake_host_complaints() - complaints_before;
}

static inline void setup(void)
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

static inline void teardown(void)
{
	rd_kafka_mock_cluster_destroy(brokers);
	rd_kafka_destroy(mocker);
}

static inline int64_t now(void)
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

static inline int run_kafka(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#endif
