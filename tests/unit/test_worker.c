/* test_worker.c - a thread that is told something, waits for a time, and ends. */
#define _GNU_SOURCE /* pthread_setattr_default_np, pthread_getname_np */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <drover/error.h>

#include "util/clock.h"
#include "util/worker.h"

/* Adds up what it is told. */
static struct {
	struct worker worker;
	int told;
	int64_t until; /* of a wait */
	int sum;       /* the thread's until it has ended */
	char name[16];
} mill;

/* What threads have seen. */
static int64_t returned_at;
static atomic_int state;

static void setup(void)
{
	atomic_store(&state, 0);
	memset(&mill, 0, sizeof(mill));
	mill.until = WORKER_FOREVER;
	worker_init(&mill.worker);
}

static void teardown(void)
{
	worker_dispose(&mill.worker);
}

static void start(void (*run)(void *context))
{
	ck_assert_int_eq(worker_start(&mill.worker, "mill", run, &mill, NULL), 0);
}

static void tell(int number)
{
	worker_lock(&mill.worker);
	mill.told += number;
	worker_wake(&mill.worker);
	worker_unlock(&mill.worker);
}

static void grind(void *context)
{
	bool stop = false;

	ck_assert_ptr_eq(context, &mill);
	pthread_getname_np(pthread_self(), mill.name, sizeof(mill.name));
	while (!stop) {
		worker_lock(&mill.worker);
		while (!mill.told && worker_wait(&mill.worker, mill.until))
			;
		mill.sum += mill.told;
		mill.told = 0;
		stop = mill.worker.stop;
		worker_unlock(&mill.worker);
	}
}

START_TEST(what_is_told_is_taken)
{
	start(grind);
	for (int i = 1; i <= 1000; i++)
		tell(i);
	worker_stop(&mill.worker); /* what was told before its end is still taken */
	ck_assert_int_eq(mill.sum, 500500);
	ck_assert_str_eq(mill.name, "mill");
}
END_TEST

START_TEST(an_end_comes_through_a_wait)
{
	worker_stop(&mill.worker); /* nothing runs yet */
	start(grind);
	worker_stop(&mill.worker);
	ck_assert_int_eq(mill.sum, 0);
	worker_stop(&mill.worker);
}
END_TEST

static void wait_once(void *context)
{
	(void)context;
	worker_lock(&mill.worker);
	while (worker_wait(&mill.worker, mill.until))
		;
	returned_at = clock_boot_ms();
	worker_unlock(&mill.worker);
	atomic_store(&state, 1);
}

START_TEST(a_wait_ends_at_its_time)
{
	mill.until = clock_boot_ms() + 120;
	start(wait_once);
	while (!atomic_load(&state)) /* woken for nothing all the time: it goes on */
		tell(0);
	worker_stop(&mill.worker);
	ck_assert_int_ge(returned_at, mill.until);
}
END_TEST

START_TEST(a_wait_ends_by_itself)
{
	const struct timespec nap = { .tv_nsec = 1000000 };

	mill.until = clock_boot_ms() + 50;
	start(wait_once);
	while (!atomic_load(&state)) /* not woken, not stopped */
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	ck_assert_int_ge(returned_at, mill.until);
}
END_TEST

START_TEST(a_time_that_is_over_is_not_waited_for)
{
	worker_lock(&mill.worker);
	ck_assert(!worker_wait(&mill.worker, 0));
	ck_assert(!worker_wait(&mill.worker, clock_boot_ms()));
	worker_unlock(&mill.worker);
	ck_assert(worker_sleep(&mill.worker, 0)); /* over, and not to end */
}
END_TEST

static void sleep_long(void *context)
{
	(void)context;
	atomic_store(&state, 1);
	atomic_store(&state, worker_sleep(&mill.worker, clock_boot_ms() + 3600000) ? 2 : 3);
}

START_TEST(a_sleep_ends_with_the_worker)
{
	start(sleep_long);
	while (!atomic_load(&state))
		;
	worker_stop(&mill.worker);
	ck_assert_int_eq(atomic_load(&state), 3);
	ck_assert(!worker_sleep(&mill.worker, 0));
}
END_TEST

START_TEST(a_thread_that_cannot_start_is_told)
{
	struct drover_error err = { 0 };
	pthread_attr_t attributes, usual;

	ck_assert_int_eq(pthread_getattr_default_np(&usual), 0);
	pthread_attr_init(&attributes);
	ck_assert_int_eq(pthread_attr_setstacksize(&attributes, (size_t)1 << 46), 0);
	ck_assert_int_eq(pthread_setattr_default_np(&attributes), 0);
	ck_assert_int_eq(worker_start(&mill.worker, "mill", grind, &mill, &err), DROVER_EFAULT);
	ck_assert_ptr_nonnull(strstr(err.message, "cannot start the thread \"mill\": "));
	worker_stop(&mill.worker); /* nothing to wait for */
	ck_assert_int_eq(pthread_setattr_default_np(&usual), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker");
	TCase *tcase = tcase_create("worker");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, what_is_told_is_taken);
	tcase_add_test(tcase, an_end_comes_through_a_wait);
	tcase_add_test(tcase, a_wait_ends_at_its_time);
	tcase_add_test(tcase, a_wait_ends_by_itself);
	tcase_add_test(tcase, a_time_that_is_over_is_not_waited_for);
	tcase_add_test(tcase, a_sleep_ends_with_the_worker);
	tcase_add_test(tcase, a_thread_that_cannot_start_is_told);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
