/*
 * core_submit.c - from a request's body to a task that is durable and visible.
 *
 * A large task is inserted in chunks, each a job of its own, so that other writers get their turn
 * between them; it is invisible until the last one. Runs on a source's thread.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <drover/crash_point.h>

#include "daemon/core.h"
#include "daemon/inventory_keeper.h"
#include "sched/outbox.h"
#include "task/envelope.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/nodeset.h"

#define AUDIT_HOSTS 1000       /* that a line of the audit log is folded from */
#define CHUNK 4000             /* host rows in one job */
#define OTHER_WAIT_MS 10000    /* for another request with the same id */
#define INVENTORY_WAIT_MS 5000 /* for its very first reading */

/* Units of a chunk, with what was signed of them. */
struct unit_chunk {
	struct drover_unit_spec *specs;
	int64_t first, count;
	struct buf messages;
};

struct insert_job {
	struct job job;
	struct core *core;
	struct submission *submission;
	const struct unit_chunk *units;
	int64_t first, count; /* hosts of this chunk */
	bool begin, finish;
	bool tried; /* it was run: whatever is said of it, it may be in the store */
};

static int run_insert(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		      struct drover_error *err)
{
	struct insert_job *job = (struct insert_job *)base;
	const struct unit_chunk *units = job->units;
	struct submission *s = job->submission;
	int code = 0;

	job->tried = true;
	if (job->begin)
		code = ops->insert_task(session, job->core->incarnation, &s->task, err);
	if (!code)
		code = ops->insert_hosts(session, &s->task, job->first, s->hosts + job->first, job->count, err);
	if (!code && units->count)
		code = ops->insert_units(session, &s->task, units->first, units->specs, units->count, err);
	CRASH_POINT("accept.write");
	if (!code && job->finish)
		code = ops->accept(session, s->task.key, err);
	CRASH_POINT("accept.written");
	return code;
}

/* ------------------------------------------------------------------------- what is signed of units */

static int sign_unit(struct core *core, const struct submission *s, int64_t unit, struct drover_unit_spec *spec,
		     struct buf *messages, bool confined, struct drover_error *err)
{
	size_t before = messages->size;
	int code = envelope_sign(core->keys, &s->task, unit, spec, s->hosts + spec->first, confined, messages, err);

	spec->envelope.size = messages->size - before;
	return code;
}

/*
 * The next units, all whose hosts are below `hosts`; signed where other nodes execute them. Only a chunk's
 * envelopes are in memory at once.
 */
static int next_units(struct core *core, const struct submission *s, int64_t hosts, bool confined,
		      struct unit_chunk *units, struct drover_error *err)
{
	int64_t room = 0;
	size_t place = 0;
	int code = 0;

	units->first += units->count;
	units->count = 0;
	units->messages.size = 0;
	while (!code && units->first + units->count < s->task.units) {
		int64_t unit = units->first + units->count;
		struct drover_unit_spec spec = submission_unit(s, unit);

		if (spec.first + spec.count > hosts)
			break;
		if (!s->task.home)
			code = sign_unit(core, s, unit, &spec, &units->messages, confined, err);
		if (units->count == room) {
			room = room ? room * 2 : 64;
			units->specs = xrealloc(units->specs, (size_t)room * sizeof(*units->specs));
		}
		units->specs[units->count++] = spec;
	}
	for (int64_t i = 0; i < units->count; i++) {
		units->specs[i].envelope.data = units->specs[i].envelope.size ? units->messages.data + place : NULL;
		place += units->specs[i].envelope.size;
	}
	return code;
}

static int insert(struct core *core, struct submission *s, bool confined, struct drover_error *err)
{
	struct unit_chunk units = { .specs = NULL, .messages = BUF_INIT };
	int64_t total = s->task.hosts;
	int code = 0;

	for (int64_t first = 0; first < total && !code; first += CHUNK) {
		int64_t count = total - first < CHUNK ? total - first : CHUNK;
		struct insert_job job = {
			.job = { .run = run_insert, .impatient = true },
			.core = core,
			.submission = s,
			.units = &units,
			.first = first,
			.count = count,
			.begin = first == 0,
			.finish = first + count == total,
		};

		code = next_units(core, s, first + count, confined, &units, err);
		job.job.weight = count + units.count;
		if (!code)
			code = writer_wait(core->writer, &job.job, err);
		if (code && (first || (code == DROVER_ERETRY && job.tried)))
			core_given_up(core, s, first > 0);
	}
	free(units.specs);
	buf_dispose(&units.messages);
	return code;
}

struct accepted_note {
	struct job job;
	struct core *core;
	struct active_task *task;
};

static void tell_engine(struct job *base, int code, const struct drover_error *err)
{
	struct accepted_note *note = (struct accepted_note *)base;

	(void)code;
	(void)err;
	engine_task_accepted(note->core->engine, note->task);
	free(note);
}

static void accepted(struct core *core, const struct submission *s)
{
	struct accepted_note *note;

	if (!s->task.home) {
		outbox_accepted(core->outbox, &s->task);
		return;
	}
	note = xcalloc(1, sizeof(*note));
	note->job.done = tell_engine;
	note->core = core;
	note->task = engine_task_copy(&s->task, s->executor);
	writer_post(core->writer, &note->job);
}

struct known_task {
	const struct submission *wanted;
	struct drover_submission *answer;
	bool equal;
};

static int compare_known(void *context, const struct drover_task *task)
{
	struct known_task *known = context;

	known->equal = task->body_size == known->wanted->task.body_size &&
		       !memcmp(task->body, known->wanted->task.body, task->body_size);
	known->answer->state = task->state;
	known->answer->hosts = task->hosts;
	known->answer->units = task->units;
	known->answer->waves = task->waves;
	snprintf(known->answer->executor, sizeof(known->answer->executor), "%s", task->executor);
	return 0;
}

/* 0: the very task is there already; DROVER_ENOTFOUND: the id is free; DROVER_ECONFLICT. */
static int find_known(struct core *core, const struct submission *s, struct drover_submission *answer,
		      struct drover_error *err)
{
	struct known_task known = { .wanted = s, .answer = answer };
	int code = core_services.task(core, s->task.id, compare_known, &known, err);

	if (code)
		return code;
	if (!known.equal)
		return drover_error_set(err, DROVER_ECONFLICT, "another task has the id %s", s->task.id);
	answer->repeated = true;
	return 0;
}

/*
 * Two requests with one id at once: the slower one finds the other's task, as soon as that is there; it
 * may still be on its way, or given up.
 */
static int await_known(struct core *core, const struct submission *s, struct drover_submission *answer,
		       struct drover_error *err)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000000 };
	int64_t end = clock_boot_ms() + OTHER_WAIT_MS;
	int code = find_known(core, s, answer, err);

	while (code == DROVER_ENOTFOUND && clock_boot_ms() < end) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		code = find_known(core, s, answer, err);
	}
	if (code == DROVER_ENOTFOUND)
		code = drover_error_set(err, DROVER_ERETRY, "another request with the id %s is under way", s->task.id);
	return code;
}

static void fill_answer(struct drover_submission *answer, const struct submission *s)
{
	snprintf(answer->id, sizeof(answer->id), "%s", s->task.id);
	answer->state = DROVER_TASK_QUEUED;
	answer->hosts = s->task.hosts;
	answer->units = s->task.units;
	answer->waves = s->task.waves;
	snprintf(answer->executor, sizeof(answer->executor), "%s", s->task.executor);
}

/* Before it is stored, so that no task is executed that the audit log does not have. */
static int audit_submission(struct core *core, const struct drover_principal *by, const struct submission *s,
			    const char *result, const char *why, struct drover_error *err)
{
	struct drover_audit line = { .size = sizeof(line),
				     .action = s->task.parent ? "retry" : "submit",
				     .result = result,
				     .by = by,
				     .task = s->task.id,
				     .detail = why };
	struct buf detail = BUF_INIT;
	char *names[AUDIT_HOSTS], *folded = NULL;
	size_t count = s->host_count < AUDIT_HOSTS ? s->host_count : AUDIT_HOSTS;
	int code;

	if (!why) {
		for (size_t i = 0; i < count; i++)
			names[i] = (char *)s->hosts[i].name;
		folded = nodeset_fold(names, count);
		buf_printf(&detail, "%s by %s on %zu hosts: %.400s%s", s->task.type, s->task.executor, s->host_count,
			   folded, count < s->host_count || strlen(folded) > 400 ? "…" : "");
		if (s->task.parent)
			buf_printf(&detail, "; again from %s", s->task.parent);
		if (s->task.credential)
			buf_printf(&detail, "; credential %s", s->task.credential);
		line.detail = detail.data;
	}
	code = core_audit(core, &line, err);
	free(folded);
	buf_dispose(&detail);
	return code;
}

static int store_submission(struct core *core, struct drover_submission *submission, struct submission *s,
			    struct drover_error *err)
{
	bool own_id = s->task.id != s->id;
	int code;

	if (own_id) {
		code = find_known(core, s, submission, err);
		if (code != DROVER_ENOTFOUND)
			return code;
	}
	code = audit_submission(core, submission->by, s, "allowed", NULL, err);
	if (code)
		return code;
	code = insert(core, s, access_is_confined(submission->by), err);
	if (code == DROVER_ELIMIT && submission->problem) {
		submission->problem(submission->context, "/unit_size", err->message);
		code = drover_error_set(err, DROVER_EINVALID, "a unit of the task is too large to be signed");
	}
	if (code)
		audit_submission(core, submission->by, s, "failed", err ? err->message : NULL, NULL);
	if (code == DROVER_ECONFLICT && own_id)
		return await_known(core, s, submission, err);
	if (code)
		return code;
	CRASH_POINT("accept.done");
	accepted(core, s);
	log_info("task %s (%s) of %lld hosts in %lld units is accepted", s->task.id, s->task.type,
		 (long long)s->task.hosts, (long long)s->task.units);
	return 0;
}

/* The snapshot that the whole task is resolved by, or why there is none. */
static void take_inventory(struct core *core, struct submission_rules *rules, char *why, size_t size)
{
	struct keeper_state state;

	rules->inventory = keeper_take(core->inventory, INVENTORY_WAIT_MS, &state);
	if (rules->inventory || !strcmp(state.state, "none"))
		return;
	snprintf(why, size, "the inventory %s%s", *state.message ? "cannot be read: " : "has not been read yet",
		 state.message);
	rules->inventory_missing = why;
}

/* What tasks are checked by: here by this node's configuration, on a distributor by what engines have announced. */
static int take_rules(struct core *core, struct submission_rules *rules, struct served **served,
		      struct drover_error *err)
{
	int code = 0;

	*rules = (struct submission_rules){ .executors = &core->executors,
					    .pools = core->pools,
					    .limits = &core->limits };
	if (core_is_distributor(core)) {
		code = served_take(core->served, served, err);
		rules->life = signing_keys_life(core->keys);
		rules->others = *served ? (*served)->pools : NULL;
	} else if (core->offers) {
		code = drover_error_set(err, DROVER_EINVALID,
					"this node executes what distributors have signed, and signs nothing itself: "
					"submit tasks to a distributor");
	}
	return code;
}

int core_submit_child(struct core *core, struct drover_submission *submission, const char *parent,
		      struct drover_error *err)
{
	struct submission_rules rules;
	struct problems problems = { .tell = submission->problem, .context = submission->context, .room = 100 };
	struct submission s = { .executor = -1 };
	struct served *served = NULL;
	char why[640];
	int code = take_rules(core, &rules, &served, err);

	atomic_store(&core->last_request, clock_boot_ms());
	submission->repeated = false;
	if (code == DROVER_EINVALID)
		problems_add(&problems, "", "%s", err ? err->message : "is for a distributor");
	if (!code && !parent)
		take_inventory(core, &rules, why, sizeof(why));
	if (!code)
		code = submission_read(&s, submission->json, submission->json_size, &rules, &problems, err);
	if (!code) {
		s.task.parent = parent;
		code = access_check_submission(core, submission->by, &s, err);
	}
	if (!code) {
		s.task.owner = submission->owner;
		s.task.home = core_is_distributor(core) ? NULL : core->node;
		fill_answer(submission, &s);
		if (!submission->dry_run && atomic_load(&core->draining))
			code = drover_error_set(err, DROVER_ERETRY, "the daemon is stopping");
		else if (!submission->dry_run)
			code = store_submission(core, submission, &s, err);
	}
	submission_dispose(&s);
	inventory_unref(rules.inventory);
	served_give(served);
	return code;
}

int core_submit(void *core, struct drover_submission *submission, struct drover_error *err)
{
	return core_submit_child(core, submission, NULL, err);
}
