/* test_json.c - JSON from outside: what is taken, what is refused, and the one form of equal values. */
#include <check.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "task/duration.h"
#include "task/json.h"

static const char *const good[] = { "{}",
				    "[]",
				    "null",
				    " \"a'b:c\" ",
				    "{\"a\":{\"b\":[1,-2.5e3,true,\"\\u00e4\\\\\"]}}",
				    "{\"a\":1,\"b\":{\"a\":1}}",
				    "\"\\ud83d\\ude00 \\uD83D\\uDE00 \\u0000 \\\\ud800\"",
				    "{\"a\":\"b\\u0000\",\"c\":1}" };
static const char *const bad[] = { "",
				   "{",
				   "{'a':1}",
				   "{\"a\":1,\"a\":2}",
				   "{\"a\":1,\"\\u0061\":2}",
				   "[1,]",
				   "{} x",
				   "NaN",
				   "[Infinity]",
				   "// no",
				   "{\"a\" 1}",
				   "\"a\nb\"",
				   "\xff",
				   "\"\xc0\x80\"",
				   "tru",
				   "\"\\ud800\"",
				   "\"\\udc00\\ud800\"",
				   "\"\\ud800\\u0041\"",
				   "\"\\ud800\\n\"",
				   "\"\\uDBFF",
				   "{\"a\\u0000b\":1}" };

START_TEST(taken)
{
	struct json_object *value;
	struct drover_error err = { 0 };

	ck_assert_msg(!json_read(good[_i], strlen(good[_i]), &value, &err), "%s: %s", good[_i], err.message);
	json_object_put(value);
}
END_TEST

START_TEST(refused)
{
	struct json_object *value;
	struct drover_error err = { 0 };

	ck_assert_msg(json_read(bad[_i], strlen(bad[_i]), &value, &err) == DROVER_EINVALID, "%s was taken", bad[_i]);
	ck_assert_ptr_null(value);
	ck_assert_uint_gt(strlen(err.message), 0);
}
END_TEST

static char *canonical(const char *text)
{
	struct json_object *value;
	struct buf out = BUF_INIT;

	ck_assert_int_eq(json_read(text, strlen(text), &value, NULL), 0);
	json_canonical(value, &out);
	json_object_put(value);
	return buf_take(&out);
}

START_TEST(one_form)
{
	char *a = canonical("{\"b\": [1, {\"y\":2,\"x\":null}], \"a\": \"\\u0041\"}");
	char *b = canonical("{\"a\":\"A\",\"b\":[1,{\"x\":null,\"y\":2}]}");

	ck_assert_str_eq(a, b);
	free(a);
	free(b);
}
END_TEST

START_TEST(quoting)
{
	struct buf out = BUF_INIT;

	json_quote(&out, "a\"\\\n\x7f\xc3\xa4\xff\xed\xa0\x80");
	ck_assert_str_eq(out.data,
			 "\"a\\\"\\\\\\u000a\\u007f\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	buf_dispose(&out);
}
END_TEST

START_TEST(durations)
{
	ck_assert_int_eq(duration_parse("90s"), 90000);
	ck_assert_int_eq(duration_parse("5m"), 300000);
	ck_assert_int_eq(duration_parse("250ms"), 250);
	ck_assert_int_eq(duration_parse("1.5"), 1500);
	ck_assert_int_eq(duration_parse("30d"), INT64_C(30) * 86400000);
	ck_assert_int_eq(duration_parse("soon"), -1);
	ck_assert_int_eq(duration_parse("-5"), -1);
	ck_assert_int_eq(duration_parse("5 m"), -1);
	ck_assert_int_eq(duration_parse("0x10"), -1);
	ck_assert_int_eq(duration_parse("1e300"), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json");
	TCase *tests = tcase_create("json");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, taken, 0, (int)(sizeof(good) / sizeof(*good)));
	tcase_add_loop_test(tests, refused, 0, (int)(sizeof(bad) / sizeof(*bad)));
	tcase_add_test(tests, one_form);
	tcase_add_test(tests, quoting);
	tcase_add_test(tests, durations);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
