/*
 * session.c - a session: one connection to the database and its prepared statements.
 */
#include "sqlstore.h"

int session_prepare_(struct drover_session *s, const char *sql, const int64_t *values, size_t count,
		     struct sql_stmt **stmt, struct drover_error *err)
{
	struct statement *cached;
	int code;

	HASH_FIND_PTR(s->statements, &sql, cached);
	if (!cached) {
		cached = calloc(1, sizeof(*cached));
		if (!cached)
			return drover_error_set(err, DROVER_ENOMEM, "out of memory");
		code = sql_prepare(s, sql, SQL_KEPT, &cached->stmt, err);
		if (code) {
			free(cached);
			return code;
		}
		cached->sql = sql;
		HASH_ADD_PTR(s->statements, sql, cached);
	}
	for (size_t i = 0; i < count; i++)
		sql_bind_int64(cached->stmt, (int)i + 1, values[i]);
	*stmt = cached->stmt;
	return 0;
}

int session_run_(struct drover_session *s, const char *sql, const int64_t *values, size_t count, int64_t *changed,
		 struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare_(s, sql, values, count, &stmt, err);

	if (code)
		return code;
	code = sql_step(s, stmt, err);
	assert(code <= 0);
	if (!code && changed)
		*changed = driver_changes(s);
	return code;
}

int session_number_(struct drover_session *s, const char *sql, const int64_t *values, size_t count, int64_t fallback,
		    int64_t *number, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare_(s, sql, values, count, &stmt, err);

	if (code)
		return code;
	*number = fallback;
	code = sql_step(s, stmt, err);
	if (code < 0)
		return code;
	if (code && !sql_is_null(stmt, 0))
		*number = sql_int64(stmt, 0);
	sql_reset(stmt);
	return 0;
}

void session_forget_statements(struct drover_session *s)
{
	struct statement *cached, *next;

	HASH_ITER (hh, s->statements, cached, next) {
		HASH_DEL(s->statements, cached);
		sql_finalize(cached->stmt);
		free(cached);
	}
}

int session_open(void *self, enum drover_session_mode mode, struct drover_session **session, struct drover_error *err)
{
	struct drover_session *s = calloc(1, sizeof(*s));
	int code;

	if (!s)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	s->store = self;
	s->mode = mode;
	code = driver_open(s, err);
	if (code) {
		session_close(s);
		return code;
	}
	*session = s;
	return 0;
}

void session_close(struct drover_session *s)
{
	transaction_rollback(s);
	session_forget_statements(s);
	driver_close(s);
	free(s);
}
