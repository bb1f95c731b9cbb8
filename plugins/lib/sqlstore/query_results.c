/*
 * query_results.c - hosts' rows and outputs. The SQL is put together from pieces, since one text for
 * all filters would let none of them use its index.
 */
#include "sqlstore.h"

#define COLUMNS                                                                                                        \
	"SELECT h.id, h.task, h.unit, h.status, h.phase, h.changed, h.remote, h.rc, h.attempt, h.started_at,"          \
	" h.finished_at, h.stdout_size, h.stderr_size, h.stdout_total, h.stderr_total, h.seq, h.name, h.signal,"       \
	" h.message, h.waiting_for, h.via, h.result, i.node, l.result"
#define NO_OUTPUTS ", NULL, NULL"
#define OUTPUTS                                                                                                        \
	", (SELECT substr(o.bytes, 1, ?8) FROM outputs o WHERE o.task = h.task AND o.digest = h.stdout)"               \
	", (SELECT substr(o.bytes, 1, ?8) FROM outputs o WHERE o.task = h.task AND o.digest = h.stderr)"
/* Rows of many tasks say whose they are: asked for row by row, that would be most of the time. */
#define TASK_ID ", t.id"
#define JOINS " LEFT JOIN incarnations i ON i.id = h.incarnation LEFT JOIN late l ON l.host = h.id"
#define STATUSES " AND (?4 >> h.status) & 1"

/*
 * Of one task: ?1 and ?2 its hosts' ids. A change of a host is one of its unit, too, so changes are
 * found without looking at each host of the task. CROSS JOIN keeps the order of the tables.
 */
static const char from_task[] = " FROM hosts h" JOINS " WHERE h.id BETWEEN ?1 AND ?2" STATUSES;
static const char from_host[] =
	" FROM hosts h" JOINS " WHERE h.name = ?5 AND h.id BETWEEN ?1 AND ?2" STATUSES " AND h.seq >= ?6";
static const char from_changes[] =
	" FROM units u CROSS JOIN hosts h ON h.id BETWEEN ?9 + u.first AND ?9 + u.first + u.count - 1" JOINS
	" WHERE u.task = ?3 AND u.seq >= ?6 AND h.seq >= ?6 AND h.id BETWEEN ?1 AND ?2" STATUSES;
/* Of all tasks: one host, newest first. */
static const char from_all[] = " FROM hosts h CROSS JOIN tasks t ON t.key = h.task AND t.state > 0" JOINS
			       " WHERE h.name = ?5 AND h.id BETWEEN ?1 AND ?2" STATUSES " AND h.seq >= ?6";

/*
 * Which of the outputs of the hosts ?1 to ?2 hold the bytes ?11: each of them is looked at once, however
 * many hosts have printed it.
 */
static const char with_hits[] =
	"WITH printed (digest) AS (SELECT stdout FROM hosts WHERE id BETWEEN ?1 AND ?2 AND (?5 IS NULL OR name = ?5)"
	" UNION SELECT stderr FROM hosts WHERE id BETWEEN ?1 AND ?2 AND (?5 IS NULL OR name = ?5)),"
	" hits AS MATERIALIZED (SELECT o.digest FROM printed p CROSS JOIN outputs o ON o.task = ?3"
	" AND o.digest = p.digest WHERE drover_contains(o.bytes, ?11)) ";
static const char only_hits[] = " AND (h.stdout IN (SELECT digest FROM hits) OR h.stderr IN (SELECT digest FROM hits))";

/* The feed: what became final, in that order. */
static const char from_feed[] = " FROM hosts h CROSS JOIN tasks t ON t.key = h.task AND t.state > 0" JOINS
				" WHERE h.seq >= ?6 AND h.status >= 2" STATUSES;

/* What comes after the host ?10 in the order; unfinished ones come last. */
#define FINISHED "CASE h.finished_at WHEN 0 THEN 4611686018427387904 ELSE h.finished_at END"
#define UNFINISHED (INT64_C(1) << 62)
#define AFTER(key, inner)                                                                                              \
	" AND (?10 = 0 OR (" key ", h.id) > (coalesce(?12, (SELECT " inner " FROM hosts h WHERE h.id = ?10)), ?10))"
static const char order_index[] = " ORDER BY h.id LIMIT ?7";
static const char order_feed[] = " ORDER BY h.seq LIMIT ?7";
static const char order_newest[] = " ORDER BY h.id DESC LIMIT ?7";
static const char order_finished[] = AFTER(FINISHED, FINISHED) " ORDER BY " FINISHED ", h.id LIMIT ?7";
static const char order_status[] = AFTER("h.status", "h.status") " ORDER BY h.status, h.id LIMIT ?7";

static const char sql_task[] = "SELECT id, host_base, hosts FROM tasks WHERE `key` = ?1 AND state > 0";

/* Where the rows are: `id` is NULL for all tasks. */
struct scope {
	char *id;
	int64_t host_base;
	int64_t first, last;
};

static int find_scope(struct drover_session *s, const struct drover_result_filter *filter, struct scope *scope,
		      struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code;

	*scope = (struct scope){ .first = 1, .last = filter->after_id ? filter->after_id - 1 : INT64_MAX };
	if (filter->feed)
		return 0;
	if (!filter->task_key && !filter->host)
		return drover_error_set(err, DROVER_EINVALID, "results of all tasks are asked for by host only");
	if (!filter->task_key)
		return 0;
	code = session_prepare(s, sql_task, &stmt, err, filter->task_key);
	if (!code)
		code = sql_step(s, stmt, err);
	if (code < 0)
		return code;
	if (!code)
		return drover_error_set(err, DROVER_ENOTFOUND, "no task has the key %lld", (long long)filter->task_key);
	scope->id = strdup(sql_text(stmt, 0));
	scope->first = scope->host_base = sql_int64(stmt, 1);
	scope->last = scope->first + sql_int64(stmt, 2) - 1;
	sql_reset(stmt);
	if (!scope->id)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	if (filter->sort == DROVER_SORT_INDEX && filter->after_id >= scope->first)
		scope->first = filter->after_id + 1;
	if (filter->until_id && filter->until_id < scope->last)
		scope->last = filter->until_id;
	return 0;
}

static int prepare(struct drover_session *s, const struct drover_result_filter *filter, const struct scope *scope,
		   struct sql_stmt **stmt, struct drover_error *err)
{
	static const char *const orders[] = { order_index, order_finished, order_status };
	const char *from = filter->host ? from_host : filter->since_seq ? from_changes : from_task;
	const char *order = orders[filter->sort];
	bool grep = filter->grep && scope->id;
	char sql[3200];
	int length, code;

	if (!scope->id) {
		from = filter->feed ? from_feed : from_all;
		order = filter->feed ? order_feed : order_newest;
	}
	length = snprintf(sql, sizeof(sql), "%s%s%s%s%s%s%s", grep ? with_hits : "", COLUMNS,
			  filter->outputs ? OUTPUTS : NO_OUTPUTS, scope->id ? "" : TASK_ID, from, grep ? only_hits : "",
			  order);
	assert(length < (int)sizeof(sql));
	code = sql_prepare(s, sql, filter->outputs ? SQL_STREAM : SQL_ONCE, stmt, err);
	if (code)
		return code;
	sql_bind_int64(*stmt, 1, scope->first);
	sql_bind_int64(*stmt, 2, scope->last);
	sql_bind_int64(*stmt, 3, filter->task_key);
	sql_bind_int64(*stmt, 4, filter->statuses ? filter->statuses : ~0u);
	sql_bind_text(*stmt, 5, filter->host);
	sql_bind_int64(*stmt, 6, filter->since_seq ? filter->since_seq + 1 : 0);
	sql_bind_int64(*stmt, 7, filter->limit > 0 ? filter->limit : INT64_MAX);
	sql_bind_int64(*stmt, 8, filter->output_limit > 0 ? filter->output_limit : INT32_MAX);
	sql_bind_int64(*stmt, 9, scope->host_base);
	sql_bind_int64(*stmt, 10, filter->after_id);
	if (filter->after_value)
		sql_bind_int64(*stmt, 12,
			       filter->sort == DROVER_SORT_FINISHED && !*filter->after_value ? UNFINISHED
											     : *filter->after_value);
	if (grep)
		sql_bind_blob(*stmt, 11, filter->grep, filter->grep_size);
	return 0;
}

static void read_row(struct sql_stmt *stmt, const struct scope *scope, struct drover_result_row *row)
{
	*row = (struct drover_result_row){
		.size = sizeof(*row),
		.id = sql_int64(stmt, 0),
		.task_key = sql_int64(stmt, 1),
		.task = scope->id ? scope->id : sql_text(stmt, 26),
		.unit = sql_int64(stmt, 2),
		.status = (enum drover_status)sql_int(stmt, 3),
		.phase = (enum drover_phase)sql_int(stmt, 4),
		.changed = (enum drover_changed)sql_int(stmt, 5),
		.remote = (enum drover_remote)sql_int(stmt, 6),
		.has_rc = !sql_is_null(stmt, 7),
		.rc = sql_int(stmt, 7),
		.attempt = sql_int(stmt, 8),
		.started_at = sql_int64(stmt, 9),
		.finished_at = sql_int64(stmt, 10),
		.stdout_size = sql_int64(stmt, 11),
		.stderr_size = sql_int64(stmt, 12),
		.stdout_total = sql_int64(stmt, 13),
		.stderr_total = sql_int64(stmt, 14),
		.seq = sql_int64(stmt, 15),
		.host = sql_text(stmt, 16),
		.signal = sql_text(stmt, 17),
		.message = sql_text(stmt, 18),
		.waiting_for = sql_text(stmt, 19),
		.via = sql_text(stmt, 20),
		.result = sql_text(stmt, 21),
		.engine = sql_text(stmt, 22),
		.late = sql_text(stmt, 23),
		.out = sql_blob(stmt, 24),
		.err = sql_blob(stmt, 25),
	};
}

int query_results(struct drover_session *s, const struct drover_result_filter *filter, drover_result_fn *fn,
		  void *context, struct drover_error *err)
{
	struct scope scope = { .id = NULL };
	struct drover_result_row row;
	struct sql_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = find_scope(s, filter, &scope, err);
	if (!code)
		code = prepare(s, filter, &scope, &stmt, err);
	while (!code && (code = sql_step(s, stmt, err)) > 0) {
		read_row(stmt, &scope, &row);
		code = fn(context, &row);
	}
	sql_finalize(stmt);
	free(scope.id);
	return code;
}
