/*
 * query_units.c - units and their hosts, as rows; and the recount that proves a task's numbers.
 */
#include "sqlite.h"

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
	" skipped, cancelled, expired, lost FROM tasks WHERE key = ?1 AND state > 0";
static const char sql_names[] = "SELECT count(DISTINCT name) FROM hosts WHERE id BETWEEN ?1 AND ?2";
/* `attempt` is set by an intent and by a result; what ended a host that was never begun leaves it 0. */
static const char sql_without_intent[] =
	"SELECT count(*) FROM hosts WHERE id BETWEEN ?1 AND ?2 AND status NOT IN (0, 1, 7, 8) AND attempt > 0"
	" AND started_at = 0";

/* Hosts by status among the ids [first, last]. */
static int count_hosts(struct drover_session *s, int64_t first, int64_t last, int64_t *counts, struct drover_error *err)
{
	sqlite3_stmt *stmt;
	int code = session_prepare(s, sql_counts, &stmt, err, first, last);

	if (code)
		return code;
	memset(counts, 0, DROVER_STATUS_COUNT * sizeof(*counts));
	while ((code = session_step(s, stmt, err)) > 0) {
		int status = sqlite3_column_int(stmt, 0);

		if (status >= 0 && status < DROVER_STATUS_COUNT)
			counts[status] = sqlite3_column_int64(stmt, 1);
	}
	return code;
}

static int tell_unit(struct drover_session *s, sqlite3_stmt *stmt, drover_unit_row_fn *fn, void *context,
		     struct drover_error *err)
{
	struct drover_unit_row row = {
		.size = sizeof(row),
		.task_key = sqlite3_column_int64(stmt, 0),
		.unit = sqlite3_column_int64(stmt, 1),
		.first = sqlite3_column_int64(stmt, 2),
		.count = sqlite3_column_int64(stmt, 3),
		.state = (enum drover_unit_state)sqlite3_column_int(stmt, 4),
		.attempt = sqlite3_column_int(stmt, 5),
		.incarnation = sqlite3_column_int64(stmt, 6),
		.claimed_at = sqlite3_column_int64(stmt, 7),
		.finished_at = sqlite3_column_int64(stmt, 8),
		.deadline = sqlite3_column_int64(stmt, 9),
		.engine = session_text(stmt, 10),
		.message = session_text(stmt, 11),
		.wave = sqlite3_column_int64(stmt, 13),
	};
	int64_t id = sqlite3_column_int64(stmt, 12) + row.first;
	int code = count_hosts(s, id, id + row.count - 1, row.counts, err);

	return code ? code : fn(context, &row);
}

static int units(struct drover_session *s, const char *sql, int64_t task_key, int64_t after_unit, int64_t limit,
		 drover_unit_row_fn *fn, void *context, struct drover_error *err)
{
	sqlite3_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = session_prepare_text(s, sql, &stmt, err);
	if (code)
		return code;
	sqlite3_bind_int64(stmt, 1, task_key);
	sqlite3_bind_int64(stmt, 2, after_unit);
	sqlite3_bind_int64(stmt, 3, limit > 0 ? limit : -1);
	while ((code = session_step(s, stmt, err)) > 0) {
		code = tell_unit(s, stmt, fn, context, err);
		if (code)
			break;
	}
	sqlite3_finalize(stmt);
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
	sqlite3_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = session_prepare_text(s, sql_unit_hosts, &stmt, err);
	if (code)
		return code;
	sqlite3_bind_int64(stmt, 1, task_key);
	sqlite3_bind_int64(stmt, 2, unit);
	while ((code = session_step(s, stmt, err)) > 0) {
		const struct drover_host_spec host = {
			.name = session_text(stmt, 2),
			.address = session_text(stmt, 3),
			.user = session_text(stmt, 4),
			.vars = session_text(stmt, 5),
			.port = sqlite3_column_int(stmt, 6),
		};

		code = fn(context, sqlite3_column_int64(stmt, 0), (enum drover_status)sqlite3_column_int(stmt, 1),
			  &host);
		if (code)
			break;
	}
	sqlite3_finalize(stmt);
	return code;
}

int query_task_hosts(struct drover_session *s, int64_t task_key,
		     int (*fn)(void *context, int64_t index, enum drover_status status, enum drover_remote remote,
			       const struct drover_host_spec *host),
		     void *context, struct drover_error *err)
{
	sqlite3_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = session_prepare_text(s, sql_task_hosts, &stmt, err);
	if (code)
		return code;
	sqlite3_bind_int64(stmt, 1, task_key);
	while ((code = session_step(s, stmt, err)) > 0) {
		const struct drover_host_spec host = {
			.name = session_text(stmt, 3),
			.address = session_text(stmt, 4),
			.user = session_text(stmt, 5),
			.vars = session_text(stmt, 6),
			.port = sqlite3_column_int(stmt, 7),
		};

		code = fn(context, sqlite3_column_int64(stmt, 0), (enum drover_status)sqlite3_column_int(stmt, 1),
			  (enum drover_remote)sqlite3_column_int(stmt, 2), &host);
		if (code)
			break;
	}
	sqlite3_finalize(stmt);
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

int query_verify(struct drover_session *s, int64_t task_key, struct drover_verification *v, struct drover_error *err)
{
	sqlite3_stmt *stmt;
	int64_t first;
	int code = transaction_flush(s, err);

	memset(v, 0, sizeof(*v));
	if (!code)
		code = session_prepare(s, sql_said, &stmt, err, task_key);
	if (!code)
		code = session_step(s, stmt, err);
	if (code < 0)
		return code;
	if (!code)
		return drover_error_set(err, DROVER_ENOTFOUND, "no task has the key %lld", (long long)task_key);
	first = sqlite3_column_int64(stmt, 0);
	v->hosts = sqlite3_column_int64(stmt, 1);
	v->units = sqlite3_column_int64(stmt, 2);
	v->units_done = sqlite3_column_int64(stmt, 3);
	v->state = (enum drover_task_state)sqlite3_column_int(stmt, 4);
	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		v->stored[i] = sqlite3_column_int64(stmt, 5 + i);
	/* While this statement stands, the others see the same state of the database. */
	code = recount(s, first, first + v->hosts - 1, v, err);
	sqlite3_reset(stmt);
	return code;
}
