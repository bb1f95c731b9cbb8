/* test_writer.c - the store's thread against a store that is away or refuses: what is done again, what is not. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "store/writer.h"

/* A store that counts, and whose commits fail as often as `away` says. */
static struct {
	atomic_int begun, committed, rolled_back, away;
} store;

static int begin(struct drover_session *s, struct drover_error *err)
{
	(void)s;
	(void)err;
	atomic_fetch_add(&store.begun, 1);
	return 0;
}

static int commit(struct drover_session *s, drover_change_fn *change, void *context, struct drover_error *err)
{
	(void)s;
	(void)change;
	(void)context;
	if (atomic_load(&store.away) > 0) {
		atomic_fetch_sub(&store.away, 1);
		return drover_error_set(err, DROVER_ERETRY, "away");
	}
	atomic_fetch_add(&store.committed, 1);
	return 0;
}

static void rollback(struct drover_session *s)
{
	(void)s;
	atomic_fetch_add(&store.rolled_back, 1);
}

static const struct drover_store_ops ops = {
	.size = sizeof(ops), .begin = begin, .commit = commit, .rollback = rollback
};

struct counted {
	struct job job;
	int runs;
	int code; /* what run returns */
	int done; /* what done was told, + 100 */
};

static int run(struct job *job, const struct drover_store_ops *o, struct drover_session *s, struct drover_error *err)
{
	struct counted *counted = (struct counted *)job;

	(void)o;
	(void)s;
	counted->runs++;
	return counted->code ? drover_error_set(err, counted->code, "refused") : 0;
}

static void done(struct job *job, int code, const struct drover_error *err)
{
	(void)err;
	((struct counted *)job)->done = 100 + code;
}

static sd_event *event;
static struct writer *writer;

static void set_up(void)
{
	struct writer_options options = { .interval = 1, .idle_wait = 2000, .group_weight = 100 };

	memset(&store, 0, sizeof(store));
	ck_assert_int_ge(sd_event_new(&event), 0);
	ck_assert_int_eq(writer_new(event, &ops, NULL, &options, &writer, NULL), 0);
}

static void tear_down(void)
{
	writer_free(writer);
	sd_event_unref(event);
}

static struct counted make(int code, bool impatient)
{
	return (struct counted){
		.job = { .run = run, .done = done, .weight = 1, .on_loop = true, .impatient = impatient }, .code = code
	};
}

static void wait_done(const struct counted *counted)
{
	while (!counted->done)
		ck_assert_int_ge(sd_event_run(event, 10 * 1000000), 0);
}

START_TEST(does_it_again_while_the_store_is_away)
{
	struct counted job = make(0, false);

	atomic_store(&store.away, 2);
	writer_put(writer, &job.job);
	wait_done(&job);
	ck_assert_int_eq(job.done, 100);
	ck_assert_int_eq(job.runs, 3);
	ck_assert_int_eq(atomic_load(&store.rolled_back), 2);
	ck_assert(writer_store_ok(writer));
	ck_assert_int_eq(writer_backlog(writer), 0);
}
END_TEST

START_TEST(gives_up_only_what_may_be)
{
	struct counted patient = make(0, false), impatient = make(0, true);

	atomic_store(&store.away, 1);
	writer_put(writer, &impatient.job);
	writer_put(writer, &patient.job);
	wait_done(&impatient);
	wait_done(&patient);
	ck_assert_int_eq(patient.done, 100);
	ck_assert_int_eq(impatient.done, 100 + DROVER_ERETRY);
}
END_TEST

START_TEST(those_that_wait_for_their_turn_give_up_too)
{
	struct counted patient = make(0, false), impatient = make(0, true);

	atomic_store(&store.away, 1000);
	writer_put(writer, &patient.job);
	while (writer_store_ok(writer))
		usleep(1000);
	writer_put(writer, &impatient.job); /* the other's transaction is tried again and again before it */
	wait_done(&impatient);
	ck_assert_int_eq(impatient.done, 100 + DROVER_ERETRY);
	ck_assert_int_eq(impatient.runs, 0);
	ck_assert_int_eq(patient.done, 0);
	atomic_store(&store.away, 0);
	wait_done(&patient);
	ck_assert_int_eq(patient.done, 100);
}
END_TEST

START_TEST(one_that_fails_does_not_fail_the_others)
{
	struct counted good[3] = { make(0, false), make(0, false), make(0, false) },
		       bad = make(DROVER_ECONFLICT, false);

	writer_put(writer, &good[0].job);
	writer_put(writer, &bad.job);
	writer_put(writer, &good[1].job);
	writer_put(writer, &good[2].job);
	for (int i = 0; i < 3; i++) {
		wait_done(&good[i]);
		ck_assert_int_eq(good[i].done, 100);
	}
	wait_done(&bad);
	ck_assert_int_eq(bad.done, 100 + DROVER_ECONFLICT);
}
END_TEST

static void *wait_for_job(void *arg)
{
	struct counted *job = arg;

	job->done = 100 + writer_wait(writer, &job->job, NULL);
	return NULL;
}

START_TEST(waits_for_one)
{
	struct counted good = make(0, true), bad = make(DROVER_EINVALID, true);
	pthread_t thread;

	pthread_create(&thread, NULL, wait_for_job, &good);
	pthread_join(thread, NULL);
	ck_assert_int_eq(good.done, 100);
	pthread_create(&thread, NULL, wait_for_job, &bad);
	pthread_join(thread, NULL);
	ck_assert_int_eq(bad.done, 100 + DROVER_EINVALID);
}
END_TEST

START_TEST(many_in_one_commit)
{
	struct counted *jobs = calloc(1000, sizeof(*jobs));

	for (int i = 0; i < 1000; i++) {
		jobs[i] = make(0, false);
		writer_put(writer, &jobs[i].job);
	}
	for (int i = 0; i < 1000; i++)
		wait_done(&jobs[i]);
	ck_assert_int_ge(atomic_load(&store.committed), 10);  /* groups are bounded by weight … */
	ck_assert_int_lt(atomic_load(&store.committed), 500); /* … and are groups */
	free(jobs);
}
END_TEST

START_TEST(idle_ones_share_a_commit)
{
	struct counted jobs[20], urgent = make(0, false);

	for (int i = 0; i < 20; i++) {
		jobs[i] = make(0, false);
		jobs[i].job.idle = true;
		writer_put(writer, &jobs[i].job);
		ck_assert_int_ge(sd_event_run(event, 2000), 0); /* they come one by one */
	}
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(jobs[i].done, 0);
	/* One that somebody waits for takes them along. */
	writer_put(writer, &urgent.job);
	wait_done(&urgent);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(jobs[i].done, 100);
	ck_assert_int_eq(atomic_load(&store.committed), 1);
	/* Alone they do not wait for ever. */
	jobs[0].done = 0;
	writer_put(writer, &jobs[0].job);
	wait_done(&jobs[0]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("writer");
	TCase *tests = tcase_create("writer");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, does_it_again_while_the_store_is_away);
	tcase_add_test(tests, gives_up_only_what_may_be);
	tcase_add_test(tests, those_that_wait_for_their_turn_give_up_too);
	tcase_add_test(tests, one_that_fails_does_not_fail_the_others);
	tcase_add_test(tests, waits_for_one);
	tcase_add_test(tests, many_in_one_commit);
	tcase_add_test(tests, idle_ones_share_a_commit);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
