/* results.c - rows of one task, and of hosts over all tasks. */
#include "handlers.h"

#include <stdlib.h>
#include <string.h>

#include "params.h"
#include "show.h"

#define HOSTS_MAXIMUM 100 /* of one question over all tasks */

struct page {
	struct request *r;
	int64_t limit;
	int64_t count;
	int64_t last;
	bool with_task;
	bool outputs;
	bool more;
};

/* Ends the query after the row that fills the page, be it by number or by bytes. */
static int add_row(void *context, const struct drover_result_row *row)
{
	struct page *p = context;

	if (p->count == p->limit || (int64_t)p->r->out.size >= p->r->server->options->page_size) {
		p->more = true;
		return 1;
	}
	show_result(&p->r->out, row, p->with_task, p->outputs);
	p->last = row->id;
	p->count++;
	return 0;
}

static int end_page(struct page *p, bool can_go_on)
{
	char next[32];

	writer_array_end(&p->r->out);
	if (p->more && can_go_on) {
		snprintf(next, sizeof(next), "%lld", (long long)p->last);
		writer_string(&p->r->out, "next", next);
	}
	writer_object_end(&p->r->out);
	return MHD_HTTP_OK;
}

static int query(struct page *p, const struct drover_result_filter *filter)
{
	struct request *r = p->r;
	struct drover_error err = { 0 };
	int code = r->server->services->results(r->server->core, filter, add_row, p, &err);

	if (code < 0)
		problem_set_code(&r->problem, code, &err);
	return code < 0 ? code : 0;
}

int results_of_task(struct request *r)
{
	static const char *const sorts[] = { "index", "finished", "status", NULL };
	struct page p = { .r = r, .limit = params_int(r, "limit", PAGE_DEFAULT, 1, PAGE_MAXIMUM) };
	struct drover_result_filter filter = { .size = sizeof(filter),
					       .statuses = params_words(r, "status", drover_status_parse),
					       .host = params_string(r, "host"),
					       .after_id = params_int(r, "after", 0, 0, INT64_MAX),
					       .limit = p.limit + 1,
					       .sort = (enum drover_result_sort)params_choice(r, "sort", sorts, 0) };
	bool by_index = filter.sort == DROVER_SORT_INDEX;

	p.outputs = filter.outputs = params_bool(r, "output", true);
	if (!by_index && params_string(r, "after"))
		params_wrong(r, "after", "goes with sort=index only");
	if (r->problem.kind || tasks_find(r, &filter.task_key))
		return 0;
	writer_object(&r->out, NULL);
	writer_array(&r->out, "items");
	if (query(&p, &filter))
		return 0;
	return end_page(&p, by_index);
}

/* ------------------------------------------------------------------------- hosts over all tasks */

struct found {
	int64_t id;
	const char *host;
};

struct search {
	struct found *rows; /* owned */
	size_t count, room;
	const char *host; /* that is looked for now */
};

static int note_row(void *context, const struct drover_result_row *row)
{
	struct search *s = context;

	if (s->count < s->room)
		s->rows[s->count++] = (struct found){ row->id, s->host };
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	int64_t x = ((const struct found *)a)->id, y = ((const struct found *)b)->id;

	return (x < y) - (x > y);
}

/*
 * The newest rows of several hosts: first only where they are, host by host, then the newest of all of
 * them one by one with their outputs, so that no more than a page of outputs is ever in memory.
 */
static int merge_hosts(struct page *p, struct drover_result_filter *filter, char **hosts, size_t count)
{
	struct request *r = p->r;
	struct search s = { .room = count * (size_t)filter->limit };
	struct drover_error err = { 0 };
	int code = 0;

	s.rows = calloc(s.room, sizeof(*s.rows));
	if (!s.rows)
		return problem_set(&r->problem, PROBLEM_UNAVAILABLE, "not enough memory");
	filter->outputs = false;
	for (size_t i = 0; i < count && !code; i++) {
		s.host = filter->host = hosts[i];
		code = r->server->services->results(r->server->core, filter, note_row, &s, &err);
		if (code)
			problem_set_code(&r->problem, code, &err);
	}
	qsort(s.rows, s.count, sizeof(*s.rows), newest_first);
	filter->outputs = p->outputs;
	filter->limit = 1;
	for (size_t i = 0; i < s.count && !code && !p->more; i++) {
		filter->host = s.rows[i].host;
		filter->after_id = s.rows[i].id + 1;
		code = query(p, filter);
	}
	free(s.rows);
	return code;
}

/* Splits at the commas, in place; empty names and repeated ones are left out. */
static size_t split_hosts(char *text, char **hosts, size_t room)
{
	size_t count = 0;

	for (char *save, *name = strtok_r(text, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		bool known = false;

		for (size_t i = 0; i < count && !known; i++)
			known = !strcmp(hosts[i], name);
		if (known)
			continue;
		if (count == room)
			return room + 1;
		hosts[count++] = name;
	}
	return count;
}

int results_of_hosts(struct request *r)
{
	struct page p = { .r = r, .limit = params_int(r, "limit", PAGE_DEFAULT, 1, PAGE_MAXIMUM), .with_task = true };
	struct drover_result_filter filter = { .size = sizeof(filter),
					       .statuses = params_words(r, "status", drover_status_parse),
					       .after_id = params_int(r, "after", 0, 1, INT64_MAX),
					       .limit = p.limit + 1 };
	char *host = (char *)params_string(r, "host"), *several = (char *)params_string(r, "hosts");
	char *hosts[HOSTS_MAXIMUM] = { host };
	size_t count = several ? split_hosts(several, hosts, HOSTS_MAXIMUM) : 1;

	p.outputs = filter.outputs = params_bool(r, "output", true);
	if (!host == !several)
		params_wrong(r, "host", "exactly one of host and hosts must be given");
	else if (host ? !*host : !count)
		params_wrong(r, host ? "host" : "hosts", "must not be empty");
	if (count > HOSTS_MAXIMUM)
		params_wrong(r, "hosts", "must be at most %d names", HOSTS_MAXIMUM);
	if (r->problem.kind)
		return 0;
	writer_object(&r->out, NULL);
	writer_array(&r->out, "items");
	filter.host = hosts[0];
	if (count == 1 ? query(&p, &filter) : merge_hosts(&p, &filter, hosts, count))
		return 0;
	return end_page(&p, true);
}
