/* test_sim.c - the fleet simulator under a fake host: who answers what, when, and how often. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "fake_unit.h"

/* The plugin's own struct is not ours to know: enough zeroed memory is an instance without options. */
static char no_options[512];

static int run(struct drover_unit *unit, const char *payload, struct drover_error *err)
{
	unit->info.payload = payload;
	return fake_load("sim")->executor->run(unit, err);
}

static size_t count(const struct drover_unit *unit, enum drover_status status)
{
	size_t n = 0;

	for (size_t i = 0; i < unit->info.count; i++)
		n += unit->results[i].reports == 1 && unit->results[i].status == status;
	return n;
}

START_TEST(every_host_answers_once)
{
	struct drover_unit unit;

	fake_unit_init(&unit, no_options, "n", 1000);
	ck_assert_int_eq(run(&unit, "{\"output\":\"hello\",\"changed\":true}", NULL), 0);
	ck_assert_uint_eq(count(&unit, DROVER_OK), 1000);
	ck_assert_uint_eq(unit.begun, 1000);
	ck_assert_int_eq(unit.refused, 0);
	ck_assert_str_eq(unit.results[999].out, "hello");
	ck_assert_int_eq(unit.results[999].report.changed, DROVER_CHANGED_YES);
	ck_assert_uint_le(unit.sends, 4);
	fake_unit_dispose(&unit);
}
END_TEST

START_TEST(statuses_are_chosen_by_name_place_and_share)
{
	struct drover_unit unit;

	fake_unit_init(&unit, no_options, "n", 300);
	ck_assert_int_eq(run(&unit,
			     "{\"fail\":[\"n7\"],\"unreachable\":\"1/30\",\"skip\":[\"n1\",\"n2\",\"n30\"],"
			     "\"flap\":[\"n9\"]}",
			     NULL),
			 0);
	ck_assert_int_eq(unit.results[6].status, DROVER_FAILED);
	ck_assert_int_eq(unit.results[6].report.rc, 1);
	ck_assert_int_eq(unit.results[8].status, DROVER_FAILED);
	ck_assert_int_eq(unit.results[0].status, DROVER_SKIPPED);
	ck_assert_int_eq(unit.results[29].status, DROVER_UNREACHABLE);
	ck_assert_int_eq(unit.results[29].report.phase, DROVER_PHASE_CONNECT);
	ck_assert_uint_eq(count(&unit, DROVER_UNREACHABLE), 10);
	ck_assert_uint_eq(count(&unit, DROVER_OK), 300 - 10 - 2 - 2);
	fake_unit_dispose(&unit);

	fake_unit_init(&unit, no_options, "n", 10000);
	unit.info.attempt = 2;
	ck_assert_int_eq(run(&unit, "{\"fail\":0.1,\"flap\":1}", NULL), 0);
	ck_assert_uint_ge(count(&unit, DROVER_FAILED), 900);
	ck_assert_uint_le(count(&unit, DROVER_FAILED), 1100);
	fake_unit_dispose(&unit);
}
END_TEST

START_TEST(a_seed_repeats_itself)
{
	struct drover_unit a, b, c;
	size_t different = 0;

	fake_unit_init(&a, no_options, "n", 500);
	fake_unit_init(&b, no_options, "n", 500);
	fake_unit_init(&c, no_options, "n", 500);
	run(&a, "{\"fail\":0.5,\"seed\":7}", NULL);
	run(&b, "{\"fail\":\"0.5\",\"seed\":7}", NULL);
	run(&c, "{\"fail\":0.5,\"seed\":8}", NULL);
	for (size_t i = 0; i < 500; i++) {
		ck_assert_int_eq(a.results[i].status, b.results[i].status);
		different += a.results[i].status != c.results[i].status;
	}
	ck_assert_uint_ge(different, 100);
	fake_unit_dispose(&a);
	fake_unit_dispose(&b);
	fake_unit_dispose(&c);
}
END_TEST

START_TEST(latencies_spread_over_their_range)
{
	int64_t start = fake_now(), first = INT64_MAX, last = 0;
	struct drover_unit unit;

	fake_unit_init(&unit, no_options, "n", 200);
	ck_assert_int_eq(run(&unit, "{\"latency\":\"50-150ms\"}", NULL), 0);
	for (size_t i = 0; i < 200; i++) {
		if (unit.results[i].at < first)
			first = unit.results[i].at;
		if (unit.results[i].at > last)
			last = unit.results[i].at;
	}
	ck_assert_int_ge(first - start, 49);
	ck_assert_int_ge(last - first, 50);
	fake_unit_dispose(&unit);
}
END_TEST

START_TEST(a_hung_host_times_out_alone)
{
	int64_t start = fake_now();
	struct drover_unit unit;

	fake_unit_init(&unit, no_options, "n", 60);
	unit.info.host_timeout = 120;
	ck_assert_int_eq(run(&unit, "{\"hang\":\"1/30\"}", NULL), 0);
	ck_assert_uint_eq(count(&unit, DROVER_TIMEOUT), 2);
	ck_assert_uint_eq(count(&unit, DROVER_OK), 58);
	ck_assert_int_eq(unit.results[29].status, DROVER_TIMEOUT);
	ck_assert_int_eq(unit.results[29].report.phase, DROVER_PHASE_EXECUTION);
	ck_assert_str_eq(unit.results[29].message, "no answer within 0.120 s");
	ck_assert_int_ge(unit.results[29].at - start, 119);
	ck_assert_int_lt(unit.results[28].at, unit.results[29].at);
	fake_unit_dispose(&unit);
}
END_TEST

static void *stop_when_reported(void *context)
{
	struct drover_unit *unit = context;
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (!__atomic_load_n(&unit->sends, __ATOMIC_ACQUIRE))
		nanosleep(&pause, NULL);
	fake_unit_stop(unit);
	return NULL;
}

START_TEST(a_stop_leaves_the_hung_to_the_host)
{
	struct drover_unit unit;
	pthread_t thread;

	fake_unit_init(&unit, no_options, "n", 30);
	ck_assert_int_eq(pthread_create(&thread, NULL, stop_when_reported, &unit), 0);
	ck_assert_int_eq(run(&unit, "{\"hang\":[\"n3\"]}", NULL), 0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(count(&unit, DROVER_OK), 29);
	ck_assert_int_eq(unit.results[2].reports, 0);
	fake_unit_dispose(&unit);
}
END_TEST

START_TEST(hosts_are_begun_in_steps_and_within_the_fanout)
{
	struct drover_unit unit;

	fake_unit_init(&unit, no_options, "n", 25);
	unit.info.fanout = 5;
	ck_assert_int_eq(run(&unit, "{\"step\":10,\"latency\":\"20ms\"}", NULL), 0);
	ck_assert_uint_eq(unit.largest_begin, 5); /* no more are asked for than may run */
	ck_assert_uint_eq(count(&unit, DROVER_OK), 25);
	/* Five at a time, 20 ms each: the last is in the fifth wave. */
	ck_assert_int_ge(unit.results[24].at - unit.results[0].at, 79);
	fake_unit_dispose(&unit);

	fake_unit_init(&unit, no_options, "n", 25);
	ck_assert_int_eq(run(&unit, "{\"step\":10}", NULL), 0);
	ck_assert_uint_eq(unit.largest_begin, 10);
	ck_assert_uint_eq(count(&unit, DROVER_OK), 25);
	fake_unit_dispose(&unit);
}
END_TEST

START_TEST(outputs_have_the_wanted_size_and_kind)
{
	struct drover_unit unit;

	fake_unit_init(&unit, no_options, "n", 2);
	ck_assert_int_eq(run(&unit, "{\"output\":{\"bytes\":100000}}", NULL), 0);
	ck_assert_uint_eq(unit.results[1].out_size, 100000);
	ck_assert(!strncmp(unit.results[1].out, "00000001 a line", 15));
	fake_unit_dispose(&unit);

	fake_unit_init(&unit, no_options, "n", 1);
	ck_assert_int_eq(run(&unit, "{\"output\":{\"bytes\":512,\"kind\":\"binary\"},\"rc\":7}", NULL), 0);
	ck_assert_uint_eq(unit.results[0].out_size, 512);
	ck_assert_int_eq(unit.results[0].out[256], 0);
	ck_assert_int_eq(unit.results[0].status, DROVER_FAILED);
	ck_assert_int_eq(unit.results[0].report.rc, 7);
	fake_unit_dispose(&unit);

	fake_unit_init(&unit, no_options, "n", 1);
	ck_assert_int_eq(run(&unit, "{\"output\":{\"bytes\":64,\"kind\":\"utf8-invalid\"}}", NULL), 0);
	ck_assert_ptr_nonnull(memchr(unit.results[0].out, 0xff, 64));
	fake_unit_dispose(&unit);
}
END_TEST

START_TEST(a_crash_comes_after_the_hosts_before_it)
{
	pid_t child = fork();
	int status;

	if (!child) {
		struct drover_unit unit;

		signal(SIGABRT, SIG_DFL);
		fake_unit_init(&unit, no_options, "n", 3);
		run(&unit, "{\"crash\":[\"n2\"]}", NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

START_TEST(bad_payloads_name_the_member)
{
	static const char *const payloads[] = {
		"{\"latency\":\"soon\"}",
		"{\"latency\":\"9-1ms\"}",
		"{\"hang\":\"1/0\"}",
		"{\"fail\":2}",
		"{\"fail\":\"often\"}",
		"{\"skip\":{}}",
		"{\"output\":{\"bytes\":-1}}",
		"{\"output\":{\"bytes\":1,\"kind\":\"x\"}}",
		"{\"step\":-1}",
		"{\"lock_dir\":\"/tmp/not-configured\"}",
	};

	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		struct drover_error err = { .code = 0 };
		char member[32] = "";
		struct drover_unit unit;

		fake_unit_init(&unit, no_options, "n", 2);
		ck_assert_int_eq(run(&unit, payloads[i], &err), DROVER_EINVALID);
		sscanf(payloads[i], "{\"%31[a-z_]", member);
		ck_assert_msg(!strncmp(err.message, member, strlen(member)), "%s: %s", payloads[i], err.message);
		ck_assert_uint_eq(unit.begun, 0);
		fake_unit_dispose(&unit);
	}
}
END_TEST

/* An instance with lock_dir set, filled as the option table says. */
static void *with_lock_dir(char *folder)
{
	const struct drover_executor *sim = fake_load("sim")->executor;
	char *self = calloc(1, sim->self_size);

	for (const struct drover_option *option = sim->options; option->type; option++)
		if (!strcmp(option->name, "lock_dir"))
			*(char **)(self + option->offset) = folder;
	return self;
}

START_TEST(the_witness_sees_starts_ends_and_overlaps)
{
	char folder[] = "/tmp/test-sim-XXXXXX", path[128], line[256];
	struct drover_unit unit;
	void *self;
	FILE *file;
	int held;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	self = with_lock_dir(folder);
	snprintf(path, sizeof(path), "%s/n2", folder);
	held = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(flock(held, LOCK_EX), 0);
	fake_unit_init(&unit, self, "n", 2);
	ck_assert_int_eq(run(&unit, "{}", NULL), 0);
	ck_assert_int_eq(unit.results[0].status, DROVER_OK);
	ck_assert_int_eq(unit.results[1].status, DROVER_FAILED);

	snprintf(path, sizeof(path), "%s/n1", folder);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
	ck_assert_msg(!strncmp(line, "start t 0 1 ", 12), "%s", line);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
	ck_assert_msg(!strncmp(line, "end t 0 1 ", 10) && strstr(line, " ok\n"), "%s", line);
	fclose(file);
	snprintf(path, sizeof(path), "%s/overlaps", folder);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
	ck_assert_msg(!strncmp(line, "n2 t 0 1 ", 9), "%s", line);
	fclose(file);
	fake_unit_dispose(&unit);

	close(held);
	for (const char *const *name = (const char *const[]){ "n1", "n2", "overlaps", NULL }; *name; name++) {
		snprintf(path, sizeof(path), "%s/%s", folder, *name);
		unlink(path);
	}
	rmdir(folder);
	free(self);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sim");
	TCase *tcase = tcase_create("fleet");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, every_host_answers_once);
	tcase_add_test(tcase, statuses_are_chosen_by_name_place_and_share);
	tcase_add_test(tcase, a_seed_repeats_itself);
	tcase_add_test(tcase, latencies_spread_over_their_range);
	tcase_add_test(tcase, a_hung_host_times_out_alone);
	tcase_add_test(tcase, a_stop_leaves_the_hung_to_the_host);
	tcase_add_test(tcase, hosts_are_begun_in_steps_and_within_the_fanout);
	tcase_add_test(tcase, outputs_have_the_wanted_size_and_kind);
	tcase_add_test(tcase, a_crash_comes_after_the_hosts_before_it);
	tcase_add_test(tcase, bad_payloads_name_the_member);
	tcase_add_test(tcase, the_witness_sees_starts_ends_and_overlaps);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
