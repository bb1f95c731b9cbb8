/* test_results_file.c - results in files: what comes back is what was written, and what is damaged is never taken for it. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sched/results_file.h"
#include "util/clock.h"

static char path[64];
static int folder;

static void make_folder(void)
{
	strcpy(path, "/tmp/test-results-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(path));
	folder = results_file_folder(path, NULL);
	ck_assert_int_ge(folder, 0);
}

static void remove_folder(void)
{
	char name[RESULTS_FILE_NAME_SIZE];

	for (int64_t number = results_file_highest(folder); number > 0; number--) {
		results_file_set_aside(folder, number, "the test has ended");
		snprintf(name, sizeof(name), "%012lld.unusable", (long long)number);
		unlinkat(folder, name, 0);
	}
	close(folder);
	rmdir(path);
}

static struct drover_result results[3] = {
	{ .task_key = 7,
	  .unit = 1,
	  .incarnation = 3,
	  .attempt = 2,
	  .index = 40,
	  .status = DROVER_OK,
	  .report = { .out = "a\0b", .out_size = 3, .has_rc = true, .via = "ssh", .result = "{}" } },
	{ .task_key = 7,
	  .unit = 1,
	  .incarnation = 3,
	  .attempt = 2,
	  .index = 41,
	  .status = DROVER_FAILED,
	  .report = { .err = "no", .err_size = 2, .rc = -1, .message = "broken", .signal = "KILL" } },
	{ .task_key = 9, .index = 0, .attempt = 1, .incarnation = 3, .status = DROVER_RUNNING },
};

static void write_with(int64_t number, size_t ends)
{
	const int64_t ended_at[3] = { clock_utc_ms() - 60000, clock_utc_ms() - 30000, clock_utc_ms() + 60000 };
	const struct results_end units[2] = {
		{ .end = { .task_key = 7,
			   .unit = 1,
			   .incarnation = 3,
			   .attempt = 2,
			   .begun = DROVER_TIMEOUT,
			   .rest = DROVER_PENDING,
			   .phase = DROVER_PHASE_EXECUTION,
			   .remote = DROVER_REMOTE_UNKNOWN,
			   .message = "no result by the unit's deadline",
			   .max_attempts = 3,
			   .excused = true },
		  .ended_at = clock_utc_ms() - 60000 },
		{ .end = { .task_key = 9, .attempt = 1, .incarnation = 3, .begun = DROVER_LOST, .rest = DROVER_FAILED },
		  .ended_at = clock_utc_ms() + 60000 },
	};
	const struct results_content content = {
		.results = results, .ended_at = ended_at, .count = 3, .ends = units, .end_count = ends
	};
	struct drover_error err;
	int64_t size = 0;

	ck_assert_int_eq(results_file_write(folder, number, &content, &size, &err), 0);
	ck_assert_int_gt(size, 0);
}

static void write_them(int64_t number)
{
	write_with(number, 2);
}

static size_t read_bytes(int64_t number, char *bytes, size_t room)
{
	char name[RESULTS_FILE_NAME_SIZE];
	ssize_t size;
	int fd;

	results_file_name(number, name);
	fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	size = read(fd, bytes, room);
	close(fd);
	ck_assert(size > 0 && (size_t)size < room);
	return (size_t)size;
}

static void write_bytes(int64_t number, const char *bytes, size_t size)
{
	char name[RESULTS_FILE_NAME_SIZE];
	int fd;

	results_file_name(number, name);
	fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

START_TEST(come_back_as_they_were)
{
	struct results_file file;
	struct drover_error err;
	struct stat st;
	char name[RESULTS_FILE_NAME_SIZE];

	write_them(1);
	results_file_name(1, name);
	ck_assert_int_eq(fstatat(folder, name, &st, 0), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(results_file_read(folder, 1, &file, &err), 0);
	ck_assert_uint_eq(file.count, 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(file.results[i].task_key, results[i].task_key);
		ck_assert_int_eq(file.results[i].unit, results[i].unit);
		ck_assert_int_eq(file.results[i].incarnation, results[i].incarnation);
		ck_assert_int_eq(file.results[i].attempt, results[i].attempt);
		ck_assert_int_eq(file.results[i].index, results[i].index);
		ck_assert_int_eq(file.results[i].status, results[i].status);
		ck_assert_int_eq(file.results[i].report.rc, results[i].report.rc);
		ck_assert_pstr_eq(file.results[i].report.message, results[i].report.message);
		ck_assert_pstr_eq(file.results[i].report.signal, results[i].report.signal);
		ck_assert_pstr_eq(file.results[i].report.result, results[i].report.result);
		ck_assert_uint_eq(file.results[i].report.out_size, results[i].report.out_size);
		ck_assert_uint_eq(file.results[i].report.err_size, results[i].report.err_size);
	}
	ck_assert_mem_eq(file.results[0].report.out, "a\0b", 3);
	ck_assert_ptr_null(file.results[2].report.out);
	ck_assert(file.results[0].age >= 60000 && file.results[0].age < 90000);
	ck_assert(file.results[1].age >= 30000 && file.results[1].age < 60000);
	ck_assert_int_eq(file.results[2].age, 0); /* a clock that was set back */
	results_file_dispose(&file);
}
END_TEST

START_TEST(ends_of_units_come_behind_them)
{
	struct results_file file;
	struct drover_error err;
	const struct drover_unit_end *end;

	write_them(1);
	ck_assert_int_eq(results_file_read(folder, 1, &file, &err), 0);
	ck_assert_uint_eq(file.count, 3);
	ck_assert_uint_eq(file.end_count, 2);
	end = &file.ends[0];
	ck_assert_int_eq(end->task_key, 7);
	ck_assert_int_eq(end->unit, 1);
	ck_assert_int_eq(end->incarnation, 3);
	ck_assert_int_eq(end->attempt, 2);
	ck_assert_int_eq(end->begun, DROVER_TIMEOUT);
	ck_assert_int_eq(end->rest, DROVER_PENDING);
	ck_assert_int_eq(end->phase, DROVER_PHASE_EXECUTION);
	ck_assert_int_eq(end->remote, DROVER_REMOTE_UNKNOWN);
	ck_assert_str_eq(end->message, "no result by the unit's deadline");
	ck_assert_int_eq(end->max_attempts, 3);
	ck_assert(end->excused);
	ck_assert(end->age >= 60000 && end->age < 90000);
	ck_assert_ptr_null(file.ends[1].message);
	ck_assert_int_eq(file.ends[1].age, 0); /* a clock that was set back */
	results_file_dispose(&file);
}
END_TEST

/* So that a node which was taken back to a program that knows of no ends can read it. */
START_TEST(without_ends_it_is_as_before)
{
	struct results_file file;
	struct drover_error err;
	char bytes[4096];
	uint32_t version;

	write_with(1, 0);
	read_bytes(1, bytes, sizeof(bytes));
	memcpy(&version, bytes + 16, sizeof(version));
	ck_assert_uint_eq(version, 1);
	ck_assert_int_eq(results_file_read(folder, 1, &file, &err), 0);
	ck_assert_uint_eq(file.count, 3);
	ck_assert_uint_eq(file.end_count, 0);
	results_file_dispose(&file);
}
END_TEST

START_TEST(what_they_take_up_is_counted)
{
	struct results_usage usage;
	struct drover_error err;

	ck_assert_int_eq(results_file_usage("/nonexistent/results", &usage, &err), 0);
	ck_assert_int_eq(usage.files, 0);
	write_them(1);
	write_them(2);
	results_file_set_aside(folder, 2, "of the test");
	ck_assert_int_eq(results_file_usage(path, &usage, &err), 0);
	ck_assert_int_eq(usage.files, 1);
	ck_assert_int_gt(usage.bytes, 300);
	ck_assert_int_eq(usage.unusable_files, 1);
	ck_assert_int_gt(usage.unusable_bytes, 300);
}
END_TEST

START_TEST(every_truncation_is_seen)
{
	char bytes[4096];
	struct results_file file;
	struct drover_error err;
	size_t size;

	write_them(1);
	size = read_bytes(1, bytes, sizeof(bytes));
	for (size_t cut = 0; cut < size; cut++) {
		write_bytes(1, bytes, cut);
		ck_assert_int_eq(results_file_read(folder, 1, &file, &err), DROVER_EINVALID);
		ck_assert_ptr_null(file.results);
	}
	write_bytes(1, bytes, size);
	ck_assert_int_eq(results_file_read(folder, 1, &file, &err), 0);
	results_file_dispose(&file);
}
END_TEST

START_TEST(every_flipped_bit_is_seen)
{
	char bytes[4096];
	struct results_file file;
	struct drover_error err;
	size_t size;

	write_them(1);
	size = read_bytes(1, bytes, sizeof(bytes));
	for (size_t bit = 0; bit < size * 8; bit++) {
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		write_bytes(1, bytes, size);
		ck_assert_int_eq(results_file_read(folder, 1, &file, &err), DROVER_EINVALID);
		bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
}
END_TEST

START_TEST(go_in_the_order_of_their_numbers)
{
	write_them(3);
	write_them(11);
	write_them(2);
	ck_assert_int_eq(results_file_next(folder, 0), 2);
	ck_assert_int_eq(results_file_next(folder, 2), 3);
	ck_assert_int_eq(results_file_next(folder, 3), 11);
	ck_assert_int_eq(results_file_next(folder, 11), 0);
	results_file_set_aside(folder, 11, "of the test");
	ck_assert_int_eq(results_file_next(folder, 3), 0);
	ck_assert_int_eq(results_file_highest(folder), 11); /* it is not given out again */
	results_file_remove(folder, 2);
	ck_assert_int_eq(results_file_next(folder, 0), 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("results_file");
	TCase *tcase = tcase_create("results_file");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, make_folder, remove_folder);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, come_back_as_they_were);
	tcase_add_test(tcase, ends_of_units_come_behind_them);
	tcase_add_test(tcase, without_ends_it_is_as_before);
	tcase_add_test(tcase, what_they_take_up_is_counted);
	tcase_add_test(tcase, every_truncation_is_seen);
	tcase_add_test(tcase, every_flipped_bit_is_seen);
	tcase_add_test(tcase, go_in_the_order_of_their_numbers);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
