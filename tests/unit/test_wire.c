/* test_wire.c - frames: what is written is read again, and what is no frame is refused, whatever it is. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proc/messages.h"

START_TEST(fields)
{
	struct buf b = BUF_INIT;
	size_t place = wire_begin(&b, WIRE_NOTE, 42), used, size;
	struct wire_header header;
	struct wire_reader r;

	wire_put_u32(&b, 7);
	wire_put_i64(&b, -5);
	wire_put_bytes(&b, "a\0b", 3);
	wire_put_string(&b, "text");
	wire_put_string(&b, NULL);
	wire_put_string(&b, "");
	wire_finish(&b, place);
	buf_string(&b, "the next frame");

	ck_assert_int_eq(wire_next(b.data, b.size, 1000, &header, &r, &used), 1);
	ck_assert_uint_eq(header.type, WIRE_NOTE);
	ck_assert_uint_eq(header.unit, 42);
	ck_assert_uint_eq(used, b.size - strlen("the next frame"));
	ck_assert_uint_eq(wire_get_u32(&r), 7);
	ck_assert_int_eq(wire_get_i64(&r), -5);
	ck_assert_int_eq(memcmp(wire_get_bytes(&r, &size), "a\0b", 3), 0);
	ck_assert_uint_eq(size, 3);
	ck_assert_str_eq(wire_get_string(&r), "text");
	ck_assert_ptr_null(wire_get_string(&r));
	ck_assert(!wire_get_end(&r));
	ck_assert_str_eq(wire_get_string(&r), "");
	ck_assert(wire_get_end(&r));
	/* Beyond the end: it fails, and stays failed. */
	wire_get_u32(&r);
	ck_assert(!wire_get_end(&r));
	buf_dispose(&b);
}
END_TEST

START_TEST(pieces)
{
	struct buf b = BUF_INIT;
	size_t place = wire_begin(&b, WIRE_NOTE, 1), used;
	struct wire_header header;
	struct wire_reader r;

	wire_put_string(&b, "some text");
	wire_finish(&b, place);
	for (size_t size = 0; size < b.size; size++)
		ck_assert_int_eq(wire_next(b.data, size, 1000, &header, &r, &used), 0);
	ck_assert_int_eq(wire_next(b.data, b.size, 1000, &header, &r, &used), 1);
	/* Told by the header alone, before memory is spent on the rest. */
	ck_assert_int_eq(wire_next(b.data, sizeof(header), 5, &header, &r, &used), -1);
	buf_dispose(&b);
}
END_TEST

START_TEST(lying_strings)
{
	static const struct {
		uint32_t size;
		const char *bytes;
		size_t given;
	} lies[] = { { 5, "abcd", 5 - 1 }, /* shorter than it says */
		     { 4, "abcd", 4 },     /* no NUL at its end */
		     { 5, "ab\0d\0", 5 },  /* one inside */
		     { 0, "", 0 },         /* not even that of an empty string */
		     { UINT32_MAX - 1, "a", 1 } };

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct buf b = BUF_INIT;
		struct wire_reader r;

		wire_put_u32(&b, lies[i].size);
		buf_append(&b, lies[i].bytes, lies[i].given);
		r = (struct wire_reader){ b.data, b.data + b.size, false };
		ck_assert_ptr_null(wire_get_string(&r));
		ck_assert(r.failed);
		buf_dispose(&b);
	}
}
END_TEST

static const struct drover_report report = { .out = "out\0put",
					     .out_size = 7,
					     .err = "e",
					     .err_size = 1,
					     .out_total = 1u << 31,
					     .err_total = 1,
					     .has_rc = true,
					     .rc = -1,
					     .signal = "KILL",
					     .message = "it ended",
					     .result = "{}",
					     .changed = DROVER_CHANGED_YES,
					     .phase = DROVER_PHASE_EXECUTION,
					     .remote = DROVER_REMOTE_UNKNOWN };

START_TEST(results)
{
	struct buf b = BUF_INIT;
	struct drover_report again;
	enum drover_status status;
	struct wire_reader r;
	size_t position;

	message_put_result(&b, 9, DROVER_TIMEOUT, &report);
	r = (struct wire_reader){ b.data, b.data + b.size, false };
	ck_assert(message_get_result(&r, &position, &status, &again));
	ck_assert_uint_eq(position, 9);
	ck_assert_int_eq(status, DROVER_TIMEOUT);
	ck_assert_uint_eq(again.out_size, 7);
	ck_assert_int_eq(memcmp(again.out, "out\0put", 7), 0);
	ck_assert_uint_eq(again.out_total, 1u << 31);
	ck_assert(again.has_rc);
	ck_assert_int_eq(again.rc, -1);
	ck_assert_str_eq(again.signal, "KILL");
	ck_assert_str_eq(again.message, "it ended");
	ck_assert_str_eq(again.result, "{}");
	ck_assert_ptr_null(again.via);
	ck_assert_int_eq(again.changed, DROVER_CHANGED_YES);
	ck_assert_int_eq(again.phase, DROVER_PHASE_EXECUTION);
	ck_assert_int_eq(again.remote, DROVER_REMOTE_UNKNOWN);
	/* Cut anywhere, or with something behind it, it is none. */
	for (size_t size = 0; size < b.size; size++) {
		r = (struct wire_reader){ b.data, b.data + size, false };
		ck_assert(!message_get_result(&r, &position, &status, &again));
	}
	buf_char(&b, 'x');
	r = (struct wire_reader){ b.data, b.data + b.size, false };
	ck_assert(!message_get_result(&r, &position, &status, &again));
	buf_dispose(&b);
}
END_TEST

/* A host's end, or, while it runs, its progress; never that it is pending. */
START_TEST(no_pending_status)
{
	struct buf b = BUF_INIT;
	struct drover_report again;
	enum drover_status status;
	struct wire_reader r;
	size_t position;

	message_put_result(&b, 0, DROVER_PENDING, &report);
	r = (struct wire_reader){ b.data, b.data + b.size, false };
	ck_assert(!message_get_result(&r, &position, &status, &again));
	buf_dispose(&b);
	message_put_result(&b, 0, DROVER_RUNNING, &report);
	r = (struct wire_reader){ b.data, b.data + b.size, false };
	ck_assert(message_get_result(&r, &position, &status, &again));
	buf_dispose(&b);
}
END_TEST

START_TEST(units)
{
	struct drover_target
		targets[2] = { { .name = "a", .address = "10.0.0.1", .port = 22, .user = "ann", .vars = "{}" },
			       { .name = "b" } },
		again[2];
	int64_t indexes[2] = { 30, 99 }, indexes_again[2];
	struct exec_unit unit = { .indexes = indexes,
				  .begun = 1,
				  .info = { .task = "01X",
					    .unit = 3,
					    .attempt = 2,
					    .type = "shell",
					    .payload = "{\"command\":\"true\"}",
					    .deadline = 12345,
					    .output_limit = 65536,
					    .count = 2,
					    .targets = targets } },
			 got;
	struct buf b = BUF_INIT;
	struct wire_reader r;

	message_put_unit(&b, &unit);
	r = (struct wire_reader){ b.data, b.data + b.size, false };
	ck_assert(message_get_unit(&r, &got));
	ck_assert_str_eq(got.info.task, "01X");
	ck_assert_int_eq(got.info.attempt, 2);
	ck_assert_int_eq(got.info.deadline, 12345);
	ck_assert_uint_eq(got.begun, 1);
	ck_assert_uint_eq(got.info.count, 2);
	ck_assert(message_get_targets(&r, 2, again, indexes_again));
	ck_assert_str_eq(again[0].address, "10.0.0.1");
	ck_assert_int_eq(again[0].port, 22);
	ck_assert_str_eq(again[1].name, "b");
	ck_assert_ptr_null(again[1].user);
	ck_assert_int_eq(indexes_again[1], 99);
	buf_dispose(&b);
}
END_TEST

/* Anything may come: nothing is read beyond its end (the sanitizers look), and nothing is believed. */
START_TEST(garbage)
{
	unsigned seed = (unsigned)time(NULL);
	int believed = 0;

	fprintf(stderr, "test_wire: seed %u\n", seed);
	srand(seed);
	for (int i = 0; i < 200000; i++) {
		size_t size = (size_t)rand() % 200;
		char *data = malloc(size + 1);
		struct wire_reader r = { data, data + size, false };
		struct drover_report again;
		struct drover_target targets[8];
		struct exec_ended ended;
		struct exec_unit unit;
		enum drover_status status;
		struct wire_header header;
		int64_t indexes[8];
		size_t position, used;

		for (size_t k = 0; k < size; k++)
			data[k] = rand() % 3 ? (char)(rand() % 4) : (char)rand();
		believed += message_get_result(&r, &position, &status, &again);
		r = (struct wire_reader){ data, data + size, false };
		message_get_ended(&r, &ended);
		r = (struct wire_reader){ data, data + size, false };
		if (message_get_unit(&r, &unit) && unit.info.count <= 8)
			message_get_targets(&r, unit.info.count, targets, indexes);
		if (wire_next(data, size, 150, &header, &r, &used) > 0)
			ck_assert_uint_le(used, size);
		free(data);
	}
	ck_assert_int_eq(believed, 0);
}
END_TEST

/* A true frame with some bytes changed: read or refused, and never a status that is none. */
START_TEST(damage)
{
	struct buf b = BUF_INIT;

	message_put_result(&b, 1, DROVER_OK, &report);
	srand(1);
	for (int i = 0; i < 100000; i++) {
		char *data = malloc(b.size);
		struct wire_reader r = { data, data + b.size, false };
		struct drover_report again;
		enum drover_status status;
		size_t position;

		memcpy(data, b.data, b.size);
		for (int k = rand() % 3; k >= 0; k--)
			data[(size_t)rand() % b.size] = (char)rand();
		if (message_get_result(&r, &position, &status, &again)) {
			ck_assert_int_ne(status, DROVER_PENDING);
			ck_assert_int_lt(again.phase, DROVER_PHASE_COUNT);
			if (again.message)
				ck_assert_uint_lt(strlen(again.message), b.size);
		}
		free(data);
	}
	buf_dispose(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wire");
	TCase *tcase = tcase_create("wire");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, fields);
	tcase_add_test(tcase, pieces);
	tcase_add_test(tcase, lying_strings);
	tcase_add_test(tcase, results);
	tcase_add_test(tcase, no_pending_status);
	tcase_add_test(tcase, units);
	tcase_add_test(tcase, garbage);
	tcase_add_test(tcase, damage);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
