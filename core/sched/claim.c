/*
 * claim.c - takes ready units in fair order, claims them in the store together with the intents of
 * their first hosts, and starts them.
 *
 * Few units are in a claim under way: what is claimed cannot be overtaken by a more urgent task.
 */
#include <stdlib.h>
#include <string.h>

#include <drover/crash_point.h>

#include "sched/engine_state.h"
#include "sched/offers.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

/* What is in claims under way is begun before whatever comes meanwhile, on each engine: so little, and enough while a commit
 * takes no longer than its units' processes to start. */
#define CLAIM_HOSTS 60 /* in claims under way, or … */
#define CLAIM_UNITS 2  /* … so many units, however large they are */

/* The hosts of one claimed unit, as the store gave them; strings in one run of bytes. */
struct loaded_hosts {
	struct drover_target *targets; /* while loading, the strings are offsets + 1 into `text` */
	int64_t *indexes;
	size_t count, room;
	size_t begun;
	struct buf text;
};

struct claimed_unit {
	struct active_task *task;
	struct drover_claim claim;
	int64_t expected; /* hosts, counted as being claimed */
	struct kept_room kept;
	int64_t changes;     /* task->changes when the claim was put */
	struct offer *offer; /* of a shared task: owned */
	struct loaded_hosts hosts;
};

struct claim_job {
	struct job job;
	struct engine *engine;
	size_t count;
	struct claimed_unit units[];
};

static const char *keep(struct loaded_hosts *hosts, const char *text)
{
	size_t place = hosts->text.size;

	if (!text)
		return NULL;
	buf_append(&hosts->text, text, strlen(text) + 1);
	return (const char *)(uintptr_t)(place + 1);
}

static const char *kept(const struct loaded_hosts *hosts, const char *place)
{
	return place ? hosts->text.data + (uintptr_t)place - 1 : NULL;
}

static int load_host(void *context, int64_t index, enum drover_status status, const struct drover_host_spec *host)
{
	struct loaded_hosts *hosts = context;

	if (hosts->count == hosts->room) {
		hosts->room = hosts->room ? hosts->room * 2 : 32;
		hosts->targets = xrealloc(hosts->targets, hosts->room * sizeof(*hosts->targets));
		hosts->indexes = xrealloc(hosts->indexes, hosts->room * sizeof(*hosts->indexes));
	}
	hosts->targets[hosts->count] = (struct drover_target){ .size = sizeof(struct drover_target),
							       .name = keep(hosts, host->name),
							       .address = keep(hosts, host->address),
							       .port = host->port,
							       .user = keep(hosts, host->user),
							       .vars = keep(hosts, host->vars) };
	hosts->indexes[hosts->count++] = index;
	if (status == DROVER_RUNNING)
		hosts->begun++;
	return 0;
}

static void resolve_strings(struct loaded_hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++) {
		struct drover_target *t = &hosts->targets[i];

		t->name = kept(hosts, t->name);
		t->address = kept(hosts, t->address);
		t->user = kept(hosts, t->user);
		t->vars = kept(hosts, t->vars);
	}
}

static void hosts_dispose(struct loaded_hosts *hosts)
{
	free(hosts->targets);
	free(hosts->indexes);
	buf_dispose(&hosts->text);
	*hosts = (struct loaded_hosts){ .text = BUF_INIT };
}

/* On the writer's thread. */
static int run_claim(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		     struct drover_error *err)
{
	struct claim_job *job = (struct claim_job *)base;
	int code = 0;

	for (size_t i = 0; i < job->count && !code; i++) {
		struct claimed_unit *unit = &job->units[i];

		hosts_dispose(&unit->hosts);
		unit->claim.claimed = false;
		CRASH_POINT("claim.write");
		code = ops->claim(session, job->engine->options.incarnation, &unit->claim, 1, err);
		CRASH_POINT("claim.written");
		if (!code && unit->claim.claimed)
			code = ops->unit_hosts(session, unit->claim.task_key, unit->claim.unit, load_host, &unit->hosts,
					       err);
	}
	return code;
}

static void start_unit(struct engine *e, struct claimed_unit *unit)
{
	const struct drover_task *t = &unit->task->task;
	char why[DROVER_ERROR_SIZE + 64];
	struct exec_unit exec = {
		.info = { .size = sizeof(struct drover_unit_info),
			  .task = t->id,
			  .unit = unit->claim.unit,
			  .attempt = unit->claim.attempt,
			  .type = t->type,
			  .payload = t->payload,
			  .credential = t->credential,
			  .deadline = t->timeout, /* running_start adds the clock */
			  .host_timeout = t->host_timeout,
			  .connect_timeout = t->connect_timeout,
			  .output_limit = t->output_limit,
			  .fanout = t->fanout,
			  .count = unit->hosts.count,
			  .targets = unit->hosts.targets },
		.indexes = unit->hosts.indexes,
		.begun = unit->hosts.begun,
	};

	resolve_strings(&unit->hosts);
	if (hand_is_as_signed(e, unit->task, unit->offer, &unit->claim, unit->hosts.targets, unit->hosts.indexes,
			      unit->hosts.count, why, sizeof(why)))
		running_start(e, unit->task, &unit->claim, unit->kept, &exec);
	else
		ending_refuse(e, unit->task, &unit->claim, why);
}

/* Others may have it, or it may be claimed later. */
static void give_back(struct engine *e, struct claimed_unit *unit, bool failed)
{
	struct active_task *task = unit->task;
	bool again = (failed || unit->claim.later) && !task->ending;

	task->running--;
	if (again && unit->offer)
		hand_return(e, task, unit->claim.unit, unit->offer);
	else if (again && !task->shared)
		ready_return(&e->ready, &task->ready, unit->claim.unit);
	else
		offer_free(unit->offer);
	if (!again && task->shared)
		offers_stale(e->offers);
	if (!failed && unit->claim.later)
		changes_block(e, task, unit->changes);
	task_release(e, task);
}

/* On the loop. A failed claim is like one that somebody else won: another try finds out. */
static void claim_done(struct job *base, int code, const struct drover_error *err)
{
	struct claim_job *job = (struct claim_job *)base;
	struct engine *e = job->engine;

	CRASH_POINT("claim.done");
	if (code)
		log_error("cannot claim units: %s", err->message);
	/* From the last on: what is given back last is taken first. */
	for (size_t i = job->count; i-- > 0;) {
		struct claimed_unit *unit = &job->units[i];
		struct active_task *task = unit->task;

		e->claiming_hosts -= unit->expected;
		e->claiming_units--;
		engine_room_change(e, (size_t)task->executor, unit->kept, -unit->expected, -1);
		if (!code && unit->claim.claimed) {
			e->look_soon = true;
			start_unit(e, unit);
			offer_free(unit->offer);
		} else {
			give_back(e, unit, code != 0);
		}
		hosts_dispose(&unit->hosts);
	}
	free(job);
	engine_wake(e);
}

/* ------------------------------------------------------------------------------------ what is taken */

static enum ready_fit fits(void *context, struct ready_task *ready)
{
	struct engine *e = context;
	struct active_task *task = (struct active_task *)ready;
	const struct executor_slot *slot;

	if (task->executor < 0 || (task->task.fanout && task->wants.head))
		return READY_NOT_NOW;
	slot = &e->slots[task->executor];
	if (!slot->link || !slot->ready || slot->not_before > clock_boot_ms())
		return READY_NOT_NOW;
	return engine_room_of_node(e, task) != ROOM_NONE && engine_room_of_executor(e, task) != ROOM_NONE
		       ? READY_FITS
		       : READY_NO_ROOM;
}

static bool may_claim_more(const struct engine *e)
{
	return e->claiming_hosts < CLAIM_HOSTS || e->claiming_units < CLAIM_UNITS;
}

/*
 * How many intents come with the claim. In a task that may be aborted, one: its executor asks for the others as
 * it comes to them, so that none is begun that need not be.
 */
static int64_t first_window(const struct engine *e, const struct active_task *task)
{
	return task->task.max_failed_as ? 1 : e->options.executors->items[task->executor].window;
}

void claim_units(struct engine *e)
{
	const struct ready_rules rules = { .fits = fits, .shares = engine_room_shares, .context = e };
	struct ready_task *ready;
	struct claim_job *job = NULL;
	size_t room = 0;
	int64_t number;

	if (!engine_takes_units(e) || !engine_has_lease(e) || e->spool_full || e->unstored > e->options.result_backlog)
		return;
	while (may_claim_more(e) && ready_take(&e->ready, &rules, &ready, &number)) {
		struct active_task *task = (struct active_task *)ready;
		int64_t hosts = engine_room_of_unit(task);

		if (!job || job->count == room) {
			room = room ? room * 2 : 8;
			job = xrealloc(job, sizeof(*job) + room * sizeof(job->units[0]));
			if (room == 8)
				*job = (struct claim_job){
					.job = { .run = run_claim, .done = claim_done, .on_loop = true }, .engine = e
				};
		}
		job->units[job->count++] = (struct claimed_unit){
			.task = task,
			.claim = { .task_key = task->key, .unit = number, .window = first_window(e, task) },
			.expected = hosts,
			.kept = engine_room_kept(e, task),
			.changes = task->changes,
			.offer = task->shared ? hand_take(e, task, number) : NULL,
		};
		job->job.weight += hosts;
		e->claiming_hosts += hosts;
		e->claiming_units++;
		engine_room_change(e, (size_t)task->executor, job->units[job->count - 1].kept, hosts, 1);
		task->running++;
	}
	if (job)
		writer_put(e->writer, &job->job);
	hand_look(e, !job && may_claim_more(e) && engine_room_has_any(e));
}
