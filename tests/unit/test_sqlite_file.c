/*
 * test_sqlite_file.c - the embedded store and its file: killed in the middle, full, damaged, somebody
 * else's, newer, locked; and sessions that read while one writes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "schema_1.h"
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

static void close_session(void)
{
	st.ops->session_close(st.w);
	st.w = NULL;
}

static void reopen(void)
{
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &st.w, &err));
}

/* Runs bare SQL on the file while no session has it. */
static void bare(const char *sql)
{
	sqlite3 *db;
	char *message = NULL;

	ck_assert_int_eq(sqlite3_open(st.path, &db), SQLITE_OK);
	sqlite3_exec(db, sql, NULL, NULL, &message);
	ck_assert_msg(message == NULL, "%s", message);
	sqlite3_close(db);
}

START_TEST(the_file_is_its_owners)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	struct stat status;
	char path[128];

	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", st.path, ends[i]);
		ck_assert_int_eq(stat(path, &status), 0);
		ck_assert_int_eq(status.st_mode & 0777, 0600);
	}
}
END_TEST

/* ------------------------------------------------------------------------------------------ kill -9 */

/* A task from submission to the results of all its hosts but the last, in five transactions. */
static void work(int64_t incarnation, int number)
{
	struct drover_result results[29];
	struct drover_task task;
	char id[16];

	snprintf(id, sizeof(id), "t%d", number);
	task = store_task(id, 30, 30);
	store_begin(&st);
	store_insert(&st, incarnation, &task);
	store_commit(&st);
	store_begin(&st);
	WORKS(st.ops->accept(st.w, task.key, &err));
	store_commit(&st);
	ck_assert_int_eq(store_claim(&st, incarnation, task.key, 0, 0), 1);
	for (int i = 0; i < 29; i++)
		results[i] = (struct drover_result){ .task_key = task.key,
						     .incarnation = incarnation,
						     .attempt = 1,
						     .index = i,
						     .status = DROVER_OK,
						     .report = { .out = "some output" } };
	store_begin(&st);
	WORKS(st.ops->results(st.w, results, 29, &err));
	store_commit(&st);
}

static void __attribute__((noreturn)) work_until_killed(int acknowledged, int first)
{
	int64_t incarnation;

	reopen();
	incarnation = store_incarnate(&st, "n1");
	for (int number = first;; number++) {
		work(incarnation, number);
		if (write(acknowledged, &number, sizeof(number)) != sizeof(number))
			_exit(1);
	}
}

/* Starts a writer and kills it after `count` acknowledgements, in whatever it then does; the last one. */
static int kill_after(int count, int first)
{
	int ends[2], number = first - 1;
	pid_t child;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	if (!child)
		work_until_killed(ends[1], first);
	close(ends[1]);
	while (count-- > 0)
		ck_assert_int_eq(read(ends[0], &number, sizeof(number)), sizeof(number));
	kill(child, SIGKILL);
	while (read(ends[0], &number, sizeof(number)) == sizeof(number))
		;
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	close(ends[0]);
	return number;
}

static int take_key(void *context, const struct drover_task *task)
{
	*(int64_t *)context = task->key;
	return 0;
}

START_TEST(what_was_committed_survives_kill_9)
{
	int first = 0, last;

	close_session();
	for (int round = 0; round < 12; round++) {
		last = kill_after(1 + round % 4, first);
		reopen();
		for (int number = first; number <= last; number++) {
			struct drover_verification v;
			int64_t key;
			char id[16];

			snprintf(id, sizeof(id), "t%d", number);
			WORKS(st.ops->task(st.w, id, 0, take_key, &key, &err));
			v = store_verify(&st, key);
			ck_assert_int_eq(v.counted[DROVER_OK], 29);
			ck_assert_int_eq(v.counted[DROVER_RUNNING], 1);
		}
		close_session();
		first = last + 100;
	}
	reopen();
}
END_TEST

START_TEST(a_transaction_that_was_killed_leaves_nothing)
{
	struct drover_task_filter filter = { .size = sizeof(filter) };
	int ends[2], seen = 0;
	pid_t child;
	bool more;

	close_session();
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	if (!child) {
		struct drover_task task = store_task("t", 3000, 30);

		reopen();
		store_begin(&st);
		store_insert(&st, st.incarnation, &task);
		WORKS(st.ops->accept(st.w, task.key, &err));
		ck_assert_int_eq(write(ends[1], "x", 1), 1);
		pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ends[0], &(char){ 0 }, 1), 1);
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	close(ends[0]);
	close(ends[1]);
	reopen();
	WORKS(st.ops->tasks(st.w, &filter, take_key, &seen, &err));
	ck_assert_int_eq(seen, 0);
	store_begin(&st);
	WORKS(st.ops->sweep_accepting(st.w, ALL, &more, &err));
	store_commit(&st);
	ck_assert(!more);
}
END_TEST

/* ----------------------------------------------------------------------------------- refused, failing */

/* A task of four hosts in two units, half done when the program was replaced. */
static const char old_task[] =
	"UPDATE counters SET task = 1, host = 4, seq = 9;"
	"INSERT INTO incarnations (id, node, version, started_at, renewed_at) VALUES (1, 'n1', '0.1', 1, 1);"
	"INSERT INTO tasks (key, id, type, executor, pool, priority, rerun_lost, timeout, host_timeout, "
	"connect_timeout,"
	" output_limit, fanout, expires_at, unit_size, hosts, units, incarnation, host_base, state, created_at, "
	"pending,"
	" running, ok, seq) VALUES (1, 'old', 'sim', 'sim', 'default', 50, 0, 0, 0, 0, 0, 0, 0, 2, 4, 2, 1, 1, 2, 1, "
	"2, 1,"
	" 1, 9);"
	"INSERT INTO submissions VALUES (1, NULL, NULL, '{}', '{}', x'00');"
	"INSERT INTO units (task, unit, first, count, state, open, attempt, incarnation) VALUES (1, 0, 0, 2, 1, 1, 1, "
	"1),"
	" (1, 1, 2, 2, 0, 2, 0, 0);"
	"INSERT INTO hosts (id, task, unit, name, port, status, attempt, incarnation, started_at) VALUES"
	" (1, 1, 0, 'h0', 0, 2, 1, 1, 1), (2, 1, 0, 'h1', 0, 1, 1, 1, 1), (3, 1, 1, 'h2', 0, 0, 0, 0, 0),"
	" (4, 1, 1, 'h3', 0, 0, 0, 0, 0);";

START_TEST(a_database_of_the_first_schema_is_brought_up_to_date)
{
	struct drover_task task;
	int64_t incarnation;
	bool more;

	close_session();
	ck_assert_int_eq(unlink(st.path), 0);
	bare(schema_1);
	bare(schema_1_version);
	bare(old_task);
	reopen();
	task = store_get(&st, 1);
	ck_assert_int_eq(task.waves, 1);
	ck_assert_int_eq(task.wave_units, 2);
	ck_assert_int_eq(task.wave_hosts, 4);
	ck_assert_int_eq(task.counts[DROVER_RUNNING], 1);
	/* It goes on: what ran is lost, what waited is claimed. */
	incarnation = store_incarnate(&st, "n1");
	store_begin(&st);
	WORKS(st.ops->sweep(st.w, MAX_ATTEMPTS, ALL, NULL, NULL, &more, &err));
	store_commit(&st);
	ck_assert_int_eq(store_claim(&st, incarnation, 1, 1, 0), 1);
	for (int64_t i = 2; i < 4; i++)
		ck_assert_int_eq(store_result(&st, (struct drover_result){ .task_key = 1,
									   .unit = 1,
									   .incarnation = incarnation,
									   .attempt = 1,
									   .index = i,
									   .status = DROVER_OK }),
				 DROVER_WRITTEN);
	task = store_get(&st, 1);
	ck_assert_int_eq(task.state, DROVER_TASK_DONE);
	ck_assert_int_eq(task.counts[DROVER_OK], 3);
	ck_assert_int_eq(task.counts[DROVER_LOST], 1);
	store_verify(&st, 1);
}
END_TEST

START_TEST(a_newer_schema_is_refused)
{
	struct drover_session *s;

	close_session();
	bare("INSERT INTO schema_version VALUES (99, 0, 99)");
	for (int mode = DROVER_SESSION_READ; mode <= DROVER_SESSION_WRITE; mode++) {
		ck_assert_int_eq(st.ops->session_open(st.self, (enum drover_session_mode)mode, &s, &err),
				 DROVER_EINVALID);
		ck_assert_ptr_nonnull(strstr(err.message, "schema version 99, newer than this program's"));
	}
	bare("DELETE FROM schema_version WHERE version = 99");
	reopen();
}
END_TEST

/* The next version added columns, a table and an index, and said that this one may go on. */
START_TEST(a_schema_of_the_next_version_is_worked_with)
{
	static const char *const tables[] = { "counters",  "incarnations", "tasks",   "submissions", "units",
					      "envelopes", "hosts",        "outputs", "late" };
	struct drover_session *reader;
	char sql[160];

	close_session();
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		snprintf(sql, sizeof(sql), "ALTER TABLE %s ADD COLUMN next_one TEXT NOT NULL DEFAULT 'x'", tables[i]);
		bare(sql);
	}
	bare("CREATE TABLE next_table (id INTEGER); CREATE INDEX next_index ON hosts (next_one);"
	     "INSERT INTO schema_version (version, applied_at, oldest) VALUES (4, 0, 3)");
	reopen();
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_READ, &reader, &err));
	st.ops->session_close(reader);
	store_whole_life(&st, "t");
}
END_TEST

START_TEST(a_database_of_something_else_is_refused)
{
	struct drover_session *s;

	close_session();
	bare("DROP TABLE schema_version");
	ck_assert_int_eq(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &err), DROVER_EINVALID);
	ck_assert_ptr_nonnull(strstr(err.message, "database of something else"));
}
END_TEST

START_TEST(damage_is_told_from_what_passes)
{
	struct drover_session *s;
	int fd;

	close_session();
	fd = open(st.path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "not a database", 14, 0), 14);
	close(fd);
	ck_assert_int_eq(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &err), DROVER_EFAULT);
	ck_assert_ptr_nonnull(strstr(err.message, st.path));
}
END_TEST

START_TEST(a_locked_database_is_for_later)
{
	struct drover_session *second;

	WORKS(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &second, &err));
	store_begin(&st);
	ck_assert_int_eq(st.ops->begin(second, &err), DROVER_ERETRY);
	st.ops->rollback(second);
	store_commit(&st);
	WORKS(st.ops->begin(second, &err));
	st.ops->session_close(second); /* with its transaction open */
	store_begin(&st);
	store_commit(&st);
}
END_TEST

START_TEST(a_file_that_cannot_grow_is_for_later)
{
	struct drover_task task = store_task("t", 20000, 100);
	struct rlimit limit, small;
	int code;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 600000;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	store_begin(&st);
	store_insert(&st, st.incarnation, &task);
	code = st.ops->accept(st.w, task.key, &err);
	if (!code)
		code = st.ops->commit(st.w, store_note, &st, &err);
	ck_assert_int_eq(code, DROVER_ERETRY);
	ck_assert_msg(strstr(err.message, st.path) != NULL, "%s", err.message);
	st.ops->rollback(st.w);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	store_submit(&st, &task);
	store_verify(&st, task.key);
}
END_TEST

/* --------------------------------------------------------------------------- reading beside the writer */

struct reader {
	pthread_t thread;
	int64_t task;
	atomic_bool *stop;
	int64_t looks, differing;
};

/* Asserts only after its end: check is not made for threads. */
static void *read_until_stopped(void *context)
{
	struct reader *reader = context;
	struct drover_session *s = NULL;
	struct drover_verification v;

	if (st.ops->session_open(st.self, DROVER_SESSION_READ, &s, NULL))
		return NULL;
	while (!*reader->stop) {
		if (st.ops->verify(s, reader->task, &v, NULL) || v.rows != v.hosts ||
		    memcmp(v.counted, v.stored, sizeof(v.counted)))
			reader->differing++;
		reader->looks++;
	}
	st.ops->session_close(s);
	return NULL;
}

START_TEST(readers_see_whole_transactions_while_one_writes)
{
	struct drover_task task = store_task("t", 300, 10);
	struct reader readers[2] = { { .looks = 0 } };
	atomic_bool stop = false;

	store_submit(&st, &task);
	for (int i = 0; i < 2; i++) {
		readers[i].task = task.key;
		readers[i].stop = &stop;
		ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, read_until_stopped, &readers[i]), 0);
	}
	for (int64_t i = 0; i < task.hosts; i++) {
		if (i % 10 == 0)
			store_claim(&st, st.incarnation, task.key, i / 10, 0);
		store_result(&st, (struct drover_result){ .task_key = task.key,
							  .unit = i / 10,
							  .attempt = 1,
							  .incarnation = st.incarnation,
							  .index = i,
							  .status = DROVER_OK });
	}
	stop = true;
	for (int i = 0; i < 2; i++) {
		pthread_join(readers[i].thread, NULL);
		ck_assert_int_gt(readers[i].looks, 1);
		ck_assert_int_eq(readers[i].differing, 0);
	}
	ck_assert_int_eq(st.changed.state, DROVER_TASK_DONE);
}
END_TEST

START_TEST(a_reading_session_cannot_write)
{
	struct drover_session *reader;

	WORKS(st.ops->session_open(st.self, DROVER_SESSION_READ, &reader, &err));
	ck_assert_int_ne(st.ops->renew(reader, &(struct drover_renewal){ .incarnation = st.incarnation }, &err), 0);
	st.ops->session_close(reader);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_file_is_its_owners,
		what_was_committed_survives_kill_9,
		a_transaction_that_was_killed_leaves_nothing,
		a_database_of_the_first_schema_is_brought_up_to_date,
		a_newer_schema_is_refused,
		a_schema_of_the_next_version_is_worked_with,
		a_database_of_something_else_is_refused,
		damage_is_told_from_what_passes,
		a_locked_database_is_for_later,
		a_file_that_cannot_grow_is_for_later,
		readers_see_whole_transactions_while_one_writes,
		a_reading_session_cannot_write,
	};

	return store_run("sqlite file", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
