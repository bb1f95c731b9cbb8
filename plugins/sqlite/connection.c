/*
 * connection.c - driver.h's connection for SQLite: its settings, its transactions, and the one place that
 * turns SQLite's results into codes and messages.
 */
#define _GNU_SOURCE /* memmem */
#include "sqlite.h"

#include <errno.h>
#include <time.h>

/* The write-ahead log is taken over into the database from this many pages on, and cut back after. */
static const char settings_write[] = "PRAGMA synchronous = FULL;"
				     "PRAGMA temp_store = MEMORY;"
				     "PRAGMA wal_autocheckpoint = 4000;"
				     "PRAGMA journal_size_limit = 67108864;";
static const char settings_read[] = "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;";

static const char sql_wal[] = "PRAGMA journal_mode = WAL";

int64_t driver_now(struct drover_session *s)
{
	struct timespec now;

	(void)s;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int sqlite_fail(const struct driver *driver, int rc, const char *what, struct drover_error *err)
{
	const char *path = driver->store->path;
	const char *text = driver->db ? sqlite3_errmsg(driver->db) : sqlite3_errstr(rc);
	int cause = driver->db ? sqlite3_system_errno(driver->db) : errno;

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return drover_error_set(err, DROVER_ERETRY, "cannot %s: %s is locked by another process", what, path);
	case SQLITE_FULL:
		return drover_error_set(err, DROVER_ERETRY, "cannot %s: no space left for %s", what, path);
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return drover_error_set(err, DROVER_ERETRY, "cannot %s: %s: %s (%s)", what, path, text,
					cause ? strerror(cause) : sqlite3_errstr(rc));
	case SQLITE_CONSTRAINT:
		return drover_error_set(err,
					rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
							rc == SQLITE_CONSTRAINT_ROWID
						? DROVER_ECONFLICT
						: DROVER_EFAULT,
					"cannot %s: %s: %s", what, path, text);
	case SQLITE_NOMEM:
		return drover_error_set(err, DROVER_ENOMEM, "cannot %s: out of memory", what);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return drover_error_set(err, DROVER_EFAULT, "cannot %s: %s is damaged: %s", what, path, text);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return drover_error_set(err, DROVER_EDENIED, "cannot %s: %s: %s", what, path, text);
	default:
		return drover_error_set(err, DROVER_EFAULT, "cannot %s: %s: %s", what, path, text);
	}
}

int driver_script(struct drover_session *s, const char *sql, struct drover_error *err)
{
	int rc = sqlite3_exec(s->driver->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : sqlite_fail(s->driver, rc, "use the store", err);
}

const char *driver_name(const struct drover_session *s)
{
	return s->driver->store->path;
}

int64_t driver_changes(struct drover_session *s)
{
	return sqlite3_changes64(s->driver->db);
}

int64_t driver_last_id(struct drover_session *s)
{
	return sqlite3_last_insert_rowid(s->driver->db);
}

/* ------------------------------------------------------------------------------ transactions */

int driver_begin(struct drover_session *s, struct drover_error *err)
{
	static const char sql[] = "BEGIN IMMEDIATE";

	return session_run(s, sql, NULL, err);
}

int driver_commit(struct drover_session *s, struct drover_error *err)
{
	static const char sql[] = "COMMIT";

	return session_run(s, sql, NULL, err);
}

bool driver_in_doubt(const struct drover_session *s)
{
	(void)s;
	return false;
}

void driver_rollback(struct drover_session *s)
{
	static const char sql[] = "ROLLBACK";

	/* After some errors SQLite has rolled back by itself. */
	if (!sqlite3_get_autocommit(s->driver->db))
		(void)session_run(s, sql, NULL, NULL);
}

int driver_save_counters(struct drover_session *s, const struct counters *counters, struct drover_error *err)
{
	static const char sql[] = "UPDATE counters SET task = ?1, host = ?2, seq = ?3";

	return session_run(s, sql, NULL, err, counters->task, counters->host, counters->seq);
}

int driver_ready(struct drover_session *s, struct drover_error *err)
{
	(void)s, (void)err;
	return 0;
}

/* Within a transaction nothing is to be done: what it reads is what was there when it began. */
int driver_hold(struct drover_session *s, struct drover_error *err)
{
	static const char sql[] = "BEGIN";

	return s->in_transaction ? 0 : session_run(s, sql, NULL, err);
}

void driver_release(struct drover_session *s)
{
	static const char sql[] = "COMMIT /* of a reader */";

	if (!s->in_transaction && !sqlite3_get_autocommit(s->driver->db))
		(void)session_run(s, sql, NULL, NULL);
}

/* ------------------------------------------------------------------------------ open, close */

/* A file system without shared memory (some network ones) keeps another mode without an error. */
static int use_wal(struct drover_session *s, struct drover_error *err)
{
	struct sql_stmt *stmt;
	const char *mode;
	int code = sql_prepare(s, sql_wal, SQL_ONCE, &stmt, err);

	if (code)
		return code;
	code = sql_step(s, stmt, err);
	mode = code == 1 ? sql_text(stmt, 0) : NULL;
	if (code >= 0)
		code = mode && !strcmp(mode, "wal") ? 0
						    : drover_error_set(err, DROVER_EINVALID,
								       "%s is on a file system that cannot keep a "
								       "write-ahead log: choose a local one",
								       s->driver->store->path);
	sql_finalize(stmt);
	return code;
}

/* drover_contains(bytes, part): SQLite's own instr() takes quadratic time for parts that nearly repeat. */
static void contains(sqlite3_context *context, int count, sqlite3_value **values)
{
	const void *bytes = sqlite3_value_blob(values[0]), *part = sqlite3_value_blob(values[1]);

	(void)count;
	sqlite3_result_int(context, memmem(bytes, (size_t)sqlite3_value_bytes(values[0]), part,
					   (size_t)sqlite3_value_bytes(values[1])) != NULL);
}

/* What another process may have migrated meanwhile is seen. */
static int migrate(struct drover_session *s, struct drover_error *err)
{
	int code = driver_script(s, "BEGIN IMMEDIATE", err);

	if (code)
		return code;
	code = schema_migrate(s, err);
	if (!code)
		code = driver_script(s, "COMMIT", err);
	if (code && !sqlite3_get_autocommit(s->driver->db))
		driver_script(s, "ROLLBACK", NULL);
	return code;
}

static int configure(struct drover_session *s, struct drover_error *err)
{
	bool writes = s->mode == DROVER_SESSION_WRITE;
	/* Readers pass over rows once: an eighth is plenty for the upper pages of the trees. */
	int64_t cache = s->driver->store->cache_size / (writes ? 1 : 8);
	char pragma[64];
	int code;

	sqlite3_extended_result_codes(s->driver->db, 1);
	sqlite3_busy_timeout(s->driver->db, (int)s->driver->store->busy_timeout);
	sqlite3_db_config(s->driver->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->driver->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_create_function(s->driver->db, "drover_contains", 2,
				SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, contains, NULL, NULL);
	snprintf(pragma, sizeof(pragma), "PRAGMA cache_size = -%lld", (long long)(cache / 1024));
	code = driver_script(s, pragma, err);
	if (!code && writes)
		code = use_wal(s, err);
	if (!code)
		code = driver_script(s, writes ? settings_write : settings_read, err);
	if (!code)
		code = writes ? migrate(s, err) : schema_check(s, err);
	return code;
}

int driver_open(struct drover_session *s, struct drover_error *err)
{
	int flags = SQLITE_OPEN_NOMUTEX;
	int rc;

	s->driver = calloc(1, sizeof(*s->driver));
	if (!s->driver)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	s->driver->store = s->store;
	flags |= s->mode == DROVER_SESSION_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	rc = sqlite3_open_v2(s->driver->store->path, &s->driver->db, flags, NULL);
	return rc == SQLITE_OK ? configure(s, err) : sqlite_fail(s->driver, rc, "open the store", err);
}

void driver_close(struct drover_session *s)
{
	if (s->driver)
		sqlite3_close(s->driver->db);
	free(s->driver);
}
