/*
 * unit_end.c - an attempt ends: what becomes of its unit's hosts that have no final status, by order of
 * the engine that held it, or of whoever sweeps after that engine is gone.
 */
#include "sqlstore.h"

/* Each host gets a change number of its own: ?8 plus its id. */
static const char sql_end_hosts[] =
	"UPDATE hosts SET status = ?4, phase = ?5, remote = ?6, finished_at = CASE WHEN started_at > ?7 THEN started_at"
	" ELSE ?7 END, seq = ?8 + id, message = ?9"
	" WHERE id BETWEEN ?1 AND ?2 AND status = ?3";
/* Again: hosts that were surely not touched, as if there had been no attempt; and others (begun_before.c). */
static const char sql_untouched[] =
	"UPDATE hosts SET status = 0, attempt = 0, incarnation = 0, started_at = 0, seq = ?3 + id"
	" WHERE id BETWEEN ?1 AND ?2 AND status = 1";
static const char sql_again[] = "UPDATE hosts SET status = 0, remote = ?4, seq = ?3 + id"
				" WHERE id BETWEEN ?1 AND ?2 AND status = 1";
static const char sql_message[] = "UPDATE units SET message = ?3 WHERE task = ?1 AND unit = ?2";
/* Holders one after the other, each by one look at an index, however many units they hold. */
static const char sql_next_holder[] = "SELECT u.incarnation FROM units u INDEXED BY units_held WHERE u.state = 1"
				      " AND u.incarnation > ?1 ORDER BY u.incarnation LIMIT 1";
static const char sql_ended[] = "SELECT node FROM incarnations WHERE id = ?1 AND ended_at > 0";
static const char sql_abandoned[] =
	"SELECT u.task, u.unit, u.attempt, t.rerun_lost FROM units u INDEXED BY units_held JOIN tasks t"
	" ON t.key = u.task WHERE u.state = 1 AND u.incarnation = ?1 ORDER BY u.task, u.unit LIMIT ?2";

/* What the unit's hosts of one status become. */
struct fate {
	enum drover_status from, to;
	enum drover_phase phase;
	enum drover_remote remote;
	int64_t ended_at;
	char message[DROVER_ERROR_SIZE];
};

static int apply(struct drover_session *s, struct unit_row *unit, const struct fate *fate, int64_t now,
		 struct drover_error *err)
{
	int64_t id = unit->task->host_base + unit->first;
	bool requeued = fate->to == DROVER_PENDING;
	int64_t last = id + unit->count - 1;
	int64_t seq, changed;
	struct sql_stmt *stmt;
	int code;

	if (fate->from == fate->to)
		return 0;
	code = transaction_take_seq(s, unit->count, &seq, err);
	if (!code && requeued && fate->remote == DROVER_REMOTE_NONE)
		code = session_run(s, sql_untouched, &changed, err, id, last, seq - id);
	else if (!code && requeued)
		code = session_run(s, sql_again, &changed, err, id, last, seq - id, fate->remote);
	if (!code && !requeued) {
		code = session_prepare(s, sql_end_hosts, &stmt, err, id, last, fate->from, fate->to, fate->phase,
				       fate->remote, fate->ended_at, seq - id);
		if (code)
			return code;
		sql_bind_text(stmt, 9, fate->message[0] ? fate->message : NULL);
		code = sql_step(s, stmt, err);
		changed = driver_changes(s);
	}
	if (!code)
		states_move_hosts(unit->task, unit, fate->from, fate->to, changed, now);
	return code;
}

/*
 * Pending again needs a next attempt: there is none in a task that is ending, and none after the last.
 * A host that was begun then ends `lost`, not `failed`: nobody knows what became of it. But where no process was
 * started for it, it shares the fate of those without an intent: `together`.
 */
static void decide(const struct unit_row *unit, const struct drover_unit_end *end, struct fate *begun,
		   struct fate *rest, bool *together)
{
	const char *message = end->message ? end->message : "its attempt ended";
	bool ending = unit->task->state != DROVER_TASK_RUNNING;
	long long attempts = unit->attempt - unit->excused;
	bool exhausted = end->max_attempts > 0 && attempts >= end->max_attempts;

	*begun = (struct fate){ .from = DROVER_RUNNING, .to = end->begun, .remote = end->remote };
	*rest = (struct fate){ .from = DROVER_PENDING, .to = end->rest };
	snprintf(begun->message, sizeof(begun->message), "%s", end->message ? end->message : "");
	snprintf(rest->message, sizeof(rest->message), "%s", end->message ? end->message : "");
	if (end->rest == DROVER_PENDING && ending) {
		rest->to = DROVER_CANCELLED;
		snprintf(rest->message, sizeof(rest->message), "not started before its task ended; %s", message);
	} else if (end->rest == DROVER_PENDING && exhausted) {
		rest->to = DROVER_FAILED;
		snprintf(rest->message, sizeof(rest->message),
			 "not started after %lld attempt%s (limits.attempts); the last: %s", attempts,
			 attempts == 1 ? "" : "s", message);
	}
	if (end->begun == DROVER_PENDING && (ending || exhausted) && end->remote != DROVER_REMOTE_NONE) {
		begun->to = DROVER_LOST;
		snprintf(begun->message, sizeof(begun->message), "no result after %lld attempt%s%s; the last: %s",
			 attempts, attempts == 1 ? "" : "s", exhausted ? " (limits.attempts)" : "", message);
	}
	begun->phase = begun->to == DROVER_TIMEOUT ? end->phase : DROVER_PHASE_NONE;
	rest->phase = rest->to == DROVER_TIMEOUT ? DROVER_PHASE_WAITING : DROVER_PHASE_NONE; /* never begun */
	*together = begun->to == DROVER_PENDING && (ending || exhausted);
}

/* How the attempt ended, unless well; an attempt that ended well clears what the one before it left. */
static int keep_message(struct drover_session *s, const struct unit_row *unit, const char *message,
			struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code;

	if (!message && unit->attempt == 1)
		return 0;
	code = session_prepare(s, sql_message, &stmt, err, unit->key.task, unit->key.unit);
	if (code)
		return code;
	sql_bind_text(stmt, 3, message);
	return sql_step(s, stmt, err);
}

int unit_end(struct drover_session *s, struct drover_unit_end *end, struct drover_error *err)
{
	struct fate begun, rest;
	struct unit_row *unit;
	int64_t now = driver_now(s);
	bool together, aborted;
	int code;

	end->held = end->ready = false;
	code = rows_unit(s, end->task_key, end->unit, &unit, err);
	if (code == DROVER_ENOTFOUND) /* removed meanwhile */
		return 0;
	if (code || unit->attempt != end->attempt || unit->incarnation != end->incarnation)
		return code;
	end->held = true;
	code = keep_message(s, unit, end->message, err);
	if (code || unit->state == DROVER_UNIT_DONE)
		return code;
	unit->excused += end->excused;
	decide(unit, end, &begun, &rest, &together);
	begun.ended_at = rest.ended_at = now - end->age;
	if (together)
		code = apply(s, unit, &begun, now, err);
	if (!code && rest.to != DROVER_PENDING)
		code = begun_before_lose(s, unit->task, unit, rest.message, rest.ended_at, now, err);
	if (!code)
		code = apply(s, unit, &rest, now, err);
	if (!code && !together) /* after the rest: it may become pending */
		code = apply(s, unit, &begun, now, err);
	if (!code && unit->open) {
		states_move_unit(unit, DROVER_UNIT_READY, now);
		unit->incarnation = unit->claimed_at = unit->deadline = 0;
		end->ready = true;
	}
	if (!code)
		code = thresholds_check(s, unit->task, &aborted, err);
	if (!code && aborted)
		end->ready = false;
	return code;
}

/* A unit whose holder is gone, with what its end's message says. */
struct abandoned {
	struct drover_unit_end end;
	char message[160];
};

/* Units that are to be given back. */
struct sweep {
	struct abandoned *units;
	int64_t count, limit;
	int max_attempts;
};

static int take_from(struct drover_session *s, int64_t incarnation, const char *message, struct sweep *sweep,
		     struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare(s, sql_abandoned, &stmt, err, incarnation, sweep->limit - sweep->count);

	if (code)
		return code;
	while ((code = sql_step(s, stmt, err)) > 0) {
		struct abandoned *unit = &sweep->units[sweep->count++];

		unit->end = (struct drover_unit_end){
			.task_key = sql_int64(stmt, 0),
			.unit = sql_int64(stmt, 1),
			.attempt = sql_int(stmt, 2),
			.incarnation = incarnation,
			.begun = sql_int(stmt, 3) ? DROVER_PENDING : DROVER_LOST,
			.rest = DROVER_PENDING,
			.remote = DROVER_REMOTE_UNKNOWN,
			.max_attempts = sweep->max_attempts,
			.message = unit->message,
		};
		snprintf(unit->message, sizeof(unit->message), "%s", message);
	}
	return code;
}

/* What becomes of the units of one that has ended; empty: it lives. */
static int say_why(struct drover_session *s, int64_t incarnation, char *message, size_t size, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare(s, sql_ended, &stmt, err, incarnation);

	*message = '\0';
	if (!code)
		code = sql_step(s, stmt, err);
	if (code <= 0)
		return code;
	snprintf(message, size, "the engine %s that executed it is gone", sql_text(stmt, 0));
	sql_reset(stmt);
	return 0;
}

static int find_abandoned(struct drover_session *s, struct sweep *sweep, struct drover_error *err)
{
	char message[sizeof(sweep->units->message)];
	int64_t holder = 0;
	int code = 0;

	while (!code && sweep->count < sweep->limit) {
		code = session_number(s, sql_next_holder, 0, &holder, err, holder);
		if (code || !holder)
			break;
		code = say_why(s, holder, message, sizeof(message), err);
		if (!code && *message)
			code = take_from(s, holder, message, sweep, err);
	}
	return code;
}

int unit_end_sweep(struct drover_session *s, int max_attempts, int64_t limit, drover_unit_row_fn *fn, void *context,
		   bool *more, struct drover_error *err)
{
	struct sweep sweep = { .limit = limit, .max_attempts = max_attempts };
	int code;

	*more = false;
	if (limit <= 0)
		return drover_error_set(err, DROVER_EINVALID, "a sweep needs a limit");
	sweep.units = calloc((size_t)limit, sizeof(*sweep.units));
	if (!sweep.units)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	code = transaction_flush(s, err); /* units claimed in this very transaction are to be found, too */
	if (!code)
		code = transaction_serialise(s, err);
	if (!code)
		code = find_abandoned(s, &sweep, err);
	for (int64_t i = 0; !code && i < sweep.count; i++)
		code = unit_end(s, &sweep.units[i].end, err);
	for (int64_t i = 0; !code && fn && i < sweep.count; i++) {
		const struct drover_unit_end *end = &sweep.units[i].end;

		code = query_units(s, end->task_key, end->unit - 1, 1, fn, context, err);
	}
	*more = !code && sweep.count == limit;
	free(sweep.units);
	return code;
}
