/*
 * session.c - a session: one SQLite connection, its settings, its prepared statements, and the one
 * place that turns SQLite's results into codes and messages.
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

int64_t session_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int session_fail(struct drover_session *s, int rc, const char *what, struct drover_error *err)
{
	const char *path = s->store->path;
	const char *text = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
	int cause = s->db ? sqlite3_system_errno(s->db) : errno;

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

int session_script(struct drover_session *s, const char *sql, struct drover_error *err)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : session_fail(s, rc, "use the store", err);
}

/* ------------------------------------------------------------------------------- statements */

int session_prepare_text(struct drover_session *s, const char *sql, sqlite3_stmt **stmt, struct drover_error *err)
{
	int rc = sqlite3_prepare_v3(s->db, sql, -1, 0, stmt, NULL);

	return rc == SQLITE_OK ? 0 : session_fail(s, rc, "prepare a statement", err);
}

int session_prepare_(struct drover_session *s, const char *sql, const int64_t *values, size_t count,
		     sqlite3_stmt **stmt, struct drover_error *err)
{
	struct sqlite_statement *cached;
	int rc;

	HASH_FIND_PTR(s->statements, &sql, cached);
	if (!cached) {
		cached = calloc(1, sizeof(*cached));
		if (!cached)
			return drover_error_set(err, DROVER_ENOMEM, "out of memory");
		rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &cached->stmt, NULL);
		if (rc != SQLITE_OK) {
			free(cached);
			return session_fail(s, rc, "prepare a statement", err);
		}
		cached->sql = sql;
		HASH_ADD_PTR(s->statements, sql, cached);
	}
	for (size_t i = 0; i < count; i++)
		sqlite3_bind_int64(cached->stmt, (int)i + 1, values[i]);
	*stmt = cached->stmt;
	return 0;
}

int session_step(struct drover_session *s, sqlite3_stmt *stmt, struct drover_error *err)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		rc = session_fail(s, rc, sqlite3_column_count(stmt) ? "read from the store" : "write to the store",
				  err);
	else
		rc = 0;
	sqlite3_reset(stmt);
	return rc;
}

int session_run_(struct drover_session *s, const char *sql, const int64_t *values, size_t count, int64_t *changed,
		 struct drover_error *err)
{
	sqlite3_stmt *stmt;
	int code = session_prepare_(s, sql, values, count, &stmt, err);

	if (code)
		return code;
	code = session_step(s, stmt, err);
	assert(code <= 0);
	if (!code && changed)
		*changed = sqlite3_changes64(s->db);
	return code;
}

int session_number_(struct drover_session *s, const char *sql, const int64_t *values, size_t count, int64_t fallback,
		    int64_t *number, struct drover_error *err)
{
	sqlite3_stmt *stmt;
	int code = session_prepare_(s, sql, values, count, &stmt, err);

	if (code)
		return code;
	*number = fallback;
	code = session_step(s, stmt, err);
	if (code < 0)
		return code;
	if (code && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		*number = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return 0;
}

void session_bind_text(sqlite3_stmt *stmt, int position, const char *text)
{
	sqlite3_bind_text(stmt, position, text, -1, SQLITE_STATIC);
}

const char *session_text(sqlite3_stmt *stmt, int column)
{
	return (const char *)sqlite3_column_text(stmt, column);
}

/* ------------------------------------------------------------------------------ open, close */

/* A file system without shared memory (some network ones) keeps another mode without an error. */
static int use_wal(struct drover_session *s, struct drover_error *err)
{
	sqlite3_stmt *stmt;
	const char *mode;
	int code = session_prepare_text(s, sql_wal, &stmt, err);

	if (code)
		return code;
	code = session_step(s, stmt, err);
	mode = code == 1 ? session_text(stmt, 0) : NULL;
	if (code >= 0)
		code = mode && !strcmp(mode, "wal") ? 0
						    : drover_error_set(err, DROVER_EINVALID,
								       "%s is on a file system that cannot keep a "
								       "write-ahead log: choose a local one",
								       s->store->path);
	sqlite3_finalize(stmt);
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

static int configure(struct drover_session *s, struct drover_error *err)
{
	bool writes = s->mode == DROVER_SESSION_WRITE;
	/* Readers pass over rows once: an eighth is plenty for the upper pages of the trees. */
	int64_t cache = s->store->cache_size / (writes ? 1 : 8);
	char pragma[64];
	int code;

	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, (int)s->store->busy_timeout);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_create_function(s->db, "drover_contains", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
				NULL, contains, NULL, NULL);
	snprintf(pragma, sizeof(pragma), "PRAGMA cache_size = -%lld", (long long)(cache / 1024));
	code = session_script(s, pragma, err);
	if (!code && writes)
		code = use_wal(s, err);
	if (!code)
		code = session_script(s, writes ? settings_write : settings_read, err);
	if (!code)
		code = writes ? schema_migrate(s, err) : schema_check(s, err);
	return code;
}

int session_open(void *self, enum drover_session_mode mode, struct drover_session **session, struct drover_error *err)
{
	struct drover_session *s = calloc(1, sizeof(*s));
	int flags = SQLITE_OPEN_NOMUTEX;
	int rc, code;

	if (!s)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	s->store = self;
	s->mode = mode;
	flags |= mode == DROVER_SESSION_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	rc = sqlite3_open_v2(s->store->path, &s->db, flags, NULL);
	code = rc == SQLITE_OK ? configure(s, err) : session_fail(s, rc, "open the store", err);
	if (code) {
		session_close(s);
		return code;
	}
	*session = s;
	return 0;
}

void session_close(struct drover_session *s)
{
	struct sqlite_statement *cached, *next;

	transaction_rollback(s);
	HASH_ITER (hh, s->statements, cached, next) {
		HASH_DEL(s->statements, cached);
		sqlite3_finalize(cached->stmt);
		free(cached);
	}
	sqlite3_close(s->db);
	free(s);
}
