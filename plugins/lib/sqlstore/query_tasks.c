/*
 * query_tasks.c - tasks, as rows.
 *
 * A query with a callback has a statement of its own, so that the callback may ask the same again.
 */
#include "sqlstore.h"

#include <stddef.h>

#define COLUMNS                                                                                                        \
	"t.key, t.priority, t.rerun_lost, t.timeout, t.host_timeout, t.connect_timeout, t.output_limit, t.fanout,"     \
	" t.expires_at, t.unit_size, t.hosts, t.units, t.host_base, t.state, t.created_at, t.started_at,"              \
	" t.finished_at, t.units_done, t.seq, t.pending, t.running, t.ok, t.failed, t.unreachable, t.timed_out,"       \
	" t.skipped, t.cancelled, t.expired, t.lost, t.id, t.name, t.type, t.executor, t.pool, t.owner, t.parent,"     \
	" t.credential, t.reason, s.note, s.labels, s.payload, s.options, t.concurrency_key,"                          \
	" CASE WHEN t.concurrency_key IS NOT NULL AND t.state IN (1, 2) THEN"                                          \
	"  (SELECT w.id FROM tasks w WHERE w.concurrency_key = t.concurrency_key AND w.state < 5 AND w.key < t.key"    \
	"   AND w.id IS NOT NULL ORDER BY w.key LIMIT 1) END,"                                                         \
	" t.home, s.body, t.waves, t.wave_pause, t.max_failed_as, t.max_failed, t.wave, t.wave_units, t.wave_hosts,"   \
	" t.next_wave_at, t.published, t.incarnation"
#define FROM " FROM tasks t JOIN submissions s ON s.task = t.key"

enum { COLUMN_COUNTS = 19, COLUMN_TEXTS = 29, COLUMN_BODY = 45 };

static const char sql_by_id[] = "SELECT " COLUMNS FROM " WHERE t.id = ?1 AND t.state > 0";
static const char sql_by_key[] = "SELECT " COLUMNS FROM " WHERE t.key = ?1 AND t.state > 0";
static const char sql_any[] = "SELECT " COLUMNS FROM " WHERE t.key = ?1";
/* A parameter that asks for nothing is NULL or 0. A prefix by substr, since LIKE has wildcards of its own. */
#define FILTER                                                                                                         \
	" AND (?1 >> t.state) & 1 AND t.key < ?2 AND t.created_at >= ?3 AND t.created_at < ?4"                         \
	" AND (?6 IS NULL OR t.type = ?6) AND (?7 IS NULL OR t.owner = ?7)"                                            \
	" AND (?8 IS NULL OR t.key IN (SELECT h.task FROM hosts h WHERE h.name = ?8))"                                 \
	" AND (?9 IS NULL OR substr(t.name, 1, length(?9)) = ?9)"                                                      \
	" AND (?10 IS NULL OR " SQL_LABELLED ") ORDER BY t.key DESC LIMIT ?5"
static const char sql_filtered[] = "SELECT " COLUMNS FROM " WHERE 1" FILTER;
/* Open tasks are few among many. */
static const char sql_filtered_open[] =
	"SELECT " COLUMNS " FROM tasks t INDEXED BY tasks_open JOIN submissions s ON s.task = t.key"
	" WHERE t.state < 5" FILTER;
static const char sql_feed[] = "SELECT " COLUMNS FROM " WHERE t.seq > ?1 AND t.state > 0 ORDER BY t.seq LIMIT ?2";
static const char sql_last_seq[] = "SELECT seq FROM counters";

/* The strings of a task in the order of the columns. */
static const size_t text_offsets[] = {
	offsetof(struct drover_task, id),          offsetof(struct drover_task, name),
	offsetof(struct drover_task, type),        offsetof(struct drover_task, executor),
	offsetof(struct drover_task, pool),        offsetof(struct drover_task, owner),
	offsetof(struct drover_task, parent),      offsetof(struct drover_task, credential),
	offsetof(struct drover_task, reason),      offsetof(struct drover_task, note),
	offsetof(struct drover_task, labels),      offsetof(struct drover_task, payload),
	offsetof(struct drover_task, options),     offsetof(struct drover_task, concurrency_key),
	offsetof(struct drover_task, waiting_for), offsetof(struct drover_task, home),
};
enum { TEXTS = sizeof(text_offsets) / sizeof(text_offsets[0]) };

static const char **text_field(struct drover_task *task, int text)
{
	return (const char **)((char *)task + text_offsets[text]);
}

/* Borrows the statement's strings. */
static void read_row(struct sql_stmt *stmt, struct drover_task *task)
{
	*task = (struct drover_task){
		.size = sizeof(*task),
		.key = sql_int64(stmt, 0),
		.priority = sql_int(stmt, 1),
		.rerun_lost = sql_int(stmt, 2),
		.timeout = sql_int64(stmt, 3),
		.host_timeout = sql_int64(stmt, 4),
		.connect_timeout = sql_int64(stmt, 5),
		.output_limit = sql_int64(stmt, 6),
		.fanout = sql_int64(stmt, 7),
		.expires_at = sql_int64(stmt, 8),
		.unit_size = sql_int64(stmt, 9),
		.hosts = sql_int64(stmt, 10),
		.units = sql_int64(stmt, 11),
		.host_base = sql_int64(stmt, 12),
		.state = (enum drover_task_state)sql_int(stmt, 13),
		.created_at = sql_int64(stmt, 14),
		.started_at = sql_int64(stmt, 15),
		.finished_at = sql_int64(stmt, 16),
		.units_done = sql_int64(stmt, 17),
		.seq = sql_int64(stmt, 18),
		.body = sql_blob(stmt, COLUMN_BODY).data,
		.body_size = sql_blob(stmt, COLUMN_BODY).size,
		.waves = sql_int64(stmt, COLUMN_BODY + 1),
		.wave_pause = sql_int64(stmt, COLUMN_BODY + 2),
		.max_failed_as = (enum drover_threshold)sql_int(stmt, COLUMN_BODY + 3),
		.max_failed = sql_int64(stmt, COLUMN_BODY + 4),
		.wave = sql_int64(stmt, COLUMN_BODY + 5),
		.wave_units = sql_int64(stmt, COLUMN_BODY + 6),
		.wave_hosts = sql_int64(stmt, COLUMN_BODY + 7),
		.next_wave_at = sql_int64(stmt, COLUMN_BODY + 8),
		.published = sql_int64(stmt, COLUMN_BODY + 9),
		.incarnation = sql_int64(stmt, COLUMN_BODY + 10),
	};
	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		task->counts[i] = sql_int64(stmt, COLUMN_COUNTS + i);
	for (int i = 0; i < TEXTS; i++)
		*text_field(task, i) = sql_text(stmt, COLUMN_TEXTS + i);
}

int query_task(struct drover_session *s, const char *id, int64_t key, drover_task_fn *fn, void *context,
	       struct drover_error *err)
{
	struct drover_task task;
	struct sql_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = sql_prepare(s, id ? sql_by_id : sql_by_key, SQL_ONCE, &stmt, err);
	if (code)
		return code;
	if (id)
		sql_bind_text(stmt, 1, id);
	else
		sql_bind_int64(stmt, 1, key);
	code = sql_step(s, stmt, err);
	if (code > 0) {
		read_row(stmt, &task);
		code = fn(context, &task);
	} else if (!code) {
		code = drover_error_set(err, DROVER_ENOTFOUND, "no such task");
	}
	sql_finalize(stmt);
	return code;
}

static void bind_filter(struct sql_stmt *stmt, const struct drover_task_filter *filter)
{
	const unsigned all = (1u << DROVER_TASK_STATE_COUNT) - 1;
	const unsigned accepting = 1u << DROVER_TASK_ACCEPTING;

	sql_bind_int64(stmt, 1, (filter->states ? filter->states : all) & ~accepting);
	sql_bind_int64(stmt, 2, filter->before_key ? filter->before_key : INT64_MAX);
	sql_bind_int64(stmt, 3, filter->since);
	sql_bind_int64(stmt, 4, filter->until ? filter->until : INT64_MAX);
	sql_bind_int64(stmt, 5, filter->limit ? filter->limit : INT64_MAX);
	sql_bind_text(stmt, 6, filter->type);
	sql_bind_text(stmt, 7, filter->owner);
	sql_bind_text(stmt, 8, filter->host);
	sql_bind_text(stmt, 9, filter->name);
	sql_bind_text(stmt, 10, filter->label_key);
	sql_bind_text(stmt, 11, filter->label_value);
}

int query_tasks(struct drover_session *s, const struct drover_task_filter *filter, drover_task_fn *fn, void *context,
		struct drover_error *err)
{
	struct drover_task task;
	bool open = filter->states && filter->states < 1u << DROVER_TASK_DONE;
	struct sql_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = sql_prepare(s,
				   filter->feed ? sql_feed
				   : open       ? sql_filtered_open
						: sql_filtered,
				   SQL_ONCE, &stmt, err);
	if (code)
		return code;
	if (filter->feed) {
		sql_bind_int64(stmt, 1, filter->since_seq);
		sql_bind_int64(stmt, 2, filter->limit ? filter->limit : INT64_MAX);
	} else {
		bind_filter(stmt, filter);
	}
	while ((code = sql_step(s, stmt, err)) > 0) {
		read_row(stmt, &task);
		code = fn(context, &task);
		if (code)
			break;
	}
	sql_finalize(stmt);
	return code;
}

/* Moves bytes of a statement into the session's; *bytes stays as it is when it is NULL. */
static int lend(struct drover_session *s, const void **bytes, size_t size, struct drover_error *err)
{
	struct lent_text *text;

	if (!*bytes)
		return 0;
	text = malloc(sizeof(*text) + size);
	if (!text)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	memcpy(text->bytes, *bytes, size);
	text->next = s->texts;
	s->texts = text;
	*bytes = text->bytes;
	return 0;
}

int query_task_copy(struct drover_session *s, int64_t key, struct drover_task *task, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare(s, sql_any, &stmt, err, key);

	if (!code)
		code = sql_step(s, stmt, err);
	if (code < 0)
		return code;
	if (!code)
		return drover_error_set(err, DROVER_EFAULT, "the task with the key %lld is gone", (long long)key);
	read_row(stmt, task);
	code = lend(s, &task->body, task->body_size, err);
	for (int i = 0; i < TEXTS && !code; i++) {
		const void *text = *text_field(task, i);

		code = lend(s, &text, text ? strlen(text) + 1 : 0, err);
		*text_field(task, i) = text;
	}
	sql_reset(stmt);
	return code;
}

int query_last_seq(struct drover_session *s, int64_t *seq, struct drover_error *err)
{
	int code = transaction_flush(s, err);

	return code ? code : session_number(s, sql_last_seq, 0, seq, err);
}
