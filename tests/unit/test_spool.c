/* test_spool.c - the spool on disk: order, resumption, limits, and writers that die in the middle. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drover/error.h>

#include "spool/event.h"
#include "spool/spool.h"

#define MANY 64

static char folder[64];

static void make_folder(void)
{
	strcpy(folder, "/tmp/test-spool-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(folder);
}

static struct spool_writer *new_writer(int64_t limit, int64_t segment)
{
	struct spool_writer *writer = NULL;

	ck_assert_int_eq(spool_writer_open(folder, limit, segment, &writer, NULL), 0);
	return writer;
}

static struct spool_reader *new_reader(void)
{
	struct spool_reader *reader = NULL;

	ck_assert_int_eq(spool_reader_open(folder, &reader, NULL), 0);
	return reader;
}

/* Records whose bytes tell their number; their sizes differ. */
static size_t content(int64_t seq, char *text, size_t size)
{
	size_t want = 20 + (size_t)(seq * 7919 % 200);

	memset(text, 'a' + (int)(seq % 26), want);
	snprintf(text, size, "%019lld", (long long)seq);
	text[19] = '.';
	return want;
}

static void append(struct spool_writer *writer, int64_t from, int64_t to)
{
	char text[256];

	for (int64_t seq = from; seq <= to; seq++)
		ck_assert_int_eq(spool_append(writer, seq, text, content(seq, text, sizeof(text)), NULL), 0);
	ck_assert_int_eq(spool_flush(writer, NULL), 0);
}

/* Reads once; checks that it goes on from `*seq` without a gap and is what was written. */
static int read_once(struct spool_reader *reader, int64_t *seq)
{
	struct spool_record records[MANY];
	int count = spool_read(reader, records, MANY, NULL);
	char text[256];

	ck_assert_int_ge(count, 0);
	for (int i = 0; i < count; i++) {
		ck_assert_int_eq(records[i].seq, ++*seq);
		ck_assert_uint_eq(records[i].size, content(*seq, text, sizeof(text)));
		ck_assert(!memcmp(records[i].data, text, records[i].size));
	}
	return count;
}

/* The same until nothing more is there: for a spool to which nobody appends meanwhile. */
static void read_on(struct spool_reader *reader, int64_t *seq)
{
	while (read_once(reader, seq))
		;
}

static int segments(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(dir)))
		count += strstr(entry->d_name, ".seg") != NULL;
	closedir(dir);
	return count;
}

/* The path of the segment `number`. */
static const char *segment_path(int number)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%012d.seg", folder, number);
	return path;
}

START_TEST(records_come_in_order_and_are_removed_when_acknowledged)
{
	struct spool_writer *writer = new_writer(1 << 20, 2000);
	struct spool_reader *reader = new_reader();
	int64_t seq = 0;

	read_on(reader, &seq);
	ck_assert_int_eq(seq, 0);
	append(writer, 1, 500);
	ck_assert_int_gt(segments(), 10);
	read_on(reader, &seq);
	ck_assert_int_eq(seq, 500);
	ck_assert_int_gt(segments(), 10);
	ck_assert_int_eq(spool_acknowledge(reader, 500, NULL), 0);
	ck_assert_int_eq(segments(), 1);
	append(writer, 501, 600);
	read_on(reader, &seq);
	ck_assert_int_eq(seq, 600);
	spool_reader_close(reader);
	spool_writer_close(writer);
}
END_TEST

START_TEST(a_new_reader_goes_on_after_the_acknowledgement)
{
	struct spool_writer *writer = new_writer(1 << 20, 2000);
	struct spool_reader *reader = new_reader();
	int64_t seq = 0;

	append(writer, 1, 300);
	read_on(reader, &seq);
	ck_assert_int_eq(spool_acknowledge(reader, 123, NULL), 0);
	spool_reader_close(reader);
	reader = new_reader();
	seq = 123;
	read_on(reader, &seq);
	ck_assert_int_eq(seq, 300);
	spool_reader_close(reader);
	spool_writer_close(writer);
}
END_TEST

START_TEST(a_new_writer_knows_the_last_number)
{
	struct spool_writer *writer = new_writer(1 << 20, 2000);
	struct spool_reader *reader;
	char text[256];
	int64_t seq = 0;

	ck_assert_int_eq(spool_last_seq(writer), 0);
	append(writer, 1, 77);
	spool_writer_close(writer);
	writer = new_writer(1 << 20, 2000);
	ck_assert_int_eq(spool_last_seq(writer), 77);
	ck_assert_int_eq(spool_append(writer, 77, text, 1, NULL), DROVER_EINVALID);
	append(writer, 78, 90);
	reader = new_reader();
	read_on(reader, &seq);
	ck_assert_int_eq(seq, 90);
	ck_assert_int_eq(spool_acknowledge(reader, 90, NULL), 0);
	spool_reader_close(reader);
	spool_writer_close(writer);
	/* All is read and removed: the acknowledgement still tells it. */
	writer = new_writer(1 << 20, 2000);
	ck_assert_int_eq(spool_last_seq(writer), 90);
	spool_writer_close(writer);
}
END_TEST

START_TEST(a_full_spool_says_so_and_has_room_again)
{
	struct spool_writer *writer = new_writer(20000, 5000);
	struct spool_reader *reader = new_reader();
	char text[256];
	int64_t seq = 0, last = 0;
	struct drover_error err;
	int code;

	while (!(code = spool_append(writer, last + 1, text, content(last + 1, text, sizeof(text)), &err)))
		last++;
	ck_assert_int_eq(code, DROVER_ELIMIT);
	ck_assert_ptr_nonnull(strstr(err.message, "20000"));
	ck_assert_int_eq(spool_last_seq(writer), last);
	read_on(reader, &seq);
	ck_assert_int_eq(seq, last);
	ck_assert_int_eq(spool_acknowledge(reader, seq, NULL), 0);
	append(writer, last + 1, last + 20);
	read_on(reader, &seq);
	ck_assert_int_eq(seq, last + 20);
	spool_reader_close(reader);
	spool_writer_close(writer);
}
END_TEST

START_TEST(a_limit_of_one_segment_does_not_lock_up)
{
	struct spool_writer *writer = new_writer(3000, 1 << 20);
	struct spool_reader *reader = new_reader();
	char text[256];
	int64_t seq = 0, last = 0;

	for (int round = 0; round < 10; round++) {
		while (!spool_append(writer, last + 1, text, content(last + 1, text, sizeof(text)), NULL))
			last++;
		read_on(reader, &seq);
		ck_assert_int_eq(seq, last);
		ck_assert_int_eq(spool_acknowledge(reader, seq, NULL), 0);
	}
	ck_assert_int_gt(last, 100);
	spool_reader_close(reader);
	spool_writer_close(writer);
}
END_TEST

START_TEST(a_cut_record_hides_no_other)
{
	struct stat st;

	/* Cut at each byte of the last two records. */
	for (int cut = 1; cut < 400; cut += 3) {
		struct spool_writer *writer = new_writer(1 << 20, 1 << 20);
		struct spool_reader *reader;
		int64_t seq = 0, last;

		append(writer, 1, 10);
		spool_writer_close(writer);
		ck_assert_int_eq(stat(segment_path(1), &st), 0);
		ck_assert_int_eq(truncate(segment_path(1), st.st_size - cut), 0);
		reader = new_reader();
		read_on(reader, &seq);
		ck_assert_int_ge(seq, 5);
		ck_assert_int_le(seq, 9);
		writer = new_writer(1 << 20, 1 << 20);
		last = spool_last_seq(writer);
		ck_assert_int_eq(last, seq);
		append(writer, last + 1, last + 5);
		read_on(reader, &seq);
		ck_assert_int_eq(seq, last + 5);
		spool_reader_close(reader);
		spool_writer_close(writer);
		remove_folder();
		mkdir(folder, 0700);
	}
}
END_TEST

START_TEST(damage_costs_the_rest_of_its_segment_only)
{
	struct spool_writer *writer = new_writer(1 << 20, 1000);
	struct spool_reader *reader;
	struct spool_record records[MANY];
	int64_t last = 0;
	int fd, count;

	append(writer, 1, 60);
	fd = open(segment_path(2), O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "\0\0\0\0\0\0\0\0\0\0\0\0", 12, 0), 12);
	close(fd);
	reader = new_reader();
	while ((count = spool_read(reader, records, MANY, NULL)) > 0)
		for (int i = 0; i < count; i++) {
			ck_assert_int_gt(records[i].seq, last);
			last = records[i].seq;
		}
	ck_assert_int_eq(count, 0);
	ck_assert_int_eq(last, 60);
	spool_reader_close(reader);
	spool_writer_close(writer);
}
END_TEST

START_TEST(a_large_record_goes_through)
{
	struct spool_writer *writer = new_writer(64 << 20, 1 << 20);
	struct spool_reader *reader = new_reader();
	struct spool_record records[MANY];
	size_t size = 5 << 20;
	char *data = malloc(size);
	int count, seen = 0;

	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 31);
	for (int seq = 1; seq <= 3; seq++)
		ck_assert_int_eq(spool_append(writer, seq, data, size - (size_t)seq, NULL), 0);
	ck_assert_int_eq(spool_flush(writer, NULL), 0);
	while ((count = spool_read(reader, records, MANY, NULL)) > 0)
		for (int i = 0; i < count; i++) {
			ck_assert_uint_eq(records[i].size, size - (size_t)++seen);
			ck_assert(!memcmp(records[i].data, data, records[i].size));
		}
	ck_assert_int_eq(seen, 3);
	free(data);
	spool_reader_close(reader);
	spool_writer_close(writer);
}
END_TEST

/* A file size limit stands in for a full disk: the write stops in the middle of a record. */
START_TEST(a_write_that_stops_in_the_middle_is_undone)
{
	struct spool_writer *writer = new_writer(1 << 20, 1 << 20);
	struct spool_reader *reader = new_reader();
	struct rlimit limit, old;
	char text[256];
	int64_t seq = 0;
	int appended = 0, flushed;

	signal(SIGXFSZ, SIG_IGN);
	append(writer, 1, 10);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 2000;
	/* Nothing is asserted under the limit: check writes a file of its own. */
	setrlimit(RLIMIT_FSIZE, &limit);
	for (int64_t n = 11; n <= 40; n++)
		appended += !spool_append(writer, n, text, content(n, text, sizeof(text)), NULL);
	flushed = spool_flush(writer, NULL);
	setrlimit(RLIMIT_FSIZE, &old);
	ck_assert_int_eq(appended, 30);
	ck_assert_int_lt(flushed, 0);
	read_on(reader, &seq);
	ck_assert_int_eq(seq, 10);
	ck_assert_int_eq(spool_flush(writer, NULL), 0);
	read_on(reader, &seq);
	ck_assert_int_eq(seq, 40);
	spool_reader_close(reader);
	spool_writer_close(writer);
}
END_TEST

/* Appends for ever and tells each number that has been flushed. No ck_assert: its process is killed
 * at any moment, and check's own messages must not be cut. */
static void __attribute__((noreturn)) write_for_ever(int told)
{
	struct spool_writer *writer = NULL;
	char text[256];
	int64_t seq;

	if (spool_writer_open(folder, INT64_C(1) << 30, 20000, &writer, NULL))
		_exit(1);
	for (seq = spool_last_seq(writer);;) {
		for (int64_t to = seq + 1 + rand() % 40; seq < to; seq++)
			if (spool_append(writer, seq + 1, text, content(seq + 1, text, sizeof(text)), NULL))
				_exit(1);
		if (spool_flush(writer, NULL) || write(told, &seq, sizeof(seq)) != sizeof(seq))
			_exit(1);
	}
}

START_TEST(a_killed_writer_loses_nothing_that_it_flushed)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)getpid();
	struct spool_reader *reader = new_reader();
	int64_t seq = 0;

	printf("SEED=%u\n", seed);
	srand(seed);
	for (int round = 0; round < 20; round++) {
		int64_t flushed = 0, told;
		int pipes[2], left = rand() % 60;
		pid_t child;

		ck_assert_int_eq(pipe(pipes), 0);
		child = fork();
		if (!child)
			write_for_ever(pipes[1]);
		close(pipes[1]);
		while (left-- && read(pipes[0], &told, sizeof(told)) == sizeof(told)) {
			flushed = told;
			if (left % 7 == 0)
				read_once(reader, &seq);
		}
		kill(child, SIGKILL);
		ck_assert_int_eq(waitpid(child, NULL, 0), child);
		while (read(pipes[0], &told, sizeof(told)) == sizeof(told))
			flushed = told;
		close(pipes[0]);
		read_on(reader, &seq);
		ck_assert_int_ge(seq, flushed);
		ck_assert_int_eq(spool_acknowledge(reader, seq - rand() % 3, NULL), 0);
	}
	ck_assert_int_gt(seq, 100);
	ck_assert_int_le(segments(), 25);
	spool_reader_close(reader);
}
END_TEST

START_TEST(events_keep_their_parts)
{
	struct drover_event in = { .size = sizeof(in),
				   .seq = 42,
				   .kind = DROVER_EVENT_HOST,
				   .task = "01T",
				   .host = "web1",
				   .json = "{\"a\":1}",
				   .json_size = 7 };
	struct drover_event out;
	struct buf data = BUF_INIT;

	event_encode(&in, &data);
	ck_assert_int_eq(event_decode(data.data, data.size, &out), 0);
	ck_assert_int_eq(out.seq, 42);
	ck_assert_int_eq(out.kind, DROVER_EVENT_HOST);
	ck_assert_str_eq(out.task, "01T");
	ck_assert_str_eq(out.host, "web1");
	ck_assert_str_eq(out.json, "{\"a\":1}");
	ck_assert_uint_eq(out.json_size, 7);
	for (size_t size = 0; size < data.size; size++)
		ck_assert_int_eq(event_decode(data.data, size, &out), DROVER_EINVALID);
	data.size = 0;
	in.host = NULL;
	event_encode(&in, &data);
	ck_assert_int_eq(event_decode(data.data, data.size, &out), 0);
	ck_assert_ptr_null(out.host);
	buf_dispose(&data);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spool");
	TCase *tcase = tcase_create("disk");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, make_folder, remove_folder);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, records_come_in_order_and_are_removed_when_acknowledged);
	tcase_add_test(tcase, a_new_reader_goes_on_after_the_acknowledgement);
	tcase_add_test(tcase, a_new_writer_knows_the_last_number);
	tcase_add_test(tcase, a_full_spool_says_so_and_has_room_again);
	tcase_add_test(tcase, a_limit_of_one_segment_does_not_lock_up);
	tcase_add_test(tcase, a_cut_record_hides_no_other);
	tcase_add_test(tcase, damage_costs_the_rest_of_its_segment_only);
	tcase_add_test(tcase, a_large_record_goes_through);
	tcase_add_test(tcase, a_write_that_stops_in_the_middle_is_undone);
	tcase_add_test(tcase, a_killed_writer_loses_nothing_that_it_flushed);
	tcase_add_test(tcase, events_keep_their_parts);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
