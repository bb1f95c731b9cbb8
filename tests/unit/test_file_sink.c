/* test_file_sink.c - the sink `file`: whole lines, rotation, and disks that are full. */
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

#include "sdk/fake_host.h"

static char folder[64], path[96];
static const struct drover_sink *sink;
static void *self;

static void make_folder(void)
{
	strcpy(folder, "/tmp/test-file-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/out.jsonl", folder);
	sink = fake_host_load("file")->sink;
	ck_assert_ptr_nonnull(sink);
}

static void remove_folder(void)
{
	char name[128];

	unlink(path);
	for (int i = 1; i < 10; i++) {
		snprintf(name, sizeof(name), "%s.%d", path, i);
		unlink(name);
	}
	rmdir(folder);
}

static void open_sink(const char *rotate_size, const char *keep)
{
	const char *const options[] = { "path", path, "rotate_size", rotate_size, "keep", keep, "mode", "0600", NULL };

	self = fake_host_new(&sink->info, options);
	ck_assert_int_eq(sink->open(self, NULL), 0);
}

static void close_sink(void)
{
	sink->close(self);
	fake_host_free(&sink->info, self);
}

/* Events `from` to `to`, one batch; each line is its number and `width` more bytes. */
static int write_events(int from, int to, int width, struct drover_error *err)
{
	struct drover_event events[2000];
	static char lines[2000][128];

	for (int i = from; i <= to; i++) {
		int size = snprintf(lines[i - from], sizeof(lines[0]), "{\"n\":%d,\"x\":\"%0*d\"}", i, width, 0);

		events[i - from] = (struct drover_event){ .size = sizeof(events[0]),
							  .seq = i,
							  .kind = DROVER_EVENT_HOST,
							  .task = "t",
							  .json = lines[i - from],
							  .json_size = (size_t)size };
	}
	return sink->write(self, events, (size_t)(to - from + 1), err);
}

/* The numbers in a file must go on from `*number`; returns how many lines it has, -1: no such file. */
static int read_lines(const char *name, int *number)
{
	FILE *file = fopen(name, "r");
	char line[256];
	int count = 0, n = 0;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		ck_assert_msg(line[strlen(line) - 2] == '}' && line[strlen(line) - 1] == '\n', "half a line: %s", line);
		ck_assert_int_eq(sscanf(line, "{\"n\":%d,", &n), 1);
		ck_assert_int_eq(n, ++*number);
		count++;
	}
	fclose(file);
	return count;
}

START_TEST(events_are_lines)
{
	struct stat st;
	int number = 0;

	open_sink("0", "5");
	ck_assert_int_eq(write_events(1, 1500, 20, NULL), 0);
	ck_assert_int_eq(write_events(1501, 1501, 1, NULL), 0);
	ck_assert_int_eq(read_lines(path, &number), 1501);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	close_sink();
}
END_TEST

START_TEST(files_are_rotated_and_the_oldest_goes)
{
	char old[128];
	int number = 20;

	open_sink("200", "2");
	for (int i = 1; i <= 60; i += 10)
		ck_assert_int_eq(write_events(i, i + 9, 10, NULL), 0);
	snprintf(old, sizeof(old), "%s.3", path);
	ck_assert_int_eq(access(old, F_OK), -1);
	snprintf(old, sizeof(old), "%s.2", path);
	number = 30;
	ck_assert_int_eq(read_lines(old, &number), 10);
	snprintf(old, sizeof(old), "%s.1", path);
	ck_assert_int_eq(read_lines(old, &number), 10);
	ck_assert_int_eq(read_lines(path, &number), 10);
	ck_assert_int_eq(number, 60);
	close_sink();
}
END_TEST

START_TEST(a_batch_that_does_not_fit_leaves_no_trace_and_comes_again)
{
	struct drover_error err = { .code = 0 };
	struct rlimit old, limit;
	int number = 0, code;

	signal(SIGXFSZ, SIG_IGN);
	open_sink("0", "5");
	ck_assert_int_eq(write_events(1, 10, 20, NULL), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 1000;
	/* Nothing is asserted under the limit: check writes a file of its own. */
	setrlimit(RLIMIT_FSIZE, &limit);
	code = write_events(11, 100, 20, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	ck_assert_int_eq(code, DROVER_ERETRY);
	ck_assert_ptr_nonnull(strstr(err.message, path));
	ck_assert_int_eq(read_lines(path, &number), 10);
	ck_assert_int_eq(write_events(11, 100, 20, NULL), 0);
	number = 0;
	ck_assert_int_eq(read_lines(path, &number), 100);
	close_sink();
}
END_TEST

START_TEST(half_a_line_of_an_earlier_life_is_removed)
{
	int number = 0, fd;

	open_sink("0", "5");
	ck_assert_int_eq(write_events(1, 5, 20, NULL), 0);
	close_sink();
	fd = open(path, O_WRONLY | O_APPEND);
	ck_assert_int_eq(write(fd, "{\"n\":6,\"x", 9), 9);
	close(fd);
	open_sink("0", "5");
	ck_assert_int_eq(write_events(6, 7, 20, NULL), 0);
	ck_assert_int_eq(read_lines(path, &number), 7);
	close_sink();
}
END_TEST

START_TEST(a_file_that_was_moved_away_is_made_again)
{
	char moved[128];
	int number = 0;

	open_sink("0", "5");
	ck_assert_int_eq(write_events(1, 3, 20, NULL), 0);
	snprintf(moved, sizeof(moved), "%s.1", path);
	ck_assert_int_eq(rename(path, moved), 0);
	ck_assert_int_eq(sink->reopen(self, NULL), 0);
	ck_assert_int_eq(write_events(4, 5, 20, NULL), 0);
	ck_assert_int_eq(read_lines(moved, &number), 3);
	ck_assert_int_eq(read_lines(path, &number), 2);
	close_sink();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file sink");
	TCase *tcase = tcase_create("lines");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, make_folder, remove_folder);
	tcase_add_test(tcase, events_are_lines);
	tcase_add_test(tcase, files_are_rotated_and_the_oldest_goes);
	tcase_add_test(tcase, a_batch_that_does_not_fit_leaves_no_trace_and_comes_again);
	tcase_add_test(tcase, half_a_line_of_an_earlier_life_is_removed);
	tcase_add_test(tcase, a_file_that_was_moved_away_is_made_again);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
