/*
 * claim.c - a unit is taken, and hosts are begun: the two writes that come before a host is touched.
 *
 * Both are refused where the task is ending or the incarnation has ended; what was refused is no error.
 */
#include "sqlstore.h"

static const char sql_begin_hosts[] =
	"UPDATE hosts SET status = 1, started_at = ?3, attempt = ?4, incarnation = ?5, seq = ?6"
	" WHERE id BETWEEN ?1 AND ?2 AND status = 0";
static const char sql_window[] = "SELECT max(id) FROM (SELECT id FROM hosts WHERE id BETWEEN ?1 AND ?2 AND status = 0 "
				 "ORDER BY id LIMIT ?3) AS waiting";
static const char sql_beyond[] =
	"SELECT id FROM hosts WHERE id BETWEEN ?1 AND ?2 AND status = 0 ORDER BY id LIMIT 1 OFFSET ?3";
static const char sql_begun[] =
	"SELECT 1 FROM hosts WHERE id BETWEEN ?1 AND ?2 AND status = 1 AND attempt = ?3 LIMIT 1";

/* The pending hosts among [first, first + count) of the task are running from now on. */
static int begin_hosts(struct drover_session *s, struct unit_row *unit, int64_t first, int64_t count, int64_t now,
		       int64_t *begun, struct drover_error *err)
{
	int64_t id = unit->task->host_base + first;
	int64_t seq;
	int code = transaction_take_seq(s, 1, &seq, err);

	if (!code)
		code = session_run(s, sql_begin_hosts, begun, err, id, id + count - 1, now, unit->attempt,
				   unit->incarnation, seq);
	if (!code)
		states_move_hosts(unit->task, unit, DROVER_PENDING, DROVER_RUNNING, *begun, now);
	return code;
}

/* The first `window` (0: all) pending hosts of the unit, as far as there is room for them. */
static int begin_window(struct drover_session *s, struct unit_row *unit, int64_t window, int64_t now,
			struct drover_error *err)
{
	int64_t id = unit->task->host_base + unit->first;
	int64_t count = unit->count;
	int64_t room = thresholds_room(unit->task);
	int64_t last, begun;
	int code;

	if (!window || room < window)
		window = room;
	if (window > 0 && window < count) {
		code = session_number(s, sql_window, id - 1, &last, err, id, id + count - 1, window);
		if (code)
			return code;
		count = last - id + 1;
	}
	return begin_hosts(s, unit, unit->first, count, now, &begun, err);
}

static bool grants(const struct task_row *task)
{
	return task->state == DROVER_TASK_QUEUED || task->state == DROVER_TASK_RUNNING;
}

/*
 * Whether it was claimed by this session's last transaction, whose commit had no answer: it was done then, and what
 * is asked for is there already.
 */
static bool was_claimed(const struct drover_session *s, const struct unit_row *unit, int64_t incarnation)
{
	return s->doubt_first && unit->state == DROVER_UNIT_CLAIMED && unit->incarnation == incarnation &&
	       unit->seq >= s->doubt_first && unit->seq <= s->doubt_last;
}

static void grant(struct drover_claim *claim, const struct unit_row *unit)
{
	claim->claimed = true;
	claim->attempt = (int)unit->attempt;
	claim->excused = (int)unit->excused;
	claim->first = unit->first;
	claim->count = unit->count;
}

static int claim_one(struct drover_session *s, int64_t incarnation, struct drover_claim *claim, int64_t now,
		     struct drover_error *err)
{
	struct task_row *task;
	struct unit_row *unit;
	int code;

	claim->claimed = claim->later = false;
	code = rows_unit(s, claim->task_key, claim->unit, &unit, err);
	if (code == DROVER_ENOTFOUND) /* removed meanwhile */
		return 0;
	if (code)
		return code;
	task = unit->task;
	if (grants(task) && was_claimed(s, unit, incarnation)) {
		grant(claim, unit);
		return 0;
	}
	if (!grants(task) || (task->expires_at && now >= task->expires_at) || unit->state != DROVER_UNIT_READY)
		return 0;
	claim->later = unit->wave > task->wave || !thresholds_room(task);
	if (!claim->later)
		code = thresholds_wait(s, task, &claim->later, err);
	if (code || claim->later)
		return code;
	states_move_unit(unit, DROVER_UNIT_CLAIMED, now);
	unit->attempt++;
	unit->incarnation = incarnation;
	unit->deadline = task->timeout ? now + task->timeout : 0;
	if (task->state == DROVER_TASK_QUEUED)
		states_move_task(task, DROVER_TASK_RUNNING, now);
	grant(claim, unit);
	return begin_window(s, unit, claim->window, now, err);
}

int claim_units(struct drover_session *s, int64_t incarnation, struct drover_claim *claims, size_t count,
		struct drover_error *err)
{
	int64_t now = driver_now(s);
	bool lives;
	int code = transaction_lives(s, incarnation, &lives, err);

	for (size_t i = 0; i < count && !code; i++) {
		if (lives)
			code = claim_one(s, incarnation, &claims[i], now, err);
		else
			claims[i].claimed = claims[i].later = false;
	}
	return code;
}

/* As many of the intent's first hosts as there is room for. */
static int begin_some(struct drover_session *s, struct unit_row *unit, struct drover_intent *intent, int64_t now,
		      struct drover_error *err)
{
	int64_t id = unit->task->host_base + intent->first;
	int64_t room = thresholds_room(unit->task), count = intent->count;
	int64_t last = 0, begun = 0;
	int code = 0;

	if (room < count)
		code = session_number(s, sql_beyond, 0, &last, err, id, id + count - 1, room);
	if (last) { /* the first that there is no room for */
		count = last - id;
		intent->later = true;
	}
	if (!code && count)
		code = begin_hosts(s, unit, intent->first, count, now, &begun, err);
	if (!code && count && !begun) /* the same intent again? */
		code = session_number(s, sql_begun, 0, &begun, err, id, id + count - 1, unit->attempt);
	intent->granted = begun > 0;
	intent->granted_count = begun > 0 ? count : 0;
	return code;
}

static int intend_one(struct drover_session *s, struct drover_intent *intent, int64_t now, struct drover_error *err)
{
	struct unit_row *unit;
	bool lives;
	int code;

	intent->granted = intent->later = false;
	intent->granted_count = 0;
	code = rows_unit(s, intent->task_key, intent->unit, &unit, err);
	if (code == DROVER_ENOTFOUND)
		return 0;
	if (!code)
		code = transaction_lives(s, intent->incarnation, &lives, err);
	if (code)
		return code;
	if (!lives || !grants(unit->task) || unit->state != DROVER_UNIT_CLAIMED || unit->attempt != intent->attempt ||
	    unit->incarnation != intent->incarnation)
		return 0;
	if (intent->count <= 0 || intent->first < unit->first ||
	    intent->first + intent->count > unit->first + unit->count)
		return drover_error_set(err, DROVER_EINVALID, "unit %lld has no hosts %lld to %lld",
					(long long)intent->unit, (long long)intent->first,
					(long long)(intent->first + intent->count - 1));
	return begin_some(s, unit, intent, now, err);
}

int claim_intend(struct drover_session *s, struct drover_intent *intents, size_t count, struct drover_error *err)
{
	int64_t now = driver_now(s);
	int code = 0;

	for (size_t i = 0; i < count && !code; i++)
		code = intend_one(s, &intents[i], now, err);
	return code;
}
