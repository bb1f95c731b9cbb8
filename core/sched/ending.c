/*
 * ending.c - what the end of a unit's processes means for its hosts that have no result, as one table.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sched/engine_state.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define NOT_STARTED_PAUSE 1000 /* ms: what was missing (processes, memory) may be there again */
#define MESSAGE_SIZE 2048

struct rule {
	enum drover_status begun; /* hosts with an intent; DROVER_PENDING: again in the next attempt */
	enum drover_status rest;  /* hosts without */
	const char *message;
};

static const struct rule rules[] = {
	[EXEC_RETURNED] = { DROVER_FAILED, DROVER_FAILED, "the executor ended without having reported this host" },
	[EXEC_ERROR] = { DROVER_FAILED, DROVER_FAILED, "the executor failed" },
	[EXEC_EXITED] = { DROVER_LOST, DROVER_PENDING, "the unit's process exited before it reported this host" },
	[EXEC_KILLED] = { DROVER_LOST, DROVER_PENDING, "the unit's process was killed" },
	[EXEC_DEADLINE] = { DROVER_TIMEOUT, DROVER_TIMEOUT, "no result by the unit's deadline" },
	[EXEC_STOPPED] = { DROVER_CANCELLED, DROVER_CANCELLED, "cancelled while it ran" },
	[EXEC_NO_PERMIT] = { DROVER_LOST, DROVER_PENDING, "the unit was killed: the core was silent for too long" },
	[EXEC_GARBAGE] = { DROVER_LOST, DROVER_PENDING, "the unit was killed: its process sent what is no message" },
	[EXEC_NOT_STARTED] = { DROVER_PENDING, DROVER_PENDING, "the unit could not be started" },
};

/* The last attempt of a unit that could not be started: its hosts were never touched, so nothing is unknown. */
static const struct rule never_started_rule = {
	DROVER_FAILED, DROVER_FAILED, "the unit could not be started, in its last attempt (limits.attempts)"
};

/* Nobody asked for it here: its executor host ends, since the supervisor died or restarts it. */
static const struct rule with_host_rule = { DROVER_LOST, DROVER_PENDING, "the unit was ended with its executor" };

static const struct rule shutdown_rule = { DROVER_LOST, DROVER_PENDING, "the unit was ended: droverd was stopped" };

static const struct rule cut_off_rule = { DROVER_LOST, DROVER_PENDING,
					  "the unit was ended: its engine could not renew its lease" };

void ending_stored(struct engine *e, struct active_task *task, const struct drover_unit_end *end, bool stored)
{
	task->running--;
	/* A shared one is published again: this engine may not be the one that can execute it. */
	if (stored && end->ready && !task->ending && !task->shared)
		ready_return(&e->ready, &task->ready, end->unit);
	hub_unit(e->hub, task->task.id, end->unit, end->ready ? "ready" : "done", end->attempt);
	task_release(e, task);
	engine_wake(e);
}

void ending_refuse(struct engine *e, struct active_task *task, const struct drover_claim *claim, const char *why)
{
	char message[MESSAGE_SIZE];
	const struct drover_unit_end end = {
		.task_key = task->key,
		.unit = claim->unit,
		.incarnation = e->options.incarnation,
		.attempt = claim->attempt,
		.begun = DROVER_FAILED,
		.rest = DROVER_FAILED,
		.message = message,
		.max_attempts = e->options.max_attempts,
	};

	snprintf(message, sizeof(message), "not executed: %s", why);
	results_end(e, task, &end, clock_utc_ms(), claim->count);
	engine_wake(e);
}

static void describe(const struct rule *rule, const struct running_unit *unit, const struct exec_ended *ended,
		     char *text, size_t size)
{
	struct buf b = BUF_INIT;

	buf_string(&b, rule->message);
	if (ended->how == EXEC_EXITED)
		buf_printf(&b, ": exit code %d", ended->code);
	else if (ended->how == EXEC_KILLED && ended->code)
		buf_printf(&b, " by signal %d (%s)", ended->code, strsignal(ended->code));
	else if (ended->how == EXEC_DEADLINE)
		buf_printf(&b, " of %.3g s", (double)unit->task->task.timeout / 1000);
	if (ended->message && *ended->message)
		buf_printf(&b, ": %s", ended->message);
	if (unit->notes)
		buf_printf(&b, "; it %s", unit->notes);
	if (ended->tail && *ended->tail && ended->how != EXEC_DEADLINE && ended->how != EXEC_STOPPED)
		buf_printf(&b, "; its last words: %.500s", ended->tail);
	snprintf(text, size, "%s", b.data);
	buf_dispose(&b);
}

static const struct rule *choose_rule(const struct engine *e, const struct running_unit *unit, enum exec_end how)
{
	if (how == EXEC_STOPPED && unit->shutdown)
		return &shutdown_rule;
	if (how == EXEC_STOPPED && unit->cut_off)
		return &cut_off_rule;
	if (how == EXEC_STOPPED && !unit->stopped)
		return &with_host_rule;
	if (how == EXEC_NOT_STARTED && unit->tries >= e->options.max_attempts && !unit->cut_off)
		return &never_started_rule;
	return &rules[how];
}

/* The unit's results so far were added before: a result that was sent before the end wins. */
void ending_put(struct engine *e, struct running_unit *unit, const struct exec_ended *ended)
{
	struct executor_slot *slot = &e->slots[unit->executor];
	enum exec_end how = (size_t)ended->how < sizeof(rules) / sizeof(*rules) ? ended->how : EXEC_GARBAGE;
	const struct rule *rule = choose_rule(e, unit, how);
	char message[MESSAGE_SIZE];
	struct drover_unit_end end;

	if (how == EXEC_NOT_STARTED)
		slot->not_before = clock_boot_ms() + NOT_STARTED_PAUSE;
	end = (struct drover_unit_end){
		.task_key = unit->task->key,
		.unit = unit->unit,
		.incarnation = e->options.incarnation,
		.attempt = unit->attempt,
		.begun = rule->begun,
		.rest = rule->rest,
		.phase = rule->begun == DROVER_TIMEOUT ? DROVER_PHASE_EXECUTION : DROVER_PHASE_NONE,
		.remote = rule->begun == DROVER_PENDING ? DROVER_REMOTE_NONE : DROVER_REMOTE_UNKNOWN,
		.max_attempts = e->options.max_attempts,
	};
	if (unit->task->task.rerun_lost && rule->begun == DROVER_LOST)
		end.begun = DROVER_PENDING;
	/* An outage of the store counts against nobody. */
	end.excused = unit->cut_off;
	if (how == EXEC_DEADLINE && unit->task->task.fanout) {
		/* The rest waited for the fan-out and was never touched: its turn comes, in an attempt that is new. */
		end.rest = DROVER_PENDING;
		end.excused = true;
	}
	if (unit->left || unit->notes) {
		describe(rule, unit, ended, message, sizeof(message));
		end.message = message;
	}
	if (unit->left && how != EXEC_DEADLINE && how != EXEC_STOPPED)
		log_warning("task %s unit %lld attempt %d: %s (%zu of %zu hosts without a result)", unit->task->task.id,
			    (long long)unit->unit, unit->attempt, message, unit->left, unit->count);
	engine_room_change(e, slot->position, unit->kept, -(int64_t)unit->left, -1);
	results_end(e, unit->task, &end, clock_utc_ms(), (int64_t)unit->left);
	running_free(e, unit);
	engine_wake(e);
}
