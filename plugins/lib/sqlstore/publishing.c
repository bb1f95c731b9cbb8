/*
 * publishing.c - units that are handed to engines: what was published and is claimed by nobody, and what was signed
 * of each.
 *
 * A unit with publish_at above 0 is ready and was published, or is ready again: 1 says at once, else it is the
 * database's time at which it is to be published again. An index has just these.
 */
#define _GNU_SOURCE /* asprintf */
#include "sqlstore.h"

#include <stdio.h>

#define ENVELOPES_PAGE 16

static const char sql_publish[] = "UPDATE units SET publish_at = ?3, publications = publications + 1"
				  " WHERE task = ?1 AND unit = ?2 AND state = 0";
/* Delivery reports come in any order: the first that has none yet. */
static const char sql_unpublished[] =
	"SELECT u.unit FROM units u INDEXED BY units_ready WHERE u.task = ?1 AND u.state = 0 AND u.publish_at = 0"
	" AND u.unit >= (SELECT t.published FROM tasks t WHERE t.key = ?1) ORDER BY u.unit LIMIT 1";
static const char sql_published[] = "UPDATE tasks SET published = CASE WHEN ?2 < 0 THEN units ELSE ?2 END"
				    " WHERE `key` = ?1";
static const char sql_due[] =
	"SELECT q.task, q.unit, q.pool, q.publications, e.bytes, t.id, t.executor FROM"
	" (SELECT task, unit, pool, publications, publish_at FROM units INDEXED BY units_queued"
	"  WHERE publish_at > 0 AND publish_at <= ?1 AND (?2 IS NULL OR instr(?2, ' ' || pool || ' ') > 0)"
	"  ORDER BY publish_at, task, unit LIMIT ?3) AS q"
	" LEFT JOIN envelopes e ON e.task = q.task AND e.unit = q.unit LEFT JOIN tasks t ON t.`key` = q.task"
	" ORDER BY q.publish_at, q.task, q.unit";
static const char sql_queued[] =
	"SELECT q.pool, t.executor, CAST(sum(q.units) AS SIGNED) FROM"
	" (SELECT task, pool, count(*) AS units FROM units INDEXED BY units_queued WHERE publish_at > 0"
	"  GROUP BY task, pool) AS q"
	" JOIN tasks t ON t.`key` = q.task GROUP BY q.pool, t.executor";
static const char sql_envelopes[] =
	"SELECT unit, bytes FROM envelopes WHERE task = ?1 AND unit >= ?2 ORDER BY unit LIMIT ?3";

static int note_progress(struct drover_session *s, int64_t task, struct drover_error *err)
{
	int64_t next;
	int code = session_number(s, sql_unpublished, -1, &next, err, task);

	return code ? code : session_run(s, sql_published, NULL, err, task, next);
}

int publishing_note(struct drover_session *s, const struct drover_publication *publications, size_t count,
		    struct drover_error *err)
{
	int64_t now = driver_now(s);
	struct sql_stmt *stmt;
	int code = transaction_flush(s, err);

	rows_forget_units(s);
	if (!code)
		code = transaction_serialise(s, err);
	for (size_t i = 0; i < count && !code; i++) {
		const struct drover_publication *p = &publications[i];
		int64_t again = p->again_in > 0 ? p->again_in : 0;

		code = session_prepare(s, sql_publish, &stmt, err, p->task_key, p->unit, now + again);
		if (!code)
			code = sql_queue(s, stmt, err);
	}
	/* Those of one task mostly follow each other. */
	for (size_t i = 0; i < count && !code; i++)
		if (i + 1 == count || publications[i + 1].task_key != publications[i].task_key)
			code = note_progress(s, publications[i].task_key, err);
	return code;
}

/* " a b ", in which each pool is found with the blanks around it. */
static int surround(const char *pools, char **text, struct drover_error *err)
{
	*text = NULL;
	if (pools && asprintf(text, " %s ", pools) < 0) {
		*text = NULL;
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	}
	return 0;
}

static int tell_due(struct drover_session *s, struct sql_stmt *stmt, drover_due_fn *fn, void *context,
		    struct drover_error *err)
{
	int code;

	while ((code = sql_step(s, stmt, err)) > 0) {
		const struct drover_due_unit unit = {
			.size = sizeof(unit),
			.task_key = sql_int64(stmt, 0),
			.unit = sql_int64(stmt, 1),
			.pool = sql_text(stmt, 2),
			.publications = sql_int(stmt, 3),
			.envelope = sql_blob(stmt, 4),
			.task = sql_is_null(stmt, 5) ? "" : sql_text(stmt, 5),
			.executor = sql_is_null(stmt, 6) ? "" : sql_text(stmt, 6),
		};

		code = fn(context, &unit);
		if (code)
			break;
	}
	return code;
}

int publishing_due(struct drover_session *s, const struct drover_due_filter *filter, drover_due_fn *fn, void *context,
		   struct drover_error *err)
{
	struct sql_stmt *stmt = NULL;
	char *pools = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = surround(filter->pools, &pools, err);
	if (!code)
		code = sql_prepare(s, sql_due, SQL_ONCE, &stmt, err);
	if (code)
		goto out;
	sql_bind_int64(stmt, 1, filter->due ? driver_now(s) : INT64_MAX);
	sql_bind_text(stmt, 2, pools);
	sql_bind_int64(stmt, 3, filter->limit > 0 ? filter->limit : INT64_MAX);
	code = tell_due(s, stmt, fn, context, err);
out:
	sql_finalize(stmt);
	free(pools);
	return code;
}

int publishing_queued(struct drover_session *s, drover_queued_fn *fn, void *context, struct drover_error *err)
{
	struct sql_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = sql_prepare(s, sql_queued, SQL_ONCE, &stmt, err);
	if (code)
		return code;
	while ((code = sql_step(s, stmt, err)) > 0) {
		const struct drover_queued queued = { .size = sizeof(queued),
						      .pool = sql_text(stmt, 0),
						      .executor = sql_text(stmt, 1),
						      .units = sql_int64(stmt, 2) };

		code = fn(context, &queued);
		if (code)
			break;
	}
	sql_finalize(stmt);
	return code;
}

/* One page of them, from `*first` on, which is moved behind the last. Rows in `*count`. */
static int envelopes_page(struct drover_session *s, int64_t task_key, int64_t *first, int64_t limit, int64_t *count,
			  int (*fn)(void *context, int64_t unit, struct drover_bytes envelope), void *context,
			  struct drover_error *err)
{
	struct sql_stmt *stmt = NULL;
	int code = sql_prepare(s, sql_envelopes, SQL_ONCE, &stmt, err);

	*count = 0;
	if (code)
		return code;
	sql_bind_int64(stmt, 1, task_key);
	sql_bind_int64(stmt, 2, *first);
	sql_bind_int64(stmt, 3, limit);
	while ((code = sql_step(s, stmt, err)) > 0) {
		int64_t unit = sql_int64(stmt, 0);

		*first = unit + 1;
		++*count;
		code = fn(context, unit, sql_blob(stmt, 1));
		if (code)
			break;
	}
	sql_finalize(stmt);
	return code;
}

/* Page by page: together they may be too much for memory, and a cursor costs a server a table for each question. */
int publishing_envelopes(struct drover_session *s, int64_t task_key, int64_t first, int64_t limit,
			 int (*fn)(void *context, int64_t unit, struct drover_bytes envelope), void *context,
			 struct drover_error *err)
{
	int64_t left = limit > 0 ? limit : INT64_MAX, count = ENVELOPES_PAGE;
	int code = transaction_flush(s, err);

	while (!code && left > 0 && count == ENVELOPES_PAGE) {
		int64_t page = left < ENVELOPES_PAGE ? left : ENVELOPES_PAGE;

		code = envelopes_page(s, task_key, &first, page, &count, fn, context, err);
		left -= count;
	}
	return code;
}
