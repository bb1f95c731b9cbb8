/*
 * query_units.c - units and their hosts, as rows; and the recount that proves a task's numbers.
 */
#include "sqlstore.h"

#define COLUMNS                                                                                                        \
	"u.task, u.unit, u.first, u.count, u.state, u.attempt, u.incarnation, u.claimed_at, u.finished_at,"            \
	" u.deadline, i.node, u.message, t.host_base, u.wave"
#define JOINS " JOIN tasks t ON t.key = u.task LEFT JOIN incarnations i ON i.id = u.incarnation"

static const char sql_units[] =
	"SELECT " COLUMNS " FROM units u" JOINS " WHERE u.task = ?1 AND u.unit > ?2 ORDER BY u.unit LIMIT ?3";
/* Not by the primary key: a task may have very many units that are done. */
static const char sql_ready[] = "SELECT " COLUMNS " FROM units u INDEXED BY units_ready" JOINS
				" WHERE u.task = ?1 AND u.unit > ?2 AND u.state = 0 AND u.wave <= t.wave"
				" ORDER BY u.unit LIMIT ?3";
static const char sql_counts[] = "SELECT status, count(*) FROM hosts WHERE id BETWEEN ?1 AND ?2 GROUP BY status";
static const char sql_unit_hosts[] = "SELECT h.id - t.host_base, h.status, h.name, h.address, h.user, h.vars, h.port"
				     " FROM units u JOIN tasks t ON t.key = u.task JOIN hosts h"
				     " ON h.id BETWEEN t.host_base + u.first AND t.host_base + u.first + u.count - 1"
				     " WHERE u.task = ?1 AND u.unit = ?2 AND h.status < 2 ORDER BY h.id";
static const char sql_task_hosts[] =
	"SELECT h.id - t.host_base, h.status, h.remote, h.name, h.address, h.user, h.vars, h.port FROM tasks t"
	" JOIN hosts h ON h.id BETWEEN t.host_base AND t.host_base + t.hosts - 1"
	" WHERE t.key = ?1 AND t.state > 0 ORDER BY h.id";
static const char sql_said[] =
	"SELECT host_base, hosts, units, units_done, state, pending, running, ok, failed, unreachable, timed_out,"
	" skipped, cancelled, expired, lost FROM tasks WHERE `key` = ?1 AND state > 0";
static const char sql_names[] = "SELECT count(DISTINCT name) FROM hosts WHERE id BETWEEN ?1 AND ?2";
/* `attempt` is set by an intent and by a result; what ended a host that was never begun leaves it 0. */
static const char sql_without_intent[] =
	"SELECT count(*) FROM hosts WHERE id BETWEEN ?1 AND ?2 AND status NOT IN (0, 1, 7, 8) AND attempt > 0"
	" AND started_at = 0";

/* Hosts by status among the ids [first, last]. */
static int count_hosts(struct drover_session *s, int64_t first, int64_t last, int64_t *counts, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare(s, sql_counts, &stmt, err, first, last);

	if (code)
		return code;
	memset(counts, 0, DROVER_STATUS_COUNT * sizeof(*counts));
	while ((code = sql_step(s, stmt, err)) > 0) {
		int status = sql_int(stmt, 0);

		if (status >= 0 && status < DROVER_STATUS_COUNT)
			counts[status] = sql_int64(stmt, 1);
	}
	return code;
}

static int tell_unit(struct drover_session *s, struct sql_stmt *stmt, drover_unit_row_fn *fn, void *context,
		     struct drover_error *err)
{
	struct drover_unit_row row = {
		.size = sizeof(row),
		.task_key = sql_int64(stmt, 0),
		.unit = sql_int64(stmt, 1),
		.first = sql_int64(stmt, 2),
		.count = sql_int64(stmt, 3),
		.state = (enum drover_unit_state)sql_int(stmt, 4),
		.attempt = sql_int(stmt, 5),
		.incarnation = sql_int64(stmt, 6),
		.claimed_at = sql_int64(stmt, 7),
		.finished_at = sql_int64(stmt, 8),
		.deadline = sql_int64(stmt, 9),
		.engine = sql_text(stmt, 10),
		.message = sql_text(stmt, 11),
		.wave = sql_int64(stmt, 13),
	};
	int64_t id = sql_int64(stmt, 12) + row.first;
	int code = count_hosts(s, id, id + row.count - 1, row.counts, err);

	return code ? code : fn(context, &row);
}

static int tell_units(struct drover_session *s, const char *sql, int64_t task_key, int64_t after_unit, int64_t limit,
		      drover_unit_row_fn *fn, void *context, struct drover_error *err)
{
	struct sql_stmt *stmt = NULL;
	int code = sql_prepare(s, sql, SQL_ONCE, &stmt, err);

	if (code)
		return code;
	sql_bind_int64(stmt, 1, task_key);
	sql_bind_int64(stmt, 2, after_unit);
	sql_bind_int64(stmt, 3, limit > 0 ? limit : INT64_MAX);
	while ((code = sql_step(s, stmt, err)) > 0) {
		code = tell_unit(s, stmt, fn, context, err);
		if (code)
			break;
	}
	sql_finalize(stmt);
	return code;
}

/* A unit and the counts of its hosts are of one moment. */
static int units(struct drover_session *s, const char *sql, int64_t task_key, int64_t after_unit, int64_t limit,
		 drover_unit_row_fn *fn, void *context, struct drover_error *err)
{
	int code = transaction_flush(s, err);

	if (!code)
		code = driver_hold(s, err);
	if (code)
		return code;
	code = tell_units(s, sql, task_key, after_unit, limit, fn, context, err);
	driver_release(s);
	return code;
}

int query_units(struct drover_session *s, int64_t task_key, int64_t after_unit, int64_t limit, drover_unit_row_fn *fn,
		void *context, struct drover_error *err)
{
	return units(s, sql_units, task_key, after_unit, limit, fn, context, err);
}

int query_ready_units(struct drover_session *s, int64_t task_key, int64_t after_unit, int64_t limit,
		      drover_unit_row_fn *fn, void *context, struct drover_error *err)
{
	return units(s, sql_ready, task_key, after_unit, limit, fn, context, err);
}

int query_unit_hosts(struct drover_session *s, int64_t task_key, int64_t unit,
		     int (*fn)(void *context, int64_t index, enum drover_status status,
			       const struct drover_host_spec *host),
		     void *context, struct drover_error *err)
{
	struct sql_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = sql_prepare(s, sql_unit_hosts, SQL_ONCE, &stmt, err);
	if (code)
		return code;
	sql_bind_int64(stmt, 1, task_key);
	sql_bind_int64(stmt, 2, unit);
	while ((code = sql_step(s, stmt, err)) > 0) {
		const struct drover_host_spec host = {
			.name = sql_text(stmt, 2),
			.address = sql_text(stmt, 3),
			.user = sql_text(stmt, 4),
			.vars = sql_text(stmt, 5),
			.port = sql_int(stmt, 6),
		};

		code = fn(context, sql_int64(stmt, 0), (enum drover_status)sql_int(stmt, 1), &host);
		if (code)
			break;
	}
	sql_finalize(stmt);
	return code;
}

int query_task_hosts(struct drover_session *s, int64_t task_key,
		     int (*fn)(void *context, int64_t index, enum drover_status status, enum drover_remote remote,
			       const struct drover_host_spec *host),
		     void *context, struct drover_error *err)
{
	struct sql_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = sql_prepare(s, sql_task_hosts, SQL_ONCE, &stmt, err);
	if (code)
		return code;
	sql_bind_int64(stmt, 1, task_key);
	while ((code = sql_step(s, stmt, err)) > 0) {
		const struct drover_host_spec host = {
			.name = sql_text(stmt, 3),
			.address = sql_text(stmt, 4),
			.user = sql_text(stmt, 5),
			.vars = sql_text(stmt, 6),
			.port = sql_int(stmt, 7),
		};

		code = fn(context, sql_int64(stmt, 0), (enum drover_status)sql_int(stmt, 1),
			  (enum drover_remote)sql_int(stmt, 2), &host);
		if (code)
			break;
	}
	sql_finalize(stmt);
	return code;
}

static int recount(struct drover_session *s, int64_t first, int64_t last, struct drover_verification *v,
		   struct drover_error *err)
{
	int code = count_hosts(s, first, last, v->counted, err);

	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		v->rows += v->counted[i];
	if (!code)
		code = session_number(s, sql_names, 0, &v->distinct, err, first, last);
	if (!code)
		code = session_number(s, sql_without_intent, 0, &v->without_intent, err, first, last);
	return code;
}

static int verify(struct drover_session *s, int64_t task_key, struct drover_verification *v, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int64_t first;
	int code;

	memset(v, 0, sizeof(*v));
	code = session_prepare(s, sql_said, &stmt, err, task_key);
	if (!code)
		code = sql_step(s, stmt, err);
	if (code < 0)
		return code;
	if (!code)
		return drover_error_set(err, DROVER_ENOTFOUND, "no task has the key %lld", (long long)task_key);
	first = sql_int64(stmt, 0);
	v->hosts = sql_int64(stmt, 1);
	v->units = sql_int64(stmt, 2);
	v->units_done = sql_int64(stmt, 3);
	v->state = (enum drover_task_state)sql_int(stmt, 4);
	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		v->stored[i] = sql_int64(stmt, 5 + i);
	sql_reset(stmt);
	return recount(s, first, first + v->hosts - 1, v, err);
}

int query_verify(struct drover_session *s, int64_t task_key, struct drover_verification *v, struct drover_error *err)
{
	int code = transaction_flush(s, err);

	if (!code && s->in_transaction)
		code = transaction_serialise(s, err);
	if (!code)
		code = driver_hold(s, err);
	if (code)
		return code;
	code = verify(s, task_key, v, err);
	driver_release(s);
	return code;
}
