/* test_store_queries.c - what a store finds, and what it removes. */
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

static int fail_task(void *context, const struct drover_task *task)
{
	(void)context;
	ck_abort_msg("task %s is visible", task->id);
	return 0;
}

START_TEST(rows_are_found_by_filter_and_order)
{
	struct drover_task task = store_task("t", 6, 2);
	struct host_row rows[6];
	struct drover_result r;
	int64_t seq;

	store_submit(&st, &task);
	for (int64_t unit = 0; unit < 3; unit++)
		store_claim(&st, st.incarnation, task.key, unit, 0);
	r = result(&task, 1, 4, DROVER_FAILED);
	r.report = (struct drover_report){ .err = "oops", .out = "0123456789", .out_total = 1000 };
	store_result(&st, r);
	seq = store_get(&st, task.key).seq;
	store_result(&st, result(&task, 1, 1, DROVER_OK));
#define ROWS(...) store_rows(&st, st.w, (struct drover_result_filter){ .task_key = task.key, __VA_ARGS__ }, rows, 6)
	ck_assert_int_eq(ROWS(.since_seq = seq), 1);
	ck_assert_str_eq(rows[0].host, "h1");
	ck_assert_int_eq(ROWS(.since_seq = store_get(&st, task.key).seq), 0);
	ck_assert_int_eq(ROWS(.statuses = 1u << DROVER_OK | 1u << DROVER_FAILED), 2);
	ck_assert_int_eq(ROWS(.after_id = task.host_base + 3), 2);
	ck_assert_int_eq(ROWS(.limit = 4), 4);
	ck_assert_int_eq(ROWS(.sort = DROVER_SORT_FINISHED, .limit = 3), 3);
	ck_assert_int_eq(rows[2].row.status, DROVER_RUNNING);
	ck_assert_int_eq(ROWS(.sort = DROVER_SORT_FINISHED, .after_id = rows[1].row.id), 4);
	ck_assert_str_eq(rows[0].host, "h0");
	ck_assert_int_eq(ROWS(.sort = DROVER_SORT_STATUS), 6);
	ck_assert_str_eq(rows[4].host, "h1");
	ck_assert_str_eq(rows[5].host, "h4");
	ck_assert_int_eq(ROWS(.host = "h4", .outputs = true, .output_limit = 4), 1);
	ck_assert_str_eq(rows[0].out, "0123");
	ck_assert_int_eq(rows[0].row.stdout_size, 10);
	ck_assert_int_eq(rows[0].row.stdout_total, 1000);
	ck_assert_int_eq(rows[0].row.stderr_size, 4);
#undef ROWS
}
END_TEST

static int want_all(void *context, struct drover_output_info *info)
{
	(void)context;
	ck_assert_int_eq(info->total, 5);
	info->count = info->kept;
	return 0;
}

static int take_bytes(void *context, struct drover_bytes bytes)
{
	memcpy(context, bytes.data, bytes.size);
	return 0;
}

START_TEST(an_output_is_bytes)
{
	struct drover_task task = store_task("t", 2, 2);
	struct drover_result r;
	char bytes[8] = "";

	store_submit(&st, &task);
	store_claim(&st, st.incarnation, task.key, 0, 0);
	for (int64_t i = 0; i < 2; i++) {
		r = result(&task, 1, i, DROVER_OK);
		r.report = (struct drover_report){ .out = "a\0b\xff\n", .out_size = 5 };
		store_result(&st, r);
	}
	WORKS(st.ops->output_part(st.w, task.key, "h1", 1, want_all, take_bytes, bytes, &err));
	ck_assert_mem_eq(bytes, "a\0b\xff\n", 5);
	ck_assert_int_eq(st.ops->output_part(st.w, task.key, "h9", 1, want_all, take_bytes, bytes, &err),
			 DROVER_ENOTFOUND);
}
END_TEST

START_TEST(a_host_has_a_history_newest_first)
{
	struct drover_task a = store_task("a", 2, 2), b = store_task("b", 2, 2);
	struct host_row rows[4];

	store_submit(&st, &a);
	store_submit(&st, &b);
	ck_assert_int_eq(store_rows(&st, st.w, (struct drover_result_filter){ .host = "h1" }, rows, 4), 2);
	ck_assert_str_eq(rows[0].task, "b");
	ck_assert_str_eq(rows[1].task, "a");
	ck_assert_int_eq(store_rows(&st, st.w,
				    (struct drover_result_filter){ .host = "h1", .after_id = rows[0].row.id }, rows, 4),
			 1);
	ck_assert_str_eq(rows[0].task, "a");
}
END_TEST

static int count_task(void *context, const struct drover_task *task)
{
	(void)task;
	(*(int *)context)++;
	return 0;
}

START_TEST(tasks_are_found_by_filter)
{
	struct drover_task a = store_task("a", 2, 2), b = store_task("b", 3, 2);

	a.name = "50%_done";
	a.labels = "{\"team\":\"red\"}";
	b.name = "50 done";
	b.owner = "eve";
	store_submit(&st, &a);
	store_submit(&st, &b);
#define FOUND(...)                                                                                                     \
	({                                                                                                             \
		struct drover_task_filter filter = { .size = sizeof(filter), __VA_ARGS__ };                            \
		int found = 0;                                                                                         \
		WORKS(st.ops->tasks(st.w, &filter, count_task, &found, &err));                                         \
		found;                                                                                                 \
	})
	ck_assert_int_eq(FOUND(.limit = 0), 2);
	ck_assert_int_eq(FOUND(.limit = 1), 1);
	ck_assert_int_eq(FOUND(.name = "50%"), 1);
	ck_assert_int_eq(FOUND(.owner = "eve"), 1);
	ck_assert_int_eq(FOUND(.host = "h2"), 1);
	ck_assert_int_eq(FOUND(.label_key = "team"), 1);
	ck_assert_int_eq(FOUND(.label_key = "team", .label_value = "blue"), 0);
	ck_assert_int_eq(FOUND(.before_key = b.key), 1);
	ck_assert_int_eq(FOUND(.states = 1u << DROVER_TASK_DONE), 0);
	ck_assert_int_eq(FOUND(.states = 1u << DROVER_TASK_QUEUED | 1u << DROVER_TASK_RUNNING), 2);
	ck_assert_int_eq(FOUND(.states = 1u << DROVER_TASK_QUEUED, .owner = "eve"), 1);
	ck_assert_int_eq(FOUND(.since = a.created_at, .until = a.created_at), 0);
#undef FOUND
}
END_TEST

static int take_seq(void *context, const struct drover_task *task)
{
	int64_t *seq = context;

	ck_assert_int_gt(task->seq, *seq);
	*seq = task->seq;
	return 0;
}

START_TEST(what_became_final_is_fed_in_its_order)
{
	struct drover_task_filter tasks = { .size = sizeof(tasks), .feed = true };
	struct drover_task a = store_task("a", 3, 3), b = store_task("b", 2, 1);
	int64_t last, seen = 0;
	struct host_row rows[8];

	store_submit(&st, &a);
	store_submit(&st, &b);
	store_claim(&st, st.incarnation, b.key, 1, 0);
	store_claim(&st, st.incarnation, a.key, 0, 0);
	store_result(&st, result(&b, 1, 1, DROVER_OK));
	store_result(&st, result(&a, 1, 2, DROVER_FAILED));
	store_result(&st, result(&a, 1, 0, DROVER_OK));
	store_begin(&st);
	WORKS(st.ops->cancel(st.w, b.key, NULL, &err));
	store_commit(&st);
#define FED(...) store_rows(&st, st.w, (struct drover_result_filter){ .feed = true, __VA_ARGS__ }, rows, 8)
	ck_assert_int_eq(FED(.limit = 3), 3);
	ck_assert_str_eq(rows[0].task, "b");
	ck_assert_str_eq(rows[1].host, "h2");
	ck_assert_str_eq(rows[2].host, "h0");
	ck_assert_int_eq(FED(.since_seq = rows[2].row.seq), 1);
	ck_assert_int_eq(rows[0].row.status, DROVER_CANCELLED);
#undef FED
	WORKS(st.ops->last_seq(st.w, &last, &err));
	WORKS(st.ops->tasks(st.w, &tasks, take_seq, &seen, &err));
	ck_assert_int_eq(seen, last);
	tasks.since_seq = last;
	WORKS(st.ops->tasks(st.w, &tasks, fail_task, NULL, &err));
}
END_TEST

static int count_row(void *context, const struct drover_unit_row *row)
{
	(void)row;
	(*(int *)context)++;
	return 0;
}

static int take_host(void *context, int64_t index, enum drover_status status, const struct drover_host_spec *host)
{
	ck_assert_int_eq(status, index == 1 ? DROVER_RUNNING : DROVER_PENDING);
	ck_assert_str_eq(host->name, index == 1 ? "h1" : "h2");
	(*(int *)context)++;
	return 0;
}

START_TEST(units_and_their_open_hosts_are_listed)
{
	struct drover_task task = store_task("t", 6, 3);
	int units = 0, hosts = 0;

	store_submit(&st, &task);
	store_claim(&st, st.incarnation, task.key, 0, 2);
	store_result(&st, result(&task, 1, 0, DROVER_OK));
	WORKS(st.ops->ready_units(st.w, task.key, -1, 0, count_row, &units, &err));
	ck_assert_int_eq(units, 1);
	WORKS(st.ops->unit_hosts(st.w, task.key, 0, take_host, &hosts, &err));
	ck_assert_int_eq(hosts, 2);
	ck_assert_int_gt(store_unit(&st, task.key, 0).deadline, store_unit(&st, task.key, 0).claimed_at);
}
END_TEST

START_TEST(ended_tasks_are_removed_in_steps)
{
	struct drover_task old = store_task("old", 30, 5), open = store_task("open", 3, 3);
	struct drover_result r;
	struct host_row rows[4];
	bool more = true;
	int steps = 0;

	store_submit(&st, &old);
	store_submit(&st, &open);
	for (int64_t i = 0; i < 30; i++) {
		if (i % 5 == 0)
			store_claim(&st, st.incarnation, old.key, i / 5, 0);
		r = result(&old, 1, i, DROVER_OK);
		r.report = (struct drover_report){ .out = (char[]){ (char)('a' + i % 26), '\0' } };
		store_result(&st, r);
	}
	store_begin(&st);
	WORKS(st.ops->retain(st.w, old.created_at, 10, &more, &err));
	store_commit(&st);
	ck_assert(!more);
	store_verify(&st, old.key);
	for (more = true; more; steps++) {
		store_begin(&st);
		WORKS(st.ops->retain(st.w, INT64_MAX, 10, &more, &err));
		store_commit(&st);
		ck_assert_int_eq(st.changes, 0);
		ck_assert_int_eq(st.ops->task(st.w, "old", 0, fail_task, NULL, &err), DROVER_ENOTFOUND);
	}
	ck_assert_int_gt(steps, 5);
	ck_assert_int_eq(store_rows(&st, st.w, (struct drover_result_filter){ .host = "h1" }, rows, 4), 1);
	store_verify(&st, open.key);
	ck_assert_int_eq(st.ops->units(st.w, old.key, -1, 0, store_take_unit, &(struct drover_unit_row){ 0 }, &err), 0);
}
END_TEST

static int take_incarnation(void *context, const struct drover_incarnation_row *row)
{
	((struct drover_incarnation_row *)context)[row->incarnation] = *row;
	return 0;
}

START_TEST(incarnations_are_told)
{
	struct drover_incarnation_row rows[8] = { { .incarnation = 0 } };
	struct drover_task task = store_task("t", 2, 1);
	int64_t second = store_incarnate(&st, "n2");

	store_submit(&st, &task);
	store_claim(&st, second, task.key, 0, 0);
	store_claim(&st, second, task.key, 1, 0);
	store_begin(&st);
	WORKS(st.ops->renew(st.w, &(struct drover_renewal){ .incarnation = second }, &err));
	WORKS(st.ops->retire(st.w, st.incarnation, &err));
	store_commit(&st);
	WORKS(st.ops->incarnations(st.w, 0, take_incarnation, rows, &err));
	ck_assert_int_eq(rows[second].claimed_units, 2);
	ck_assert_int_eq(rows[second].ended_at, 0);
	ck_assert_int_gt(rows[st.incarnation].ended_at, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		rows_are_found_by_filter_and_order,    an_output_is_bytes,
		a_host_has_a_history_newest_first,     tasks_are_found_by_filter,
		what_became_final_is_fed_in_its_order, units_and_their_open_hosts_are_listed,
		ended_tasks_are_removed_in_steps,      incarnations_are_told,
	};

	return store_run_both("store queries", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
