/* first_generation_rows.c - finds a host's rows over all tasks of one kind. */
#include "first_generation.h"

#include <stdlib.h>
#include <string.h>

#define LOOKED_AT 10000 /* rows of one host, the newest, among which those of one kind are looked for */
#define BATCH 200       /* of them by one query, which holds a reading session of the store */

struct found_task {
	struct json_object *about;
	int64_t key;
};

static int note_task(void *context, const struct drover_task *task)
{
	struct found_task *found = context;

	found->key = task->key;
	found->about = json_object_new_object();
	json_object_object_add(found->about, "type", json_object_new_string(task->type));
	json_object_object_add(found->about, "key", json_object_new_int64(task->key));
	if (task->name)
		json_object_object_add(found->about, "name", json_object_new_string(task->name));
	if (task->payload)
		json_object_object_add(found->about, "payload",
				       first_generation_parse(task->payload, strlen(task->payload)));
	return 0;
}

struct json_object *first_generation_find_task(struct first_generation_rows *rows, const char *id, int64_t *task_key)
{
	struct request *r = rows->r;
	struct found_task found = { NULL, 0 };
	struct drover_error err = { 0 };
	int code = 0;

	if (!rows->tasks)
		rows->tasks = json_object_new_object();
	if (!json_object_object_get_ex(rows->tasks, id, &found.about)) {
		code = r->server->services->task(r->server->core, id, note_task, &found, &err);
		if (code && code != DROVER_ENOTFOUND)
			problem_set_code(&r->problem, code, &err);
		if (!code && found.about)
			json_object_object_add(rows->tasks, id, found.about);
	}
	if (task_key && found.about)
		*task_key = json_object_get_int64(json_object_object_get(found.about, "key"));
	return found.about;
}

struct seen_row {
	int64_t id;
	char task[161];
};

struct batch {
	struct seen_row rows[BATCH];
	size_t count;
};

static int note_row(void *context, const struct drover_result_row *row)
{
	struct batch *batch = context;
	struct seen_row *seen = &batch->rows[batch->count++];

	seen->id = row->id;
	strncpy(seen->task, row->task, sizeof(seen->task) - 1);
	seen->task[sizeof(seen->task) - 1] = '\0';
	return batch->count == BATCH;
}

/* Those of the kind. The query is over: a question within it would wait for a session while it holds one. */
static void keep(struct first_generation_rows *rows, const struct first_generation_kind *kind,
		 const struct batch *batch, size_t limit)
{
	for (size_t i = 0; i < batch->count && rows->count < limit && !rows->r->problem.kind; i++) {
		struct json_object *task = first_generation_find_task(rows, batch->rows[i].task, NULL);

		if (task && !strcmp(json_object_get_string(json_object_object_get(task, "type")), kind->type))
			rows->items[rows->count++] = (struct first_generation_row){ batch->rows[i].id, task };
	}
}

int first_generation_find_rows(struct first_generation_rows *rows, const struct first_generation_kind *kind,
			       const char *host, unsigned statuses, size_t limit)
{
	struct drover_result_filter filter = {
		.size = sizeof(filter), .statuses = statuses, .host = host, .limit = BATCH
	};
	struct request *r = rows->r;
	struct batch *batch = malloc(sizeof(*batch));
	struct drover_error err = { 0 };
	size_t looked = 0;
	int code = 0;

	if (limit > LOOKED_AT)
		limit = LOOKED_AT;
	free(rows->items);
	rows->count = 0;
	rows->items = calloc(limit, sizeof(*rows->items));
	if (!batch || !rows->items) {
		free(batch);
		return problem_set(&r->problem, PROBLEM_UNAVAILABLE, "not enough memory");
	}
	do {
		batch->count = 0;
		code = r->server->services->results(r->server->core, &filter, note_row, batch, &err);
		if (code < 0)
			problem_set_code(&r->problem, code, &err);
		keep(rows, kind, batch, limit);
		looked += batch->count;
		if (batch->count)
			filter.after_id = batch->rows[batch->count - 1].id;
	} while (!r->problem.kind && batch->count == BATCH && rows->count < limit && looked < LOOKED_AT);
	free(batch);
	return r->problem.kind ? -1 : 0;
}

int first_generation_read_row(struct first_generation_rows *rows, const char *host, int64_t id, bool outputs,
			      drover_result_fn *fn, void *context)
{
	struct drover_result_filter filter = {
		.size = sizeof(filter), .host = host, .after_id = id + 1, .limit = 1, .outputs = outputs
	};
	struct request *r = rows->r;
	struct drover_error err = { 0 };
	int code = r->server->services->results(r->server->core, &filter, fn, context, &err);

	return code < 0 ? problem_set_code(&r->problem, code, &err) : 0;
}

void first_generation_rows_dispose(struct first_generation_rows *rows)
{
	json_object_put(rows->tasks);
	free(rows->items);
	*rows = (struct first_generation_rows){ 0 };
}
