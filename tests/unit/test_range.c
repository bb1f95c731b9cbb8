/* test_range.c - ranges of bytes and entity tags, as RFC 9110 has them. */
#include <check.h>
#include <stdlib.h>

#include "../../plugins/http/range.c"

static int64_t first, last;

static enum range_kind read_it(const char *text, int64_t size)
{
	first = last = -1;
	return range_read(text, size, &first, &last);
}

START_TEST(one_range_is_read)
{
	static const struct {
		const char *text;
		int64_t size, first, last;
	} cases[] = {
		{ "bytes=0-0", 10, 0, 0 }, { "bytes=0-9", 10, 0, 9 },
		{ "bytes=2-4", 10, 2, 4 }, { "bytes=2-", 10, 2, 9 },
		{ "bytes=9-", 10, 9, 9 },  { "bytes=5-99999999999999999999999999", 10, 5, 9 },
		{ "bytes=-3", 10, 7, 9 },  { "bytes=-10", 10, 0, 9 },
		{ "bytes=-11", 10, 0, 9 }, { "bytes=-99999999999999999999999", 10, 0, 9 },
		{ "BYTES=1-2", 10, 1, 2 }, { "bytes=0000001-0002", 10, 1, 2 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ck_assert_msg(read_it(cases[i].text, cases[i].size) == RANGE_PART, "%s", cases[i].text);
		ck_assert_int_eq(first, cases[i].first);
		ck_assert_int_eq(last, cases[i].last);
	}
}
END_TEST

START_TEST(what_lies_outside_is_told)
{
	static const char *const cases[] = { "bytes=10-", "bytes=10-20", "bytes=99999999999999999999-", "bytes=-0" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ck_assert_msg(read_it(cases[i], 10) == RANGE_OUTSIDE, "%s", cases[i]);
	ck_assert_int_eq(read_it("bytes=0-0", 0), RANGE_OUTSIDE);
	ck_assert_int_eq(read_it("bytes=-1", 0), RANGE_OUTSIDE);
}
END_TEST

START_TEST(what_is_no_single_range_is_ignored)
{
	static const char *const cases[] = { "",           "bytes",      "bytes=",      "bytes=-",
					     "bytes=a-b",  "bytes=1",    "bytes=4-2",   "bytes=1-2,4-5",
					     "bytes= 1-2", "bytes=1-2 ", "bytes=--1",   "bytes=1--2",
					     "lines=1-2",  "bytes=+1-2", "bytes=0x1-2", "bytes=1-2;" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ck_assert_msg(read_it(cases[i], 10) == RANGE_ALL, "%s", cases[i]);
	ck_assert_int_eq(read_it(NULL, 10), RANGE_ALL);
}
END_TEST

START_TEST(tags_are_compared)
{
	ck_assert(range_allowed(NULL, "\"a\""));
	ck_assert(range_allowed("\"a\"", "\"a\""));
	ck_assert(!range_allowed("W/\"a\"", "\"a\""));
	ck_assert(!range_allowed("\"b\"", "\"a\""));
	ck_assert(!range_allowed("Mon, 23 Nov 2026 07:15:32 GMT", "\"a\""));

	ck_assert(!range_none_match(NULL, "\"a\""));
	ck_assert(range_none_match("*", "\"a\""));
	ck_assert(range_none_match("\"a\"", "\"a\""));
	ck_assert(range_none_match("W/\"a\"", "\"a\""));
	ck_assert(range_none_match("\"b\", \"x,y\" ,W/\"a\"", "\"a\""));
	ck_assert(!range_none_match("\"b\", \"aa\"", "\"a\""));
	ck_assert(!range_none_match("a", "\"a\""));
	ck_assert(!range_none_match("\"b", "\"a\""));
	ck_assert(!range_none_match("", "\"a\""));
	ck_assert(!range_none_match("\"b\" \"a\"", "\"a\""));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("range");
	TCase *tests = tcase_create("range");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, one_range_is_read);
	tcase_add_test(tests, what_lies_outside_is_told);
	tcase_add_test(tests, what_is_no_single_range_is_ignored);
	tcase_add_test(tests, tags_are_compared);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
