/*
 * test_mysql.c - what only the shared store has: several writers at once, and what is said of a server, its settings
 * and the schema on it.
 */
#include <pthread.h>
#include <stdatomic.h>

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

/* ------------------------------------------------------------------------------ several writers */

enum { WRITERS = 4, NODES = 8, HOSTS_EACH = 300, UNIT = 10 };

struct work {
	struct drover_task task;
	char id[16];
	pthread_t thread;
	char trouble[sizeof(err.message)];
};

static atomic_int writing;

/* Runs a task of its own to its end, in small transactions; on trouble says why. */
static void *write_task(void *arg)
{
	struct work *work = arg;
	struct drover_session *s;
	struct drover_error why = { .code = 0 };
	int code = st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &why);

	for (int64_t i = 0; i < HOSTS_EACH && !code; i++) {
		struct drover_claim claim = { .task_key = work->task.key, .unit = i / UNIT };
		struct drover_result result = store_result_of(&work->task, st.incarnation, i);

		code = st.ops->begin(s, &why);
		if (!code && i % UNIT == 0)
			code = st.ops->claim(s, st.incarnation, &claim, 1, &why);
		if (!code)
			code = st.ops->results(s, &result, 1, &why);
		if (!code)
			code = st.ops->commit(s, NULL, NULL, &why);
	}
	if (code)
		snprintf(work->trouble, sizeof(work->trouble), "%s", why.message);
	else
		st.ops->session_close(s);
	atomic_fetch_sub(&writing, 1);
	return NULL;
}

struct feed {
	int64_t seq;
	int rows;
};

static int follow(void *context, const struct drover_result_row *row)
{
	struct feed *feed = context;

	ck_assert_int_gt(row->seq, feed->seq);
	feed->seq = row->seq;
	feed->rows++;
	return 0;
}

/* Who follows the feed while many write sees each row, though it never looks back. */
START_TEST(the_feed_misses_nothing_of_several_writers)
{
	struct drover_result_filter filter = { .size = sizeof(filter), .feed = true, .limit = 50 };
	struct work works[WRITERS] = { 0 };
	struct feed feed = { 0 };
	struct drover_session *reader;
	bool last;

	for (int i = 0; i < WRITERS; i++) {
		snprintf(works[i].id, sizeof(works[i].id), "t%d", i);
		works[i].task = store_task(works[i].id, HOSTS_EACH, UNIT);
		store_submit(&st, &works[i].task);
	}
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_READ, &reader, &err));
	atomic_store(&writing, WRITERS);
	for (int i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&works[i].thread, NULL, write_task, &works[i]), 0);
	do {
		last = !atomic_load(&writing);
		do {
			filter.since_seq = feed.seq;
			WORKS(st.ops->results_query(reader, &filter, follow, &feed, &err));
		} while (feed.seq != filter.since_seq);
	} while (!last);
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(works[i].thread, NULL);
		ck_assert_str_eq(works[i].trouble, "");
		ck_assert_int_eq(store_verify(&st, works[i].task.key).state, DROVER_TASK_DONE);
	}
	ck_assert_int_eq(feed.rows, WRITERS * HOSTS_EACH);
	st.ops->session_close(reader);
}
END_TEST

/* One unit, many who want it. */
static void *claim_first(void *arg)
{
	struct work *work = arg;
	struct drover_error why = { .code = 0 };
	struct drover_claim claim = { .task_key = work->task.key };
	struct drover_session *s;
	int code = st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &why);

	for (int64_t unit = 0; unit < HOSTS_EACH / UNIT && !code; unit++) {
		claim.unit = unit;
		code = st.ops->begin(s, &why);
		if (!code)
			code = st.ops->claim(s, st.incarnation, &claim, 1, &why);
		if (!code)
			code = st.ops->commit(s, NULL, NULL, &why);
		if (!code && claim.claimed)
			atomic_fetch_add(&writing, 1);
	}
	if (code)
		snprintf(work->trouble, sizeof(work->trouble), "%s", why.message);
	else
		st.ops->session_close(s);
	return NULL;
}

START_TEST(of_many_who_claim_a_unit_one_gets_it)
{
	struct drover_task task = store_task("t", HOSTS_EACH, UNIT);
	struct work works[WRITERS] = { 0 };

	store_submit(&st, &task);
	atomic_store(&writing, 0);
	for (int i = 0; i < WRITERS; i++) {
		works[i].task = task;
		ck_assert_int_eq(pthread_create(&works[i].thread, NULL, claim_first, &works[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(works[i].thread, NULL);
		ck_assert_str_eq(works[i].trouble, "");
	}
	ck_assert_int_eq(atomic_load(&writing), HOSTS_EACH / UNIT);
	ck_assert_int_eq(store_get(&st, task.key).counts[DROVER_RUNNING], HOSTS_EACH);
}
END_TEST

static void *open_writer(void *arg)
{
	struct work *work = arg;
	struct drover_error why = { .code = 0 };
	struct drover_session *s;

	if (st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &why))
		snprintf(work->trouble, sizeof(work->trouble), "%s", why.message);
	else
		st.ops->session_close(s);
	return NULL;
}

START_TEST(nodes_that_start_at_once_make_one_schema)
{
	struct work works[NODES] = { 0 };
	char sql[256], answer[64];

	st.ops->session_close(st.w);
	snprintf(sql, sizeof(sql), "DROP DATABASE %s; CREATE DATABASE %s", st.path, st.path);
	store_server(sql, answer, sizeof(answer));
	for (int i = 0; i < NODES; i++)
		ck_assert_int_eq(pthread_create(&works[i].thread, NULL, open_writer, &works[i]), 0);
	for (int i = 0; i < NODES; i++) {
		pthread_join(works[i].thread, NULL);
		ck_assert_str_eq(works[i].trouble, "");
	}
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s.schema_version", st.path);
	store_server(sql, answer, sizeof(answer));
	ck_assert_str_eq(answer, "2");
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &st.w, &err));
}
END_TEST

/* As by SIGSTOP: its transaction is ended by the server before another's patience is. */
START_TEST(a_writer_that_stops_in_the_middle_holds_nobody_up)
{
	const char *const options[] = { "socket",
					getenv("DROVER_MARIADB_SOCKET"),
					"user",
					"drover",
					"password",
					"open sesame",
					"database",
					st.path,
					"lock_timeout",
					"4s",
					NULL };
	struct drover_task task = store_task("a", 10, 5);
	struct drover_claim claim = { .unit = 0 };
	struct drover_session *own = st.w, *stopped, *other;
	void *self = fake_host_new(&st.sink->info, options);

	store_submit(&st, &task);
	claim.task_key = task.key;
	WORKS(st.sink->open(self, &err));
	WORKS(st.ops->session_open(self, DROVER_SESSION_WRITE, &stopped, &err));
	WORKS(st.ops->session_open(self, DROVER_SESSION_WRITE, &other, &err));
	WORKS(st.ops->begin(stopped, &err));
	WORKS(st.ops->claim(stopped, st.incarnation, &claim, 1, &err));
	ck_assert(claim.claimed);
	st.w = other;
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
	st.w = own;
	ck_assert_int_eq(st.ops->commit(stopped, NULL, NULL, &err), DROVER_ERETRY);
	st.ops->rollback(stopped);
	st.ops->session_close(stopped);
	st.ops->session_close(other);
	fake_host_free(&st.sink->info, self);
	store_verify(&st, task.key);
}
END_TEST

/* ------------------------------------------------------------------------------ locks of others */

/* Another program at the same database: a connection of its own, which does what is written to it. */
static FILE *stranger_begin(const struct drover_task *task)
{
	char command[512];
	FILE *stranger;

	snprintf(command, sizeof(command),
		 "mariadb --no-defaults -u root --socket=\"$DROVER_MARIADB_SOCKET\" --unbuffered %s", st.path);
	stranger = popen(command, "we");
	ck_assert_ptr_nonnull(stranger);
	fprintf(stranger, "START TRANSACTION; UPDATE hosts SET message = 'held' WHERE task = %" PRId64 ";\n",
		task->key);
	fflush(stranger);
	return stranger;
}

static void stranger_does(FILE *stranger, const char *sql)
{
	fprintf(stranger, "%s;\n", sql);
	fflush(stranger);
}

/* The server reads its transactions anew only where nobody has asked for 100 ms. */
static void await_transaction(const char *that)
{
	const struct timespec pause = { .tv_nsec = 150000000 };
	char sql[256], answer[64] = "0";

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM information_schema.innodb_trx WHERE %s", that);
	for (int i = 0; i < 200 && !strcmp(answer, "0"); i++) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		store_server(sql, answer, sizeof(answer));
	}
	ck_assert_str_ne(answer, "0");
}

struct claimer {
	struct drover_session *session;
	struct drover_claim claim;
	int code;
	struct drover_error err;
};

static void *claim_once(void *arg)
{
	struct claimer *c = arg;

	c->code = st.ops->begin(c->session, &c->err);
	if (!c->code)
		c->code = st.ops->claim(c->session, st.incarnation, &c->claim, 1, &c->err);
	if (!c->code)
		c->code = st.ops->commit(c->session, NULL, NULL, &c->err);
	if (c->code)
		st.ops->rollback(c->session);
	return NULL;
}

/* Afterwards it works, in the same session, and the counts are as if nothing had been. */
static void claim_again(struct claimer *c, const char *error)
{
	ck_assert_int_eq(c->code, DROVER_ERETRY);
	ck_assert_msg(strstr(c->err.message, error) != NULL, "%s", c->err.message);
	claim_once(c);
	ck_assert_msg(!c->code, "%s", c->err.message);
	ck_assert(c->claim.claimed);
	ck_assert_int_eq(c->claim.attempt, 1);
	store_verify(&st, c->claim.task_key);
}

/* Each waits for what the other has; the server ends the one that has changed less, which is ours. */
START_TEST(a_deadlock_is_to_be_done_again)
{
	struct drover_task task = store_task("a", 500, 5);
	struct claimer ours = { .session = st.w };
	pthread_t thread;
	FILE *stranger;

	store_submit(&st, &task);
	ours.claim.task_key = task.key;
	stranger = stranger_begin(&task);
	await_transaction("trx_rows_modified >= 500");
	ck_assert_int_eq(pthread_create(&thread, NULL, claim_once, &ours), 0);
	await_transaction("trx_state = 'LOCK WAIT'");
	stranger_does(stranger, "UPDATE counters SET seq = seq + 1");
	pthread_join(thread, NULL);
	stranger_does(stranger, "ROLLBACK");
	ck_assert_int_eq(pclose(stranger), 0);
	claim_again(&ours, "(1213)");
}
END_TEST

START_TEST(a_lock_that_does_not_come_is_to_be_waited_for_again)
{
	const char *const options[] = { "socket",
					getenv("DROVER_MARIADB_SOCKET"),
					"user",
					"drover",
					"password",
					"open sesame",
					"database",
					st.path,
					"lock_timeout",
					"1s",
					NULL };
	struct drover_task task = store_task("a", 10, 5);
	struct claimer ours = { .code = 0 };
	void *self = fake_host_new(&st.sink->info, options);
	FILE *stranger;

	store_submit(&st, &task);
	ours.claim.task_key = task.key;
	WORKS(st.sink->open(self, &err));
	WORKS(st.ops->session_open(self, DROVER_SESSION_WRITE, &ours.session, &err));
	stranger = stranger_begin(&task);
	await_transaction("trx_rows_modified >= 10");
	claim_once(&ours);
	stranger_does(stranger, "ROLLBACK");
	ck_assert_int_eq(pclose(stranger), 0);
	claim_again(&ours, "(1205)");
	st.ops->session_close(ours.session);
	fake_host_free(&st.sink->info, self);
}
END_TEST

/* -------------------------------------------------------------------------------- the server */

START_TEST(settings_of_the_server_are_warned_about)
{
	struct drover_session *s;
	int before = fake_host_complaints();
	char answer[64];

	WORKS(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &err));
	st.ops->session_close(s);
	ck_assert_int_eq(fake_host_complaints(), before);
	store_server("SET GLOBAL innodb_flush_log_at_trx_commit = 2; SET GLOBAL sql_mode = ''", answer, sizeof(answer));
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &err));
	st.ops->session_close(s);
	store_server("SET GLOBAL innodb_flush_log_at_trx_commit = 1; SET GLOBAL sql_mode = DEFAULT", answer,
		     sizeof(answer));
	ck_assert_int_eq(fake_host_complaints(), before + 2);
}
END_TEST

START_TEST(what_the_server_does_not_take_is_told)
{
	struct drover_task task = store_task("a", 10, 5);
	struct drover_result result;
	char *large = calloc(1, 20 << 20);
	int code;

	store_submit(&st, &task);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
	result = store_result_of(&task, st.incarnation, 0);
	memset(large, 'x', 20 << 20);
	result.report.out = large;
	result.report.out_size = 20 << 20;
	store_begin(&st);
	code = st.ops->results(st.w, &result, 1, &err);
	ck_assert_int_eq(code, DROVER_EINVALID);
	ck_assert_msg(strstr(err.message, "max_allowed_packet") != NULL, "%s", err.message);
	st.ops->rollback(st.w);
	result.report.out_size = 12 << 20;
	ck_assert_int_eq(store_result(&st, result), DROVER_WRITTEN);
	ck_assert_int_eq(store_row(&st, task.key, 0).row.stdout_size, 12 << 20);
	free(large);
}
END_TEST

START_TEST(another_databases_tables_and_newer_schemas_are_refused)
{
	struct drover_session *s;
	char sql[256], answer[64];

	snprintf(sql, sizeof(sql), "INSERT INTO %s.schema_version VALUES (1000, 0, 1000)", st.path);
	store_server(sql, answer, sizeof(answer));
	ck_assert_int_eq(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &err), DROVER_EINVALID);
	ck_assert_msg(strstr(err.message, "newer") != NULL, "%s", err.message);
	ck_assert_int_eq(st.ops->session_open(st.self, DROVER_SESSION_READ, &s, &err), DROVER_EINVALID);
	snprintf(sql, sizeof(sql), "DROP TABLE %s.schema_version", st.path);
	store_server(sql, answer, sizeof(answer));
	ck_assert_int_eq(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &err), DROVER_EINVALID);
	ck_assert_msg(strstr(err.message, "something else") != NULL, "%s", err.message);
}
END_TEST

/*
 * What the next version may do to the tables while this one works: columns with defaults, here before all others, a
 * table, an index. It says that this version may go on.
 */
START_TEST(a_schema_of_the_next_version_is_worked_with)
{
	static const char *const tables[] = { "counters", "sessions",  "incarnations", "tasks",   "submissions",
					      "units",    "envelopes", "hosts",        "outputs", "late" };
	struct drover_task task = store_task("before", 4, 2);
	struct drover_session *reader;
	char sql[512], answer[64];

	store_submit(&st, &task);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		snprintf(sql, sizeof(sql),
			 "ALTER TABLE %s.%s ADD COLUMN next_one VARCHAR(20) NOT NULL DEFAULT 'x' FIRST", st.path,
			 tables[i]);
		store_server(sql, answer, sizeof(answer));
	}
	snprintf(sql, sizeof(sql),
		 "CREATE TABLE %1$s.next_table (id INT); CREATE INDEX next_index ON %1$s.hosts (next_one);"
		 "INSERT INTO %1$s.schema_version (version, applied_at, oldest) VALUES (3, 0, 2)",
		 st.path);
	store_server(sql, answer, sizeof(answer));
	/* A session that was open goes on, and new ones begin. */
	store_whole_life(&st, "open");
	st.ops->session_close(st.w);
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &st.w, &err));
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_READ, &reader, &err));
	st.ops->session_close(reader);
	store_whole_life(&st, "new");
	snprintf(sql, sizeof(sql), "SELECT max(version) FROM %s.schema_version", st.path);
	store_server(sql, answer, sizeof(answer));
	ck_assert_str_eq(answer, "3");
	snprintf(sql, sizeof(sql), "DROP DATABASE %s", st.path);
	store_server(sql, answer, sizeof(answer));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_feed_misses_nothing_of_several_writers,
		of_many_who_claim_a_unit_one_gets_it,
		nodes_that_start_at_once_make_one_schema,
		a_writer_that_stops_in_the_middle_holds_nobody_up,
		a_deadlock_is_to_be_done_again,
		a_lock_that_does_not_come_is_to_be_waited_for_again,
		settings_of_the_server_are_warned_about,
		what_the_server_does_not_take_is_told,
		another_databases_tables_and_newer_schemas_are_refused,
		a_schema_of_the_next_version_is_worked_with,
	};

	if (!store_has_server())
		return 1;
	return store_run("mysql", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
