/*
 * outbox_void.c - published units that nobody claims since no engine will ever execute them: what the store has of
 * them is not what was signed. They are ended, so that their task is.
 *
 * Whoever can write to the database can replace an envelope, and it could as well write statuses; so to end such a
 * unit gives nobody anything. But a node must not end what others can execute: one that knows fewer keys, or an older
 * version, leaves the unit alone (envelope_judge). It is ended as an engine would do it, by a claim: who claims it
 * first decides.
 */
#include <stdlib.h>
#include <string.h>

#include "sched/outbox_state.h"
#include "task/envelope.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define TELL_EVERY 60000 /* ms */

struct void_job {
	struct job job;
	struct outbox *outbox;
	struct outbox_flight *flight;
	struct drover_claim claim;
	char *task;
	char why[DROVER_ERROR_SIZE];
};

struct void_note {
	struct outbox_note note;
	struct void_job *job;
};

static int run_void(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		    struct drover_error *err)
{
	struct void_job *job = (struct void_job *)base;
	const struct outbox *o = job->outbox;
	char message[DROVER_ERROR_SIZE + 64];
	struct drover_unit_end end = {
		.task_key = job->flight->key.task_key,
		.unit = job->flight->key.unit,
		.incarnation = o->options.incarnation,
		.begun = DROVER_FAILED,
		.rest = DROVER_FAILED,
		.message = message,
	};
	int code;

	snprintf(message, sizeof(message), "not executed: it differs from what was signed: %s", job->why);
	job->claim = (struct drover_claim){ .task_key = end.task_key, .unit = end.unit };
	code = ops->claim(session, o->options.incarnation, &job->claim, 1, err);
	end.attempt = job->claim.attempt;
	if (!code && job->claim.claimed)
		code = ops->end_unit(session, &end, err);
	return code;
}

/* On the outbox's thread: one that was not to be claimed now is looked at again later. */
static void take_void(struct outbox *o, struct outbox_note *note)
{
	struct void_job *job = ((struct void_note *)note)->job;
	struct outbox_flight *flight = job->flight;

	HASH_DEL(o->flights, flight);
	if (job->claim.claimed)
		flight->lane->in_flight--;
	else
		outbox_mark(o, flight->lane, flight->key.task_key, flight->key.unit, flight->publications);
	free(flight);
	free(job->task);
	free(job);
	free(note);
}

/* On the loop. */
static void void_done(struct job *base, int code, const struct drover_error *err)
{
	struct void_job *job = (struct void_job *)base;
	struct outbox *o = job->outbox;
	struct void_note *note = xcalloc(1, sizeof(*note));

	if (code) {
		job->claim.claimed = false;
		log_error("cannot end unit %lld of task %s, which nobody can execute: %s", (long long)job->claim.unit,
			  job->task, err->message);
	} else if (job->claim.claimed) {
		atomic_fetch_add(&o->voided, 1);
		log_warning("task %s unit %lld is ended, since nobody can execute it: %s", job->task,
			    (long long)job->claim.unit, job->why);
		if (o->options.forged)
			o->options.forged(o->options.context, job->task, job->claim.unit, job->why);
	}
	note->note.take = take_void;
	note->job = job;
	outbox_post(o, &note->note);
}

static void end(struct outbox *o, struct outbox_lane *lane, const struct drover_due_unit *unit, const char *why)
{
	struct void_job *job = xcalloc(1, sizeof(*job));
	struct outbox_flight *flight = xcalloc(1, sizeof(*flight));

	flight->key = (struct outbox_unit_key){ unit->task_key, unit->unit };
	flight->lane = lane;
	flight->publications = unit->publications;
	HASH_ADD(hh, o->flights, key, sizeof(flight->key), flight);
	lane->in_flight++;
	job->job = (struct job){ .run = run_void, .done = void_done, .weight = 1, .on_loop = true };
	job->outbox = o;
	job->flight = flight;
	job->task = xstrdup(unit->task);
	snprintf(job->why, sizeof(job->why), "%s", why);
	writer_put(o->options.writer, &job->job);
}

bool outbox_void(struct outbox *o, struct outbox_lane *lane, const struct drover_due_unit *unit)
{
	struct drover_error why = { 0 };
	int64_t now = clock_boot_ms();

	switch (o->options.keys ? envelope_judge(o->options.keys, unit->envelope.data, unit->envelope.size, unit->task,
						 unit->unit, &why)
				: ENVELOPE_SOUND) {
	case ENVELOPE_SOUND:
		return false;
	case ENVELOPE_UNSURE:
		atomic_fetch_add(&o->unsure, 1);
		if (!o->told_unsure_at || now - o->told_unsure_at >= TELL_EVERY)
			log_warning("task %s unit %lld is claimed by nobody, and cannot be verified here: %s",
				    unit->task, (long long)unit->unit, why.message);
		if (!o->told_unsure_at || now - o->told_unsure_at >= TELL_EVERY)
			o->told_unsure_at = now;
		return false;
	case ENVELOPE_VOID:
		break;
	}
	end(o, lane, unit, why.message);
	return true;
}
