/*
 * test_diff.c - unified diffs: that they turn the one text into the other with the fewest edits, look as
 * diff -u has them, and are given up before they take long.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../plugins/http/diff.c"
#include "../../plugins/http/utf8.c"
#include "../../plugins/http/writer.c"

/* NULL: it was given up. Owned by the caller. */
static char *make(const char *a, const char *b)
{
	struct writer out = { NULL };
	size_t size;
	char *text = NULL;

	if (diff_unified(a, strlen(a), b, strlen(b), &out) == DIFF_MADE) {
		writer_append(&out, "", 1);
		text = writer_take(&out, &size);
	}
	writer_dispose(&out);
	return text;
}

START_TEST(it_looks_as_diff_has_it)
{
	/* The right sides are what `diff -u` prints below its two lines of names. */
	static const struct {
		const char *a, *b, *diff;
	} cases[] = {
		{ "a\n", "a\n", "" },
		{ "", "", "" },
		{ "a\n", "b\n", "@@ -1 +1 @@\n-a\n+b\n" },
		{ "", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n" },
		{ "a\n", "", "@@ -1 +0,0 @@\n-a\n" },
		{ "a\n", "a", "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nX\n6\n7\n8\n9\n",
		  "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+X\n 6\n 7\n 8\n" },
		{ "a\nb\nc\nd\ne\nf\ng\nh\ni\n", "b\nc\nd\ne\nf\ng\nh\n",
		  "@@ -1,4 +1,3 @@\n-a\n b\n c\n d\n@@ -6,4 +5,3 @@\n f\n g\n h\n-i\n" },
		{ "a\nb\nc\nd\ne\nf\ng\nh\n", "b\nc\nd\ne\nf\ng\n",
		  "@@ -1,8 +1,6 @@\n-a\n b\n c\n d\n e\n f\n g\n-h\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *diff = make(cases[i].a, cases[i].b);

		ck_assert_str_eq(diff, cases[i].diff);
		free(diff);
	}
}
END_TEST

/* Applies it to `a`; counts its edits. */
static char *apply(const char *a, const char *diff, int *edits)
{
	char *out = calloc(1, strlen(a) + strlen(diff) + 1);
	int line = 1, from, count;

	*edits = 0;
	while (*diff) {
		const char *end = strchr(diff, '\n') + 1;

		if (*diff == '@') {
			count = 1;
			if (sscanf(diff, "@@ -%d,%d", &from, &count) < 1)
				abort();
			for (; line < from + !count; line++) {
				const char *next = strchr(a, '\n') + 1;

				strncat(out, a, (size_t)(next - a));
				a = next;
			}
		} else if (*diff != '\\') {
			*edits += *diff != ' ';
			if (*diff != '+') {
				ck_assert(!strncmp(a, diff + 1, (size_t)(end - diff - 1)));
				a += end - diff - 1;
				line++;
			}
			if (*diff != '-')
				strncat(out, diff + 1, (size_t)(end - diff - 1));
		}
		diff = end;
	}
	strcat(out, a);
	return out;
}

#define MOST 60

/* By the table that everybody knows. */
static int fewest_edits(const char *a, const char *b)
{
	size_t n = strlen(a) / 2, m = strlen(b) / 2;
	int table[MOST + 1][MOST + 1];

	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			if (!i || !j)
				table[i][j] = (int)(i + j);
			else if (a[2 * i - 2] == b[2 * j - 2])
				table[i][j] = table[i - 1][j - 1];
			else
				table[i][j] =
					1 + (table[i - 1][j] < table[i][j - 1] ? table[i - 1][j] : table[i][j - 1]);
		}
	return table[n][m];
}

/* Lines of one letter each. */
static void make_random(char *text, int letters)
{
	int count = rand() % (MOST + 1);

	for (int i = 0; i < count; i++) {
		*text++ = (char)('a' + rand() % letters);
		*text++ = '\n';
	}
	*text = '\0';
}

START_TEST(it_is_right_and_the_shortest)
{
	char a[2 * MOST + 1], b[2 * MOST + 1];

	srand(20261123);
	for (int i = 0; i < 20000; i++) {
		char *diff, *applied;
		int edits;

		make_random(a, 1 + i % 6);
		make_random(b, 1 + i % 6);
		diff = make(a, b);
		applied = apply(a, diff, &edits);
		ck_assert_str_eq(applied, b);
		ck_assert_int_eq(edits, fewest_edits(a, b));
		free(applied);
		free(diff);
	}
}
END_TEST

static double seconds(clock_t begin)
{
	return (double)(clock() - begin) / CLOCKS_PER_SEC;
}

/* Numbered lines from `first` on, every `step`th of them. */
static char *many_lines(int count, int first, int step)
{
	char *text = malloc((size_t)count * 12 + 1), *at = text;

	for (int i = 0; i < count; i++)
		at += sprintf(at, "%d\n", first + i * step);
	*at = '\0';
	return text;
}

START_TEST(too_much_is_given_up)
{
	char *a = many_lines(DIFF_LINES, 0, 1), *b = many_lines(DIFF_LINES, 1000000, 1);
	char *c = many_lines(DIFF_LINES + 1, 0, 1), *d = many_lines(DIFF_LINES, 1, 1);
	char *big = calloc(1, DIFF_BYTES + 2), *diff;
	struct writer out = { NULL };
	clock_t begin = clock();

	ck_assert_int_eq(diff_unified(a, strlen(a), b, strlen(b), &out), DIFF_TOO_DIFFERENT);
	ck_assert_int_eq(diff_unified(a, strlen(a), c, strlen(c), &out), DIFF_TOO_LARGE);
	memset(big, 'x', DIFF_BYTES + 1);
	ck_assert_int_eq(diff_unified(big, DIFF_BYTES + 1, a, strlen(a), &out), DIFF_TOO_LARGE);
	ck_assert_int_eq(diff_unified(a, strlen(a), big, DIFF_BYTES + 1, &out), DIFF_TOO_LARGE);
	/* Equal ones need no work, whatever their size. */
	ck_assert_int_eq(diff_unified(big, DIFF_BYTES + 1, big, DIFF_BYTES + 1, &out), DIFF_MADE);
	/* One line of a megabyte against another: two edits. */
	ck_assert_int_eq(diff_unified(big, DIFF_BYTES, big, DIFF_BYTES - 1, &out), DIFF_MADE);
	ck_assert_uint_gt(out.size, 2 * DIFF_BYTES);
	writer_dispose(&out);
	diff = make(a, d);
	ck_assert_str_eq(diff,
			 "@@ -1,4 +1,3 @@\n-0\n 1\n 2\n 3\n@@ -19998,3 +19997,4 @@\n 19997\n 19998\n 19999\n+20000\n");
	free(diff);
	/* A fraction of a second; quadratic work would take minutes. */
	ck_assert_double_lt(seconds(begin), 5);
	free(a);
	free(b);
	free(c);
	free(d);
	free(big);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("diff");
	TCase *tests = tcase_create("diff");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, it_looks_as_diff_has_it);
	tcase_add_test(tests, it_is_right_and_the_shortest);
	tcase_add_test(tests, too_much_is_given_up);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
