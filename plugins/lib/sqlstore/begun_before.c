/*
 * begun_before.c - hosts that were begun in an attempt which brought no result, and are to be begun again (`on_lost`:
 * "rerun"). Where they are not begun again, nobody knows what became of them: they end `lost`, not as what was never
 * touched.
 *
 * Pending hosts with `remote` = DROVER_REMOTE_UNKNOWN are these; an intent leaves it, a result overwrites it.
 */
#include "sqlstore.h"

#include <stdio.h>

static const char sql_lose[] = "UPDATE hosts SET status = ?3, finished_at = CASE WHEN started_at > ?5 THEN started_at"
			       " ELSE ?5 END, seq = ?6 + id, message = ?7"
			       " WHERE id BETWEEN ?1 AND ?2 AND status = 0 AND remote = ?4";

void begun_before_explain(char *text, size_t size, const char *why)
{
	snprintf(text, size, "begun in an attempt that brought no result, and not again: %s", why);
}

int begun_before_lose(struct drover_session *s, struct task_row *task, struct unit_row *unit, const char *why,
		      int64_t ended_at, int64_t now, struct drover_error *err)
{
	int64_t first = task->host_base + (unit ? unit->first : 0), count = unit ? unit->count : task->hosts;
	char message[DROVER_ERROR_SIZE + 80];
	struct sql_stmt *stmt;
	int64_t seq;
	int code;

	if (!task->rerun_lost || (unit && unit->attempt < 2))
		return 0;
	code = transaction_take_seq(s, count, &seq, err);
	if (!code)
		code = session_prepare(s, sql_lose, &stmt, err, first, first + count - 1, DROVER_LOST,
				       DROVER_REMOTE_UNKNOWN, ended_at, seq - first);
	if (code)
		return code;
	begun_before_explain(message, sizeof(message), why);
	sql_bind_text(stmt, 7, message);
	code = sql_step(s, stmt, err);
	if (!code)
		states_move_hosts(task, unit, DROVER_PENDING, DROVER_LOST, driver_changes(s), now);
	return code;
}
