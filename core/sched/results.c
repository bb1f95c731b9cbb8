/*
 * results.c - hosts' ends on their way to the store: gathered over one turn of the loop, copied into
 * one place, written by one job.
 */
#include <stdlib.h>
#include <string.h>

#include "sched/engine_state.h"
#include "util/buf.h"
#include "util/log.h"

#define BATCH_RESULTS 1000
#define BATCH_BYTES (4 << 20)     /* of outputs, after which a batch is put */
#define UNSTORED_BYTES (32 << 20) /* of outputs that wait for the store, above which nothing more is read */
#define BLOCK_SIZE (128 * 1024)

struct block {
	struct block *next;
	size_t used, room;
	char data[];
};

struct result_batch {
	struct job job;
	struct engine *engine;
	struct block *blocks;
	size_t count;
	int64_t bytes; /* of outputs */
	struct drover_result results[BATCH_RESULTS];
};

static void *keep(struct result_batch *batch, const void *data, size_t size)
{
	struct block *block = batch->blocks;
	char *copy;

	if (!data)
		return NULL;
	if (!block || block->room - block->used < size + 1) {
		size_t room = size + 1 > BLOCK_SIZE ? size + 1 : BLOCK_SIZE;

		block = xmalloc(sizeof(*block) + room);
		*block = (struct block){ .next = batch->blocks, .room = room };
		batch->blocks = block;
	}
	copy = memcpy(block->data + block->used, data, size);
	copy[size] = '\0';
	block->used += size + 1;
	return copy;
}

static const char *keep_string(struct result_batch *batch, const char *text)
{
	return text ? keep(batch, text, strlen(text)) : NULL;
}

static int run_results(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		       struct drover_error *err)
{
	struct result_batch *batch = (struct result_batch *)base;

	return ops->results(session, batch->results, batch->count, err);
}

static void pause_links(struct engine *e, bool paused)
{
	for (size_t i = 0; i < e->options.executors->count; i++) {
		struct executor_slot *slot = &e->slots[i];

		if (slot->link && slot->paused != paused)
			exec_link_pause(slot->link, paused);
		slot->paused = paused && slot->link;
	}
}

static void results_done(struct job *base, int code, const struct drover_error *err)
{
	struct result_batch *batch = (struct result_batch *)base;
	struct engine *e = batch->engine;

	if (code)
		log_error("%zu results are not stored: %s", batch->count, err->message);
	for (size_t i = 0; i < batch->count && !code; i++) {
		const struct drover_result *r = &batch->results[i];

		if (r->outcome != DROVER_WRITTEN)
			log_warning("a result of task %lld unit %lld host %lld came %s: no status was changed",
				    (long long)r->task_key, (long long)r->unit, (long long)r->index,
				    r->outcome == DROVER_LATE       ? "after the unit was taken over"
				    : r->outcome == DROVER_REPEATED ? "again"
								    : "for a host that the unit does not have");
	}
	e->unstored -= (int64_t)batch->count;
	e->unstored_bytes -= batch->bytes;
	while (batch->blocks) {
		struct block *next = batch->blocks->next;

		free(batch->blocks);
		batch->blocks = next;
	}
	free(batch);
	if (e->unstored <= e->options.result_backlog / 2 && e->unstored_bytes <= UNSTORED_BYTES / 2)
		pause_links(e, false);
	engine_wake(e);
}

void results_flush(struct engine *e)
{
	struct result_batch *batch = e->batch;

	if (!batch)
		return;
	e->batch = NULL;
	batch->job.weight = (int64_t)batch->count;
	writer_put(e->writer, &batch->job);
	if (e->unstored > e->options.result_backlog || e->unstored_bytes > UNSTORED_BYTES)
		pause_links(e, true);
}

void results_add(struct engine *e, struct running_unit *unit, size_t position, enum drover_status status,
		 const struct drover_report *from)
{
	struct result_batch *batch = e->batch;
	struct drover_result *r;

	if (!batch) {
		batch = xmalloc(sizeof(*batch));
		batch->job = (struct job){ .run = run_results, .done = results_done, .on_loop = true, .idle = true };
		batch->engine = e;
		batch->blocks = NULL;
		batch->count = 0;
		batch->bytes = 0;
		e->batch = batch;
	}
	if (engine_cares_for(&unit->task->task)) /* other hosts wait for this one's end */
		batch->job.idle = false;
	r = &batch->results[batch->count++];
	*r = (struct drover_result){ .task_key = unit->task->key,
				     .unit = unit->unit,
				     .incarnation = e->options.incarnation,
				     .attempt = unit->attempt,
				     .index = unit->indexes[position],
				     .status = status,
				     .report = *from };
	r->report.out = keep(batch, from->out, from->out_size);
	r->report.err = keep(batch, from->err, from->err_size);
	r->report.signal = keep_string(batch, from->signal);
	r->report.message = keep_string(batch, from->message);
	r->report.via = keep_string(batch, from->via);
	r->report.result = keep_string(batch, from->result);
	r->report.waiting_for = keep_string(batch, from->waiting_for);
	e->unstored++;
	batch->bytes += (int64_t)(from->out_size + from->err_size);
	e->unstored_bytes += (int64_t)(from->out_size + from->err_size);
	if (batch->count == BATCH_RESULTS || batch->bytes > BATCH_BYTES)
		results_flush(e);
}
