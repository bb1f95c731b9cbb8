/*
 * results.c - hosts' ends and units' on their way to the store: gathered over one turn of the loop, copied into
 * one place, written by one job. What the store does not take soon goes to a file meanwhile, so that the memory
 * is free for what comes next and a core that dies loses nothing of it.
 */
#include <stdlib.h>
#include <string.h>

#include <drover/crash_point.h>

#include "sched/results_batch.h"
#include "sched/results_file.h"
#include "sched/results_spool.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define BATCH_BYTES (4 << 20)     /* of outputs, after which a batch is put */
#define UNSTORED_BYTES (32 << 20) /* of outputs that wait in memory, above which nothing more is read */
#define SPOOL_BYTES (8 << 20)     /* … above which they go to files, however new they are */
#define BLOCK_SIZE (128 * 1024)
#define GATHER 250      /* ms that results gather for one file while the store is away */
#define ROW_SIZE 300    /* bytes in a file, about, without outputs */
#define END_SIZE 400    /* … of a unit's end */
#define FILE_LEAST 4096 /* bytes that a file takes up at least */
#define TRY_AGAIN 1000  /* ms after a file could not be written */

struct result_block {
	struct result_block *next;
	size_t used, room;
	char data[];
};

static void *keep(struct result_rows *rows, const void *data, size_t size)
{
	struct result_block *block = rows->blocks;
	char *copy;

	if (!data)
		return NULL;
	if (!block || block->room - block->used < size + 1) {
		size_t room = size + 1 > BLOCK_SIZE ? size + 1 : BLOCK_SIZE;

		block = xmalloc(sizeof(*block) + room);
		*block = (struct result_block){ .next = rows->blocks, .room = room };
		rows->blocks = block;
	}
	copy = memcpy(block->data + block->used, data, size);
	copy[size] = '\0';
	block->used += size + 1;
	return copy;
}

static const char *keep_string(struct result_rows *rows, const char *text)
{
	return text ? keep(rows, text, strlen(text)) : NULL;
}

void result_rows_free(struct result_rows *rows)
{
	while (rows && rows->blocks) {
		struct result_block *next = rows->blocks->next;

		free(rows->blocks);
		rows->blocks = next;
	}
	free(rows);
}

/* --------------------------------------------------------------------------- on the writer's thread */

static void note_refused(struct result_batch *batch, const struct drover_result *results)
{
	batch->refused_count = 0;
	for (size_t i = 0; i < batch->count; i++) {
		if (results[i].outcome == DROVER_WRITTEN)
			continue;
		if (!batch->refused)
			batch->refused = xcalloc(batch->count, sizeof(*batch->refused));
		batch->refused[batch->refused_count++] = (struct refused_result){ .task_key = results[i].task_key,
										  .unit = results[i].unit,
										  .index = results[i].index,
										  .outcome = results[i].outcome };
	}
}

static int run_ends(struct result_batch *batch, const struct drover_store_ops *ops, struct drover_session *session,
		    struct drover_error *err)
{
	int64_t now = clock_utc_ms();
	int code = 0;

	for (size_t i = 0; i < batch->end_count && !code && !batch->without_ends; i++) {
		struct results_end *ended = &batch->ends[i];

		CRASH_POINT("end_unit.write");
		ended->end.age = ended->ended_at < now ? now - ended->ended_at : 0;
		code = ops->end_unit(session, &ended->end, err);
		CRASH_POINT("end_unit.written");
	}
	return code;
}

static int run_results(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		       struct drover_error *err)
{
	struct result_batch *batch = (struct result_batch *)base;
	struct results_spool *spool = batch->engine->options.results;
	struct results_file file;
	int code;
	struct drover_result *results = results_spool_enter(spool, batch, &file, &code, err);

	batch->ends_failed = false;
	if (batch->count) {
		CRASH_POINT("results.write");
		if (!code)
			code = ops->results(session, results, batch->count, err);
		CRASH_POINT("results.written");
		if (!code)
			note_refused(batch, results);
	}
	results_spool_leave(spool, batch, &file);
	if (code)
		return code;
	code = run_ends(batch, ops, session, err);
	batch->ends_failed = code != 0;
	return code;
}

/* ------------------------------------------------------------------------ what waits, and how much */

static void pause_links(struct engine *e, bool paused)
{
	for (size_t i = 0; i < e->options.executors->count; i++) {
		struct executor_slot *slot = &e->slots[i];

		if (slot->link && slot->paused != paused)
			exec_link_pause(slot->link, paused);
		slot->paused = paused && slot->link;
	}
}

static void check_room(struct engine *e)
{
	if (e->unstored > e->options.result_backlog || e->unstored_bytes > UNSTORED_BYTES)
		pause_links(e, true);
	else if (e->unstored <= e->options.result_backlog / 2 && e->unstored_bytes <= UNSTORED_BYTES / 2)
		pause_links(e, false);
}

static int64_t size_on_disk(const struct result_batch *batch)
{
	int64_t size = batch->number
			       ? batch->size
			       : batch->bytes + (int64_t)batch->count * ROW_SIZE + (int64_t)batch->end_count * END_SIZE;

	return size > FILE_LEAST ? size : FILE_LEAST;
}

/* It does not count as waiting in memory any more. */
static void leave_memory(struct result_batch *batch)
{
	struct engine *e = batch->engine;

	if (!batch->in_memory)
		return;
	batch->in_memory = false;
	e->unstored -= (int64_t)batch->count;
	e->unstored_bytes -= batch->bytes;
}

static void spool_full(struct engine *e, bool full, const char *why)
{
	if (e->spool_full != full && full)
		log_error(
			"results that the store does not take cannot be kept on the disk: %s; no unit is claimed until "
			"that ends",
			why);
	else if (e->spool_full != full)
		log_info("results can be kept on the disk again");
	e->spool_full = full;
}

static void spool_write(struct engine *e, struct result_batch *batch)
{
	batch->spooling = true;
	batch->work = SPOOL_WRITE;
	e->spooled_bytes += batch->reserved = size_on_disk(batch);
	results_spool_put(e->options.results, batch);
}

static bool is_waiting_long(const struct engine *e, const struct result_batch *batch, int64_t now)
{
	return !writer_store_ok(e->writer) || e->unstored_bytes > SPOOL_BYTES ||
	       now - batch->put_at >= e->options.results_patience;
}

/* The oldest first: what comes later is not kept when those cannot be. False: there is no room. */
static bool spool_what_waits(struct engine *e, char *why, size_t size)
{
	int64_t now = clock_boot_ms();

	for (struct result_batch *batch = e->unstored_first; batch; batch = batch->next) {
		if (!batch->in_memory || batch->spooling)
			continue;
		if (now < e->spool_again_at || !is_waiting_long(e, batch, now))
			break;
		if (e->spooled_bytes + size_on_disk(batch) > e->options.results_limit) {
			snprintf(why, size, "limits.results_spool is %lld bytes", (long long)e->options.results_limit);
			return false;
		}
		spool_write(e, batch);
	}
	return true;
}

static void spool_look(struct engine *e)
{
	char why[80];

	if (!spool_what_waits(e, why, sizeof(why)))
		spool_full(e, true, why);
	else if ((!e->spool_failed || !e->unstored_first) && e->spooled_bytes <= e->options.results_limit / 2)
		spool_full(e, false, NULL);
}

void results_tick(struct engine *e)
{
	if (e->batch && clock_boot_ms() - e->batch->put_at >= GATHER)
		results_flush(e);
	spool_look(e);
}

/* ------------------------------------------------------------------------------- a batch's end */

static void unlink_batch(struct result_batch *batch)
{
	struct engine *e = batch->engine;

	if (batch->previous)
		batch->previous->next = batch->next;
	else
		e->unstored_first = batch->next;
	if (batch->next)
		batch->next->previous = batch->previous;
	else
		e->unstored_last = batch->previous;
}

static void batch_free(struct result_batch *batch)
{
	struct engine *e = batch->engine;

	unlink_batch(batch);
	e->spooled_bytes -= batch->reserved;
	result_rows_free(batch->rows);
	for (size_t i = 0; i < batch->end_count; i++)
		free((char *)batch->ends[i].end.message);
	free(batch->ends);
	free(batch->end_tasks);
	free(batch->refused);
	free(batch);
	check_room(e);
	engine_wake(e);
}

static void spool_file(struct result_batch *batch, bool keep)
{
	batch->spooling = batch->settled = true;
	batch->work = keep ? SPOOL_SET_ASIDE : SPOOL_REMOVE;
	results_spool_put(batch->engine->options.results, batch);
}

/* The writer is done with it, and so is the spool for now. */
static void settle(struct result_batch *batch)
{
	bool given_up = batch->finished_code == DROVER_ERETRY; /* the node stops with the store away */

	leave_memory(batch);
	if (!given_up && batch->number && !batch->settled) {
		spool_file(batch, batch->finished_code != 0);
	} else if (given_up && !batch->number && !batch->settled) {
		batch->settled = true;
		spool_write(batch->engine, batch);
	} else {
		if (given_up && !batch->number)
			log_error("%zu results and %zu ends of units are lost: the store did not take them, and they "
				  "could not be kept: %s",
				  batch->count, batch->end_count, batch->spool_err.message);
		batch_free(batch);
	}
}

static void written(struct engine *e, struct result_batch *batch)
{
	e->spooled_bytes -= batch->reserved;
	batch->reserved = 0;
	e->spool_failed = batch->spool_code != 0;
	if (e->spool_failed) {
		e->spool_again_at = clock_boot_ms() + TRY_AGAIN;
		spool_full(e, true, batch->spool_err.message);
		return;
	}
	e->spooled_bytes += batch->reserved = size_on_disk(batch);
	leave_memory(batch);
}

static void spool_done(void *context, struct result_batch *batch)
{
	struct engine *e = context;

	batch->spooling = false;
	if (batch->work == SPOOL_WRITE)
		written(e, batch);
	if (batch->finished)
		settle(batch);
	spool_look(e);
	check_room(e);
	engine_wake(e);
}

static void tell_refused(const struct result_batch *batch)
{
	for (size_t i = 0; i < batch->refused_count; i++) {
		const struct refused_result *r = &batch->refused[i];

		log_warning("a result of task %lld unit %lld host %lld came %s: no status was changed",
			    (long long)r->task_key, (long long)r->unit, (long long)r->index,
			    r->outcome == DROVER_LATE       ? "after the unit was taken over"
			    : r->outcome == DROVER_REPEATED ? "again"
							    : "for a host that the unit does not have");
	}
}

static bool is_refusal(int code)
{
	return code && code != DROVER_ERETRY;
}

/* With the store away at the node's end they are kept in a file, as the results are. */
static void ends_done(struct result_batch *batch, int code, const struct drover_error *err)
{
	for (size_t i = 0; i < batch->end_count; i++) {
		CRASH_POINT("end_unit.done");
		if (is_refusal(code))
			log_error("cannot store the end of task %s unit %lld: %s", batch->end_tasks[i]->task.id,
				  (long long)batch->ends[i].end.unit, err->message);
		ending_stored(batch->engine, batch->end_tasks[i], &batch->ends[i].end, code == 0);
	}
}

/* Each by itself: one that the store does not take takes no other with it. */
static void ends_again(struct result_batch *batch)
{
	results_flush(batch->engine);
	for (size_t i = 0; i < batch->end_count; i++) {
		results_end(batch->engine, batch->end_tasks[i], &batch->ends[i].end, batch->ends[i].ended_at, 0);
		results_flush(batch->engine);
	}
}

static void results_done(struct job *base, int code, const struct drover_error *err)
{
	struct result_batch *batch = (struct result_batch *)base;
	bool with_ends = batch->end_count && !batch->without_ends;
	bool apart = with_ends && is_refusal(code) && batch->count + batch->end_count > 1;
	bool rerun = apart && batch->ends_failed && batch->count;

	CRASH_POINT("results.done");
	if (rerun) {
		batch->without_ends = true;
		writer_put(batch->engine->writer, &batch->job);
	} else if (is_refusal(code) && batch->count) {
		log_error("%zu results are not stored: %s", batch->count, err->message);
	} else if (!code) {
		tell_refused(batch);
	}
	if (apart)
		ends_again(batch);
	else if (with_ends)
		ends_done(batch, code, err);
	if (rerun)
		return;
	batch->finished = true;
	batch->finished_code = code;
	if (!batch->spooling)
		settle(batch);
}

/* ---------------------------------------------------------------------------------- gathering */

static void batch_put(struct engine *e, struct result_batch *batch)
{
	e->batch = NULL;
	batch->job.weight += (int64_t)batch->count;
	batch->previous = e->unstored_last;
	*(e->unstored_last ? &e->unstored_last->next : &e->unstored_first) = batch;
	e->unstored_last = batch;
}

void results_flush(struct engine *e)
{
	struct result_batch *batch = e->batch;

	if (!batch)
		return;
	batch_put(e, batch);
	writer_put(e->writer, &batch->job);
	spool_look(e);
	check_room(e);
}

void results_turn(struct engine *e)
{
	/* One file for each turn of the loop would be many. */
	if (e->batch && (writer_store_ok(e->writer) || clock_boot_ms() - e->batch->put_at >= GATHER))
		results_flush(e);
}

static struct result_batch *batch_new(struct engine *e)
{
	struct result_batch *batch = xcalloc(1, sizeof(*batch));

	batch->job = (struct job){ .run = run_results, .done = results_done, .on_loop = true, .idle = true };
	batch->engine = e;
	batch->in_memory = true;
	batch->put_at = clock_boot_ms();
	batch->rows = xmalloc(sizeof(*batch->rows));
	batch->rows->blocks = NULL;
	return batch;
}

void results_add(struct engine *e, struct running_unit *unit, size_t position, enum drover_status status,
		 const struct drover_report *from)
{
	struct result_batch *batch = e->batch ? e->batch : batch_new(e);
	struct result_rows *rows = batch->rows;
	struct drover_result *r = &rows->results[batch->count];

	rows->ended_at[batch->count++] = clock_utc_ms();
	e->batch = batch;
	if (engine_cares_for(&unit->task->task)) /* other hosts wait for this one's end */
		batch->job.idle = false;
	*r = (struct drover_result){ .task_key = unit->task->key,
				     .unit = unit->unit,
				     .incarnation = e->options.incarnation,
				     .attempt = unit->attempt,
				     .index = unit->indexes[position],
				     .status = status,
				     .report = *from };
	r->report.out = keep(rows, from->out, from->out_size);
	r->report.err = keep(rows, from->err, from->err_size);
	r->report.signal = keep_string(rows, from->signal);
	r->report.message = keep_string(rows, from->message);
	r->report.via = keep_string(rows, from->via);
	r->report.result = keep_string(rows, from->result);
	r->report.waiting_for = keep_string(rows, from->waiting_for);
	e->unstored++;
	batch->bytes += (int64_t)(from->out_size + from->err_size);
	e->unstored_bytes += (int64_t)(from->out_size + from->err_size);
	if (batch->count == BATCH_RESULTS || batch->bytes > BATCH_BYTES)
		results_flush(e);
}

void results_end(struct engine *e, struct active_task *task, const struct drover_unit_end *end, int64_t ended_at,
		 int64_t hosts)
{
	struct result_batch *batch = e->batch ? e->batch : batch_new(e);
	size_t i = batch->end_count++;

	e->batch = batch;
	batch->job.idle = false; /* the unit may be ready again by it */
	batch->job.weight += hosts + 1;
	batch->ends = xrealloc(batch->ends, batch->end_count * sizeof(*batch->ends));
	batch->end_tasks = xrealloc(batch->end_tasks, batch->end_count * sizeof(struct active_task *));
	batch->ends[i] = (struct results_end){ .end = *end, .ended_at = ended_at };
	batch->ends[i].end.message = xstrdup(end->message);
	batch->end_tasks[i] = task;
}

/* --------------------------------------------------------------------------------- life and end */

void results_open(struct engine *e)
{
	results_spool_listen(e->options.results, spool_done, e);
}

/* The writer is gone: what it did not take is in files when this returns. */
void results_close(struct engine *e)
{
	struct result_batch *batch = e->batch;

	if (batch) {
		batch_put(e, batch);
		batch->finished = true;
		batch->finished_code = DROVER_ERETRY;
		settle(batch);
	}
	results_spool_free(e->options.results);
	e->options.results = NULL;
}
