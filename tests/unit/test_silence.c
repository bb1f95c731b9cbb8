/* test_silence.c - who may be expelled: those that were read unchanged for long, without a gap in the readings. */
#include <check.h>

#include "sched/silence.h"

#define STEP 1000

struct world {
	struct silence silence;
	int64_t now, renewed; /* the reader's clock, and when it renewed */
};

static struct world new_world(void)
{
	return (struct world){ .silence = { .take_over = 45000, .read_gap = 5000, .stop_after = 20000 },
			       .now = 1000000,
			       .renewed = 1000000 };
}

/* One reading that takes 10 ms, of one other node; whether it may be expelled. */
static bool look(struct world *w, int64_t renewed_at)
{
	bool expel;

	silence_begin(&w->silence, w->now, w->now + 10, w->renewed);
	expel = silence_read(&w->silence, 7, renewed_at);
	silence_end(&w->silence);
	return expel;
}

/* Readings for that long, with the reader well: whether in one of them it might have been expelled. */
static bool watch(struct world *w, int64_t renewed_at, int64_t ms)
{
	bool expel = false;

	for (int64_t end = w->now + ms; w->now < end && !expel; w->now += STEP) {
		w->renewed = w->now;
		expel = look(w, renewed_at);
	}
	return expel;
}

START_TEST(silent_for_long)
{
	struct world w = new_world();

	ck_assert(!watch(&w, 100, 45000));
	ck_assert_int_eq(silence_of(&w.silence, 7), 44000 - 10);
	ck_assert_int_eq(silence_of(&w.silence, 8), -1);
	w.now += 10;
	ck_assert(look(&w, 100));
	silence_dispose(&w.silence);
}
END_TEST

START_TEST(who_renews_stays)
{
	struct world w = new_world();

	for (int i = 0; i < 20; i++)
		ck_assert(!watch(&w, 100 + i, 40000));
	silence_dispose(&w.silence);
}
END_TEST

/* The database's clock is set back and forth: another value is another value. */
START_TEST(a_value_is_no_time)
{
	struct world w = new_world();

	for (int i = 0; i < 20; i++)
		ck_assert(!watch(&w, i % 2 ? 5 : 9000000000000, 40000));
	silence_dispose(&w.silence);
}
END_TEST

/* Nobody could renew while the store was away, nor could anybody read. */
START_TEST(outage_expires_nothing)
{
	struct world w = new_world();

	ck_assert(!watch(&w, 100, 40000));
	w.now += 3600 * 1000;
	ck_assert(!look(&w, 100));
	ck_assert_int_eq(silence_of(&w.silence, 7), 0);
	w.now += STEP;
	ck_assert(!watch(&w, 100, 40000));
	ck_assert(watch(&w, 100, 10000));
	silence_dispose(&w.silence);
}
END_TEST

/* The reader alone was stopped, or its readings took long: what lies between may have held a renewal of the same value. */
START_TEST(gap_counts_anew)
{
	struct world w = new_world();

	ck_assert(!watch(&w, 100, 40000));
	w.now += 4500;
	ck_assert(!watch(&w, 100, 42000));
	silence_begin(&w.silence, w.now, w.now + 4500, w.now);
	ck_assert(!silence_read(&w.silence, 7, 100));
	silence_end(&w.silence);
	w.now += 4500;
	ck_assert(!watch(&w, 100, 40000));
	silence_dispose(&w.silence);
}
END_TEST

START_TEST(small_gaps_do_not)
{
	struct world w = new_world();
	bool expel = false;

	for (int i = 0; i < 11; i++, w.now += 4900, w.renewed = w.now)
		expel = look(&w, 100);
	ck_assert(expel);
	silence_dispose(&w.silence);
}
END_TEST

/* The store can be read but takes no writes: nobody renews, this reader neither. */
START_TEST(who_cannot_renew_expels_nobody)
{
	struct world w = new_world();

	for (int i = 0; i < 600; i++, w.now += STEP)
		ck_assert(!look(&w, 100));
	/* It is writable again, and this one is the first that renews. */
	ck_assert(!watch(&w, 100, 40000));
	ck_assert(watch(&w, 100, 10000));
	silence_dispose(&w.silence);
}
END_TEST

START_TEST(clock_jumps)
{
	struct world w = new_world();

	ck_assert(!watch(&w, 100, 40000));
	w.now -= 30000;
	ck_assert(!watch(&w, 100, 45000));
	w.now += 60000;
	ck_assert(!watch(&w, 100, 45000));
	/* A reading that ends before it began. */
	silence_begin(&w.silence, w.now, w.now - 50000, w.now);
	ck_assert(!silence_read(&w.silence, 7, 100));
	silence_end(&w.silence);
	ck_assert(!watch(&w, 100, 40000));
	silence_dispose(&w.silence);
}
END_TEST

START_TEST(those_gone_are_forgotten)
{
	struct world w = new_world();

	ck_assert(!watch(&w, 100, 40000));
	w.renewed = w.now;
	silence_begin(&w.silence, w.now, w.now + 10, w.renewed);
	for (int i = 100; i < 150; i++)
		ck_assert(!silence_read(&w.silence, i, 1));
	silence_end(&w.silence);
	ck_assert_int_eq(silence_of(&w.silence, 7), -1);
	ck_assert_int_eq(silence_of(&w.silence, 149), 0);
	w.now += STEP;
	ck_assert(!watch(&w, 100, 40000));
	silence_dispose(&w.silence);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("silence");
	TCase *all = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(all, silent_for_long);
	tcase_add_test(all, who_renews_stays);
	tcase_add_test(all, a_value_is_no_time);
	tcase_add_test(all, outage_expires_nothing);
	tcase_add_test(all, gap_counts_anew);
	tcase_add_test(all, small_gaps_do_not);
	tcase_add_test(all, who_cannot_renew_expels_nobody);
	tcase_add_test(all, clock_jumps);
	tcase_add_test(all, those_gone_are_forgotten);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
