/* test_live.c - live output: its rate, the flags that units share with their executor host, its frames, its queue. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events/shown.h"
#include "proc/live.h"
#include "proc/messages.h"

START_TEST(a_rate_is_kept)
{
	struct live_budget budget = { .rate = 1000 };

	ck_assert(live_budget_take(&budget, 1500));
	ck_assert(!live_budget_take(&budget, 600)); /* 2000 at once, and no more */
	ck_assert(live_budget_take(&budget, 400));
	budget.at -= 1000;
	ck_assert(live_budget_take(&budget, 1000));
	ck_assert(!live_budget_take(&budget, 900));
	budget.at -= INT64_C(1) << 40; /* however long nothing was shown */
	ck_assert(live_budget_take(&budget, 2000));
	ck_assert(!live_budget_take(&budget, 900));
	ck_assert(!live_budget_take(&budget, SIZE_MAX / 2));
}
END_TEST

START_TEST(places_are_given_once)
{
	struct live_board board;
	int places[100];

	ck_assert_int_eq(live_board_open(&board), 0);
	for (int i = 0; i < 100; i++) {
		places[i] = live_board_take(&board);
		ck_assert_int_ge(places[i], 0);
		live_board_set(&board, places[i], (unsigned char)(i + 1));
	}
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(atomic_load(&board.flags[places[i]]), i + 1);
	live_board_give(&board, places[50]);
	ck_assert_int_eq(atomic_load(&board.flags[places[50]]), 0);
	ck_assert_int_eq(live_board_take(&board), places[50]);
	ck_assert_int_eq(atomic_load(&board.flags[places[50]]), 0);
	live_board_give(&board, -1);
	live_board_set(&board, -1, 1);
	live_board_dispose(&board);
}
END_TEST

START_TEST(no_board_is_nobody_watching)
{
	struct live_board board = { .flags = NULL };

	ck_assert_int_eq(live_board_take(&board), -1);
	live_board_protect(&board);
	live_board_dispose(&board);
}
END_TEST

/* What a child is told after it has begun; 9: it could write there. */
START_TEST(a_child_sees_its_flag_and_cannot_set_any)
{
	struct live_board board;
	int place, status, pipes[2];
	pid_t child;

	ck_assert_int_eq(live_board_open(&board), 0);
	place = live_board_take(&board);
	ck_assert_int_eq(pipe(pipes), 0);
	child = fork();
	if (!child) {
		char byte;

		close(pipes[1]);
		signal(SIGSEGV, SIG_DFL);
		live_board_protect(&board);
		if (read(pipes[0], &byte, 1) || atomic_load(&board.flags[place]) != 7)
			_exit(8);
		atomic_store(&board.flags[place], 1);
		_exit(9);
	}
	close(pipes[0]);
	live_board_set(&board, place, 7);
	close(pipes[1]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	/* A sanitizer makes an exit code of the signal. */
	ck_assert(WIFSIGNALED(status) || (WEXITSTATUS(status) != 8 && WEXITSTATUS(status) != 9));
	ck_assert_int_eq(atomic_load(&board.flags[place]), 7);
	live_board_dispose(&board);
}
END_TEST

static bool passes(struct exec_output output, struct exec_output *again)
{
	struct buf b = BUF_INIT;
	struct wire_reader r;
	bool good;

	message_put_output(&b, &output);
	r = (struct wire_reader){ b.data, b.data + b.size, false };
	good = message_get_output(&r, again);
	if (good)
		ck_assert(again->size == output.size && !memcmp(again->data, output.data, output.size));
	for (size_t size = 0; size < b.size; size++) { /* cut anywhere it is none */
		struct exec_output none;

		r = (struct wire_reader){ b.data, b.data + size, false };
		ck_assert(!message_get_output(&r, &none));
		if (size > 64 && size < b.size - 64)
			size = b.size - 64;
	}
	buf_dispose(&b);
	return good;
}

START_TEST(frames_are_checked)
{
	static char bytes[LIVE_FRAME + 1];
	const struct exec_output good = {
		.position = 3, .stream = 2, .offset = INT64_C(1) << 40, .data = "a\0b", .size = 3
	};
	struct exec_output bad = good, again;

	ck_assert(passes(good, &again));
	ck_assert_uint_eq(again.position, 3);
	ck_assert_int_eq(again.stream, 2);
	ck_assert_int_eq(again.offset, INT64_C(1) << 40);
	bad.data = bytes;
	bad.size = LIVE_FRAME;
	ck_assert(passes(bad, &again));
	bad.size = LIVE_FRAME + 1;
	ck_assert(!passes(bad, &again));
	bad = good;
	bad.size = 0;
	ck_assert(!passes(bad, &again));
	for (int stream = -1; stream <= 3; stream++) {
		bad = good;
		bad.stream = stream;
		ck_assert_int_eq(passes(bad, &again), stream == 1 || stream == 2);
	}
	bad = good;
	bad.offset = -1;
	ck_assert(!passes(bad, &again));
}
END_TEST

START_TEST(the_queue_is_bounded_and_in_order)
{
	static char bytes[100000];
	struct shown shown = { .first = NULL };
	struct shown_item *item;
	size_t count = 0;

	ck_assert_ptr_null(shown_take(&shown));
	for (int64_t i = 0; i < 100; i++)
		shown_add(&shown, "task", "host", 1, i, bytes, sizeof(bytes));
	ck_assert_uint_le(shown.bytes, SHOWN_BYTES);
	while ((item = shown_take(&shown))) {
		ck_assert_int_eq(item->offset, (int64_t)count++);
		ck_assert_str_eq(item->task, "task");
		ck_assert_str_eq(item->host, "host");
		ck_assert_int_eq(item->data[item->size], '\0');
		free(item);
	}
	ck_assert_uint_eq(count, SHOWN_BYTES / sizeof(bytes));
	ck_assert_uint_eq(shown.bytes, 0);
	shown_add(&shown, "t", "h", 2, 5, "x", 1);
	shown_dispose(&shown);
	ck_assert_ptr_null(shown.first);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("live");
	TCase *tests = tcase_create("live");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, a_rate_is_kept);
	tcase_add_test(tests, places_are_given_once);
	tcase_add_test(tests, no_board_is_nobody_watching);
	tcase_add_test(tests, a_child_sees_its_flag_and_cannot_set_any);
	tcase_add_test(tests, frames_are_checked);
	tcase_add_test(tests, the_queue_is_bounded_and_in_order);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
