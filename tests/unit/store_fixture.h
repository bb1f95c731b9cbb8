/*
 * store_fixture.h - a store for tests: the embedded one in a folder of its own, or the shared one in a
 * database of its own; one writing session, and every operation in a short form that asserts that it works.
 *
 * store_run runs all tests with the embedded store, store_run_both with one after the other. The shared one
 * needs a server: $DROVER_MARIADB_SOCKET, which tests/run.py sets; without it the program starts itself again
 * by tests/services/mariadb.py, which has one.
 */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drover/sink.h>
#include <drover/store.h>

#include "sdk/fake_host.h"

enum { MAX_ATTEMPTS = 3, ALL = 100000 };

enum store_kind { STORE_SQLITE, STORE_MYSQL, STORE_MYSQL_VALUES };

struct store {
	enum store_kind kind;
	const struct drover_sink *sink;
	const struct drover_store_ops *ops;
	void *self;
	struct drover_session *w;
	char folder[64], path[96];
	int64_t incarnation;

	/* What the last commit told. */
	int changes;
	struct drover_task changed; /* of the last of them; numbers only */
	char changed_id[64];
	enum drover_task_state old_state;
};

static struct drover_error err;
static enum store_kind store_kind; /* of the stores that are opened */
static pid_t store_program;        /* of which each test is a child */

#define WORKS(call) ck_assert_msg((call) == 0, "%s: %s", #call, err.message)

static inline int store_note(void *context, const struct drover_task_change *change)
{
	struct store *st = context;

	st->changes++;
	st->changed = change->task;
	st->old_state = change->old_state;
	snprintf(st->changed_id, sizeof(st->changed_id), "%s", change->task.id);
	return 0;
}

static inline void store_begin(struct store *st)
{
	WORKS(st->ops->begin(st->w, &err));
}

static inline void store_commit(struct store *st)
{
	st->changes = 0;
	WORKS(st->ops->commit(st->w, store_note, st, &err));
}

static inline int64_t store_incarnate(struct store *st, const char *node)
{
	int64_t incarnation;

	store_begin(st);
	WORKS(st->ops->incarnate(st->w, node, "1", &incarnation, &err));
	store_commit(st);
	return incarnation;
}

/* A statement of the server's administrator; what it printed, without the last end of line, is in `answer`. */
static inline void store_server(const char *sql, char *answer, size_t size)
{
	char command[4096];
	FILE *pipe;
	size_t length;

	snprintf(command, sizeof(command),
		 "mariadb --no-defaults -u root --socket=\"$DROVER_MARIADB_SOCKET\" -N -B %s -e \"%s\"",
		 strstr(sql, "//") ? "--delimiter=//" : "", sql);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	length = fread(answer, 1, size - 1, pipe);
	answer[length] = '\0';
	if (length)
		answer[length - 1] = '\0';
	ck_assert_msg(pclose(pipe) == 0, "%s", sql);
}

static inline void *store_instance(struct store *st)
{
	const char *const file[] = { "path", st->path, "busy_timeout", "100ms", NULL };
	const char *const server[] = { "socket",   getenv("DROVER_MARIADB_SOCKET"),
				       "user",     "drover",
				       "password", "open sesame",
				       "database", st->path,
				       "batches",  st->kind == STORE_MYSQL_VALUES ? "values" : "array",
				       NULL };

	return fake_host_new(&st->sink->info, st->kind == STORE_SQLITE ? file : server);
}

/*
 * Makes the database, or empties it where a test before this one left it whole and small: making tables takes the
 * server longer than most tests.
 */
static const char store_fresh[] =
	"BEGIN NOT ATOMIC"
	" DECLARE whole, hosts INT DEFAULT 0;"
	" SELECT count(*) INTO whole FROM information_schema.tables WHERE table_schema = '%1$s' AND table_name IN"
	"  ('schema_version', 'counters', 'hosts', 'envelopes', 'late');"
	" IF whole = 5 THEN SELECT count(*) INTO hosts FROM (SELECT 1 FROM %1$s.hosts LIMIT 5000) h; END IF;"
	" IF whole = 5 AND hosts < 5000 THEN"
	"  FOR t IN (SELECT table_name AS name FROM information_schema.tables WHERE table_schema = '%1$s'"
	"   AND table_name <> 'schema_version') DO EXECUTE IMMEDIATE CONCAT('DELETE FROM %1$s.', t.name); END FOR;"
	"  INSERT INTO %1$s.counters (id) VALUES (1);"
	"  EXECUTE IMMEDIATE 'ALTER TABLE %1$s.incarnations AUTO_INCREMENT = 1';"
	" ELSE"
	"  EXECUTE IMMEDIATE 'DROP DATABASE IF EXISTS %1$s';"
	"  EXECUTE IMMEDIATE 'CREATE DATABASE %1$s';"
	" END IF; END //";

static inline void store_place(struct store *st)
{
	char sql[sizeof(store_fresh) + 10 * sizeof(st->path)], answer[64];

	if (st->kind == STORE_SQLITE) {
		snprintf(st->folder, sizeof(st->folder), "/tmp/test_sqlite.XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(st->folder));
		snprintf(st->path, sizeof(st->path), "%s/drover.db", st->folder);
	} else {
		snprintf(st->path, sizeof(st->path), "test_%d", (int)store_program);
		snprintf(sql, sizeof(sql), store_fresh, st->path);
		store_server(sql, answer, sizeof(answer));
	}
}

static inline void store_open(struct store *st)
{
	memset(st, 0, sizeof(*st));
	st->kind = store_kind;
	store_place(st);
	st->sink = fake_host_load(st->kind == STORE_SQLITE ? "sqlite" : "mysql")->sink;
	st->ops = st->sink->store;
	st->self = store_instance(st);
	WORKS(st->sink->open(st->self, &err));
	WORKS(st->ops->session_open(st->self, DROVER_SESSION_WRITE, &st->w, &err));
	st->incarnation = store_incarnate(st, "n1");
}

/* The database on a server stays for the next test, and goes with the server. */
static inline void store_remove(struct store *st)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char text[160];

	for (int i = 0; i < 3 && st->kind == STORE_SQLITE; i++) {
		snprintf(text, sizeof(text), "%s%s", st->path, ends[i]);
		unlink(text);
	}
	if (st->kind == STORE_SQLITE)
		ck_assert_int_eq(rmdir(st->folder), 0);
}

static inline void store_close(struct store *st)
{
	if (st->w)
		st->ops->session_close(st->w);
	fake_host_free(&st->sink->info, st->self);
	store_remove(st);
}

static inline struct drover_task store_task(const char *id, int64_t hosts, int64_t unit_size)
{
	return (struct drover_task){ .size = sizeof(struct drover_task),
				     .id = id,
				     .type = "sim",
				     .executor = "sim",
				     .pool = "default",
				     .payload = "{\"a\":1}",
				     .options = "{}",
				     .priority = 50,
				     .timeout = 100000,
				     .unit_size = unit_size,
				     .hosts = hosts,
				     .units = (hosts + unit_size - 1) / unit_size,
				     .body = "digest",
				     .body_size = 6 };
}

/* Hosts h0, h1, … in these units, within a transaction. */
static inline void store_insert_split(struct store *st, int64_t incarnation, struct drover_task *task,
				      const struct drover_unit_spec *units)
{
	struct drover_host_spec *hosts = calloc((size_t)task->hosts, sizeof(*hosts));
	char(*names)[24] = calloc((size_t)task->hosts, sizeof(*names));

	WORKS(st->ops->insert_task(st->w, incarnation, task, &err));
	for (int64_t i = 0; i < task->hosts; i++) {
		snprintf(names[i], sizeof(names[i]), "h%" PRId64, i);
		hosts[i].name = names[i];
	}
	WORKS(st->ops->insert_hosts(st->w, task, 0, hosts, task->hosts, &err));
	WORKS(st->ops->insert_units(st->w, task, 0, units, task->units, &err));
	free(hosts);
	free(names);
}

/* In units of unit_size. */
static inline void store_insert(struct store *st, int64_t incarnation, struct drover_task *task)
{
	struct drover_unit_spec *units = calloc((size_t)task->units, sizeof(*units));

	for (int64_t i = 0; i < task->units; i++) {
		units[i].first = i * task->unit_size;
		units[i].count = task->unit_size;
		if (units[i].first + units[i].count > task->hosts)
			units[i].count = task->hosts - units[i].first;
	}
	store_insert_split(st, incarnation, task, units);
	free(units);
}

/* A whole accepted task, in one transaction. */
static inline void store_submit(struct store *st, struct drover_task *task)
{
	store_begin(st);
	store_insert(st, st->incarnation, task);
	WORKS(st->ops->accept(st->w, task->key, &err));
	store_commit(st);
}

/* A transaction with one claim; the attempt, or 0: not claimed. */
static inline int store_claim(struct store *st, int64_t incarnation, int64_t task, int64_t unit, int64_t window)
{
	struct drover_claim claim = { .task_key = task, .unit = unit, .window = window };

	store_begin(st);
	WORKS(st->ops->claim(st->w, incarnation, &claim, 1, &err));
	store_commit(st);
	return claim.claimed ? claim.attempt : 0;
}

/* Of a host's first attempt: it went well. */
static inline struct drover_result store_result_of(const struct drover_task *task, int64_t incarnation, int64_t index)
{
	return (struct drover_result){ .task_key = task->key,
				       .unit = index / task->unit_size,
				       .incarnation = incarnation,
				       .attempt = 1,
				       .index = index,
				       .status = DROVER_OK };
}

static inline enum drover_outcome store_result(struct store *st, struct drover_result result)
{
	store_begin(st);
	WORKS(st->ops->results(st->w, &result, 1, &err));
	store_commit(st);
	return result.outcome;
}

static inline struct drover_unit_end store_end(struct store *st, struct drover_unit_end end)
{
	end.max_attempts = MAX_ATTEMPTS;
	store_begin(st);
	WORKS(st->ops->end_unit(st->w, &end, &err));
	store_commit(st);
	return end;
}

static inline struct drover_verification store_verify(struct store *st, int64_t task)
{
	struct drover_verification v;

	WORKS(st->ops->verify(st->w, task, &v, &err));
	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		ck_assert_int_eq(v.counted[i], v.stored[i]);
	ck_assert_int_eq(v.rows, v.hosts);
	ck_assert_int_eq(v.distinct, v.hosts);
	return v;
}

/* ------------------------------------------------------------------------------ rows, copied */

struct host_row {
	struct drover_result_row row; /* numbers only */
	char task[32], host[32], message[256], late[1024], engine[32], out[64], result[64];
};

struct host_rows {
	struct host_row *rows;
	int room, count;
};

static inline void store_copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static inline int store_take_row(void *context, const struct drover_result_row *row)
{
	struct host_rows *rows = context;
	struct host_row *to = &rows->rows[rows->count++];

	ck_assert_int_le(rows->count, rows->room);
	to->row = *row;
	store_copy(to->task, sizeof(to->task), row->task);
	store_copy(to->host, sizeof(to->host), row->host);
	store_copy(to->message, sizeof(to->message), row->message);
	store_copy(to->late, sizeof(to->late), row->late);
	store_copy(to->engine, sizeof(to->engine), row->engine);
	store_copy(to->result, sizeof(to->result), row->result);
	snprintf(to->out, sizeof(to->out), "%.*s", (int)row->out.size,
		 row->out.data ? (const char *)row->out.data : "");
	return 0;
}

/* Fills `rows` and returns their number. */
static inline int store_rows(struct store *st, struct drover_session *session, struct drover_result_filter filter,
			     struct host_row *rows, int room)
{
	struct host_rows context = { .rows = rows, .room = room };

	filter.size = sizeof(filter);
	WORKS(st->ops->results_query(session, &filter, store_take_row, &context, &err));
	return context.count;
}

/* The row of one host of a task, by index. */
static inline struct host_row store_row(struct store *st, int64_t task, int64_t index)
{
	char name[32];
	struct host_row row;

	snprintf(name, sizeof(name), "h%" PRId64, index);
	ck_assert_int_eq(store_rows(st, st->w,
				    (struct drover_result_filter){ .task_key = task, .host = name, .outputs = true },
				    &row, 1),
			 1);
	return row;
}

static inline int store_take_unit(void *context, const struct drover_unit_row *row)
{
	*(struct drover_unit_row *)context = *row;
	return 0;
}

static inline struct drover_unit_row store_unit(struct store *st, int64_t task, int64_t unit)
{
	struct drover_unit_row row = { .unit = -1 };

	WORKS(st->ops->units(st->w, task, unit - 1, 1, store_take_unit, &row, &err));
	ck_assert_int_eq(row.unit, unit);
	return row;
}

static inline int store_take_task(void *context, const struct drover_task *task)
{
	*(struct drover_task *)context = *task;
	return 0;
}

/* Numbers only. */
static inline struct drover_task store_get(struct store *st, int64_t task)
{
	struct drover_task row;

	WORKS(st->ops->task(st->w, NULL, task, store_take_task, &row, &err));
	return row;
}

static inline int store_count_due(void *context, const struct drover_due_unit *unit)
{
	(void)unit;
	(*(int *)context)++;
	return 0;
}

/* Most of what is done to a task, by most of the statements; it ends well. */
static inline void store_whole_life(struct store *st, const char *id)
{
	struct drover_due_filter all = { .size = sizeof(all) };
	struct drover_task task = store_task(id, 4, 2);
	struct drover_unit_spec units[2] = { { .count = 2, .envelope = { "e", 1 } }, { .first = 2, .count = 2 } };
	struct drover_publication publication = { .unit = 0 };
	struct drover_unit_end end = { .begun = DROVER_PENDING, .rest = DROVER_PENDING, .message = "again" };
	struct host_row rows[8];
	int due = 0;
	bool more;

	st->incarnation = store_incarnate(st, "n1");
	store_begin(st);
	WORKS(st->ops->renew(st->w, &(struct drover_renewal){ .incarnation = st->incarnation }, &err));
	WORKS(st->ops->sweep(st->w, MAX_ATTEMPTS, ALL, NULL, NULL, &more, &err));
	WORKS(st->ops->expire(st->w, ALL, &more, &err));
	store_insert_split(st, st->incarnation, &task, units);
	WORKS(st->ops->accept(st->w, task.key, &err));
	publication.task_key = task.key;
	WORKS(st->ops->published(st->w, &publication, 1, &err));
	store_commit(st);
	WORKS(st->ops->due_units(st->w, &all, store_count_due, &due, &err));
	ck_assert_int_ge(due, 1);
	end.task_key = task.key;
	end.incarnation = st->incarnation;
	end.attempt = store_claim(st, st->incarnation, task.key, 0, 1);
	ck_assert_int_eq(end.attempt, 1);
	ck_assert(store_end(st, end).ready);
	ck_assert_int_eq(store_claim(st, st->incarnation, task.key, 0, 0), 2);
	ck_assert_int_eq(store_claim(st, st->incarnation, task.key, 1, 0), 1);
	for (int64_t i = 0; i < 4; i++)
		ck_assert_int_eq(store_result(st, (struct drover_result){ .task_key = task.key,
									  .unit = i / 2,
									  .incarnation = st->incarnation,
									  .attempt = i < 2 ? 2 : 1,
									  .index = i,
									  .status = DROVER_OK,
									  .report = { .out = "said" } }),
				 DROVER_WRITTEN);
	ck_assert_int_eq(store_verify(st, task.key).state, DROVER_TASK_DONE);
	ck_assert_int_eq(
		store_rows(st, st->w, (struct drover_result_filter){ .task_key = task.key, .outputs = true }, rows, 8),
		4);
	ck_assert_str_eq(rows[3].out, "said");
}

static inline void store_use_mysql(void)
{
	store_kind = STORE_MYSQL;
}

static inline void store_use_values(void)
{
	store_kind = STORE_MYSQL_VALUES;
}

static inline TCase *store_case(const char *name, SFun setup, SFun teardown, const TTest *const *tests, size_t count)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	return tcase;
}

static inline int store_run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	store_program = getpid();
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

/* All tests of a program with the embedded store, each with a store of its own. */
static inline int store_run(const char *name, SFun setup, SFun teardown, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);

	suite_add_tcase(suite, store_case(name, setup, teardown, tests, count));
	return store_run_suite(suite);
}

/* Whether there is a server; without one, this program is run again by what starts one. */
static inline bool store_has_server(void)
{
	char self[4096] = "";

	if (getenv("DROVER_MARIADB_SOCKET"))
		return true;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
		execl("/usr/bin/python3", "python3", "tests/services/mariadb.py", self, (char *)NULL);
	perror("tests/services/mariadb.py");
	return false;
}

/* And with the shared one, in both ways that it sends many rows. */
static inline int store_run_both(const char *name, SFun setup, SFun teardown, const TTest *const *tests, size_t count)
{
	static const struct {
		const char *name;
		SFun use;
	} kinds[] = { { "sqlite", NULL }, { "mysql", store_use_mysql }, { "mysql values", store_use_values } };
	Suite *suite = suite_create(name);

	if (!store_has_server())
		return 1;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		TCase *tcase = store_case(kinds[i].name, setup, teardown, tests, count);

		if (kinds[i].use)
			tcase_add_unchecked_fixture(tcase, kinds[i].use, NULL);
		suite_add_tcase(suite, tcase);
	}
	return store_run_suite(suite);
}

#endif
