/* feed.c - see feed.h. */
#include "events/feed.h"

#include <stdlib.h>
#include <string.h>

#include "events/event_json.h"

#define FEED_BATCH 4000

/* One change, kept until both kinds are read and can be put in order. */
struct change {
	int64_t seq;
	enum drover_event_kind kind;
	size_t task, host, json, json_size; /* places in `text`; host 0: none */
};

struct batch {
	struct change changes[2 * FEED_BATCH];
	size_t count;
	struct buf text;
};

static size_t keep(struct batch *batch, const char *text)
{
	size_t place = batch->text.size;

	buf_append(&batch->text, text, strlen(text) + 1);
	return place;
}

static int add_host(void *context, const struct drover_result_row *row)
{
	struct batch *batch = context;
	struct change *c = &batch->changes[batch->count++];

	*c = (struct change){ .seq = row->seq, .kind = DROVER_EVENT_HOST };
	c->task = keep(batch, row->task);
	c->host = keep(batch, row->host);
	c->json = batch->text.size;
	event_json_host(row, &batch->text);
	c->json_size = batch->text.size - c->json;
	buf_append(&batch->text, "", 1);
	return 0;
}

static int add_task(void *context, const struct drover_task *task)
{
	struct batch *batch = context;
	struct change *c = &batch->changes[batch->count++];

	*c = (struct change){ .seq = task->seq, .kind = DROVER_EVENT_TASK };
	c->task = keep(batch, task->id);
	c->json = batch->text.size;
	event_json_task(task, &batch->text);
	c->json_size = batch->text.size - c->json;
	buf_append(&batch->text, "", 1);
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	const struct change *left = a, *right = b;

	return left->seq < right->seq ? -1 : left->seq > right->seq;
}

static int deliver(struct batch *batch, int64_t bound, int64_t *seq, feed_event_fn *fn, void *context)
{
	qsort(batch->changes, batch->count, sizeof(batch->changes[0]), by_seq);
	for (size_t i = 0; i < batch->count && batch->changes[i].seq <= bound; i++) {
		const struct change *c = &batch->changes[i];
		const char *text = batch->text.data;
		int code = fn(context, &(struct drover_event){ .size = sizeof(struct drover_event),
							       .seq = c->seq,
							       .kind = c->kind,
							       .task = text + c->task,
							       .host = c->host ? text + c->host : NULL,
							       .json = text + c->json,
							       .json_size = c->json_size });

		if (code)
			return code;
		*seq = c->seq;
	}
	return 0;
}

int feed_read(const struct drover_store_ops *ops, struct drover_session *session, unsigned kinds, int64_t *seq,
	      feed_event_fn *fn, void *context, struct drover_error *err)
{
	struct drover_result_filter hosts = {
		.size = sizeof(hosts), .feed = true, .since_seq = *seq, .limit = FEED_BATCH
	};
	struct drover_task_filter tasks = {
		.size = sizeof(tasks), .feed = true, .since_seq = *seq, .limit = FEED_BATCH
	};
	struct batch *batch = calloc(1, sizeof(*batch));
	int64_t bound = 0, end;
	int code;

	if (!batch)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	buf_append(&batch->text, "", 1); /* so that no place is 0 */
	/* What is committed between the two queries could be seen by the second alone: it waits. */
	code = ops->last_seq(session, &end, err);
	bound = end;
	if (!code && (kinds & 1u << DROVER_EVENT_TASK))
		code = ops->tasks(session, &tasks, add_task, batch, err);
	if (!code && batch->count == FEED_BATCH && batch->changes[batch->count - 1].seq < bound)
		bound = batch->changes[batch->count - 1].seq;
	if (!code && (kinds & 1u << DROVER_EVENT_HOST)) {
		size_t task_count = batch->count;

		code = ops->results_query(session, &hosts, add_host, batch, err);
		if (!code && batch->count - task_count == FEED_BATCH && batch->changes[batch->count - 1].seq < bound)
			bound = batch->changes[batch->count - 1].seq;
	}
	if (!code)
		code = deliver(batch, bound, seq, fn, context);
	if (!code && bound == end && *seq < end)
		*seq = end; /* up to there everything was seen, also what was not asked for */
	if (!code)
		code = bound != end;
	buf_dispose(&batch->text);
	free(batch);
	return code;
}
