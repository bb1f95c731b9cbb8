/* test_store.c - a store's writing operations, one by one. */
#include "store_fixture.h"

static struct store st;

static void setup(void)
{
	store_open(&st);
}

static void teardown(void)
{
	store_close(&st);
}

static struct drover_result result(const struct drover_task *task, int attempt, int64_t index,
				   enum drover_status status)
{
	return (struct drover_result){ .task_key = task->key,
				       .unit = index / task->unit_size,
				       .incarnation = st.incarnation,
				       .attempt = attempt,
				       .index = index,
				       .status = status };
}

/* ---------------------------------------------------------------------------------- a whole life */

START_TEST(a_task_lives_from_submission_to_its_end)
{
	struct drover_task task = store_task("t1", 5, 3);
	struct drover_result r;
	struct host_row row;

	store_submit(&st, &task);
	ck_assert_int_eq(st.changes, 1);
	ck_assert_str_eq(st.changed_id, "t1");
	ck_assert_int_eq(st.old_state, DROVER_TASK_ACCEPTING);
	ck_assert_int_eq(st.changed.state, DROVER_TASK_QUEUED);
	ck_assert_int_eq(st.changed.counts[DROVER_PENDING], 5);

	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
	ck_assert_int_eq(st.changed.state, DROVER_TASK_RUNNING);
	ck_assert_int_eq(st.changed.counts[DROVER_RUNNING], 3);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 1, 0), 1);
	for (int64_t i = 0; i < 5; i++) {
		r = result(&task, 1, i, i == 2 ? DROVER_FAILED : DROVER_OK);
		r.report = (struct drover_report){ .out = "same\n", .has_rc = true, .rc = i == 2, .via = "local" };
		ck_assert_int_eq(store_result(&st, r), DROVER_WRITTEN);
	}
	ck_assert_int_eq(st.changed.state, DROVER_TASK_DONE);
	ck_assert_int_eq(st.old_state, DROVER_TASK_RUNNING);
	ck_assert_int_gt(st.changed.finished_at, 0);
	ck_assert_int_eq(st.changed.units_done, 2);
	ck_assert_int_eq(store_verify(&st, task.key).without_intent, 0);
	row = store_row(&st, task.key, 2);
	ck_assert_int_eq(row.row.status, DROVER_FAILED);
	ck_assert(row.row.has_rc);
	ck_assert_int_eq(row.row.rc, 1);
	ck_assert_str_eq(row.out, "same\n");
	ck_assert_str_eq(row.engine, "n1");
	ck_assert_int_eq(row.row.unit, 0);
	ck_assert_int_eq(row.row.stdout_total, 5);
	ck_assert_int_eq(store_unit(&st, task.key, 1).state, DROVER_UNIT_DONE);
	ck_assert(store_end(&st,
			    (struct drover_unit_end){
				    .task_key = task.key, .unit = 0, .incarnation = st.incarnation, .attempt = 1 })
			  .held);
}
END_TEST

START_TEST(an_id_is_taken_once)
{
	struct drover_task first = store_task("t", 1, 1), second = store_task("t", 1, 1);

	store_submit(&st, &first);
	store_begin(&st);
	ck_assert_int_eq(st.ops->insert_task(st.w, st.incarnation, &second, &err), DROVER_ECONFLICT);
	st.ops->rollback(st.w);
}
END_TEST

static int fail_task(void *context, const struct drover_task *task)
{
	(void)context;
	ck_abort_msg("task %s is visible", task->id);
	return 0;
}

START_TEST(what_is_being_inserted_is_invisible_and_swept)
{
	struct drover_task_filter filter = { .size = sizeof(filter) };
	struct drover_task task = store_task("t", 40, 4);
	int64_t next;
	bool more;

	store_begin(&st);
	store_insert(&st, st.incarnation, &task);
	store_commit(&st);
	WORKS(st.ops->tasks(st.w, &filter, fail_task, NULL, &err));
	ck_assert_int_eq(st.ops->task(st.w, "t", 0, fail_task, NULL, &err), DROVER_ENOTFOUND);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 0);

	store_begin(&st);
	WORKS(st.ops->sweep_accepting(st.w, ALL, &more, &err));
	WORKS(st.ops->accept(st.w, task.key, &err)); /* its submitter lives: it was left alone */
	st.ops->rollback(st.w);
	next = store_incarnate(&st, "n1");
	for (int i = 0; i < 20; i++) {
		store_begin(&st);
		WORKS(st.ops->sweep_accepting(st.w, 7, &more, &err));
		store_commit(&st);
		if (!more)
			break;
	}
	ck_assert(!more);
	store_begin(&st);
	ck_assert_int_eq(st.ops->accept(st.w, task.key, &err), DROVER_ENOTFOUND);
	st.ops->rollback(st.w);
	st.incarnation = next;
	store_submit(&st, &task); /* the id is free again */
	ck_assert_int_eq(store_verify(&st, task.key).rows, 40);
}
END_TEST

START_TEST(an_incomplete_task_is_not_accepted)
{
	struct drover_host_spec host = { .name = "a" };
	struct drover_task task = store_task("t", 2, 2);

	store_begin(&st);
	WORKS(st.ops->insert_task(st.w, st.incarnation, &task, &err));
	WORKS(st.ops->insert_hosts(st.w, &task, 0, &host, 1, &err));
	ck_assert_int_eq(st.ops->accept(st.w, task.key, &err), DROVER_EINVALID);
	WORKS(st.ops->abandon(st.w, task.key, &err));
	store_commit(&st);
}
END_TEST

START_TEST(tasks_inserted_in_turns_have_contiguous_hosts)
{
	struct drover_task a = store_task("a", 4, 2), b = store_task("b", 4, 2);
	struct drover_unit_spec units[] = { { .first = 0, .count = 1 }, { .first = 1, .count = 3 } };
	struct drover_host_spec hosts[4] = { { .name = "h0" }, { .name = "h1" }, { .name = "h2" }, { .name = "h3" } };
	struct host_row rows[8];

	store_begin(&st);
	WORKS(st.ops->insert_task(st.w, st.incarnation, &a, &err));
	WORKS(st.ops->insert_task(st.w, st.incarnation, &b, &err));
	for (int64_t i = 0; i < 4; i += 2) {
		WORKS(st.ops->insert_hosts(st.w, &a, i, hosts + i, 2, &err));
		WORKS(st.ops->insert_hosts(st.w, &b, i, hosts + i, 2, &err));
	}
	WORKS(st.ops->insert_units(st.w, &a, 0, units, 2, &err)); /* not of unit_size */
	WORKS(st.ops->insert_units(st.w, &b, 0, units, 2, &err));
	WORKS(st.ops->accept(st.w, a.key, &err));
	WORKS(st.ops->accept(st.w, b.key, &err));
	store_commit(&st);
	ck_assert_int_eq(st.changes, 2);
	ck_assert_int_ge(b.host_base, a.host_base + 4);
	ck_assert_int_eq(store_rows(&st, st.w, (struct drover_result_filter){ .task_key = b.key }, rows, 8), 4);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(rows[i].row.id, b.host_base + i);
		ck_assert_int_eq(rows[i].row.unit, i > 0);
	}
}
END_TEST

/* --------------------------------------------------------------------------- claims and intents */

START_TEST(a_unit_is_claimed_once)
{
	struct drover_task task = store_task("t", 4, 4);
	int64_t other = store_incarnate(&st, "n2");

	store_submit(&st, &task);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
	ck_assert_int_eq(store_claim(&st, other, task.key, 0, 0), 0);
	ck_assert_int_eq(store_claim(&st, other, task.key, 7, 0), 0);
	ck_assert_int_eq(store_claim(&st, other, 4711, 0, 0), 0);
}
END_TEST

START_TEST(an_ended_incarnation_gets_nothing)
{
	struct drover_task task = store_task("t", 4, 2);
	struct drover_intent intent = { .incarnation = st.incarnation, .attempt = 1, .first = 1, .count = 1 };
	int64_t old = st.incarnation;

	store_submit(&st, &task);
	intent.task_key = task.key;
	ck_assert_int_eq(store_claim(&st, old, task.key, 0, 1), 1);
	store_incarnate(&st, "n1");
	ck_assert_int_eq(store_claim(&st, old, task.key, 1, 0), 0);
	store_begin(&st);
	WORKS(st.ops->intend(st.w, &intent, 1, &err));
	ck_assert(!intent.granted);
	ck_assert_int_eq(st.ops->renew(st.w, &(struct drover_renewal){ .incarnation = old }, &err), DROVER_ECONFLICT);
	st.ops->rollback(st.w);
}
END_TEST

START_TEST(a_window_begins_hosts_step_by_step)
{
	struct drover_task task = store_task("t", 6, 6);
	struct drover_intent intent = { .incarnation = st.incarnation, .attempt = 1, .first = 2, .count = 3 };

	store_submit(&st, &task);
	intent.task_key = task.key;
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 2), 1);
	ck_assert_int_eq(st.changed.counts[DROVER_RUNNING], 2);
	for (int again = 0; again < 2; again++) { /* the second time changes nothing, and is granted */
		store_begin(&st);
		WORKS(st.ops->intend(st.w, &intent, 1, &err));
		store_commit(&st);
		ck_assert(intent.granted);
		ck_assert_int_eq(store_get(&st, task.key).counts[DROVER_RUNNING], 5);
	}
	ck_assert_int_eq(store_row(&st, task.key, 4).row.status, DROVER_RUNNING);
	ck_assert_int_eq(store_row(&st, task.key, 5).row.status, DROVER_PENDING);
	intent.attempt = 2;
	store_begin(&st);
	WORKS(st.ops->intend(st.w, &intent, 1, &err));
	store_commit(&st);
	ck_assert(!intent.granted);
}
END_TEST

START_TEST(a_cancelled_task_grants_no_claim_and_no_intent)
{
	struct drover_task task = store_task("t", 6, 3);
	struct drover_intent intent = { .incarnation = st.incarnation, .attempt = 1, .first = 1, .count = 2 };

	store_submit(&st, &task);
	intent.task_key = task.key;
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 1), 1);
	store_begin(&st);
	WORKS(st.ops->cancel(st.w, task.key, "enough", &err));
	store_commit(&st);
	ck_assert_int_eq(st.changed.state, DROVER_TASK_CANCELLING);
	ck_assert_int_eq(st.changed.counts[DROVER_CANCELLED], 5);
	ck_assert_int_eq(store_unit(&st, task.key, 1).state, DROVER_UNIT_DONE);
	ck_assert_int_eq(store_unit(&st, task.key, 0).state, DROVER_UNIT_CLAIMED);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 1, 0), 0);
	store_begin(&st);
	WORKS(st.ops->intend(st.w, &intent, 1, &err));
	store_commit(&st);
	ck_assert(!intent.granted);
	ck_assert_str_eq(store_row(&st, task.key, 5).message, "cancelled before it was started: enough");

	/* A result that is there already stands. */
	ck_assert_int_eq(store_result(&st, result(&task, 1, 0, DROVER_OK)), DROVER_WRITTEN);
	ck_assert_int_eq(st.changed.state, DROVER_TASK_CANCELLED);
	ck_assert_int_eq(store_verify(&st, task.key).counted[DROVER_OK], 1);
	store_begin(&st);
	ck_assert_int_eq(st.ops->cancel(st.w, task.key, NULL, &err), DROVER_ECONFLICT);
	st.ops->rollback(st.w);
}
END_TEST

START_TEST(cancelling_what_nobody_began_ends_it_at_once)
{
	struct drover_task task = store_task("t", 6, 3);

	store_submit(&st, &task);
	store_begin(&st);
	WORKS(st.ops->cancel(st.w, task.key, NULL, &err));
	store_commit(&st);
	ck_assert_int_eq(st.changed.state, DROVER_TASK_CANCELLED);
	ck_assert_int_eq(st.changed.units_done, 2);
	ck_assert_int_eq(store_verify(&st, task.key).without_intent, 0);
}
END_TEST

START_TEST(claim_cancel_and_result_may_share_a_transaction)
{
	struct drover_task task = store_task("t", 3, 3);
	struct drover_claim claim = { .window = 1 };
	struct drover_result r;

	store_submit(&st, &task);
	claim.task_key = task.key;
	r = result(&task, 1, 0, DROVER_OK);
	store_begin(&st);
	WORKS(st.ops->claim(st.w, st.incarnation, &claim, 1, &err));
	WORKS(st.ops->cancel(st.w, task.key, NULL, &err));
	WORKS(st.ops->results(st.w, &r, 1, &err));
	store_commit(&st);
	ck_assert_int_eq(r.outcome, DROVER_WRITTEN);
	ck_assert_int_eq(store_unit(&st, task.key, 0).state, DROVER_UNIT_DONE);
	ck_assert_int_eq(st.changed.state, DROVER_TASK_CANCELLED);
	ck_assert_int_eq(st.changed.units_done, 1);
}
END_TEST

START_TEST(an_expired_task_is_not_claimed_and_ends)
{
	struct drover_task task = store_task("t", 6, 3), lasting = store_task("u", 1, 1);
	bool more;

	task.expires_at = 1;
	store_submit(&st, &task);
	store_submit(&st, &lasting);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 0);
	store_begin(&st);
	WORKS(st.ops->expire(st.w, 10, &more, &err));
	store_commit(&st);
	ck_assert(!more);
	ck_assert_int_eq(st.changes, 1);
	ck_assert_int_eq(st.changed.state, DROVER_TASK_DONE);
	ck_assert_int_eq(st.changed.counts[DROVER_EXPIRED], 6);
	ck_assert_int_eq(st.changed.units_done, 2);
	store_verify(&st, task.key);
}
END_TEST

/* ------------------------------------------------------------------------------- fence and takeover */

/* Databases write JSON with blanks or without. */
static const char *without_blanks(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (*from != ' ')
			*to++ = *from;
	*to = '\0';
	return text;
}

START_TEST(a_late_result_changes_no_status_and_is_kept)
{
	struct host_row row;
	struct drover_task task = store_task("t", 2, 2);
	int64_t old = st.incarnation, other = store_incarnate(&st, "n2");
	struct drover_unit_row swept;
	struct drover_result late;
	bool more;

	task.rerun_lost = true;
	store_submit(&st, &task);
	ck_assert_int_eq(store_claim(&st, old, task.key, 0, 0), 1);
	store_incarnate(&st, "n1");
	store_begin(&st);
	WORKS(st.ops->sweep(st.w, MAX_ATTEMPTS, 10, store_take_unit, &swept, &more, &err));
	store_commit(&st);
	ck_assert(!more);
	ck_assert_int_eq(swept.state, DROVER_UNIT_READY);
	ck_assert_int_eq(swept.counts[DROVER_PENDING], 2);
	ck_assert_int_eq(store_claim(&st, other, task.key, 0, 0), 2);

	late = result(&task, 1, 0, DROVER_OK);
	late.report = (struct drover_report){
		.out = "\xff", .out_size = 1, .message = "\"quoted\"", .result = "{\"x\":[1]}"
	};
	ck_assert_int_eq(store_result(&st, late), DROVER_LATE);
	ck_assert_int_eq(st.changes, 0);
	ck_assert_int_eq(store_row(&st, task.key, 0).row.status, DROVER_RUNNING);
	late = result(&task, 2, 0, DROVER_FAILED);
	late.incarnation = other;
	ck_assert_int_eq(store_result(&st, late), DROVER_WRITTEN);
	row = store_row(&st, task.key, 0);
	ck_assert_int_eq(row.row.status, DROVER_FAILED);
	ck_assert_ptr_nonnull(strstr(without_blanks(row.late), "\"status\":\"ok\""));
	ck_assert_ptr_nonnull(strstr(without_blanks(row.late), "\"stdout\":\"/w==\""));
	ck_assert_ptr_nonnull(strstr(without_blanks(row.late), "\"result\":{\"x\":[1]}"));
	ck_assert_str_eq(row.engine, "n2");
	ck_assert(!store_end(&st,
			     (struct drover_unit_end){
				     .task_key = task.key, .incarnation = old, .attempt = 1, .begun = DROVER_LOST })
			   .held);
	ck_assert_int_eq(store_get(&st, task.key).counts[DROVER_RUNNING], 1);
}
END_TEST

START_TEST(results_are_written_once_and_for_their_unit)
{
	struct drover_task task = store_task("t", 4, 2);
	struct drover_result foreign;

	store_submit(&st, &task);
	store_claim(&st, st.incarnation, task.key, 0, 0);
	ck_assert_int_eq(store_result(&st, result(&task, 1, 0, DROVER_OK)), DROVER_WRITTEN);
	ck_assert_int_eq(store_result(&st, result(&task, 1, 0, DROVER_FAILED)), DROVER_REPEATED);
	foreign = result(&task, 1, 0, DROVER_OK);
	foreign.index = 2;
	ck_assert_int_eq(store_result(&st, foreign), DROVER_FOREIGN);
	foreign.unit = 9;
	ck_assert_int_eq(store_result(&st, foreign), DROVER_FOREIGN);
	ck_assert_int_eq(store_result(&st, result(&task, 1, 1, DROVER_OK)), DROVER_WRITTEN);
	ck_assert_int_eq(store_unit(&st, task.key, 0).state, DROVER_UNIT_DONE);
	/* As after a crash, when the spool is applied again. */
	ck_assert_int_eq(store_result(&st, result(&task, 1, 1, DROVER_OK)), DROVER_REPEATED);
	ck_assert_str_eq(store_row(&st, task.key, 1).late, "");
	store_verify(&st, task.key);
}
END_TEST

/* Whoever does not hold the unit any more, by its incarnation and by the attempt, ends and begins none of its hosts. */
START_TEST(who_does_not_hold_a_unit_changes_nothing)
{
	struct drover_task task = store_task("t", 3, 3);
	const int64_t own = st.incarnation, other = store_incarnate(&st, "n2");
	struct drover_unit_end end = {
		.incarnation = own, .attempt = 1, .begun = DROVER_PENDING, .rest = DROVER_PENDING
	};
	/* Its first attempt, when the same engine makes the second; and another engine. */
	const struct {
		int64_t incarnation;
		int attempt;
	} strangers[] = { { own, 1 }, { other, 2 } };

	store_submit(&st, &task);
	end.task_key = task.key;
	ck_assert_int_eq(store_claim(&st, own, task.key, 0, 1), 1);
	ck_assert(store_end(&st, end).held);
	ck_assert(!store_end(&st, end).held); /* nobody does now */
	ck_assert_int_eq(store_result(&st, result(&task, 1, 0, DROVER_OK)), DROVER_LATE);
	ck_assert_int_eq(store_row(&st, task.key, 0).row.status, DROVER_PENDING);
	ck_assert_int_eq(store_claim(&st, own, task.key, 0, 1), 2);
	for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++) {
		struct drover_intent intent = { .task_key = task.key,
						.incarnation = strangers[i].incarnation,
						.attempt = strangers[i].attempt,
						.first = 1,
						.count = 1 };
		struct drover_result late = result(&task, strangers[i].attempt, 0, DROVER_OK);

		late.incarnation = end.incarnation = strangers[i].incarnation;
		end.attempt = strangers[i].attempt;
		ck_assert_int_eq(store_result(&st, late), DROVER_LATE);
		ck_assert(!store_end(&st, end).held);
		store_begin(&st);
		WORKS(st.ops->intend(st.w, &intent, 1, &err));
		store_commit(&st);
		ck_assert(!intent.granted);
		ck_assert_int_eq(store_get(&st, task.key).counts[DROVER_RUNNING], 1);
	}
	ck_assert_int_eq(store_result(&st, result(&task, 2, 0, DROVER_OK)), DROVER_WRITTEN);
	store_verify(&st, task.key);
}
END_TEST

/* What is known of a host before its end changes no status, and nothing once it has ended or is another attempt's. */
START_TEST(progress_is_no_result)
{
	struct drover_task task = store_task("t", 2, 2);
	struct drover_result progress;

	store_submit(&st, &task);
	store_claim(&st, st.incarnation, task.key, 0, 0);
	progress = result(&task, 1, 0, DROVER_RUNNING);
	progress.report = (struct drover_report){ .result = "{\"steps\":[1]}", .changed = DROVER_CHANGED_YES };
	ck_assert_int_eq(store_result(&st, progress), DROVER_WRITTEN);
	ck_assert_int_eq(st.changes, 0);
	ck_assert_int_eq(store_row(&st, task.key, 0).row.status, DROVER_RUNNING);
	ck_assert_int_eq(store_row(&st, task.key, 0).row.changed, DROVER_CHANGED_YES);
	ck_assert_str_eq(store_row(&st, task.key, 0).result, "{\"steps\":[1]}");

	progress.attempt = 2;
	progress.report.result = "{\"steps\":[2]}";
	store_result(&st, progress);
	ck_assert_str_eq(store_row(&st, task.key, 0).result, "{\"steps\":[1]}");

	ck_assert_int_eq(store_result(&st, result(&task, 1, 0, DROVER_OK)), DROVER_WRITTEN);
	progress.attempt = 1;
	store_result(&st, progress);
	ck_assert_int_eq(store_row(&st, task.key, 0).row.status, DROVER_OK);
	ck_assert_str_eq(store_row(&st, task.key, 0).result, "");
	ck_assert_str_eq(store_row(&st, task.key, 0).late, "");
	store_verify(&st, task.key);
}
END_TEST

START_TEST(a_result_without_an_intent_is_seen)
{
	struct drover_task task = store_task("t", 2, 2);

	store_submit(&st, &task);
	store_claim(&st, st.incarnation, task.key, 0, 1);
	ck_assert_int_eq(store_result(&st, result(&task, 1, 0, DROVER_OK)), DROVER_WRITTEN);
	ck_assert_int_eq(store_verify(&st, task.key).without_intent, 0);
	ck_assert_int_eq(store_result(&st, result(&task, 1, 1, DROVER_OK)), DROVER_WRITTEN);
	ck_assert_int_eq(store_verify(&st, task.key).without_intent, 1);
}
END_TEST

START_TEST(takeover_loses_what_was_begun_and_queues_the_rest)
{
	struct drover_task task = store_task("t", 5, 5);
	struct drover_unit_row swept;
	bool more;

	store_submit(&st, &task);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 3), 1);
	store_result(&st, result(&task, 1, 0, DROVER_OK));
	store_incarnate(&st, "n1");
	store_begin(&st);
	WORKS(st.ops->sweep(st.w, MAX_ATTEMPTS, 1, store_take_unit, &swept, &more, &err));
	store_commit(&st);
	ck_assert_int_eq(swept.counts[DROVER_OK], 1);
	ck_assert_int_eq(swept.counts[DROVER_LOST], 2);
	ck_assert_int_eq(swept.counts[DROVER_PENDING], 2);
	ck_assert_str_eq(store_row(&st, task.key, 1).message, "the engine n1 that executed it is gone");
	ck_assert_int_eq(store_row(&st, task.key, 1).row.remote, DROVER_REMOTE_UNKNOWN);
	/* The true result of a lost host is kept beside its row. */
	ck_assert_int_eq(store_result(&st, result(&task, 1, 1, DROVER_OK)), DROVER_LATE);
	ck_assert_int_eq(store_row(&st, task.key, 1).row.status, DROVER_LOST);
	ck_assert_int_gt((int)strlen(store_row(&st, task.key, 1).late), 2);
}
END_TEST

START_TEST(attempts_are_limited)
{
	struct drover_unit_end end = { .incarnation = st.incarnation,
				       .begun = DROVER_PENDING,
				       .rest = DROVER_PENDING,
				       .remote = DROVER_REMOTE_UNKNOWN,
				       .message = "killed by signal 9" };
	struct drover_task task = store_task("t", 3, 3);

	store_submit(&st, &task);
	end.task_key = task.key;
	for (int attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
		ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 1), attempt);
		end.attempt = attempt;
		end = store_end(&st, end);
		ck_assert(end.held);
		ck_assert_int_eq(end.ready, attempt < MAX_ATTEMPTS);
	}
	ck_assert_int_eq(st.changed.state, DROVER_TASK_DONE);
	ck_assert_str_eq(store_row(&st, task.key, 2).message,
			 "not started after 3 attempts (limits.attempts); the last: killed by signal 9");
	ck_assert_int_eq(store_row(&st, task.key, 2).row.status, DROVER_FAILED);
	ck_assert_int_eq(store_row(&st, task.key, 0).row.status, DROVER_LOST);
	ck_assert_int_eq(store_verify(&st, task.key).without_intent, 0);
}
END_TEST

START_TEST(a_deadline_ends_what_has_no_result)
{
	struct drover_unit_end end = { .incarnation = st.incarnation,
				       .attempt = 1,
				       .begun = DROVER_TIMEOUT,
				       .rest = DROVER_TIMEOUT,
				       .phase = DROVER_PHASE_WAITING,
				       .message = "the unit's deadline passed" };
	struct drover_task task = store_task("t", 3, 3);
	struct host_row rows[3];

	store_submit(&st, &task);
	end.task_key = task.key;
	store_claim(&st, st.incarnation, task.key, 0, 2);
	store_result(&st, result(&task, 1, 0, DROVER_OK));
	store_end(&st, end);
	ck_assert_int_eq(st.changed.counts[DROVER_TIMEOUT], 2);
	ck_assert_int_eq(st.changed.state, DROVER_TASK_DONE);
	ck_assert_int_eq(store_rows(&st, st.w, (struct drover_result_filter){ .task_key = task.key }, rows, 3), 3);
	ck_assert_int_eq(rows[1].row.phase, DROVER_PHASE_WAITING);
	ck_assert_int_ne(rows[1].row.seq, rows[2].row.seq);
}
END_TEST

/* As when the store was away meanwhile. */
START_TEST(an_end_that_comes_late_tells_when_it_was)
{
	struct drover_unit_end end = { .incarnation = st.incarnation,
				       .attempt = 1,
				       .begun = DROVER_TIMEOUT,
				       .rest = DROVER_TIMEOUT,
				       .age = 60000 };
	struct drover_task task = store_task("t", 4, 2);
	struct drover_result_row begun;
	int64_t late, now;

	store_submit(&st, &task);
	end.task_key = task.key;
	store_claim(&st, st.incarnation, task.key, 0, 1);
	store_claim(&st, st.incarnation, task.key, 1, 1);
	store_end(&st, end);
	end.unit = 1;
	end.age = 0;
	store_end(&st, end);
	late = store_row(&st, task.key, 1).row.finished_at;
	now = store_row(&st, task.key, 3).row.finished_at;
	ck_assert(now - late >= 60000 && now - late < 90000);
	/* But no host before it was begun. */
	begun = store_row(&st, task.key, 0).row;
	ck_assert(begun.started_at > 0 && begun.finished_at == begun.started_at);
}
END_TEST

START_TEST(rollback_forgets_everything)
{
	struct drover_task task = store_task("t", 4, 2), other = store_task("u", 1, 1);
	struct drover_claim claim = { 0 };
	struct drover_result r;

	store_submit(&st, &task);
	claim.task_key = task.key;
	r = result(&task, 1, 0, DROVER_OK);
	store_begin(&st);
	WORKS(st.ops->claim(st.w, st.incarnation, &claim, 1, &err));
	WORKS(st.ops->results(st.w, &r, 1, &err));
	ck_assert_int_eq(r.outcome, DROVER_WRITTEN);
	ck_assert_int_eq(store_get(&st, task.key).counts[DROVER_OK], 1); /* seen within */
	st.ops->rollback(st.w);
	ck_assert_int_eq(store_get(&st, task.key).counts[DROVER_PENDING], 4);
	store_verify(&st, task.key);
	store_submit(&st, &other);
	ck_assert_int_eq(st.changes, 1);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_task_lives_from_submission_to_its_end,
		an_id_is_taken_once,
		what_is_being_inserted_is_invisible_and_swept,
		an_incomplete_task_is_not_accepted,
		tasks_inserted_in_turns_have_contiguous_hosts,
		a_unit_is_claimed_once,
		an_ended_incarnation_gets_nothing,
		a_window_begins_hosts_step_by_step,
		a_cancelled_task_grants_no_claim_and_no_intent,
		cancelling_what_nobody_began_ends_it_at_once,
		claim_cancel_and_result_may_share_a_transaction,
		an_expired_task_is_not_claimed_and_ends,
		a_late_result_changes_no_status_and_is_kept,
		results_are_written_once_and_for_their_unit,
		who_does_not_hold_a_unit_changes_nothing,
		progress_is_no_result,
		a_result_without_an_intent_is_seen,
		takeover_loses_what_was_begun_and_queues_the_rest,
		attempts_are_limited,
		a_deadline_ends_what_has_no_result,
		an_end_that_comes_late_tells_when_it_was,
		rollback_forgets_everything,
	};

	return store_run_both("store", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
