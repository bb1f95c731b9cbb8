/*
 * incarnations.c - the lives of cores: each start of one is an incarnation with a lease.
 */
#include "sqlite.h"

static const char sql_end_earlier[] = "UPDATE incarnations SET ended_at = ?2 WHERE node = ?1 AND ended_at = 0";
static const char sql_insert[] =
	"INSERT INTO incarnations (node, version, started_at, renewed_at) VALUES (?3, ?4, ?1, ?2)";
static const char sql_renew[] = "UPDATE incarnations SET renewed_at = ?2 WHERE id = ?1 AND ended_at = 0";
static const char sql_retire[] = "UPDATE incarnations SET ended_at = ?2 WHERE id = ?1 AND ended_at = 0";
static const char sql_query[] = "SELECT id, node, version, started_at, renewed_at, ended_at,"
				" (SELECT count(*) FROM units u WHERE u.incarnation = i.id AND u.state = 1)"
				" FROM incarnations i ORDER BY id DESC LIMIT ?1";

int incarnations_begin(struct drover_session *s, const char *node, const char *version, int64_t *incarnation,
		       struct drover_error *err)
{
	int64_t now = session_now();
	sqlite3_stmt *stmt;
	int code = session_prepare(s, sql_end_earlier, &stmt, err, 0, now);

	s->living = 0;
	if (code)
		return code;
	session_bind_text(stmt, 1, node);
	code = session_step(s, stmt, err);
	if (!code)
		code = session_prepare(s, sql_insert, &stmt, err, now, now);
	if (code)
		return code;
	session_bind_text(stmt, 3, node);
	session_bind_text(stmt, 4, version);
	code = session_step(s, stmt, err);
	*incarnation = sqlite3_last_insert_rowid(s->db);
	return code;
}

int incarnations_renew(struct drover_session *s, int64_t incarnation, struct drover_error *err)
{
	int64_t renewed;
	int code = session_run(s, sql_renew, &renewed, err, incarnation, session_now());

	if (!code && !renewed)
		return drover_error_set(err, DROVER_ECONFLICT, "incarnation %lld was ended", (long long)incarnation);
	return code;
}

int incarnations_retire(struct drover_session *s, int64_t incarnation, struct drover_error *err)
{
	s->living = 0;
	return session_run(s, sql_retire, NULL, err, incarnation, session_now());
}

int incarnations_query(struct drover_session *s, int64_t limit, drover_incarnation_fn *fn, void *context,
		       struct drover_error *err)
{
	sqlite3_stmt *stmt;
	int code = transaction_flush(s, err);

	if (!code)
		code = session_prepare(s, sql_query, &stmt, err, limit > 0 ? limit : -1);
	if (code)
		return code;
	while ((code = session_step(s, stmt, err)) > 0) {
		const struct drover_incarnation_row row = {
			.incarnation = sqlite3_column_int64(stmt, 0),
			.node = session_text(stmt, 1),
			.version = session_text(stmt, 2),
			.started_at = sqlite3_column_int64(stmt, 3),
			.renewed_at = sqlite3_column_int64(stmt, 4),
			.ended_at = sqlite3_column_int64(stmt, 5),
			.claimed_units = sqlite3_column_int64(stmt, 6),
		};

		code = fn(context, &row);
		if (code) {
			sqlite3_reset(stmt);
			break;
		}
	}
	return code;
}
