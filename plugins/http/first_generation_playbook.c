/* first_generation_playbook.c - how far playbooks got on their hosts: the share of steps that ended ok. */
#include "first_generation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers.h"
#include "http.h"
#include "zone.h"

#define PAGE_ROWS 200
#define LOOKED_AT 100 /* of a host's playbooks, for the latest that has begun */

/* A line of the answer. */
struct line {
	char *ip; /* owned */
	int64_t at, id;
	int percent;
	bool success;
};

struct lines {
	struct request *r;
	struct line *items; /* owned */
	size_t count, room;
	int64_t last;
	size_t page; /* rows of this query */
};

/* What is known of a host's steps. */
struct share {
	int64_t ok, applied; /* steps */
	int64_t spent;       /* ms in them */
	size_t steps;
};

static struct share count_steps(const char *result)
{
	struct json_object *whole = result ? first_generation_parse(result, strlen(result)) : NULL;
	struct json_object *steps = json_object_object_get(whole, "steps");
	struct share share = { 0 };

	if (json_object_is_type(steps, json_type_array))
		share.steps = json_object_array_length(steps);
	for (size_t i = 0; i < share.steps; i++) {
		struct json_object *step = json_object_array_get_idx(steps, i);
		const char *status = json_object_get_string(json_object_object_get(step, "status"));

		share.spent += (int64_t)(json_object_get_double(json_object_object_get(step, "duration")) * 1000);
		share.applied += !status || strcmp(status, "skipped");
		share.ok += status && (!strcmp(status, "ok") || !strcmp(status, "changed"));
	}
	json_object_put(whole);
	return share;
}

static bool was_well(const struct drover_result_row *row)
{
	return row->status == DROVER_OK || row->status == DROVER_SKIPPED;
}

/* A host that ended within a step has it among those that applied to it, though it did not end. */
static bool ended_within_step(const struct drover_result_row *row, const struct share *share)
{
	return drover_status_is_final(row->status) && !was_well(row) && row->phase != DROVER_PHASE_WAITING &&
	       share->ok == share->applied;
}

static int note_line(void *context, const struct drover_result_row *row)
{
	struct lines *lines = context;
	struct share share = count_steps(row->result);
	bool final = drover_status_is_final(row->status);
	struct line *line;

	lines->last = row->id;
	lines->page++;
	if (!final && !share.steps)
		return 0;
	if (lines->count == lines->room) {
		size_t room = lines->room ? 2 * lines->room : 64;
		struct line *items = realloc(lines->items, room * sizeof(*items));

		if (!items)
			return problem_set(&lines->r->problem, PROBLEM_UNAVAILABLE, "not enough memory");
		lines->items = items;
		lines->room = room;
	}
	if (ended_within_step(row, &share))
		share.applied++;
	line = &lines->items[lines->count];
	*line = (struct line){ .ip = strdup(row->host),
			       .id = row->id,
			       .at = final ? row->finished_at : row->started_at + share.spent,
			       .success = final && was_well(row),
			       .percent = share.applied ? (int)(share.ok * 100 / share.applied) : 0 };
	if (!share.applied && line->success)
		line->percent = 100; /* nothing applied to it, and nothing went wrong */
	if (!line->ip)
		return problem_set(&lines->r->problem, PROBLEM_UNAVAILABLE, "not enough memory");
	lines->count++;
	return 0;
}

static unsigned begun_statuses(void)
{
	return ((1u << DROVER_STATUS_COUNT) - 1) & ~(1u << DROVER_PENDING);
}

static void list_task(struct lines *lines, struct first_generation_rows *rows, const char *task_id)
{
	struct request *r = lines->r;
	struct drover_result_filter filter = { .size = sizeof(filter),
					       .statuses = begun_statuses(),
					       .limit = PAGE_ROWS };
	struct drover_error err = { 0 };
	char id[FIRST_GENERATION_ID_SIZE];
	int code = 0;

	first_generation_id(&first_generation_playbook, task_id, id);
	if (!first_generation_find_task(rows, id, &filter.task_key) || r->problem.kind ||
	    access_check_named_task(r, id))
		return;
	do {
		lines->page = 0;
		filter.after_id = lines->last;
		code = r->server->services->results(r->server->core, &filter, note_line, lines, &err);
	} while (!code && lines->page == PAGE_ROWS);
	if (code < 0)
		problem_set_code(&r->problem, code, &err);
}

/* Its latest one that has something to show. */
static void list_host(struct lines *lines, struct first_generation_rows *rows, const char *host)
{
	size_t before = lines->count;

	if (access_check_host(lines->r, host) ||
	    first_generation_find_rows(rows, &first_generation_playbook, host, begun_statuses(), LOOKED_AT))
		return;
	for (size_t i = 0; i < rows->count && lines->count == before && !lines->r->problem.kind; i++)
		first_generation_read_row(rows, host, rows->items[i].id, false, note_line, lines);
}

static int newest_first(const void *x, const void *y)
{
	const struct line *a = x, *b = y;

	if (a->at != b->at)
		return a->at < b->at ? 1 : -1;
	return (a->id < b->id) - (a->id > b->id);
}

static void write_line(struct request *r, const struct line *line)
{
	char date[ZONE_TEXT_SIZE], share[8];

	zone_format(r->server->options->zone, line->at, date);
	snprintf(share, sizeof(share), "%d%%", line->percent);
	writer_object(&r->out, NULL);
	writer_string(&r->out, "ip", line->ip);
	writer_string(&r->out, "success_rate", share);
	writer_string(&r->out, "result", line->success ? "success" : "fail");
	writer_string(&r->out, "datetime", date);
	writer_object_end(&r->out);
}

int first_generation_list_playbook(struct request *r)
{
	struct lines lines = { .r = r };
	struct first_generation_rows rows = { .r = r };
	struct first_generation_query query;

	if (!first_generation_read_query(r, false, &query)) {
		first_generation_query_dispose(&query);
		return first_generation_answer(r, 500, FIRST_GENERATION_REFUSED);
	}
	if (query.task_id)
		list_task(&lines, &rows, query.task_id);
	for (size_t i = 0; i < query.count && !r->problem.kind; i++)
		list_host(&lines, &rows, query.ips[i]);
	if (lines.count)
		qsort(lines.items, lines.count, sizeof(*lines.items), newest_first);
	first_generation_begin(r);
	for (size_t i = 0; i < lines.count; i++) {
		write_line(r, &lines.items[i]);
		free(lines.items[i].ip);
	}
	free(lines.items);
	first_generation_rows_dispose(&rows);
	first_generation_query_dispose(&query);
	return first_generation_end(r, lines.count);
}
