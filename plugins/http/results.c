/* results.c - rows of one task, and of hosts over all tasks. */
#include "handlers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "params.h"
#include "show.h"

#define GREP_HOSTS 200 /* looked into by one query, which holds a reading session of the store */
#define GREP_TIME 5000 /* ms after which a page ends with what was found */
#define GREP_SIZE 1024

struct page {
	struct request *r;
	int64_t limit;
	int64_t count;
	int64_t after_value;      /* of the cursor that was given */
	int64_t last, last_value; /* the last row's id, and what it was ordered by */
	enum drover_result_sort sort;
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
	p->last_value = p->sort == DROVER_SORT_STATUS ? (int64_t)row->status : row->finished_at;
	p->count++;
	return 0;
}

/* A cursor names its order, so that one of another order is refused: i120001, f1700000000123-120001, s5-120001. */
static const char cursor_letters[] = {
	[DROVER_SORT_INDEX] = 'i', [DROVER_SORT_FINISHED] = 'f', [DROVER_SORT_STATUS] = 's'
};

static void write_cursor(const struct page *p)
{
	char next[64];

	if (p->sort == DROVER_SORT_INDEX)
		snprintf(next, sizeof(next), "i%lld", (long long)p->last);
	else
		snprintf(next, sizeof(next), "%c%lld-%lld", cursor_letters[p->sort], (long long)p->last_value,
			 (long long)p->last);
	writer_string(&p->r->out, "next", next);
}

/* 0 or above, and what is behind it; -1: no number. */
static int64_t read_number(const char **text)
{
	char *end;
	long long value;

	if (**text < '0' || **text > '9')
		return -1;
	errno = 0;
	value = strtoll(*text, &end, 10);
	*text = end;
	return errno ? -1 : value;
}

/* The parameter `after`: what is wrong with it is in the problem. */
static void read_cursor(struct page *p, struct drover_result_filter *filter)
{
	const char *text = params_string(p->r, "after");
	bool good;

	if (!text)
		return;
	good = *text++ == cursor_letters[p->sort];
	if (good && p->sort != DROVER_SORT_INDEX) {
		p->after_value = read_number(&text);
		filter->after_value = &p->after_value;
		good = p->after_value >= 0 && *text++ == '-';
	}
	if (good)
		filter->after_id = read_number(&text);
	if (!good || filter->after_id < 0 || *text)
		params_wrong(p->r, "after", "must be the `next` of a page in this order");
}

static int end_page(struct page *p)
{
	writer_array_end(&p->r->out);
	if (p->more)
		write_cursor(p);
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

static int take_range(void *context, const struct drover_task *task)
{
	struct drover_result_filter *filter = context;

	if (filter->after_id < task->host_base)
		filter->after_id = task->host_base - 1;
	filter->until_id = task->host_base + task->hosts - 1;
	return 0;
}

/*
 * Looks into the outputs of so many hosts at a time. The page ends when it is full, or when its time is over:
 * `next` then goes on after the last host that was looked at, however few rows were found.
 */
static int search(struct page *p, struct drover_result_filter *filter)
{
	struct drover_error err = { 0 };
	int code = p->r->server->services->task(p->r->server->core, p->r->arguments[0], take_range, filter, &err);
	int64_t end = filter->until_id, deadline = workers_now() + GREP_TIME;

	if (code)
		return problem_set_code(&p->r->problem, code, &err);
	while (!code && !p->more && filter->after_id < end) {
		filter->until_id =
			filter->host || end - filter->after_id < GREP_HOSTS ? end : filter->after_id + GREP_HOSTS;
		code = query(p, filter);
		filter->after_id = filter->until_id;
		if (!p->more && filter->after_id < end && workers_now() > deadline) {
			p->more = true;
			p->last = filter->after_id;
		}
	}
	return code;
}

static void read_grep(struct request *r, struct drover_result_filter *filter)
{
	filter->grep = params_string(r, "grep");
	filter->grep_size = filter->grep ? strlen(filter->grep) : 0;
	if (filter->grep && (!filter->grep_size || filter->grep_size > GREP_SIZE))
		params_wrong(r, "grep", "must be 1 to %d bytes", GREP_SIZE);
	if (filter->grep && filter->sort != DROVER_SORT_INDEX)
		params_wrong(r, "grep", "goes with sort=index only");
}

int results_of_task(struct request *r)
{
	static const char *const sorts[] = { "index", "finished", "status", NULL };
	struct page p = { .r = r, .limit = params_int(r, "limit", PAGE_DEFAULT, 1, PAGE_MAXIMUM) };
	struct drover_result_filter filter = { .size = sizeof(filter),
					       .statuses = params_words(r, "status", drover_status_parse),
					       .host = params_string(r, "host"),
					       .limit = p.limit + 1,
					       .sort = (enum drover_result_sort)params_choice(r, "sort", sorts, 0) };

	p.outputs = filter.outputs = params_bool(r, "output", true);
	p.sort = filter.sort;
	read_cursor(&p, &filter);
	read_grep(r, &filter);
	if (r->problem.kind || tasks_find(r, &filter.task_key))
		return 0;
	writer_object(&r->out, NULL);
	writer_array(&r->out, "items");
	if (filter.grep ? search(&p, &filter) : query(&p, &filter))
		return 0;
	return end_page(&p);
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

/*
 * Splits at the commas, in place; empty names and repeated ones are left out. `hosts` has room for `most`; one more
 * is only counted.
 */
static size_t split_hosts(char *text, char **hosts, size_t most)
{
	size_t count = 0;

	for (char *save, *name = strtok_r(text, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		bool known = false;

		for (size_t i = 0; i < count && !known; i++)
			known = !strcmp(hosts[i], name);
		if (known)
			continue;
		if (count == most)
			return most + 1;
		hosts[count++] = name;
	}
	return count;
}

int results_of_hosts(struct request *r)
{
	struct page p = { .r = r, .limit = params_int(r, "limit", PAGE_DEFAULT, 1, PAGE_MAXIMUM), .with_task = true };
	struct drover_result_filter filter = { .size = sizeof(filter),
					       .statuses = params_words(r, "status", drover_status_parse),
					       .limit = p.limit + 1 };
	char *host = (char *)params_string(r, "host"), *several = (char *)params_string(r, "hosts");
	size_t most = (size_t)r->server->options->hosts_limit, count = 1;
	char **hosts = calloc(most, sizeof(*hosts));
	int answer = 0;

	if (!hosts)
		return problem_set(&r->problem, PROBLEM_UNAVAILABLE, "not enough memory");
	hosts[0] = host;
	if (several)
		count = split_hosts(several, hosts, most);
	p.outputs = filter.outputs = params_bool(r, "output", true);
	read_cursor(&p, &filter);
	if (!host == !several)
		params_wrong(r, "host", "exactly one of host and hosts must be given");
	else if (host ? !*host : !count)
		params_wrong(r, host ? "host" : "hosts", "must not be empty");
	if (count > most)
		params_wrong(r, "hosts", "must be at most %zu names (option hosts_limit)", most);
	for (size_t i = 0; i < count && !r->problem.kind; i++)
		access_check_host(r, hosts[i]);
	if (r->problem.kind)
		goto out;
	writer_object(&r->out, NULL);
	writer_array(&r->out, "items");
	filter.host = hosts[0];
	if (count == 1 ? !query(&p, &filter) : !merge_hosts(&p, &filter, hosts, count))
		answer = end_page(&p);
out:
	free(hosts);
	return answer;
}
