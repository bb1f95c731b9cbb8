/*
 * bare_sqlite.c - what SQLite itself needs for the writes of a task: a bare program that issues the
 * same statements on the same tables and indexes in the same transactions as plugins/sqlite, and does
 * nothing else. store_bench.c does the same through the store.
 *
 *	bare_sqlite [HOSTS [UNIT_SIZE [GROUP [FOLDER]]]]
 *
 * GROUP is how many hosts' rows go into one transaction. Prints seconds and hosts/s of each part.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

static const char schema[] =
	"PRAGMA cache_size = -16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
	"PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;"
	"CREATE TABLE counters (task INTEGER NOT NULL, host INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;"
	"INSERT INTO counters VALUES (0, 0, 0);"
	"CREATE TABLE tasks (key INTEGER PRIMARY KEY, state INTEGER NOT NULL DEFAULT 0,"
	" started_at INTEGER NOT NULL DEFAULT 0, finished_at INTEGER NOT NULL DEFAULT 0,"
	" pending INTEGER NOT NULL DEFAULT 0, running INTEGER NOT NULL DEFAULT 0, ok INTEGER NOT NULL DEFAULT 0,"
	" failed INTEGER NOT NULL DEFAULT 0, unreachable INTEGER NOT NULL DEFAULT 0,"
	" timed_out INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,"
	" cancelled INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0,"
	" units_done INTEGER NOT NULL DEFAULT 0, seq INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE INDEX tasks_changed ON tasks (seq);"
	"CREATE INDEX tasks_open ON tasks (state, key) WHERE state < 5;"
	"CREATE INDEX tasks_ended ON tasks (finished_at) WHERE state >= 5;"
	"INSERT INTO tasks (key) VALUES (1);"
	"CREATE TABLE units ("
	" task INTEGER NOT NULL, unit INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,"
	" state INTEGER NOT NULL DEFAULT 0, open INTEGER NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,"
	" incarnation INTEGER NOT NULL DEFAULT 0, claimed_at INTEGER NOT NULL DEFAULT 0,"
	" finished_at INTEGER NOT NULL DEFAULT 0, deadline INTEGER NOT NULL DEFAULT 0,"
	" seq INTEGER NOT NULL DEFAULT 0, message TEXT, PRIMARY KEY (task, unit)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX units_ready ON units (task, unit) WHERE state = 0;"
	"CREATE INDEX units_held ON units (incarnation) WHERE state = 1;"
	"CREATE TABLE hosts ("
	" id INTEGER PRIMARY KEY, task INTEGER NOT NULL, unit INTEGER NOT NULL, name TEXT NOT NULL, address TEXT,"
	" port INTEGER NOT NULL, user TEXT, vars TEXT, status INTEGER NOT NULL DEFAULT 0,"
	" phase INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL DEFAULT 0, remote INTEGER NOT NULL DEFAULT 0,"
	" rc INTEGER, signal TEXT, message TEXT, waiting_for TEXT, via TEXT, result TEXT,"
	" stdout BLOB, stdout_size INTEGER NOT NULL DEFAULT 0, stdout_total INTEGER NOT NULL DEFAULT 0,"
	" stderr BLOB, stderr_size INTEGER NOT NULL DEFAULT 0, stderr_total INTEGER NOT NULL DEFAULT 0,"
	" attempt INTEGER NOT NULL DEFAULT 0, incarnation INTEGER NOT NULL DEFAULT 0,"
	" started_at INTEGER NOT NULL DEFAULT 0, finished_at INTEGER NOT NULL DEFAULT 0,"
	" seq INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE INDEX hosts_name ON hosts (name, id);"
	"CREATE INDEX hosts_ended ON hosts (seq) WHERE status >= 2;";

enum statement {
	INSERT_HOST,
	INSERT_UNIT,
	READ_UNIT,
	SAVE_UNIT,
	BEGIN_HOSTS,
	END_HOST,
	READ_TASK,
	SAVE_TASK,
	READ_COUNTERS,
	SAVE_COUNTERS,
	STATEMENTS
};

static const char *const texts[STATEMENTS] = {
	[INSERT_HOST] = "INSERT INTO hosts (id, task, unit, port, name, address, user, vars)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[INSERT_UNIT] = "INSERT INTO units (task, unit, first, count, open) VALUES (?1, ?2, ?3, ?4, ?4)",
	[READ_UNIT] = "SELECT first, count, state, attempt, incarnation, open, claimed_at, finished_at, deadline"
		      " FROM units WHERE task = ?1 AND unit = ?2",
	[SAVE_UNIT] = "UPDATE units SET state = ?3, attempt = ?4, incarnation = ?5, open = ?6, claimed_at = ?7,"
		      " finished_at = ?8, deadline = ?9, seq = ?10 WHERE task = ?1 AND unit = ?2",
	[BEGIN_HOSTS] = "UPDATE hosts SET status = 1, started_at = ?3, attempt = ?4, incarnation = ?5, seq = ?6"
			" WHERE id BETWEEN ?1 AND ?2 AND status = 0",
	[END_HOST] = "UPDATE hosts SET status = ?3, phase = ?4, changed = ?5, remote = ?6, stdout_size = ?7,"
		     " stdout_total = ?8, stderr_size = ?9, stderr_total = ?10, attempt = ?11, incarnation = ?12,"
		     " finished_at = ?13, seq = ?14, rc = ?15, signal = ?16, message = ?17, waiting_for = ?18,"
		     " via = ?19, result = ?20, stdout = ?21, stderr = ?22 WHERE id = ?1 AND status = ?2",
	[READ_TASK] = "SELECT state, units_done, started_at, finished_at, pending, running, ok, failed, unreachable,"
		      " timed_out, skipped, cancelled, expired, lost FROM tasks WHERE key = ?1",
	[SAVE_TASK] = "UPDATE tasks SET state = ?2, units_done = ?3, started_at = ?4, finished_at = ?5, seq = ?6,"
		      " pending = ?7, running = ?8, ok = ?9, failed = ?10, unreachable = ?11, timed_out = ?12,"
		      " skipped = ?13, cancelled = ?14, expired = ?15, lost = ?16 WHERE key = ?1",
	[READ_COUNTERS] = "SELECT task, host, seq FROM counters",
	[SAVE_COUNTERS] = "UPDATE counters SET task = ?1, host = ?2, seq = ?3",
};

static const int64_t CLOCK = 1700000000000; /* as wide as a real time */

static sqlite3 *db;
static sqlite3_stmt *statements[STATEMENTS];
static int64_t hosts, unit_size, group, seq;

static void must(int rc)
{
	if (rc == SQLITE_OK || rc == SQLITE_DONE || rc == SQLITE_ROW)
		return;
	fprintf(stderr, "bare_sqlite: %s\n", sqlite3_errmsg(db));
	exit(1);
}

static void run_(enum statement which, const int64_t *values, int count)
{
	sqlite3_stmt *stmt = statements[which];

	for (int i = 0; i < count; i++)
		sqlite3_bind_int64(stmt, i + 1, values[i]);
	must(sqlite3_step(stmt));
	sqlite3_reset(stmt);
}
#define run(which, ...)                                                                                                \
	run_((which), (const int64_t[]){ __VA_ARGS__ }, (int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)))

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void begin(void)
{
	must(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
	run(READ_COUNTERS);
}

static void commit(void)
{
	run(SAVE_COUNTERS, 1, hosts, seq);
	must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
}

static void save_task(int state, int64_t pending, int64_t running, int64_t ok, int64_t units_done)
{
	run(SAVE_TASK, 1, state, units_done, CLOCK, state == 5 ? CLOCK : 0, ++seq, pending, running, ok, 0, 0, 0, 0, 0,
	    0, 0);
}

static void submit(void)
{
	sqlite3_stmt *stmt = statements[INSERT_HOST];
	char name[32];

	for (int64_t first = 0; first < hosts; first += group) {
		begin();
		for (int64_t i = first; i < least(first + group, hosts); i++) {
			snprintf(name, sizeof(name), "host%07" PRId64, i);
			sqlite3_bind_text(stmt, 5, name, -1, SQLITE_STATIC);
			run(INSERT_HOST, i + 1, 1, i / unit_size, 0);
		}
		commit();
	}
	begin();
	for (int64_t first = 0; first < hosts; first += unit_size)
		run(INSERT_UNIT, 1, first / unit_size, first, least(unit_size, hosts - first));
	run(READ_TASK, 1);
	save_task(1, hosts, 0, 0, 0);
	commit();
}

static void claim(void)
{
	int64_t step = group > unit_size ? group / unit_size * unit_size : unit_size;

	for (int64_t first = 0; first < hosts; first += step) {
		int64_t end = least(first + step, hosts);

		begin();
		run(READ_TASK, 1);
		for (int64_t unit = first; unit < end; unit += unit_size) {
			int64_t count = least(unit_size, hosts - unit);

			run(READ_UNIT, 1, unit / unit_size);
			run(BEGIN_HOSTS, unit + 1, unit + count, CLOCK, 1, 1, ++seq);
			run(SAVE_UNIT, 1, unit / unit_size, 1, 1, 1, count, CLOCK, 0, CLOCK, ++seq);
		}
		save_task(2, hosts - end, end, 0, 0);
		commit();
	}
}

/* The units of [first, end) as a group of results leaves them. */
static void save_units(int64_t first, int64_t end)
{
	for (int64_t unit = first / unit_size; unit * unit_size < end; unit++) {
		int64_t last = least((unit + 1) * unit_size, hosts);
		int64_t open = last > end ? last - end : 0;

		run(READ_UNIT, 1, unit);
		run(SAVE_UNIT, 1, unit, open ? 1 : 2, 1, 1, open, CLOCK, open ? 0 : CLOCK, CLOCK, ++seq);
	}
}

static void results(void)
{
	for (int64_t first = 0; first < hosts; first += group) {
		int64_t end = least(first + group, hosts);

		begin();
		run(READ_TASK, 1);
		for (int64_t i = first; i < end; i++)
			run(END_HOST, i + 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 1, CLOCK, ++seq, 0);
		save_units(first, end);
		save_task(end == hosts ? 5 : 2, 0, hosts - end, end, end / unit_size);
		commit();
	}
}

static void measure(const char *name, void (*part)(void), double *total)
{
	double start = seconds(), taken;

	part();
	taken = seconds() - start;
	*total += taken;
	printf("bare  %-8s %8.3f s %10.0f hosts/s\n", name, taken, (double)hosts / taken);
}

int main(int argc, char **argv)
{
	char path[4096], extra[4104];
	double total = 0;

	hosts = argc > 1 ? atoll(argv[1]) : 100000;
	unit_size = argc > 2 ? atoll(argv[2]) : 1000;
	group = argc > 3 ? atoll(argv[3]) : 1000;
	snprintf(path, sizeof(path), "%s/bare_sqlite.%d.db", argc > 4 ? argv[4] : "/tmp", (int)getpid());
	must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
	must(sqlite3_exec(db, schema, NULL, NULL, NULL));
	for (int i = 0; i < STATEMENTS; i++)
		must(sqlite3_prepare_v3(db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], NULL));
	measure("submit", submit, &total);
	measure("claim", claim, &total);
	measure("results", results, &total);
	printf("bare  %-8s %8.3f s %10.0f hosts/s\n", "all", total, (double)hosts / total);
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(statements[i]);
	sqlite3_close(db);
	unlink(path);
	for (int i = 0; i < 2; i++) {
		snprintf(extra, sizeof(extra), "%s%s", path, i ? "-shm" : "-wal");
		unlink(extra);
	}
	return 0;
}
