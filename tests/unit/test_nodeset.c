/* test_nodeset.c - node sets: what patterns stand for, what is refused, and what names fold to. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <drover/error.h>

#include "util/buf.h"
#include "util/nodeset.h"

static char *group(void *context, const char *name)
{
	(void)context;
	if (!strcmp(name, "web"))
		return xstrdup("web[1-3],@db");
	if (!strcmp(name, "db"))
		return xstrdup("db1 db2");
	if (!strcmp(name, "rack2"))
		return xstrdup("r2a,r2b");
	if (!strcmp(name, "loop"))
		return xstrdup("a,@loop");
	if (!strcmp(name, "bad"))
		return xstrdup("x[3-1]");
	if (!strcmp(name, "Mixed"))
		return xstrdup("mixed1");
	if (!strcmp(name, "*"))
		return xstrdup("web[1-3],db1");
	return NULL;
}

/* The names of `pattern`, with blanks between; owned. */
static char *expanded(const char *pattern)
{
	struct nodeset set;
	struct drover_error err = { 0 };
	struct buf out = BUF_INIT;

	ck_assert_msg(!nodeset_expand(pattern, 1000, group, NULL, &set, &err), "%s: %s", pattern, err.message);
	for (size_t i = 0; i < set.count; i++)
		buf_printf(&out, "%s%s", i ? " " : "", set.names[i]);
	ck_assert_ptr_null(set.names[set.count]);
	nodeset_dispose(&set);
	return buf_take(&out);
}

static const struct {
	const char *pattern, *names;
} good[] = {
	{ "", "" },
	{ "  ", "" },
	{ "a", "a" },
	{ "Web1.Example", "web1.example" },
	{ "a[8-10]", "a8 a9 a10" },
	{ "a[008-010]", "a008 a009 a010" },
	{ "a[01,1]", "a01 a1" },
	{ "a[1-9/4]", "a1 a5 a9" },
	{ "a[ 1 - 3, 7 ]", "a1 a2 a3 a7" },
	{ "10.0.0.[1-5/2]", "10.0.0.1 10.0.0.3 10.0.0.5" },
	{ "a[1-2]b[3-4]", "a1b3 a1b4 a2b3 a2b4" },
	{ "a[1-2]5", "a15 a25" },
	{ "[1-2]", "1 2" },
	{ "fe80::1 ::1", "fe80::1 ::1" },
	{ "fe80::[1-2]", "fe80::1 fe80::2" },
	{ "b,a,b,A", "b a" },
	{ "a b\n\tc , d", "a b c d" },
	{ "a[1-5]!a[2-3]", "a1 a4 a5" },
	{ "a[1-5]&a[4-9]", "a4 a5" },
	{ "a[1-3]^a[2-4]", "a1 a4" },
	{ "a&a,b", "a b" },
	{ "a,b!a,a", "b a" },
	{ "a[1-9] ! a[2-8] , b & b", "b" },
	{ "a!a", "" },
	{ "@web", "web1 web2 web3 db1 db2" },
	{ "@web!@db,x", "web1 web2 web3 x" },
	{ "x,@rack[2]", "x r2a r2b" },
	{ "@Mixed", "mixed1" },
	{ "@*!web[2-3]", "web1 db1" },
	{ "@web&@rack2", "" },
	{ "a[999999999999999999]", "a999999999999999999" },
};

START_TEST(expands)
{
	char *names = expanded(good[_i].pattern);

	ck_assert_str_eq(names, good[_i].names);
	free(names);
}
END_TEST

static const struct {
	const char *pattern, *part;
	int code;
} bad[] = {
	{ "a[1-3", "column 2: this [ is never closed", DROVER_EINVALID },
	{ "a[1-3,", "column 2: this [ is never closed", DROVER_EINVALID },
	{ "a1]", "column 3: this ] closes nothing", DROVER_EINVALID },
	{ "a[]", "column 3: a whole number is missing", DROVER_EINVALID },
	{ "a[x]", "column 3: a whole number is missing", DROVER_EINVALID },
	{ "a[-5]", "column 3: a whole number is missing", DROVER_EINVALID },
	{ "a[3-1]", "column 3: the range ends before it begins", DROVER_EINVALID },
	{ "a[1-010]", "as many digits", DROVER_EINVALID },
	{ "a[01-3]", "as many digits", DROVER_EINVALID },
	{ "a[1-5/0]", "at least 1", DROVER_EINVALID },
	{ "a[1 2]", "does not belong into a range", DROVER_EINVALID },
	{ "a[1-2][3-4]", "directly after a range", DROVER_EINVALID },
	{ "a[1-9999999999999999999]", "more than 18 digits", DROVER_EINVALID },
	{ "a,", "column 2: a host name is missing after ','", DROVER_EINVALID },
	{ "a,,b", "column 3: a host name is missing before ','", DROVER_EINVALID },
	{ "!a", "column 1: a host name is missing before '!'", DROVER_EINVALID },
	{ "^FILE", "column 1: ^FILE can only be given on the command line", DROVER_EINVALID },
	{ "a,^FILE", "column 3: ^FILE can only be given on the command line", DROVER_EINVALID },
	{ "-", "cannot begin with '-'", DROVER_EINVALID },
	{ "a,-oProxyCommand=x", "column 3: a host name cannot begin with '-'", DROVER_EINVALID },
	{ ".a", "cannot begin with '.'", DROVER_EINVALID },
	{ "a;b", "column 2: ';' cannot be in a host name", DROVER_EINVALID },
	{ "a/b", "'/' cannot be in a host name", DROVER_EINVALID },
	{ "a\001", "0x01", DROVER_EINVALID },
	{ "h\303\266st", "0xc3", DROVER_EINVALID },
	{ "@", "group's name is missing", DROVER_EINVALID },
	{ "@mixed", "no group is called \"mixed\"", DROVER_EINVALID },
	{ "w*b", "'*' cannot be in a host name", DROVER_EINVALID },
	{ "x @nope", "column 3: no group is called \"nope\"", DROVER_EINVALID },
	{ "@loop", "nested too deeply", DROVER_EINVALID },
	{ "@bad", "in group \"bad\": column 3: the range ends", DROVER_EINVALID },
	{ "a[1-1001]", "more than 1000 hosts", DROVER_ELIMIT },
	{ "a[1-999999999999]", "more than 1000 hosts", DROVER_ELIMIT },
	{ "a[1-999999999999999999]b[1-999999999999999999]c[1-999999999999999999]", "more than 1000", DROVER_ELIMIT },
	{ "a[1-600],b[1-600]", "more than 1000 hosts", DROVER_ELIMIT },
	{ "a[1-600]^b[1-600]", "more than 1000 hosts", DROVER_ELIMIT },
};

START_TEST(refuses)
{
	struct nodeset set = { (char **)1, 7 };
	struct drover_error err = { 0 };

	ck_assert_int_eq(nodeset_expand(bad[_i].pattern, 1000, group, NULL, &set, &err), bad[_i].code);
	ck_assert_int_eq(err.code, bad[_i].code);
	ck_assert_msg(strstr(err.message, bad[_i].part) != NULL, "%s: %s", bad[_i].pattern, err.message);
	ck_assert_ptr_null(set.names);
	ck_assert_int_eq(set.count, 0);
}
END_TEST

START_TEST(refuses_groups_without_resolver)
{
	struct nodeset set;
	struct drover_error err = { 0 };

	ck_assert_int_eq(nodeset_expand("@web", 10, NULL, NULL, &set, &err), DROVER_EINVALID);
	ck_assert_int_eq(nodeset_expand("@web", 10, NULL, NULL, &set, NULL), DROVER_EINVALID);
}
END_TEST

START_TEST(bounds_repeated_work)
{
	struct buf pattern = BUF_INIT;
	struct nodeset set;
	struct drover_error err = { 0 };

	/* Never more than 1,000 names at once, but a thousand times. */
	for (int i = 0; i < 1000; i++)
		buf_printf(&pattern, "%sa[1-1000]", i ? "," : "");
	ck_assert_int_eq(nodeset_expand(pattern.data, 1000, NULL, NULL, &set, &err), DROVER_ELIMIT);
	ck_assert_ptr_nonnull(strstr(err.message, "repeats"));
	buf_dispose(&pattern);
}
END_TEST

START_TEST(bounds_the_length_of_a_name)
{
	char name[300];
	struct nodeset set;

	memset(name, 'a', sizeof(name));
	name[253] = '\0';
	ck_assert(nodeset_name_valid(name));
	ck_assert_int_eq(nodeset_expand(name, 10, NULL, NULL, &set, NULL), 0);
	nodeset_dispose(&set);
	name[253] = 'a';
	name[254] = '\0';
	ck_assert(!nodeset_name_valid(name));
	ck_assert_int_eq(nodeset_expand(name, 10, NULL, NULL, &set, NULL), DROVER_EINVALID);
	memcpy(name + 249, "[1-1000]", 9);
	ck_assert_int_eq(nodeset_expand(name, 2000, NULL, NULL, &set, NULL), 0);
	nodeset_dispose(&set);
	memcpy(name + 250, "[1-1000]", 9);
	ck_assert_int_eq(nodeset_expand(name, 2000, NULL, NULL, &set, NULL), DROVER_EINVALID);
}
END_TEST

START_TEST(knows_valid_names)
{
	static const char *const yes[] = { "a", "A1", "10.0.0.1", "fe80::1", "a_b-c.d", "1", ":" };
	static const char *const no[] = { "", "-a", ".a", "a b", "a/b", "a[1]", "@g", "a\n", "\xc3\xb6" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		ck_assert_msg(nodeset_name_valid(yes[i]), "%s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		ck_assert_msg(!nodeset_name_valid(no[i]), "%s", no[i]);
}
END_TEST

static const struct {
	const char *names, *pattern;
} folds[] = {
	{ "", "" },
	{ "a", "a" },
	{ "web002 db1 web001 web003 web007", "db1,web[001-003,007]" },
	{ "a10 a9 a8 a100", "a[8-10,100]" },
	{ "a09 a10 a11 a9", "a[9,09-11]" },
	{ "a1 a2 a01 a02", "a[1-2,01-02]" },
	{ "a1 a1 a1", "a1" },
	{ "1 2 a", "[1-2],a" },
	{ "10.0.0.1 10.0.0.2 10.0.1.1", "10.0.0.[1-2],10.0.1.1" },
	{ "a1b1 a1b2 a2b1 a2b2", "a[1-2]b[1-2]" },
	{ "fe80::1 fe80::2", "fe80::[1-2]" },
	{ "a123456789012345678901 a1", "a1,a123456789012345678901" },
};

START_TEST(folds_names)
{
	struct nodeset set;
	char *pattern;

	ck_assert_int_eq(nodeset_expand(folds[_i].names, 100, NULL, NULL, &set, NULL), 0);
	pattern = nodeset_fold(set.names, set.count);
	ck_assert_str_eq(pattern, folds[_i].pattern);
	free(pattern);
	nodeset_dispose(&set);
}
END_TEST

/* Quadratic code would take minutes of the processor for it. */
START_TEST(is_fast_for_many)
{
	struct nodeset set;
	clock_t start = clock();
	char *pattern;

	ck_assert_int_eq(
		nodeset_expand("10.[0-9].[0-99].[1-200]!10.[0-9].[0-99].[1-199/2]", 200000, NULL, NULL, &set, NULL), 0);
	ck_assert_int_eq(set.count, 100000);
	pattern = nodeset_fold(set.names, set.count);
	ck_assert_int_eq(strncmp(pattern, "10.[0-9].[0-99].[2,4,6,", 22), 0);
	free(pattern);
	nodeset_dispose(&set);
	ck_assert_int_lt((clock() - start) / CLOCKS_PER_SEC, 40);
}
END_TEST

/* Each further operand must cost what is left, not what there once was. */
START_TEST(small_intersections_of_a_large_set_are_cheap)
{
	struct buf pattern = BUF_INIT;
	struct nodeset set;
	clock_t start = clock();

	buf_string(&pattern, "a[1-200000]");
	for (int i = 0; i < 300000; i++)
		buf_string(&pattern, "&a1");
	ck_assert_int_eq(nodeset_expand(pattern.data, 200000, NULL, NULL, &set, NULL), 0);
	ck_assert_int_eq(set.count, 1);
	nodeset_dispose(&set);
	buf_dispose(&pattern);
	ck_assert_int_lt((clock() - start) / CLOCKS_PER_SEC, 40);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nodeset");
	TCase *tc = tcase_create("nodeset");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, expands, 0, sizeof(good) / sizeof(*good));
	tcase_add_loop_test(tc, refuses, 0, sizeof(bad) / sizeof(*bad));
	tcase_add_test(tc, refuses_groups_without_resolver);
	tcase_add_test(tc, bounds_repeated_work);
	tcase_add_test(tc, bounds_the_length_of_a_name);
	tcase_add_test(tc, knows_valid_names);
	tcase_add_loop_test(tc, folds_names, 0, sizeof(folds) / sizeof(*folds));
	tcase_add_test(tc, is_fast_for_many);
	tcase_add_test(tc, small_intersections_of_a_large_set_are_cheap);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
