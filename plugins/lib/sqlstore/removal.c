/*
 * removal.c - tasks are deleted, in small steps so that nobody waits long for the database.
 *
 * A task that is to go is hidden first: its id becomes NULL, its state 0 (no query shows it) and its
 * incarnation 0. That is also what an abandoned submission looks like, so one routine deletes both.
 */
#include "sqlstore.h"

static const char sql_hide[] = "UPDATE tasks SET id = NULL, state = 0, incarnation = 0 WHERE `key` = ?1";
static const char sql_hidden[] = "SELECT `key` FROM tasks WHERE id IS NULL AND state = 0 ORDER BY `key` LIMIT 1";
static const char sql_orphan[] =
	"SELECT `key` FROM tasks t WHERE state = 0 AND state < 5 AND NOT EXISTS" /* SQLite sees no index otherwise */
	" (SELECT 1 FROM incarnations i WHERE i.id = t.incarnation AND i.ended_at = 0) ORDER BY `key` LIMIT 1";
static const char sql_due[] = "SELECT `key` FROM tasks WHERE state >= 5 AND finished_at > 0 AND finished_at < ?1 ORDER "
			      "BY finished_at LIMIT 1";
/* An incarnation that ended before the oldest task came is named by none. */
static const char sql_incarnations[] = "DELETE FROM incarnations WHERE ended_at > 0 AND ended_at < ?1"
				       " AND ended_at < (SELECT coalesce(min(created_at), ?1) FROM tasks WHERE `key` = "
				       "(SELECT min(`key`) FROM tasks))";

static const char sql_submission[] = "DELETE FROM submissions WHERE task = ?1";
static const char sql_task[] = "DELETE FROM tasks WHERE `key` = ?1";

/* Deletes up to *budget rows of a task that is hidden, and takes them off the budget; 0 left: not all is gone. */
static int delete_some(struct drover_session *s, int64_t key, int64_t *budget, struct drover_error *err)
{
	struct task_row *task;
	int64_t deleted;
	int code = rows_task(s, key, &task, err);

	for (size_t i = 0; !code && *budget > 0 && i < SQL_REMOVALS; i++) {
		code = session_run(s, sql_removals[i], &deleted, err, key, task->host_base,
				   task->host_base + task->hosts - 1, *budget);
		*budget -= code ? 0 : deleted;
	}
	if (code || *budget <= 0)
		return code;
	code = session_run(s, sql_submission, NULL, err, key);
	if (!code)
		code = session_run(s, sql_task, NULL, err, key);
	if (!code)
		rows_forget_task(s, task);
	return code;
}

int removal_sweep_accepting(struct drover_session *s, int64_t limit, bool *more, struct drover_error *err)
{
	int64_t budget = limit, key;
	int code = transaction_flush(s, err);

	if (!code)
		code = transaction_serialise(s, err);
	rows_forget_units(s);
	while (!code && budget > 0) {
		code = session_number(s, sql_orphan, 0, &key, err);
		if (code || !key)
			break;
		code = delete_some(s, key, &budget, err);
	}
	*more = !code && budget <= 0;
	return code;
}

int removal_abandon(struct drover_session *s, int64_t task_key, struct drover_error *err)
{
	struct task_row *task;
	int64_t budget = INT64_MAX;
	int code = rows_task(s, task_key, &task, err);

	if (code)
		return code;
	if (task->state != DROVER_TASK_ACCEPTING)
		return drover_error_set(err, DROVER_ECONFLICT, "the task was accepted already");
	return delete_some(s, task_key, &budget, err);
}

/* The next task to delete from; 0: none. */
static int next_due(struct drover_session *s, int64_t before, int64_t *key, struct drover_error *err)
{
	int code = session_number(s, sql_hidden, 0, key, err);

	if (code || *key)
		return code;
	code = session_number(s, sql_due, 0, key, err, before);
	if (!code && *key)
		code = session_run(s, sql_hide, NULL, err, *key);
	return code;
}

int removal_retain(struct drover_session *s, int64_t before, int64_t limit, bool *more, struct drover_error *err)
{
	int64_t budget = limit, key = 0;
	int code = transaction_flush(s, err);

	if (!code)
		code = transaction_serialise(s, err);
	rows_forget_units(s);
	while (!code && budget > 0) {
		code = next_due(s, before, &key, err);
		if (code || !key)
			break;
		code = delete_some(s, key, &budget, err);
	}
	*more = !code && budget <= 0;
	if (!code && !*more)
		code = session_run(s, sql_incarnations, NULL, err, before);
	return code;
}
