/*
 * query_tasks.c - tasks, as rows.
 *
 * A query with a callback has a statement of its own, so that the callback may ask the same again.
 */
#include "sqlite.h"

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
	" s.body, t.waves, t.wave_pause, t.max_failed_as, t.max_failed, t.wave, t.wave_units, t.wave_hosts,"           \
	" t.next_wave_at"
#define FROM " FROM tasks t JOIN submissions s ON s.task = t.key"

enum { COLUMN_COUNTS = 19, COLUMN_TEXTS = 29, COLUMN_BODY = 44 };

static const char sql_by_id[] = "SELECT " COLUMNS FROM " WHERE t.id = ?1 AND t.state > 0";
static const char sql_by_key[] = "SELECT " COLUMNS FROM " WHERE t.key = ?1 AND t.state > 0";
static const char sql_any[] = "SELECT " COLUMNS FROM " WHERE t.key = ?1";
/* A parameter that asks for nothing is NULL or 0. A prefix by substr, since LIKE has wildcards of its own. */
#define FILTER                                                                                                         \
	" AND (?1 >> t.state) & 1 AND t.key < ?2 AND t.created_at >= ?3 AND t.created_at < ?4"                         \
	" AND (?6 IS NULL OR t.type = ?6) AND (?7 IS NULL OR t.owner = ?7)"                                            \
	" AND (?8 IS NULL OR t.key IN (SELECT h.task FROM hosts h WHERE h.name = ?8))"                                 \
	" AND (?9 IS NULL OR substr(t.name, 1, length(?9)) = ?9)"                                                      \
	" AND (?10 IS NULL OR EXISTS (SELECT 1 FROM json_each(s.labels) l WHERE l.key = ?10"                           \
	"  AND (?11 IS NULL OR CAST(l.value AS TEXT) = ?11))) ORDER BY t.key DESC LIMIT ?5"
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
	offsetof(struct drover_task, waiting_for),
};
enum { TEXTS = sizeof(text_offsets) / sizeof(text_offsets[0]) };

static const char **text_field(struct drover_task *task, int text)
{
	return (const char **)((char *)task + text_offsets[text]);
}

/* Borrows the statement's strings. */
static void read_row(sqlite3_stmt *stmt, struct drover_task *task)
{
	*task = (struct drover_task){
		.size = sizeof(*task),
		.key = sqlite3_column_int64(stmt, 0),
		.priority = sqlite3_column_int(stmt, 1),
		.rerun_lost = sqlite3_column_int(stmt, 2),
		.timeout = sqlite3_column_int64(stmt, 3),
		.host_timeout = sqlite3_column_int64(stmt, 4),
		.connect_timeout = sqlite3_column_int64(stmt, 5),
		.output_limit = sqlite3_column_int64(stmt, 6),
		.fanout = sqlite3_column_int64(stmt, 7),
		.expires_at = sqlite3_column_int64(stmt, 8),
		.unit_size = sqlite3_column_int64(stmt, 9),
		.hosts = sqlite3_column_int64(stmt, 10),
		.units = sqlite3_column_int64(stmt, 11),
		.host_base = sqlite3_column_int64(stmt, 12),
		.state = (enum drover_task_state)sqlite3_column_int(stmt, 13),
		.created_at = sqlite3_column_int64(stmt, 14),
		.started_at = sqlite3_column_int64(stmt, 15),
		.finished_at = sqlite3_column_int64(stmt, 16),
		.units_done = sqlite3_column_int64(stmt, 17),
		.seq = sqlite3_column_int64(stmt, 18),
		.body = sqlite3_column_blob(stmt, COLUMN_BODY),
		.body_size = (size_t)sqlite3_column_bytes(stmt, COLUMN_BODY),
		.waves = sqlite3_column_int64(stmt, COLUMN_BODY + 1),
		.wave_pause = sqlite3_column_int64(stmt, COLUMN_BODY + 2),
		.max_failed_as = (enum drover_threshold)sqlite3_column_int(stmt, COLUMN_BODY + 3),
		.max_failed = sqlite3_column_int64(stmt, COLUMN_BODY + 4),
		.wave = sqlite3_column_int64(stmt, COLUMN_BODY + 5),
		.wave_units = sqlite3_column_int64(stmt, COLUMN_BODY + 6),
		.wave_hosts = sqlite3_column_int64(stmt, COLUMN_BODY + 7),
		.next_wave_at = sqlite3_column_int64(stmt, COLUMN_BODY + 8),
	};
	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		task->counts[i] = sqlite3_column_int64(stmt, COLUMN_COUNTS + i);
	for (int i = 0; i < TEXTS; i++)
		*text_field(task, i) = session_text(stmt, COLUMN_TEXTS + i);
}

int query_task(struct drover_session *s, const char *id, int64_t key, drover_task_fn *fn, void *context,
	       struct drover_error *err)
{
	struct drover_task task;
	sqlite3_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = session_prepare_text(s, id ? sql_by_id : sql_by_key, &stmt, err);
	if (code)
		return code;
	if (id)
		session_bind_text(stmt, 1, id);
	else
		sqlite3_bind_int64(stmt, 1, key);
	code = session_step(s, stmt, err);
	if (code > 0) {
		read_row(stmt, &task);
		code = fn(context, &task);
	} else if (!code) {
		code = drover_error_set(err, DROVER_ENOTFOUND, "no such task");
	}
	sqlite3_finalize(stmt);
	return code;
}

static void bind_filter(sqlite3_stmt *stmt, const struct drover_task_filter *filter)
{
	const unsigned all = (1u << DROVER_TASK_STATE_COUNT) - 1;
	const unsigned accepting = 1u << DROVER_TASK_ACCEPTING;

	sqlite3_bind_int64(stmt, 1, (filter->states ? filter->states : all) & ~accepting);
	sqlite3_bind_int64(stmt, 2, filter->before_key ? filter->before_key : INT64_MAX);
	sqlite3_bind_int64(stmt, 3, filter->since);
	sqlite3_bind_int64(stmt, 4, filter->until ? filter->until : INT64_MAX);
	sqlite3_bind_int64(stmt, 5, filter->limit ? filter->limit : -1);
	session_bind_text(stmt, 6, filter->type);
	session_bind_text(stmt, 7, filter->owner);
	session_bind_text(stmt, 8, filter->host);
	session_bind_text(stmt, 9, filter->name);
	session_bind_text(stmt, 10, filter->label_key);
	session_bind_text(stmt, 11, filter->label_value);
}

int query_tasks(struct drover_session *s, const struct drover_task_filter *filter, drover_task_fn *fn, void *context,
		struct drover_error *err)
{
	struct drover_task task;
	bool open = filter->states && filter->states < 1u << DROVER_TASK_DONE;
	sqlite3_stmt *stmt = NULL;
	int code = transaction_flush(s, err);

	if (!code)
		code = session_prepare_text(s,
					    filter->feed ? sql_feed
					    : open       ? sql_filtered_open
							 : sql_filtered,
					    &stmt, err);
	if (code)
		return code;
	if (filter->feed) {
		sqlite3_bind_int64(stmt, 1, filter->since_seq);
		sqlite3_bind_int64(stmt, 2, filter->limit ? filter->limit : -1);
	} else {
		bind_filter(stmt, filter);
	}
	while ((code = session_step(s, stmt, err)) > 0) {
		read_row(stmt, &task);
		code = fn(context, &task);
		if (code)
			break;
	}
	sqlite3_finalize(stmt);
	return code;
}

/* Moves bytes of a statement into the session's; *bytes stays as it is when it is NULL. */
static int lend(struct drover_session *s, const void **bytes, size_t size, struct drover_error *err)
{
	struct sqlite_text *text;

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
	sqlite3_stmt *stmt;
	int code = session_prepare(s, sql_any, &stmt, err, key);

	if (!code)
		code = session_step(s, stmt, err);
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
	sqlite3_reset(stmt);
	return code;
}

int query_last_seq(struct drover_session *s, int64_t *seq, struct drover_error *err)
{
	int code = transaction_flush(s, err);

	return code ? code : session_number(s, sql_last_seq, 0, seq, err);
}
