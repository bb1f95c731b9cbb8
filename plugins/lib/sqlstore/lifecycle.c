/*
 * lifecycle.c - a task ends otherwise than by its hosts' results: it is cancelled, or it expires.
 */
#include "sqlstore.h"

static const char sql_end_pending[] = "UPDATE hosts SET status = ?3, finished_at = ?4, seq = ?5 + id, message = ?6"
				      " WHERE id BETWEEN ?1 AND ?2 AND status = 0";
static const char sql_reason[] = "UPDATE tasks SET reason = ?2 WHERE `key` = ?1";
/* Of units: none of their hosts is running, or some may be. */
static const char sql_end_ready[] =
	"UPDATE units SET state = 2, open = 0, finished_at = ?2, seq = ?3, publish_at = 0 WHERE task = ?1"
	" AND state = 0";
static const char sql_next_claimed[] =
	"SELECT unit, first, count FROM units WHERE task = ?1 AND state = 1 AND unit > ?2 ORDER BY unit LIMIT 1";
static const char sql_recount[] =
	"UPDATE units SET seq = ?3, open = (SELECT count(*) FROM hosts WHERE id BETWEEN ?4 AND ?5 AND status = 1)"
	" WHERE task = ?1 AND unit = ?2";
static const char sql_end_claimed[] =
	"UPDATE units SET state = 2, finished_at = ?2 WHERE task = ?1 AND state = 1 AND open = 0";
/* `state < 5` is what lets SQLite use the index of open tasks. */
static const char sql_expired[] = "SELECT `key` FROM tasks WHERE state < 5 AND state IN (1, 2) AND expires_at > 0 AND "
				  "expires_at <= ?1 AND pending > 0"
				  " ORDER BY `key` LIMIT ?2";

/* Units that are held have open hosts only where some are running. As many are held as engines have room for. */
static int recount_claimed(struct drover_session *s, const struct task_row *task, int64_t seq, struct drover_error *err)
{
	int64_t unit = -1;
	struct sql_stmt *stmt;
	int code;

	while (!(code = session_prepare(s, sql_next_claimed, &stmt, err, task->key, unit))) {
		int64_t first, last;

		code = sql_step(s, stmt, err);
		if (code <= 0)
			return code;
		unit = sql_int64(stmt, 0);
		first = task->host_base + sql_int64(stmt, 1);
		last = first + sql_int64(stmt, 2) - 1;
		sql_reset(stmt);
		code = session_run(s, sql_recount, NULL, err, task->key, unit, seq, first, last);
		if (code)
			return code;
	}
	return code;
}

/* Units follow their hosts: those that are left with no open host are done. */
static int end_units(struct drover_session *s, struct task_row *task, int64_t now, struct drover_error *err)
{
	int64_t ready = 0, claimed = 0, seq;
	int code = transaction_take_seq(s, 1, &seq, err);

	if (!code)
		code = session_run(s, sql_end_ready, &ready, err, task->key, now, seq);
	if (!code)
		code = recount_claimed(s, task, seq, err);
	if (!code)
		code = session_run(s, sql_end_claimed, &claimed, err, task->key, now);
	task->units_done += ready + claimed;
	task->dirty = true;
	return code;
}

/* All pending hosts of the task get `status`, but for those that were begun before. */
static int end_pending(struct drover_session *s, struct task_row *task, enum drover_status status, const char *message,
		       int64_t now, struct drover_error *err)
{
	int64_t seq, ended;
	struct sql_stmt *stmt;
	int code = transaction_flush(s, err);

	rows_forget_units(s);
	if (!code)
		code = begun_before_lose(s, task, NULL, message, now, now, err);
	if (!code)
		code = transaction_take_seq(s, task->hosts, &seq, err);
	if (!code)
		code = session_prepare(s, sql_end_pending, &stmt, err, task->host_base,
				       task->host_base + task->hosts - 1, status, now, seq - task->host_base);
	if (code)
		return code;
	sql_bind_text(stmt, 6, message);
	code = sql_step(s, stmt, err);
	if (code)
		return code;
	ended = driver_changes(s);
	states_move_hosts(task, NULL, DROVER_PENDING, status, ended, now);
	return end_units(s, task, now, err);
}

static int keep_reason(struct drover_session *s, int64_t key, const char *reason, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare(s, sql_reason, &stmt, err, key);

	if (code)
		return code;
	sql_bind_text(stmt, 2, reason);
	return sql_step(s, stmt, err);
}

int lifecycle_cancel(struct drover_session *s, int64_t task_key, const char *reason, struct drover_error *err)
{
	int64_t now = driver_now(s);
	char message[DROVER_ERROR_SIZE];
	struct task_row *task;
	int code = rows_task(s, task_key, &task, err);

	if (code)
		return code;
	if (task->state == DROVER_TASK_ACCEPTING)
		return drover_error_set(err, DROVER_ENOTFOUND, "no task has the key %lld", (long long)task_key);
	/* What this transaction did before may have ended it. */
	code = transaction_flush(s, err);
	if (code)
		return code;
	if (drover_task_state_is_final(task->state))
		return drover_error_set(err, DROVER_ECONFLICT, "the task has ended: it is %s",
					drover_task_state_name(task->state));
	if (task->state == DROVER_TASK_CANCELLING || task->state == DROVER_TASK_ABORTING)
		return 0;
	states_move_task(task, DROVER_TASK_CANCELLING, now);
	snprintf(message, sizeof(message), "cancelled before it was started%s%s", reason ? ": " : "",
		 reason ? reason : "");
	code = keep_reason(s, task_key, reason, err);
	if (!code)
		code = end_pending(s, task, DROVER_CANCELLED, message, now, err);
	return code;
}

int lifecycle_abort(struct drover_session *s, struct task_row *task, const char *reason, struct drover_error *err)
{
	int64_t now = driver_now(s);
	char message[DROVER_ERROR_SIZE];
	int code;

	states_move_task(task, DROVER_TASK_ABORTING, now);
	snprintf(message, sizeof(message), "not started, since the task was aborted: %s", reason);
	code = keep_reason(s, task->key, reason, err);
	if (!code)
		code = end_pending(s, task, DROVER_CANCELLED, message, now, err);
	return code;
}

int lifecycle_expire(struct drover_session *s, int64_t limit, bool *more, struct drover_error *err)
{
	int64_t now = driver_now(s);
	struct task_row *task;
	int64_t done, key;
	int code = transaction_flush(s, err);

	if (!code)
		code = transaction_serialise(s, err);
	*more = false;
	for (done = 0; !code && done < limit; done++) {
		code = session_number(s, sql_expired, 0, &key, err, now, 1);
		if (code || !key)
			return code;
		code = rows_task(s, key, &task, err);
		if (!code)
			code = end_pending(s, task, DROVER_EXPIRED, "its task expired before it was started", now, err);
		if (!code)
			code = transaction_flush(s, err);
	}
	*more = !code;
	return code;
}
