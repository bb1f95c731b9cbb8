/*
 * query_outputs.c - what hosts have printed: hosts grouped by it, and parts of one host's.
 *
 * Equal outputs of a task have one digest, so groups are found without reading any output, and each
 * group's is read once.
 */
#include "sqlstore.h"

#include <sodium.h>

enum { DIGEST_SIZE = 32 };

#define FINAL_STATUSES (~(1u << DROVER_PENDING | 1u << DROVER_RUNNING) & ((1u << DROVER_STATUS_COUNT) - 1))

static const char sql_scope[] = "SELECT host_base, hosts FROM tasks WHERE `key` = ?1 AND state > 0";

/* A stream that does not count is NULL in every row. */
#define GROUPS(out, err)                                                                                               \
	"SELECT h.status, h.phase, h.rc, h.signal, " out ", " err ", count(*) AS n, min(h.id) AS first,"               \
	" group_concat(h.name), min(h.message), count(h.message), count(DISTINCT h.message), max(h.stdout_size),"      \
	" max(h.stderr_size), max(h.stdout_total), max(h.stderr_total) FROM hosts h WHERE h.id BETWEEN ?1 AND ?2"      \
	" AND (?3 >> h.status) & 1 AND (NOT ?7 OR " out " IS NOT NULL OR " err " IS NOT NULL)"                         \
	" GROUP BY h.status, h.phase, h.rc, h.signal, 5, 6 HAVING n < ?4 OR (n = ?4 AND first > ?5)"                   \
	" ORDER BY n DESC, first LIMIT ?6"
static const char sql_groups[] = GROUPS("h.stdout", "h.stderr");
static const char sql_groups_out[] = GROUPS("h.stdout", "NULL");
static const char sql_groups_err[] = GROUPS("NULL", "h.stderr");

/* One statement for each stream, since both rows are borrowed at once. */
#define BYTES "SELECT bytes FROM outputs WHERE task = ?1 AND digest = ?2"
static const char sql_out[] = BYTES;
static const char sql_err[] = BYTES " /* stderr */";

static const char sql_info[] =
	"SELECT CASE ?3 WHEN 1 THEN h.stdout ELSE h.stderr END, CASE ?3 WHEN 1 THEN h.stdout_size ELSE h.stderr_size "
	"END,"
	" CASE ?3 WHEN 1 THEN h.stdout_total ELSE h.stderr_total END, h.status FROM tasks t"
	" CROSS JOIN hosts h ON h.name = ?2 AND h.id BETWEEN t.host_base AND t.host_base + t.hosts - 1"
	" WHERE t.key = ?1 AND t.state > 0";
static const char sql_part[] = "SELECT substr(bytes, ?3, ?4) FROM outputs WHERE task = ?1 AND digest = ?2";

/* The bytes of a digest that is in a row; stands until `stmt` is reset. */
static int read_bytes(struct drover_session *s, const char *sql, int64_t task, struct sql_stmt *row, int column,
		      struct sql_stmt **stmt, struct drover_bytes *bytes, struct drover_error *err)
{
	struct drover_bytes digest;
	int code;

	if (sql_is_null(row, column))
		return 0;
	code = session_prepare(s, sql, stmt, err, task);
	if (code)
		return code;
	digest = sql_blob(row, column);
	sql_bind_blob(*stmt, 2, digest.data, digest.size);
	code = sql_step(s, *stmt, err);
	if (code > 0)
		*bytes = sql_blob(*stmt, 0);
	return code < 0 ? code : 0;
}

static void read_group(struct sql_stmt *stmt, struct drover_group *group)
{
	*group = (struct drover_group){
		.size = sizeof(*group),
		.status = (enum drover_status)sql_int(stmt, 0),
		.phase = (enum drover_phase)sql_int(stmt, 1),
		.has_rc = !sql_is_null(stmt, 2),
		.rc = sql_int(stmt, 2),
		.signal = sql_text(stmt, 3),
		.count = sql_int64(stmt, 6),
		.first_id = sql_int64(stmt, 7),
		.hosts = sql_text(stmt, 8),
		.messages = sql_int64(stmt, 11),
		.stdout_size = sql_int64(stmt, 12),
		.stderr_size = sql_int64(stmt, 13),
		.stdout_total = sql_int64(stmt, 14),
		.stderr_total = sql_int64(stmt, 15),
	};
	if (group->messages == 1 && sql_int64(stmt, 10) == group->count)
		group->message = sql_text(stmt, 9);
}

static int tell_group(struct drover_session *s, const struct drover_group_filter *filter, struct sql_stmt *stmt,
		      drover_group_fn *fn, void *context, struct drover_error *err)
{
	struct sql_stmt *out = NULL, *errors = NULL;
	struct drover_group group;
	int code = 0;

	read_group(stmt, &group);
	if (filter->outputs)
		code = read_bytes(s, sql_out, filter->task_key, stmt, 4, &out, &group.out, err);
	if (filter->outputs && !code)
		code = read_bytes(s, sql_err, filter->task_key, stmt, 5, &errors, &group.err, err);
	if (!code)
		code = fn(context, &group);
	sql_reset(out);
	sql_reset(errors);
	return code;
}

int query_groups(struct drover_session *s, const struct drover_group_filter *filter, drover_group_fn *fn, void *context,
		 struct drover_error *err)
{
	static const char *const texts[] = { sql_groups, sql_groups_out, sql_groups_err };
	int64_t first, last, statuses = filter->statuses ? filter->statuses : FINAL_STATUSES;
	struct sql_stmt *stmt;
	int code = transaction_flush(s, err);

	if (!code)
		code = session_prepare(s, sql_scope, &stmt, err, filter->task_key);
	if (!code)
		code = sql_step(s, stmt, err);
	if (code < 0)
		return code;
	if (!code)
		return drover_error_set(err, DROVER_ENOTFOUND, "no task has the key %lld", (long long)filter->task_key);
	first = sql_int64(stmt, 0);
	last = first + sql_int64(stmt, 1) - 1;
	sql_reset(stmt);
	code = session_prepare(s, texts[filter->stream], &stmt, err, first, last, statuses,
			       filter->after_count ? filter->after_count : INT64_MAX, filter->after_id,
			       filter->limit > 0 ? filter->limit : INT64_MAX, filter->printed);
	while (!code && (code = sql_step(s, stmt, err)) > 0)
		code = tell_group(s, filter, stmt, fn, context, err);
	sql_reset(stmt);
	return code;
}

/* The host's row: what is kept of the stream. */
static int read_info(struct drover_session *s, int64_t task_key, const char *host, int stream, unsigned char *digest,
		     struct drover_output_info *info, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare(s, sql_info, &stmt, err, task_key, 0, stream);

	if (code)
		return code;
	sql_bind_text(stmt, 2, host);
	code = sql_step(s, stmt, err);
	if (!code)
		return drover_error_set(err, DROVER_ENOTFOUND, "the task has no host %s", host);
	if (code < 0)
		return code;
	*info = (struct drover_output_info){ .size = sizeof(*info),
					     .kept = sql_int64(stmt, 1),
					     .total = sql_int64(stmt, 2),
					     .status = (enum drover_status)sql_int(stmt, 3) };
	if (sql_blob(stmt, 0).size == DIGEST_SIZE) {
		memcpy(digest, sql_blob(stmt, 0).data, DIGEST_SIZE);
		sodium_bin2hex(info->digest, sizeof(info->digest), digest, DIGEST_SIZE);
	} else {
		info->kept = 0;
	}
	sql_reset(stmt);
	return 0;
}

int query_output_part(struct drover_session *s, int64_t task_key, const char *host, int stream,
		      drover_output_want_fn *want, drover_output_fn *fn, void *context, struct drover_error *err)
{
	unsigned char digest[DIGEST_SIZE];
	struct drover_output_info info;
	struct sql_stmt *stmt;
	int code = transaction_flush(s, err);

	if (!code)
		code = read_info(s, task_key, host, stream, digest, &info, err);
	if (!code)
		code = want(context, &info);
	if (code || !info.count || !info.kept)
		return code;
	/* By its digest: it is the same output whatever happened to the row meanwhile. */
	code = session_prepare(s, sql_part, &stmt, err, task_key, 0, info.first + 1, info.count);
	if (code)
		return code;
	sql_bind_blob(stmt, 2, digest, DIGEST_SIZE);
	code = sql_step(s, stmt, err);
	if (code > 0)
		code = fn(context, sql_blob(stmt, 0));
	else if (!code)
		code = drover_error_set(err, DROVER_ENOTFOUND, "the task of %s was removed", host);
	sql_reset(stmt);
	return code;
}
