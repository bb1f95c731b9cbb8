/*
 * thresholds.c - the bounds that a task sets for itself: how many of its hosts run at once, how many may
 * go wrong, in which waves they go, and which tasks exclude each other.
 *
 * All of it is decided within the transaction that claims, begins or ends hosts, from the task's own
 * row, so it holds for any number of engines and after any kill.
 */
#include "sqlstore.h"

#include <stdio.h>

/* Tasks that are still being inserted count: they come before those with higher keys. */
static const char sql_older[] = "SELECT w.key FROM tasks t JOIN tasks w INDEXED BY tasks_concurrency"
				" ON w.concurrency_key = t.concurrency_key WHERE t.key = ?1 AND w.state < 5"
				" AND w.key < ?1 AND w.id IS NOT NULL LIMIT 1";
static const char sql_wave_units[] = "SELECT count(*) FROM units WHERE task = ?1 AND unit >= ?3 AND wave = ?2";
static const char sql_wave_hosts[] =
	"SELECT coalesce(sum(count), 0) FROM units WHERE task = ?1 AND unit >= ?3 AND wave = ?2";
/* Waves follow each other, none is empty, and there are as many as the task says. */
static const char sql_disorder[] =
	"SELECT count(*) FROM (SELECT wave - coalesce(lag(wave, 1) OVER (ORDER BY unit), -1) AS step,"
	" unit FROM units WHERE task = ?1) AS steps WHERE step NOT IN (0, 1) OR (unit = 0 AND step <> 1)";
static const char sql_last_wave[] = "SELECT max(wave) FROM units WHERE task = ?1";

int64_t thresholds_room(const struct task_row *task)
{
	int64_t room = task->fanout - task->counts[DROVER_RUNNING];

	if (task->fanout <= 0)
		return task->hosts;
	return room > 0 ? room : 0;
}

int thresholds_wait(struct drover_session *s, struct task_row *task, bool *wait, struct drover_error *err)
{
	int64_t older = 0;
	int code = 0;

	/* Once it has been claimed from, it was the oldest, and still is. */
	if (task->has_key && task->state == DROVER_TASK_QUEUED) {
		code = transaction_flush(s, err); /* this very transaction may have ended the older one */
		if (!code)
			code = session_number(s, sql_older, 0, &older, err, task->key);
	}
	*wait = older != 0;
	return code;
}

/* -------------------------------------------------------------------------------- max_failed */

static int64_t count_bad(const struct task_row *task)
{
	const int64_t *c = task->counts;

	return c[DROVER_FAILED] + c[DROVER_UNREACHABLE] + c[DROVER_TIMEOUT] + c[DROVER_LOST];
}

static bool is_exceeded(const struct task_row *task)
{
	switch (task->max_failed_as) {
	case DROVER_THRESHOLD_HOSTS:
		return count_bad(task) > task->max_failed;
	case DROVER_THRESHOLD_PERCENT:
		return (count_bad(task) - task->wave_base) * 10000 > task->max_failed * task->wave_hosts;
	case DROVER_THRESHOLD_NONE:
		break;
	}
	return false;
}

static void describe(const struct task_row *task, char *text, size_t size)
{
	const int64_t *c = task->counts;
	long long bad = count_bad(task), in_wave = bad - task->wave_base;
	char figures[160];

	snprintf(figures, sizeof(figures), "%lld failed, %lld unreachable, %lld timeout, %lld lost in the task",
		 (long long)c[DROVER_FAILED], (long long)c[DROVER_UNREACHABLE], (long long)c[DROVER_TIMEOUT],
		 (long long)c[DROVER_LOST]);
	if (task->max_failed_as == DROVER_THRESHOLD_HOSTS)
		snprintf(text, size, "max_failed was exceeded: %lld of %lld hosts went wrong, more than %lld (%s)", bad,
			 (long long)task->hosts, (long long)task->max_failed, figures);
	else if (task->waves > 1)
		snprintf(text, size,
			 "max_failed was exceeded: %lld of the %lld hosts of wave %lld of %lld went wrong, more than "
			 "%.4g%% (%s)",
			 in_wave, (long long)task->wave_hosts, (long long)task->wave + 1, (long long)task->waves,
			 (double)task->max_failed / 100, figures);
	else
		snprintf(text, size, "max_failed was exceeded: %lld of %lld hosts went wrong, more than %.4g%% (%s)",
			 bad, (long long)task->hosts, (double)task->max_failed / 100, figures);
}

int thresholds_check(struct drover_session *s, struct task_row *task, bool *aborted, struct drover_error *err)
{
	char reason[DROVER_ERROR_SIZE - 64];

	*aborted = task->state == DROVER_TASK_RUNNING && is_exceeded(task);
	if (!*aborted)
		return 0;
	describe(task, reason, sizeof(reason));
	return lifecycle_abort(s, task, reason, err);
}

/* ------------------------------------------------------------------------------------- waves */

/* The hosts of the waves that are not open yet are all pending, so nobody has to be counted. */
static bool open_waves_ended(const struct task_row *task)
{
	return !task->counts[DROVER_RUNNING] && task->counts[DROVER_PENDING] == task->hosts - task->wave_end;
}

static bool has_next_wave(const struct task_row *task)
{
	return task->state == DROVER_TASK_RUNNING && task->wave + 1 < task->waves;
}

void thresholds_settle(struct task_row *task, int64_t now)
{
	if (has_next_wave(task) && !task->next_wave_at && open_waves_ended(task))
		task->next_wave_at = now + task->wave_pause;
	else if (!has_next_wave(task))
		task->next_wave_at = 0;
}

static int open_wave(struct drover_session *s, struct task_row *task, int64_t wave, struct drover_error *err)
{
	int64_t units, hosts;
	int code = session_number(s, sql_wave_units, 0, &units, err, task->key, wave, task->wave_units);

	if (!code)
		code = session_number(s, sql_wave_hosts, 0, &hosts, err, task->key, wave, task->wave_units);
	if (code)
		return code;
	task->wave = wave;
	task->wave_units += units;
	task->wave_hosts = hosts;
	task->wave_end += hosts;
	task->wave_base = count_bad(task);
	task->next_wave_at = 0;
	task->dirty = true;
	return 0;
}

int thresholds_open_first(struct drover_session *s, struct task_row *task, struct drover_error *err)
{
	int64_t last, disorder;
	int code = session_number(s, sql_last_wave, 0, &last, err, task->key);

	if (!code)
		code = session_number(s, sql_disorder, 0, &disorder, err, task->key);
	if (!code && (last + 1 != task->waves || disorder))
		code = drover_error_set(err, DROVER_EINVALID, "the task says %lld waves; its units do not",
					(long long)task->waves);
	return code ? code : open_wave(s, task, 0, err);
}

int thresholds_advance(struct drover_session *s, struct drover_advance *advance, struct drover_error *err)
{
	struct task_row *task;
	int code;

	advance->advanced = false;
	code = rows_task(s, advance->task_key, &task, err);
	if (code == DROVER_ENOTFOUND) /* removed meanwhile */
		return 0;
	if (!code)
		code = transaction_flush(s, err); /* what ended in this very transaction has its say */
	if (code || !has_next_wave(task) || task->wave != advance->wave || !task->next_wave_at ||
	    driver_now(s) < task->next_wave_at)
		return code;
	advance->first_unit = task->wave_units;
	code = open_wave(s, task, task->wave + 1, err);
	advance->unit_count = task->wave_units - advance->first_unit;
	advance->advanced = !code;
	return code;
}
