/*
 * statements.c - driver.h's statements for SQLite: a `struct sql_stmt` is an sqlite3_stmt by another name.
 */
#include "sqlite.h"

static sqlite3_stmt *own(struct sql_stmt *stmt)
{
	return (sqlite3_stmt *)stmt;
}

int sql_prepare(struct drover_session *s, const char *sql, enum sql_use use, struct sql_stmt **stmt,
		struct drover_error *err)
{
	sqlite3_stmt *made = NULL;
	int rc = sqlite3_prepare_v3(s->driver->db, sql, -1, use == SQL_KEPT ? SQLITE_PREPARE_PERSISTENT : 0, &made,
				    NULL);

	*stmt = (struct sql_stmt *)made;
	return rc == SQLITE_OK ? 0 : sqlite_fail(s->driver, rc, "prepare a statement", err);
}

void sql_finalize(struct sql_stmt *stmt)
{
	sqlite3_finalize(own(stmt));
}

int sql_step(struct drover_session *s, struct sql_stmt *stmt, struct drover_error *err)
{
	int rc = sqlite3_step(own(stmt));

	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		rc = sqlite_fail(s->driver, rc,
				 sqlite3_column_count(own(stmt)) ? "read from the store" : "write to the store", err);
	else
		rc = 0;
	sqlite3_reset(own(stmt));
	return rc;
}

void sql_reset(struct sql_stmt *stmt)
{
	sqlite3_reset(own(stmt));
}

/* There is no way to be saved. */
int sql_queue(struct drover_session *s, struct sql_stmt *stmt, struct drover_error *err)
{
	return sql_step(s, stmt, err);
}

void sql_bind_int64(struct sql_stmt *stmt, int position, int64_t value)
{
	sqlite3_bind_int64(own(stmt), position, value);
}

void sql_bind_null(struct sql_stmt *stmt, int position)
{
	sqlite3_bind_null(own(stmt), position);
}

void sql_bind_text(struct sql_stmt *stmt, int position, const char *text)
{
	sqlite3_bind_text(own(stmt), position, text, -1, SQLITE_STATIC);
}

void sql_bind_blob(struct sql_stmt *stmt, int position, const void *bytes, size_t size)
{
	sqlite3_bind_blob64(own(stmt), position, bytes, size, SQLITE_STATIC);
}

int64_t sql_int64(struct sql_stmt *stmt, int column)
{
	return sqlite3_column_int64(own(stmt), column);
}

int sql_int(struct sql_stmt *stmt, int column)
{
	return sqlite3_column_int(own(stmt), column);
}

bool sql_is_null(struct sql_stmt *stmt, int column)
{
	return sqlite3_column_type(own(stmt), column) == SQLITE_NULL;
}

const char *sql_text(struct sql_stmt *stmt, int column)
{
	return (const char *)sqlite3_column_text(own(stmt), column);
}

struct drover_bytes sql_blob(struct sql_stmt *stmt, int column)
{
	struct drover_bytes bytes = { .data = sqlite3_column_blob(own(stmt), column) };

	bytes.size = (size_t)sqlite3_column_bytes(own(stmt), column);
	return bytes;
}
