/*
 * incarnations.c - the lives of cores: each start of one is an incarnation with a lease, and tells the others
 * what it is.
 *
 * Whoever ends an incarnation serialises first, as whoever grants something to one does: so nothing is
 * granted to one that has ended. A renewal locks nothing but its own row.
 */
#include "sqlstore.h"

static const char sql_end_earlier[] = "UPDATE incarnations SET ended_at = ?2 WHERE node = ?1 AND ended_at = 0";
static const char sql_replace[] = "UPDATE incarnations SET newest = 0 WHERE newest = 1 AND node = ?1";
static const char sql_insert[] =
	"INSERT INTO incarnations (node, version, started_at, renewed_at, newest) VALUES (?3, ?4, ?1, ?2, 1)";
/* What is NULL stays as it was. */
static const char sql_renew[] =
	"UPDATE incarnations SET renewed_at = ?2, capacity_hosts = coalesce(?3, capacity_hosts),"
	" capacity_units = coalesce(?4, capacity_units), running_hosts = coalesce(?5, running_hosts),"
	" running_units = coalesce(?6, running_units), dispatches = coalesce(?7, dispatches),"
	" pools = coalesce(?8, pools), executors = coalesce(?9, executors), isolation = coalesce(?10, isolation),"
	" state = coalesce(?11, state) WHERE id = ?1 AND ended_at = 0";
static const char sql_drains[] = "SELECT drain FROM incarnations WHERE id = ?1";
static const char sql_retire[] = "UPDATE incarnations SET ended_at = ?2 WHERE id = ?1 AND ended_at = 0";
static const char sql_expel[] =
	"UPDATE incarnations SET ended_at = ?3 WHERE id = ?1 AND ended_at = 0 AND renewed_at = ?2";
static const char sql_ask_drain[] = "UPDATE incarnations SET drain = ?1 WHERE node = ?2 AND ended_at = 0";

#define COLUMNS                                                                                                        \
	"SELECT i.id, i.node, i.version, i.started_at, i.renewed_at, i.ended_at,"                                      \
	" (SELECT count(*) FROM units u WHERE u.incarnation = i.id AND u.state = 1),"                                  \
	" i.pools, i.executors, i.isolation, i.state, i.capacity_hosts, i.capacity_units, i.running_hosts,"            \
	" i.running_units, i.dispatches, i.drain FROM incarnations i"
static const char sql_query[] = COLUMNS " ORDER BY i.id DESC LIMIT ?1";
static const char sql_nodes[] = COLUMNS " WHERE i.newest = 1 ORDER BY i.node LIMIT ?1";

/* A statement that takes a text as its last parameter, to its end. */
static int run_with(struct drover_session *s, struct sql_stmt *stmt, int position, const char *text,
		    struct drover_error *err)
{
	sql_bind_text(stmt, position, text);
	return sql_step(s, stmt, err);
}

int incarnations_begin(struct drover_session *s, const char *node, const char *version, int64_t *incarnation,
		       struct drover_error *err)
{
	int64_t now = driver_now(s);
	struct sql_stmt *stmt;
	int code = transaction_serialise(s, err);

	s->living = 0;
	if (!code)
		code = session_prepare(s, sql_end_earlier, &stmt, err, 0, now);
	if (!code)
		code = run_with(s, stmt, 1, node, err);
	if (!code)
		code = session_prepare(s, sql_replace, &stmt, err, 0);
	if (!code)
		code = run_with(s, stmt, 1, node, err);
	if (!code)
		code = session_prepare(s, sql_insert, &stmt, err, now, now);
	if (code)
		return code;
	sql_bind_text(stmt, 3, node);
	code = run_with(s, stmt, 4, version, err);
	*incarnation = driver_last_id(s);
	return code;
}

static void bind_announcement(struct sql_stmt *stmt, const struct drover_announcement *node)
{
	const int64_t numbers[] = { node->capacity_hosts, node->capacity_units, node->running_hosts,
				    node->running_units, node->dispatches };
	const char *const texts[] = { node->pools, node->executors, node->isolation, node->state };

	for (int i = 0; i < 5; i++)
		sql_bind_int64(stmt, 3 + i, numbers[i]);
	for (int i = 0; i < 4; i++)
		sql_bind_text(stmt, 8 + i, texts[i]);
}

int incarnations_renew(struct drover_session *s, struct drover_renewal *renewal, struct drover_error *err)
{
	int64_t incarnation = renewal->incarnation;
	int64_t drain = 0;
	struct sql_stmt *stmt;
	int code;

	renewal->renewed_at = driver_now(s);
	code = session_prepare(s, sql_renew, &stmt, err, incarnation, renewal->renewed_at);
	if (code)
		return code;
	for (int i = 3; i <= 11; i++)
		sql_bind_null(stmt, i);
	if (renewal->node_is)
		bind_announcement(stmt, renewal->node_is);
	code = sql_step(s, stmt, err);
	if (!code && !driver_changes(s))
		return drover_error_set(err, DROVER_ECONFLICT, "incarnation %lld was ended", (long long)incarnation);
	if (!code)
		code = session_number(s, sql_drains, 0, &drain, err, incarnation);
	renewal->drain = drain;
	return code;
}

int incarnations_retire(struct drover_session *s, int64_t incarnation, struct drover_error *err)
{
	int code = transaction_serialise(s, err);

	s->living = 0;
	return code ? code : session_run(s, sql_retire, NULL, err, incarnation, driver_now(s));
}

int incarnations_expel(struct drover_session *s, int64_t incarnation, int64_t renewed_at, bool *ended,
		       struct drover_error *err)
{
	int64_t changed = 0;
	int code = transaction_serialise(s, err);

	s->living = 0;
	if (!code)
		code = session_run(s, sql_expel, &changed, err, incarnation, renewed_at, driver_now(s));
	*ended = changed > 0;
	return code;
}

int incarnations_ask_drain(struct drover_session *s, const char *node, bool drain, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = transaction_serialise(s, err);

	if (!code)
		code = session_prepare(s, sql_ask_drain, &stmt, err, drain);
	if (!code)
		code = run_with(s, stmt, 2, node, err);
	if (!code && !driver_changes(s))
		return drover_error_set(err, DROVER_ENOTFOUND, "no node %s is up", node);
	return code;
}

static struct drover_incarnation_row read_row(struct sql_stmt *stmt)
{
	return (struct drover_incarnation_row){
		.incarnation = sql_int64(stmt, 0),
		.node = sql_text(stmt, 1),
		.version = sql_text(stmt, 2),
		.started_at = sql_int64(stmt, 3),
		.renewed_at = sql_int64(stmt, 4),
		.ended_at = sql_int64(stmt, 5),
		.claimed_units = sql_int64(stmt, 6),
		.node_is = { .size = sizeof(struct drover_announcement),
			     .pools = sql_is_null(stmt, 7) ? "" : sql_text(stmt, 7),
			     .executors = sql_is_null(stmt, 8) ? "[]" : sql_text(stmt, 8),
			     .isolation = sql_is_null(stmt, 9) ? "" : sql_text(stmt, 9),
			     .state = sql_is_null(stmt, 10) ? "" : sql_text(stmt, 10),
			     .capacity_hosts = sql_int64(stmt, 11),
			     .capacity_units = sql_int64(stmt, 12),
			     .running_hosts = sql_int64(stmt, 13),
			     .running_units = sql_int64(stmt, 14),
			     .dispatches = sql_int(stmt, 15) },
		.drain = sql_int(stmt, 16),
	};
}

static int tell_rows(struct drover_session *s, const char *sql, int64_t limit, drover_incarnation_fn *fn, void *context,
		     struct drover_error *err)
{
	struct sql_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = sql_prepare(s, sql, SQL_ONCE, &stmt, err);
	if (code)
		return code;
	sql_bind_int64(stmt, 1, limit > 0 ? limit : INT64_MAX);
	while ((code = sql_step(s, stmt, err)) > 0) {
		const struct drover_incarnation_row row = read_row(stmt);

		code = fn(context, &row);
		if (code)
			break;
	}
	sql_finalize(stmt);
	return code;
}

int incarnations_query(struct drover_session *s, int64_t limit, drover_incarnation_fn *fn, void *context,
		       struct drover_error *err)
{
	return tell_rows(s, sql_query, limit, fn, context, err);
}

int incarnations_nodes(struct drover_session *s, drover_incarnation_fn *fn, void *context, struct drover_error *err)
{
	return tell_rows(s, sql_nodes, 0, fn, context, err);
}
