/* test_chain.c - the sink `file` with `chain: true`: events that come again, crashes, files that are moved or cut. */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drover/sink.h>
#include <sodium.h>

#include "sdk/fake_host.h"

#define HASH 65

static char folder[64], path[96], head[112], moved[112];
static const struct drover_sink *sink;
static void *self;

static void make_folder(void)
{
	strcpy(folder, "/tmp/test-chain-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/out.jsonl", folder);
	snprintf(head, sizeof(head), "%s.chain", path);
	snprintf(moved, sizeof(moved), "%s.moved", path);
	ck_assert_int_ge(sodium_init(), 0);
	sink = fake_host_load("file")->sink;
}

static void remove_folder(void)
{
	char name[128];

	unlink(path);
	unlink(head);
	unlink(moved);
	for (int i = 1; i < 10; i++) {
		snprintf(name, sizeof(name), "%s.%d", path, i);
		unlink(name);
	}
	ck_assert_int_eq(rmdir(folder), 0);
}

static void open_sink(const char *rotate_size)
{
	const char *const options[] = { "path", path, "rotate_size", rotate_size, "chain", "true", NULL };

	self = fake_host_new(&sink->info, options);
	ck_assert_int_eq(sink->open(self, NULL), 0);
}

static void close_sink(void)
{
	sink->close(self);
	fake_host_free(&sink->info, self);
}

static int write_events(int from, int to)
{
	struct drover_event events[100];
	static char lines[100][128];

	for (int i = from; i <= to; i++) {
		int size = snprintf(lines[i - from], sizeof(lines[0]), "{\"seq\":%d,\"kind\":\"audit\"}", i);

		events[i - from] = (struct drover_event){ .size = sizeof(events[0]),
							  .seq = i,
							  .kind = DROVER_EVENT_AUDIT,
							  .task = "",
							  .json = lines[i - from],
							  .json_size = (size_t)size };
	}
	return sink->write(self, events, (size_t)(to - from + 1), NULL);
}

struct walk {
	int n, seq;
	char hash[HASH];
};

/* Each line must name the one before it; the numbers of lines and of events go on without gaps or repetitions. */
static int read_chain(const char *name, struct walk *w)
{
	FILE *file = fopen(name, "r");
	char line[512], prev[HASH];
	unsigned char raw[32];
	int n, seq, count = 0;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		ck_assert_int_eq(sscanf(line, "{\"n\":%d,\"prev\":\"%64[0-9a-f]\",\"seq\":%d", &n, prev, &seq), 3);
		ck_assert_int_eq(n, ++w->n);
		ck_assert_int_eq(seq, ++w->seq);
		ck_assert_str_eq(prev, w->hash);
		line[strcspn(line, "\n")] = '\0';
		crypto_generichash(raw, sizeof(raw), (unsigned char *)line, strlen(line), NULL, 0);
		sodium_bin2hex(w->hash, sizeof(w->hash), raw, sizeof(raw));
		count++;
	}
	fclose(file);
	return count;
}

static struct walk beginning(void)
{
	struct walk w = { 0, 0, "" };

	memset(w.hash, '0', HASH - 1);
	return w;
}

START_TEST(events_that_come_again_are_left_out)
{
	struct walk w = beginning();

	open_sink("0");
	ck_assert_int_eq(write_events(1, 3), 0);
	ck_assert_int_eq(write_events(1, 3), 0);
	ck_assert_int_eq(write_events(2, 5), 0);
	close_sink();
	open_sink("0");
	ck_assert_int_eq(write_events(4, 6), 0);
	close_sink();
	ck_assert_int_eq(read_chain(path, &w), 6);
}
END_TEST

/* Killed between the lines and PATH.chain, or in the middle of a line. */
START_TEST(a_crash_leaves_a_chain_that_goes_on)
{
	struct walk w = beginning();
	struct stat st;

	open_sink("0");
	ck_assert_int_eq(write_events(1, 4), 0);
	ck_assert_int_eq(rename(head, moved), 0);
	close_sink();
	open_sink("0");
	ck_assert_int_eq(write_events(3, 6), 0);
	close_sink();
	ck_assert_int_eq(rename(moved, head), 0); /* as it was after line 4 */
	open_sink("0");
	ck_assert_int_eq(write_events(5, 8), 0);
	close_sink();
	ck_assert_int_eq(stat(path, &st), 0);
	unlink(head);
	ck_assert_int_eq(truncate(path, st.st_size - 7), 0); /* half of line 8 */
	open_sink("0");
	ck_assert_int_eq(write_events(8, 9), 0);
	close_sink();
	ck_assert_int_eq(read_chain(path, &w), 9);
}
END_TEST

START_TEST(it_goes_on_over_rotation)
{
	struct walk w = beginning();
	char name[128];
	int files = 0, lines = 0;

	for (int life = 0; life < 3; life++) {
		open_sink("500");
		for (int i = 1; i <= 4; i++)
			ck_assert_int_eq(write_events(life * 4 + i, life * 4 + i), 0);
		close_sink();
	}
	for (int i = 9; i > 0; i--) {
		snprintf(name, sizeof(name), "%s.%d", path, i);
		if (access(name, F_OK))
			continue;
		lines += read_chain(name, &w);
		files++;
	}
	lines += read_chain(path, &w);
	ck_assert_int_eq(lines, 12);
	ck_assert_int_ge(files, 2);
}
END_TEST

/* By somebody else's logrotate, with or without a restart. */
START_TEST(it_goes_on_when_the_file_is_moved_away)
{
	struct walk w = beginning();

	open_sink("0");
	ck_assert_int_eq(write_events(1, 3), 0);
	ck_assert_int_eq(rename(path, moved), 0);
	ck_assert_int_eq(sink->reopen(self, NULL), 0);
	ck_assert_int_eq(write_events(4, 5), 0);
	close_sink();
	ck_assert_int_eq(read_chain(moved, &w), 3);
	ck_assert_int_eq(read_chain(path, &w), 2);
	unlink(path);
	open_sink("0");
	ck_assert_int_eq(write_events(5, 6), 0);
	close_sink();
	ck_assert_int_eq(read_chain(path, &w), 1);
}
END_TEST

/* Going on from what is left would hide that something is missing. */
START_TEST(a_cut_end_leaves_a_gap)
{
	struct walk w = beginning();
	char line[512] = "";
	struct stat st;
	FILE *file;
	int n = 0;

	open_sink("0");
	ck_assert_int_eq(write_events(1, 2), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(write_events(3, 5), 0);
	close_sink();
	ck_assert_int_eq(truncate(path, st.st_size), 0);
	ck_assert_int_eq(read_chain(path, &w), 2);
	open_sink("0");
	ck_assert_int_eq(write_events(6, 6), 0);
	close_sink();
	file = fopen(path, "r");
	while (fgets(line, sizeof(line), file))
		;
	fclose(file);
	ck_assert_int_eq(sscanf(line, "{\"n\":%d,", &n), 1);
	ck_assert_int_eq(n, 6);
}
END_TEST

/* A disk that is full: the batch is asked for again, and is there once. */
START_TEST(a_batch_that_fails_is_not_counted)
{
	struct rlimit before, small = { .rlim_cur = 700, .rlim_max = RLIM_INFINITY };
	struct walk w = beginning();

	open_sink("0");
	ck_assert_int_eq(write_events(1, 2), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	ck_assert_int_eq(write_events(3, 12), DROVER_ERETRY);
	setrlimit(RLIMIT_FSIZE, &before);
	ck_assert_int_eq(write_events(3, 12), 0);
	close_sink();
	ck_assert_int_eq(read_chain(path, &w), 12);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("chain");
	TCase *tcase = tcase_create("lines");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, make_folder, remove_folder);
	tcase_add_test(tcase, events_that_come_again_are_left_out);
	tcase_add_test(tcase, a_crash_leaves_a_chain_that_goes_on);
	tcase_add_test(tcase, it_goes_on_over_rotation);
	tcase_add_test(tcase, it_goes_on_when_the_file_is_moved_away);
	tcase_add_test(tcase, a_cut_end_leaves_a_gap);
	tcase_add_test(tcase, a_batch_that_fails_is_not_counted);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
