/* test_clock.c - times as text, there and back. */
#include <check.h>
#include <string.h>

#include "util/clock.h"

START_TEST(what_is_written_is_read)
{
	static const int64_t times[] = { 0,
					 1,
					 999,
					 1000,
					 INT64_C(951782399999),    /* the last of 2000-02-28 */
					 INT64_C(1709164800000),   /* 2024-02-29 */
					 INT64_C(4102444800123) }; /* 2100 */
	char text[32];

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		clock_format(times[i], text, sizeof(text));
		ck_assert_uint_eq(strlen(text), 24);
		ck_assert_msg(clock_parse(text) == times[i], "%s", text);
	}
}
END_TEST

START_TEST(any_fraction_is_read)
{
	ck_assert_int_eq(clock_parse("1970-01-01T00:00:02Z"), 2000);
	ck_assert_int_eq(clock_parse("1970-01-01T00:00:02.5Z"), 2500);
	ck_assert_int_eq(clock_parse("1970-01-01T00:00:02.04Z"), 2040);
	ck_assert_int_eq(clock_parse("1970-01-01T00:00:02.999999999999Z"), 2999);
}
END_TEST

START_TEST(what_is_none_is_told)
{
	static const char *const bad[] = { "",
					   "-",
					   "2027-01-31",
					   "2027-01-31T00:00:00",
					   "2027-01-31T00:00:00+01:00",
					   "2027-01-31 00:00:00Z",
					   "2027-13-31T00:00:00Z",
					   "2027-01-31T00:00:00.5",
					   "2027-01-31T00:00:00Z " };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(clock_parse(bad[i]) == -1, "%s", bad[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tcase = tcase_create("clock");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, what_is_written_is_read);
	tcase_add_test(tcase, any_fraction_is_read);
	tcase_add_test(tcase, what_is_none_is_told);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
