/*
 * incarnations.c - the lives of cores: each start of one is an incarnation with a lease.
 */
#include "sqlstore.h"

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
	int64_t now = driver_now(s);
	struct sql_stmt *stmt;
	int code = transaction_serialise(s, err);

	s->living = 0;
	if (!code)
		code = session_prepare(s, sql_end_earlier, &stmt, err, 0, now);
	if (code)
		return code;
	sql_bind_text(stmt, 1, node);
	code = sql_step(s, stmt, err);
	if (!code)
		code = session_prepare(s, sql_insert, &stmt, err, now, now);
	if (code)
		return code;
	sql_bind_text(stmt, 3, node);
	sql_bind_text(stmt, 4, version);
	code = sql_step(s, stmt, err);
	*incarnation = driver_last_id(s);
	return code;
}

int incarnations_renew(struct drover_session *s, struct drover_renewal *renewal, struct drover_error *err)
{
	int64_t incarnation = renewal->incarnation;
	int64_t renewed;
	int code = session_run(s, sql_renew, &renewed, err, incarnation, driver_now(s));

	if (!code && !renewed)
		return drover_error_set(err, DROVER_ECONFLICT, "incarnation %lld was ended", (long long)incarnation);
	return code;
}

int incarnations_retire(struct drover_session *s, int64_t incarnation, struct drover_error *err)
{
	int code = transaction_serialise(s, err);

	s->living = 0;
	return code ? code : session_run(s, sql_retire, NULL, err, incarnation, driver_now(s));
}

int incarnations_query(struct drover_session *s, int64_t limit, drover_incarnation_fn *fn, void *context,
		       struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = transaction_flush(s, err);

	if (!code)
		code = session_prepare(s, sql_query, &stmt, err, limit > 0 ? limit : INT64_MAX);
	if (code)
		return code;
	while ((code = sql_step(s, stmt, err)) > 0) {
		const struct drover_incarnation_row row = {
			.incarnation = sql_int64(stmt, 0),
			.node = sql_text(stmt, 1),
			.version = sql_text(stmt, 2),
			.started_at = sql_int64(stmt, 3),
			.renewed_at = sql_int64(stmt, 4),
			.ended_at = sql_int64(stmt, 5),
			.claimed_units = sql_int64(stmt, 6),
		};

		code = fn(context, &row);
		if (code) {
			sql_reset(stmt);
			break;
		}
	}
	return code;
}
