/*
 * rows.c - the rows of tasks and units that a transaction touches: loaded at their first use, changed in
 * memory, and written back once.
 *
 * Nobody else writes until the transaction's end (transaction_serialise), so what was read stays true and the
 * rows are written back whole.
 */
#include "sqlstore.h"

static const char sql_task[] =
	"SELECT host_base, hosts, expires_at, timeout, rerun_lost, state, units_done, started_at, finished_at,"
	" pending, running, ok, failed, unreachable, timed_out, skipped, cancelled, expired, lost, fanout, waves,"
	" wave_pause, max_failed_as, max_failed, concurrency_key IS NOT NULL, wave, wave_units, wave_hosts, wave_end,"
	" wave_base, next_wave_at, home IS NOT NULL FROM tasks WHERE `key` = ?1";
static const char sql_save_task[] =
	"UPDATE tasks SET state = ?2, units_done = ?3, started_at = ?4, finished_at = ?5, seq = ?6, pending = ?7,"
	" running = ?8, ok = ?9, failed = ?10, unreachable = ?11, timed_out = ?12, skipped = ?13, cancelled = ?14,"
	" expired = ?15, lost = ?16, wave = ?17, wave_units = ?18, wave_hosts = ?19, wave_end = ?20, wave_base = ?21,"
	" next_wave_at = ?22 WHERE `key` = ?1";
static const char sql_unit[] =
	"SELECT first, count, state, attempt, incarnation, open, claimed_at, finished_at, deadline, wave, excused, seq,"
	" publish_at, publications FROM units WHERE task = ?1 AND unit = ?2";
static const char sql_save_unit[] =
	"UPDATE units SET state = ?3, attempt = ?4, incarnation = ?5, open = ?6, claimed_at = ?7, finished_at = ?8,"
	" deadline = ?9, seq = ?10, excused = ?11, publish_at = ?12, publications = ?13 WHERE task = ?1 AND unit = ?2";

/* --------------------------------------------------------------------------- rows of a transaction */

static struct task_row *task_from_row(struct sql_stmt *stmt, int64_t key)
{
	struct task_row *task = calloc(1, sizeof(*task));

	if (!task)
		return NULL;
	task->key = key;
	task->host_base = sql_int64(stmt, 0);
	task->hosts = sql_int64(stmt, 1);
	task->expires_at = sql_int64(stmt, 2);
	task->timeout = sql_int64(stmt, 3);
	task->rerun_lost = sql_int(stmt, 4);
	task->state = task->old_state = (enum drover_task_state)sql_int(stmt, 5);
	task->units_done = sql_int64(stmt, 6);
	task->started_at = sql_int64(stmt, 7);
	task->finished_at = sql_int64(stmt, 8);
	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		task->counts[i] = task->old_counts[i] = sql_int64(stmt, 9 + i);
	task->fanout = sql_int64(stmt, 19);
	task->waves = sql_int64(stmt, 20);
	task->wave_pause = sql_int64(stmt, 21);
	task->max_failed_as = (enum drover_threshold)sql_int(stmt, 22);
	task->max_failed = sql_int64(stmt, 23);
	task->has_key = sql_int(stmt, 24);
	task->wave = sql_int64(stmt, 25);
	task->wave_units = sql_int64(stmt, 26);
	task->wave_hosts = sql_int64(stmt, 27);
	task->wave_end = sql_int64(stmt, 28);
	task->wave_base = sql_int64(stmt, 29);
	task->next_wave_at = sql_int64(stmt, 30);
	task->has_home = sql_int(stmt, 31);
	return task;
}

int rows_task(struct drover_session *s, int64_t key, struct task_row **out, struct drover_error *err)
{
	struct task_row *task;
	struct sql_stmt *stmt;
	int code;

	HASH_FIND(hh, s->tasks, &key, sizeof(key), task);
	if (task) {
		*out = task;
		return 0;
	}
	code = transaction_serialise(s, err);
	if (!code)
		code = session_prepare(s, sql_task, &stmt, err, key);
	if (!code)
		code = sql_step(s, stmt, err);
	if (code < 0)
		return code;
	if (!code)
		return drover_error_set(err, DROVER_ENOTFOUND, "no task has the key %lld", (long long)key);
	task = task_from_row(stmt, key);
	sql_reset(stmt);
	if (!task)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	HASH_ADD(hh, s->tasks, key, sizeof(task->key), task);
	*out = task;
	return 0;
}

static struct unit_row *unit_from_row(struct sql_stmt *stmt, struct task_row *task, int64_t number)
{
	struct unit_row *unit = calloc(1, sizeof(*unit));

	if (!unit)
		return NULL;
	unit->key = (struct unit_key){ task->key, number };
	unit->task = task;
	unit->first = sql_int64(stmt, 0);
	unit->count = sql_int64(stmt, 1);
	unit->state = (enum drover_unit_state)sql_int(stmt, 2);
	unit->attempt = sql_int64(stmt, 3);
	unit->incarnation = sql_int64(stmt, 4);
	unit->open = sql_int64(stmt, 5);
	unit->claimed_at = sql_int64(stmt, 6);
	unit->finished_at = sql_int64(stmt, 7);
	unit->deadline = sql_int64(stmt, 8);
	unit->wave = sql_int64(stmt, 9);
	unit->excused = sql_int64(stmt, 10);
	unit->seq = sql_int64(stmt, 11);
	unit->publish_at = sql_int64(stmt, 12);
	unit->publications = sql_int64(stmt, 13);
	return unit;
}

int rows_unit(struct drover_session *s, int64_t task_key, int64_t number, struct unit_row **out,
	      struct drover_error *err)
{
	struct unit_key key = { task_key, number };
	struct unit_row *unit;
	struct task_row *task;
	struct sql_stmt *stmt;
	int code;

	HASH_FIND(hh, s->units, &key, sizeof(key), unit);
	if (unit) {
		*out = unit;
		return 0;
	}
	code = rows_task(s, task_key, &task, err);
	if (!code)
		code = session_prepare(s, sql_unit, &stmt, err, task_key, number);
	if (!code)
		code = sql_step(s, stmt, err);
	if (code < 0)
		return code;
	if (!code)
		return drover_error_set(err, DROVER_ENOTFOUND, "the task with the key %lld has no unit %lld",
					(long long)task_key, (long long)number);
	unit = unit_from_row(stmt, task, number);
	sql_reset(stmt);
	if (!unit)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	HASH_ADD(hh, s->units, key, sizeof(unit->key), unit);
	*out = unit;
	return 0;
}

void rows_forget_task(struct drover_session *s, struct task_row *task)
{
	HASH_DEL(s->tasks, task);
	free(task);
}

void rows_forget_units(struct drover_session *s)
{
	struct unit_row *unit, *next;

	HASH_ITER (hh, s->units, unit, next) {
		HASH_DEL(s->units, unit);
		free(unit);
	}
}

/* ---------------------------------------------------------------------------------- writing back */

/* A task whose hosts are all final has ended; what it was before says how. */
static void settle(struct task_row *task, int64_t now)
{
	static const enum drover_task_state ends[DROVER_TASK_STATE_COUNT] = {
		[DROVER_TASK_QUEUED] = DROVER_TASK_DONE,
		[DROVER_TASK_RUNNING] = DROVER_TASK_DONE,
		[DROVER_TASK_CANCELLING] = DROVER_TASK_CANCELLED,
		[DROVER_TASK_ABORTING] = DROVER_TASK_ABORTED,
	};

	if (ends[task->state] && !task->counts[DROVER_PENDING] && !task->counts[DROVER_RUNNING])
		states_move_task(task, ends[task->state], now);
	thresholds_settle(task, now);
}

static int save_task(struct drover_session *s, struct task_row *task, struct drover_error *err)
{
	const int64_t *c = task->counts;
	int64_t seq;
	int code;

	settle(task, driver_now(s));
	code = transaction_take_seq(s, 1, &seq, err);
	if (!code)
		code = session_run(s, sql_save_task, NULL, err, task->key, task->state, task->units_done,
				   task->started_at, task->finished_at, seq, c[0], c[1], c[2], c[3], c[4], c[5], c[6],
				   c[7], c[8], c[9], task->wave, task->wave_units, task->wave_hosts, task->wave_end,
				   task->wave_base, task->next_wave_at);
	if (!code) {
		task->dirty = false;
		task->touched = true;
	}
	return code;
}

static int save_unit(struct drover_session *s, struct unit_row *unit, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int64_t seq;
	int code = transaction_take_seq(s, 1, &seq, err);

	if (!code)
		code = session_prepare(s, sql_save_unit, &stmt, err, unit->key.task, unit->key.unit, unit->state,
				       unit->attempt, unit->incarnation, unit->open, unit->claimed_at,
				       unit->finished_at, unit->deadline, seq, unit->excused, unit->publish_at,
				       unit->publications);
	if (!code)
		code = sql_queue(s, stmt, err);
	if (!code)
		unit->dirty = false;
	return code;
}

int rows_save(struct drover_session *s, struct drover_error *err)
{
	struct unit_row *unit, *next_unit;
	struct task_row *task, *next_task;
	int code = 0;

	HASH_ITER (hh, s->units, unit, next_unit)
		if (!code && unit->dirty)
			code = save_unit(s, unit, err);
	HASH_ITER (hh, s->tasks, task, next_task)
		if (!code && task->dirty)
			code = save_task(s, task, err);
	return code;
}

void rows_forget(struct drover_session *s)
{
	struct task_row *task, *next;

	rows_forget_units(s);
	HASH_ITER (hh, s->tasks, task, next)
		rows_forget_task(s, task);
}
