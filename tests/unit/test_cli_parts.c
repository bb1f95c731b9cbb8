/* test_cli_parts.c - what the command line reads streams with: lines, server-sent events; and names files by. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/lines.h"
#include "cli/outdir.h"
#include "cli/sse.h"

/* --------------------------------------------------------------------------------------------- lines */

static int add_line(void *context, const char *line, size_t size)
{
	struct buf *all = context;

	buf_append(all, line, size);
	buf_char(all, '|');
	return 0;
}

static int stop(void *context, const char *line, size_t size)
{
	(void)line;
	(void)size;
	++*(int *)context;
	return 7;
}

START_TEST(lines_are_whole_however_they_come)
{
	static const char text[] = "one\n\ntwo\xff\0x\nthree";
	size_t size = sizeof(text) - 1;

	for (size_t piece = 1; piece <= size; piece++) {
		struct lines lines = { { 0 } };
		struct buf all = BUF_INIT;

		for (size_t at = 0; at < size; at += piece)
			ck_assert_int_eq(
				lines_take(&lines, text + at, piece < size - at ? piece : size - at, add_line, &all),
				0);
		ck_assert_int_eq(lines_end(&lines, add_line, &all), 0);
		ck_assert_uint_eq(all.size, size + 1);
		ck_assert_mem_eq(all.data, "one||two\xff\0x|three|", all.size);
		ck_assert_int_eq(lines_end(&lines, add_line, &all), 0);
		ck_assert_uint_eq(all.size, size + 1);
		buf_dispose(&all);
	}
}
END_TEST

START_TEST(a_line_without_end_is_bounded_and_cut_between_characters)
{
	struct lines lines = { { 0 } };
	struct buf all = BUF_INIT, text = BUF_INIT;

	/* One byte, then two-byte characters: the bound falls into one of them. */
	buf_char(&text, 'x');
	while (text.size < 3 * LINES_LONGEST)
		buf_string(&text, "é");
	for (size_t at = 0; at < text.size; at += 1000) {
		lines_take(&lines, text.data + at, text.size - at < 1000 ? text.size - at : 1000, add_line, &all);
		ck_assert_uint_le(lines.rest.size, LINES_LONGEST + 1000);
	}
	lines_end(&lines, add_line, &all);
	for (char *p = all.data; *p; p = strchr(p, '|') + 1) {
		ck_assert_uint_le(strcspn(p, "|"), LINES_LONGEST);
		ck_assert_int_ne(*p & 0xc0, 0x80);
	}
	buf_dispose(&all);
	buf_dispose(&text);
}
END_TEST

START_TEST(who_says_no_ends_the_lines)
{
	struct lines lines = { { 0 } };
	int calls = 0;

	ck_assert_int_eq(lines_take(&lines, "a\nb\n", 4, stop, &calls), 7);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(lines_end(&lines, stop, &calls), 0);
	lines_dispose(&lines);
}
END_TEST

/* -------------------------------------------------------------------------------- server-sent events */

static int add_event(void *context, const char *event, const char *data, size_t size)
{
	buf_printf(context, "%s<%.*s>", event, (int)size, data);
	return 0;
}

static int refuse(void *context, const char *event, const char *data, size_t size)
{
	(void)context;
	(void)event;
	(void)data;
	(void)size;
	return 7;
}

START_TEST(events_are_read_however_they_come)
{
	static const char text[] =
		":\n\nevent: host\r\nid: 41\r\ndata: {\"a\":\r\ndata:1}\r\n\r\n"
		": comment\ndata: x\nretry: 5\n\nid: 43\n\nevent: task\ndata:  y\n\nevent: half\ndata: z\n";
	size_t size = sizeof(text) - 1;

	for (size_t piece = 1; piece <= size; piece++) {
		struct drover_error err = { 0 };
		struct sse sse = { .last_id = "" };
		struct buf all = BUF_INIT;

		for (size_t at = 0; at < size; at += piece)
			ck_assert_int_eq(
				sse_take(&sse, text + at, piece < size - at ? piece : size - at, add_event, &all, &err),
				0);
		ck_assert_str_eq(all.data, "host<{\"a\":\n1}>message<x>task< y>");
		ck_assert_str_eq(sse.last_id, "41");
		sse_again(&sse);
		ck_assert_int_eq(sse_take(&sse, "\n", 1, add_event, &all, &err), 0);
		ck_assert_str_eq(all.data, "host<{\"a\":\n1}>message<x>task< y>");
		sse_dispose(&sse);
		buf_dispose(&all);
	}
}
END_TEST

START_TEST(an_event_that_was_refused_is_asked_for_again)
{
	struct sse sse = { .last_id = "" };
	struct drover_error err = { 0 };
	struct buf all = BUF_INIT;

	ck_assert_int_eq(sse_take(&sse, "id: 1\ndata: a\n\n", 15, add_event, &all, &err), 0);
	ck_assert_int_eq(sse_take(&sse, "id: 2\ndata: b\n\n", 15, refuse, &all, &err), 7);
	ck_assert_str_eq(sse.last_id, "1");
	sse_dispose(&sse);
	buf_dispose(&all);
}
END_TEST

START_TEST(an_event_without_end_is_an_error)
{
	struct sse sse = { .last_id = "" };
	struct drover_error err = { 0 };
	struct buf chunk = BUF_INIT;
	int rc = 0;

	while (chunk.size < 1024 * 1024)
		buf_string(&chunk, "xxxxxxxxxxxxxxxx");
	for (int i = 0; i < 20 && !rc; i++)
		rc = sse_take(&sse, chunk.data, chunk.size, refuse, NULL, &err);
	ck_assert_int_eq(rc, DROVER_ELIMIT);
	ck_assert_uint_le(sse.line.size, SSE_LONGEST);
	sse_dispose(&sse);
	buf_dispose(&chunk);
}
END_TEST

/* --------------------------------------------------------------------------------------------- files */

START_TEST(files_of_hosts_stay_in_their_folder)
{
	static const struct {
		const char *host, *name;
	} cases[] = {
		{ "web1.example.org", "web1.example.org.stdout" },
		{ "fe80::1", "fe80::1.stdout" },
		{ "..", "%2e..stdout" },
		{ "../x", "%2e.%2fx.stdout" },
		{ "a/b\n%", "a%2fb%0a%25.stdout" },
		{ "", ".stdout" },
	};
	char name[OUTDIR_NAME_SIZE], other[OUTDIR_NAME_SIZE], host[400];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		outdir_name(cases[i].host, ".stdout", name);
		ck_assert_str_eq(name, cases[i].name);
	}
	memset(host, 'a', sizeof(host));
	for (size_t size = 240; size < sizeof(host); size++) {
		host[size] = '\0';
		outdir_name(host, ".stdout", name);
		ck_assert_uint_le(strlen(name), 255);
		host[size - 1] = 'b';
		outdir_name(host, ".stdout", other);
		ck_assert_str_ne(name, other);
		host[size - 1] = host[size] = 'a';
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli_parts");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, lines_are_whole_however_they_come);
	tcase_add_test(tests, a_line_without_end_is_bounded_and_cut_between_characters);
	tcase_add_test(tests, who_says_no_ends_the_lines);
	tcase_add_test(tests, events_are_read_however_they_come);
	tcase_add_test(tests, an_event_that_was_refused_is_asked_for_again);
	tcase_add_test(tests, an_event_without_end_is_an_error);
	tcase_add_test(tests, files_of_hosts_stay_in_their_folder);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
