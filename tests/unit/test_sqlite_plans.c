/*
 * test_sqlite_plans.c - what is asked of a large embedded store is found by indexes: SQLite itself counts the rows
 * that it goes over without one, and the steps that it takes. A plan is shown where there are too many.
 */
#include <sqlite3.h>

#include "store_fixture.h"

static struct store st;

/* ------------------------------------------------------------------------------ what SQLite counts */

static struct {
	int64_t scanned, steps;
	char worst[2048]; /* the statement that scanned most */
	int64_t worst_scanned;
} work;

static int count_work(unsigned event, void *context, void *statement, void *time)
{
	sqlite3_stmt *stmt = statement;
	int64_t scanned = sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);

	(void)event, (void)context, (void)time;
	work.steps += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
	work.scanned += scanned;
	if (scanned > work.worst_scanned) {
		work.worst_scanned = scanned;
		snprintf(work.worst, sizeof(work.worst), "%s", sqlite3_sql(stmt));
	}
	return 0;
}

/* Called for each connection that the store opens. */
static int watch(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
	(void)message, (void)api;
	return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, count_work, NULL);
}

static void print_plan(void)
{
	char sql[sizeof(work.worst) + 32];
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db;

	snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", work.worst);
	sqlite3_open_v2(st.path, &db, SQLITE_OPEN_READONLY, NULL);
	sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	printf("%s\n", sql);
	while (stmt && sqlite3_step(stmt) == SQLITE_ROW)
		printf("\t%s\n", (const char *)sqlite3_column_text(stmt, 3));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

static void check_work(const char *call, int64_t scanned, int64_t steps)
{
	if (work.scanned > scanned || work.steps > steps)
		print_plan();
	ck_assert_msg(work.scanned <= scanned, "%s scans %" PRId64 " rows", call, work.scanned);
	ck_assert_msg(work.steps <= steps, "%s takes %" PRId64 " steps", call, work.steps);
}

/* Over so many rows that one pass would take ten times the steps. */
#define FINDS(call)                                                                                                    \
	do {                                                                                                           \
		memset(&work, 0, sizeof(work));                                                                        \
		WORKS(call);                                                                                           \
		check_work(#call, 60, 25000);                                                                          \
	} while (0)

/* ------------------------------------------------------------------------------------- a large store */

enum { OLD = 40, OLD_HOSTS = 1000, HOSTS = 20000, UNIT = 10, UNITS = HOSTS / UNIT };

static struct drover_task old, held, open;
static int64_t seq;

static void end_task(struct drover_task *task)
{
	struct drover_result *results = calloc(OLD_HOSTS, sizeof(*results));

	for (int64_t i = 0; i < OLD_HOSTS; i++)
		results[i] = (struct drover_result){ .task_key = task->key,
						     .incarnation = st.incarnation,
						     .attempt = 1,
						     .index = i,
						     .status = DROVER_OK };
	store_begin(&st);
	WORKS(st.ops->claim(st.w, st.incarnation, &(struct drover_claim){ .task_key = task->key }, 1, &err));
	WORKS(st.ops->results(st.w, results, OLD_HOSTS, &err));
	store_commit(&st);
	free(results);
}

/* Tasks that ended; one of which a node holds all units; one whose first half was published. */
static void setup(void)
{
	struct drover_publication *some = calloc(UNITS, sizeof(*some));
	struct drover_claim *claims = calloc(UNITS, sizeof(*claims));
	char id[16];

	sqlite3_auto_extension((void (*)(void))watch);
	store_open(&st);
	for (int i = 0; i < OLD; i++) {
		snprintf(id, sizeof(id), "old%d", i);
		old = store_task(id, OLD_HOSTS, OLD_HOSTS);
		old.concurrency_key = "one at a time";
		store_submit(&st, &old);
		end_task(&old);
		store_incarnate(&st, id);
		store_incarnate(&st, id);
	}
	held = store_task("held", HOSTS, UNIT);
	open = store_task("open", HOSTS, UNIT);
	store_submit(&st, &held);
	store_submit(&st, &open);
	for (int i = 0; i < UNITS; i++) {
		claims[i] = (struct drover_claim){ .task_key = held.key, .unit = i };
		some[i] = (struct drover_publication){ .task_key = open.key, .unit = i, .again_in = 60000 };
	}
	store_begin(&st);
	WORKS(st.ops->claim(st.w, st.incarnation, claims, UNITS, &err));
	WORKS(st.ops->published(st.w, some, UNITS / 2, &err));
	store_commit(&st);
	WORKS(st.ops->last_seq(st.w, &seq, &err));
	free(some);
	free(claims);
}

static void teardown(void)
{
	store_close(&st);
}

static int rows;

static int count_row(void *context, const struct drover_result_row *row)
{
	(void)context, (void)row;
	rows++;
	return 0;
}

static int count_unit(void *context, const struct drover_unit_row *row)
{
	(void)context, (void)row;
	rows++;
	return 0;
}

static int count_task(void *context, const struct drover_task *task)
{
	(void)context, (void)task;
	rows++;
	return 0;
}

static int count_node(void *context, const struct drover_incarnation_row *row)
{
	(void)context, (void)row;
	rows++;
	return 0;
}

static int take_queued(void *context, const struct drover_queued *queued)
{
	*(int64_t *)context += queued->units;
	return 0;
}

START_TEST(queries_find_what_they_ask_for)
{
	struct drover_result_filter history = { .size = sizeof(history), .host = "h7", .limit = 100 };
	struct drover_result_filter page = { .size = sizeof(page), .task_key = open.key, .limit = 50 };
	struct drover_result_filter feed = { .size = sizeof(feed), .feed = true, .limit = 100, .since_seq = seq - 100 };
	struct drover_task_filter running = { .size = sizeof(running), .states = 1u << DROVER_TASK_RUNNING };
	struct drover_task_filter changed = {
		.size = sizeof(changed), .feed = true, .limit = 10, .since_seq = seq - 10
	};
	struct drover_due_filter due = { .size = sizeof(due), .due = true, .limit = 50 };
	struct drover_due_filter any = { .size = sizeof(any), .pools = "default", .limit = 50 };
	struct drover_task row;
	int64_t queued = 0;
	int found = 0;

	FINDS(st.ops->task(st.w, "open", 0, store_take_task, &row, &err));
	FINDS(st.ops->task(st.w, NULL, open.key, store_take_task, &row, &err));
	FINDS(st.ops->tasks(st.w, &running, count_task, NULL, &err));
	FINDS(st.ops->tasks(st.w, &changed, count_task, NULL, &err));
	FINDS(st.ops->results_query(st.w, &history, count_row, NULL, &err));
	FINDS(st.ops->results_query(st.w, &page, count_row, NULL, &err));
	FINDS(st.ops->results_query(st.w, &feed, count_row, NULL, &err));
	FINDS(st.ops->units(st.w, open.key, 500, 10, count_unit, NULL, &err));
	FINDS(st.ops->ready_units(st.w, held.key, -1, 10, count_unit, NULL, &err));
	FINDS(st.ops->ready_units(st.w, open.key, UNITS / 2, 10, count_unit, NULL, &err));
	FINDS(st.ops->due_units(st.w, &due, store_count_due, &found, &err));
	ck_assert_int_eq(found, 0);
	FINDS(st.ops->due_units(st.w, &any, store_count_due, &found, &err));
	ck_assert_int_eq(found, 50);
	FINDS(st.ops->last_seq(st.w, &seq, &err));
	/* These go over what they count, by indexes: the published units, and those that a node holds. */
	memset(&work, 0, sizeof(work));
	WORKS(st.ops->queued(st.w, take_queued, &queued, &err));
	ck_assert_int_eq(queued, UNITS / 2);
	check_work("queued", 0, UNITS / 2 * 20);
	memset(&work, 0, sizeof(work));
	rows = 0;
	WORKS(st.ops->nodes(st.w, count_node, NULL, &err));
	ck_assert_int_eq(rows, OLD + 1);
	check_work("nodes", OLD + 1, OLD * 100 + UNITS * 20);
}
END_TEST

START_TEST(writes_find_what_they_change)
{
	struct drover_unit_end end = { .task_key = held.key,
				       .incarnation = st.incarnation,
				       .attempt = 1,
				       .begun = DROVER_LOST,
				       .rest = DROVER_PENDING };
	struct drover_claim claim = { .task_key = open.key, .unit = 700 };
	struct drover_publication publication = { .task_key = open.key, .unit = UNITS / 2 };
	struct drover_result result = { .task_key = held.key,
					.unit = 5,
					.incarnation = st.incarnation,
					.attempt = 1,
					.index = 55,
					.status = DROVER_OK };
	int64_t other;
	bool more;

	store_begin(&st);
	FINDS(st.ops->claim(st.w, st.incarnation, &claim, 1, &err));
	ck_assert(claim.claimed);
	FINDS(st.ops->results(st.w, &result, 1, &err));
	FINDS(st.ops->end_unit(st.w, &end, &err));
	FINDS(st.ops->published(st.w, &publication, 1, &err));
	FINDS(st.ops->incarnate(st.w, "n2", "1", &other, &err));
	FINDS(st.ops->renew(st.w, &(struct drover_renewal){ .incarnation = other }, &err));
	FINDS(st.ops->sweep(st.w, MAX_ATTEMPTS, 10, NULL, NULL, &more, &err));
	FINDS(st.ops->sweep_accepting(st.w, 10, &more, &err));
	FINDS(st.ops->expire(st.w, 10, &more, &err));
	memset(&work, 0, sizeof(work));
	WORKS(st.ops->retain(st.w, 1, 10, &more, &err));
	check_work("retain", OLD * 2 + 10, 25000); /* it goes over the incarnations */
	FINDS(st.ops->retire(st.w, st.incarnation, &err));
	FINDS(st.ops->sweep(st.w, MAX_ATTEMPTS, 10, count_unit, NULL, &more, &err));
	ck_assert(more);
	store_commit(&st);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { queries_find_what_they_ask_for, writes_find_what_they_change };

	return store_run("sqlite plans", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
