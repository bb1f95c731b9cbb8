/*
 * test_mysql_reads.c - indexes of the shared store that hold what they promise: by the server's own count of the rows
 * that it has read, and of the statements that it was sent.
 */
#include "unit/store_fixture.h"

static struct store st;

static void setup(void)
{
	store_kind = STORE_MYSQL;
	store_open(&st);
}

static void teardown(void)
{
	store_close(&st);
}

/* Rows that the server has read of tables and indexes so far. */
static int64_t rows_read(void)
{
	char answer[64];

	store_server("SELECT sum(variable_value) FROM information_schema.global_status WHERE variable_name IN"
		     " ('Handler_read_first', 'Handler_read_key', 'Handler_read_next', 'Handler_read_prev',"
		     " 'Handler_read_rnd', 'Handler_read_rnd_next')",
		     answer, sizeof(answer));
	return atoll(answer);
}

static int64_t asking_costs;

#define READS_FEW(call)                                                                                                \
	do {                                                                                                           \
		int64_t before = rows_read(), rows;                                                                    \
                                                                                                                       \
		WORKS(call);                                                                                           \
		rows = rows_read() - before - asking_costs;                                                            \
		ck_assert_msg(rows <= 700, "%s reads %" PRId64 " rows", #call, rows);                                  \
	} while (0)

static int count_row(void *context, const struct drover_result_row *row)
{
	(void)row;
	(*(int *)context)++;
	return 0;
}

static int count_unit(void *context, const struct drover_unit_row *row)
{
	(void)row;
	(*(int *)context)++;
	return 0;
}

static int count_task(void *context, const struct drover_task *task)
{
	(void)task;
	(*(int *)context)++;
	return 0;
}

/* Ended tasks of `hosts` hosts, to be passed over, and one that runs. */
static struct drover_task fill(int tasks, int hosts)
{
	struct drover_task task;
	char id[24];

	for (int i = 0; i < tasks; i++) {
		struct drover_result *results = calloc((size_t)hosts, sizeof(*results));

		snprintf(id, sizeof(id), "old%d", i);
		task = store_task(id, hosts, hosts);
		task.concurrency_key = "one at a time";
		store_submit(&st, &task);
		ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
		for (int h = 0; h < hosts; h++)
			results[h] = store_result_of(&task, st.incarnation, h);
		store_begin(&st);
		WORKS(st.ops->results(st.w, results, (size_t)hosts, &err));
		store_commit(&st);
		free(results);
		store_incarnate(&st, id);
		store_incarnate(&st, id);
	}
	task = store_task("new", hosts, 50);
	task.concurrency_key = "one at a time";
	store_submit(&st, &task);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
	return task;
}

static int take_queued(void *context, const struct drover_queued *queued)
{
	*(int64_t *)context += queued->units;
	return 0;
}

static int count_node(void *context, const struct drover_incarnation_row *row)
{
	(void)row;
	(*(int *)context)++;
	return 0;
}

/* All but the first, which is claimed. */
static void publish_all(const struct drover_task *task)
{
	struct drover_publication *some = calloc((size_t)task->units, sizeof(*some));

	for (int64_t i = 0; i < task->units; i++)
		some[i] = (struct drover_publication){ .task_key = task->key, .unit = i, .again_in = 60000 };
	store_begin(&st);
	WORKS(st.ops->published(st.w, some, (size_t)task->units, &err));
	store_commit(&st);
	free(some);
	ck_assert_int_eq(store_get(&st, task->key).published, task->units);
}

/* Of 42,000 hosts none but those that are asked for are read. */
START_TEST(nothing_scans)
{
	struct drover_task task = fill(20, 2000), row;
	struct drover_result results[50];
	struct drover_unit_end end = { .task_key = task.key, .incarnation = st.incarnation, .attempt = 1 };
	struct drover_claim claim = { .task_key = task.key, .unit = 1 };
	struct drover_publication publication = { .unit = 20 };
	struct drover_result_filter history = { .size = sizeof(history), .host = "h7", .limit = 100 };
	struct drover_result_filter page = { .size = sizeof(page), .task_key = task.key, .limit = 50 };
	struct drover_result_filter changes = { .size = sizeof(changes), .task_key = task.key };
	struct drover_result_filter feed = { .size = sizeof(feed), .feed = true, .limit = 100 };
	struct drover_task_filter open = { .size = sizeof(open), .states = 1u << DROVER_TASK_RUNNING };
	struct drover_due_filter due = { .size = sizeof(due), .due = true, .limit = 20 };
	struct drover_due_filter any = { .size = sizeof(any), .pools = "default", .limit = 20 };
	int64_t first, seq, queued = 0;
	int count = 0;
	bool more;

	first = rows_read();
	asking_costs = rows_read() - first;
	READS_FEW(st.ops->task(st.w, "new", 0, store_take_task, &row, &err));
	READS_FEW(st.ops->tasks(st.w, &open, count_task, &count, &err));
	ck_assert_int_eq(count, 1);
	READS_FEW(st.ops->results_query(st.w, &history, count_row, &count, &err));
	ck_assert_int_eq(count, 22);
	READS_FEW(st.ops->results_query(st.w, &page, count_row, &count, &err));
	ck_assert_int_eq(count, 72);
	WORKS(st.ops->last_seq(st.w, &seq, &err));
	feed.since_seq = seq - 100;
	READS_FEW(st.ops->results_query(st.w, &feed, count_row, &count, &err));
	READS_FEW(st.ops->ready_units(st.w, task.key, 10, 3, count_unit, &count, &err));
	publish_all(&task);
	count = 0;
	READS_FEW(st.ops->due_units(st.w, &due, store_count_due, &count, &err));
	ck_assert_int_eq(count, 0);
	READS_FEW(st.ops->due_units(st.w, &any, store_count_due, &count, &err));
	ck_assert_int_eq(count, 20);
	READS_FEW(st.ops->queued(st.w, take_queued, &queued, &err));
	ck_assert_int_eq(queued, 39);
	count = 0;
	READS_FEW(st.ops->nodes(st.w, count_node, &count, &err));
	ck_assert_int_eq(count, 21);
	store_begin(&st);
	READS_FEW(st.ops->claim(st.w, st.incarnation, &claim, 1, &err));
	ck_assert(claim.claimed);
	for (int i = 0; i < 50; i++)
		results[i] = store_result_of(&task, st.incarnation, i);
	READS_FEW(st.ops->results(st.w, results, 49, &err));
	store_commit(&st);
	changes.since_seq = seq;
	count = 0;
	READS_FEW(st.ops->results_query(st.w, &changes, count_row, &count, &err));
	ck_assert_int_eq(count, 99);
	store_begin(&st);
	end.begun = end.rest = DROVER_FAILED;
	READS_FEW(st.ops->end_unit(st.w, &end, &err));
	READS_FEW(st.ops->sweep(st.w, 3, 10, count_unit, &count, &more, &err));
	publication.task_key = task.key;
	READS_FEW(st.ops->published(st.w, &publication, 1, &err));
	READS_FEW(st.ops->sweep_accepting(st.w, 10, &more, &err));
	READS_FEW(st.ops->expire(st.w, 10, &more, &err));
	READS_FEW(st.ops->retain(st.w, 1, 100, &more, &err));
	READS_FEW(st.ops->retain(st.w, INT64_MAX, 100, &more, &err));
	ck_assert(more);
	store_commit(&st);
}
END_TEST

/* Statements that the store has run so far; what asks for it is none. */
static int64_t statements_run(void)
{
	char answer[64];

	store_server("SELECT variable_value FROM information_schema.global_status"
		     " WHERE variable_name = 'Com_stmt_execute'",
		     answer, sizeof(answer));
	return atoll(answer);
}

/* A way to the server and back for each row would be most of the time. */
START_TEST(rows_of_many_tasks_come_by_one_statement)
{
	struct drover_result_filter filters[] = { { .host = "h7" },
						  { .host = "h7", .outputs = true, .output_limit = 100 },
						  { .feed = true } };
	static const int rows[] = { 4, 4, 30 };

	fill(3, 10);
	for (int i = 0; i < 3; i++) {
		int64_t before = statements_run();
		int count = 0;

		filters[i].size = sizeof(filters[i]);
		WORKS(st.ops->results_query(st.w, &filters[i], count_row, &count, &err));
		ck_assert_int_eq(statements_run() - before, 1);
		ck_assert_int_eq(count, rows[i]);
	}
}
END_TEST

/* Its units are counted anew one by one; its hosts are looked at once. */
START_TEST(a_cancel_reads_its_own_hosts_only)
{
	struct drover_task task = fill(3, 2000);
	int64_t before = rows_read(), rows;

	asking_costs = rows_read() - before;
	before = rows_read();
	store_begin(&st);
	WORKS(st.ops->cancel(st.w, task.key, NULL, &err));
	store_commit(&st);
	rows = rows_read() - before - asking_costs;
	ck_assert_msg(rows < 3 * 2000, "cancelling 2,000 hosts reads %" PRId64 " rows", rows);
	store_verify(&st, task.key);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		nothing_scans,
		rows_of_many_tasks_come_by_one_statement,
		a_cancel_reads_its_own_hosts_only,
	};

	if (!store_has_server())
		return 1;
	return store_run("mysql reads", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
