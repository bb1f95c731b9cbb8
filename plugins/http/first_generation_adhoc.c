/* first_generation_adhoc.c - results of modules, a row a finished host, as the first generation's tables had them. */
#include "first_generation.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "handlers.h"
#include "http.h"
#include "utf8.h"
#include "zone.h"

#define NEWEST_OF_EACH 10
#define PAGE_ROWS 200

enum family { FAMILY_COPY, FAMILY_UNARCHIVE, FAMILY_OTHER };

static const struct {
	const char *good, *bad;
} words[] = {
	[FAMILY_COPY] = { "拷贝成功", "拷贝失败" },
	[FAMILY_UNARCHIVE] = { "解压成功", "解压失败" },
	[FAMILY_OTHER] = { "执行成功", "执行失败" },
};

struct listing {
	struct request *r;
	struct json_object *task; /* borrowed; of the row that comes */
	int64_t last;
	size_t count, page; /* rows in all, and of this query */
	size_t hosts;       /* that have a row */
};

static struct json_object *payload_member(const struct listing *l, const char *name)
{
	return json_object_object_get(json_object_object_get(l->task, "payload"), name);
}

/* `ansible.builtin.copy` is copy. */
static enum family family_of(const struct listing *l)
{
	const char *module = json_object_get_string(payload_member(l, "module"));
	const char *dot = module ? strrchr(module, '.') : NULL;

	if (dot)
		module = dot + 1;
	if (module && !strcmp(module, "copy"))
		return FAMILY_COPY;
	return module && !strcmp(module, "unarchive") ? FAMILY_UNARCHIVE : FAMILY_OTHER;
}

/* The first generation numbered hosts; here a name always has the same number, below 2^53. */
static int64_t asset_id(const char *host)
{
	unsigned char digest[crypto_generichash_BYTES_MIN];
	int64_t number = 0;

	crypto_generichash(digest, sizeof(digest), (const unsigned char *)host, strlen(host), NULL, 0);
	for (int i = 0; i < 6; i++)
		number = number << 8 | digest[i];
	return number;
}

/* What is no text is written as JSON; a list of words with blanks between them. */
static void write_json(struct writer *w, const char *key, struct json_object *value)
{
	struct json_object *text;

	if (!json_object_is_type(value, json_type_array)) {
		writer_string(w, key, value ? json_object_get_string(value) : "");
		return;
	}
	text = json_object_new_string("");
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(value, i));
		const char *before = json_object_get_string(text);
		size_t size = strlen(before) + (word ? strlen(word) : 0) + 2;
		char *joined = malloc(size);

		if (!joined)
			break;
		snprintf(joined, size, "%s%s%s", before, i ? " " : "", word ? word : "");
		json_object_set_string(text, joined);
		free(joined);
	}
	writer_string(w, key, json_object_get_string(text));
	json_object_put(text);
}

static void write_bytes(struct writer *w, const char *key, struct drover_bytes bytes)
{
	writer_text(w, key, bytes.data ? bytes.data : "", bytes.data ? bytes.size : 0);
}

static const char *message_of(const struct drover_result_row *row)
{
	return row->message ? row->message : "";
}

static void write_command(const struct listing *l, struct json_object *result)
{
	struct json_object *cmd = json_object_object_get(result, "cmd");

	write_json(&l->r->out, "cmd", cmd ? cmd : payload_member(l, "args"));
}

static void write_good(const struct listing *l, const struct drover_result_row *row, enum family family)
{
	struct json_object *result = row->result ? first_generation_parse(row->result, strlen(row->result)) : NULL;
	struct writer *w = &l->r->out;

	if (family == FAMILY_OTHER) {
		write_command(l, result);
		write_bytes(w, "stdout", row->out);
	} else {
		write_json(w, "dest", json_object_object_get(result, "dest"));
	}
	json_object_put(result);
}

static void write_bad(const struct listing *l, const struct drover_result_row *row, enum family family)
{
	struct json_object *result = row->result ? first_generation_parse(row->result, strlen(row->result)) : NULL;
	struct writer *w = &l->r->out;

	if (family == FAMILY_OTHER)
		write_command(l, result);
	writer_string(w, "msg", message_of(row));
	if (family == FAMILY_COPY)
		write_json(w, "exception", json_object_object_get(result, "exception"));
	if (family == FAMILY_OTHER)
		write_bytes(w, "stderr", row->err);
	json_object_put(result);
}

static void write_outcome(const struct listing *l, const struct drover_result_row *row)
{
	enum family family = family_of(l);
	struct writer *w = &l->r->out;

	switch (row->status) {
	case DROVER_OK:
	case DROVER_SKIPPED:
		writer_string(w, "result", words[family].good);
		write_good(l, row, family);
		break;
	case DROVER_UNREACHABLE:
		writer_string(w, "result", "无法连接");
		writer_string(w, "msg", message_of(row));
		break;
	case DROVER_TIMEOUT:
		writer_string(w, "result", "执行超时");
		writer_string(w, "msg", "Exec Timeout");
		break;
	case DROVER_FAILED:
		writer_string(w, "result", words[family].bad);
		write_bad(l, row, family);
		break;
	default:
		/* lost, cancelled, expired: the module itself said nothing */
		writer_string(w, "result", words[FAMILY_OTHER].bad);
		write_bad(l, row, FAMILY_OTHER);
		break;
	}
}

static int write_row(void *context, const struct drover_result_row *row)
{
	struct listing *l = context;
	struct writer *w = &l->r->out;
	char date[ZONE_TEXT_SIZE];

	zone_format(l->r->server->options->zone, row->finished_at, date);
	writer_object(w, NULL);
	writer_int(w, "id", row->id);
	writer_int(w, "asset_id", asset_id(row->host));
	writer_string(w, "ip", row->host);
	write_json(w, "task_name", json_object_object_get(l->task, "name"));
	write_json(w, "module", payload_member(l, "module"));
	write_json(w, "args", payload_member(l, "args"));
	write_outcome(l, row);
	writer_string(w, "created_date", date);
	writer_object_end(w);
	l->last = row->id;
	l->count++;
	l->page++;
	return 0;
}

static unsigned final_statuses(void)
{
	unsigned bits = 0;

	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		if (drover_status_is_final((enum drover_status)i))
			bits |= 1u << i;
	return bits;
}

/* However much hosts have printed: above a page's size rows come with empty outputs, but every host has its row. */
static bool has_room(const struct request *r)
{
	return (int64_t)r->out.size < r->server->options->page_size;
}

static void list_task(struct listing *l, struct first_generation_rows *rows, const char *task_id)
{
	struct request *r = l->r;
	struct drover_result_filter filter = { .size = sizeof(filter),
					       .statuses = final_statuses(),
					       .limit = PAGE_ROWS };
	struct drover_error err = { 0 };
	char id[FIRST_GENERATION_ID_SIZE];
	int code = 0;

	first_generation_id(&first_generation_adhoc, task_id, id);
	l->task = first_generation_find_task(rows, id, &filter.task_key);
	if (!l->task || r->problem.kind || access_check_named_task(r, id))
		return;
	do {
		l->page = 0;
		filter.after_id = l->last;
		filter.outputs = has_room(r);
		code = r->server->services->results(r->server->core, &filter, write_row, l, &err);
	} while (!code && l->page == PAGE_ROWS);
	l->hosts = l->count;
	if (code < 0)
		problem_set_code(&r->problem, code, &err);
}

static void list_host(struct listing *l, struct first_generation_rows *rows, const char *host, size_t limit)
{
	size_t before = l->count;

	if (access_check_host(l->r, host) ||
	    first_generation_find_rows(rows, &first_generation_adhoc, host, final_statuses(), limit))
		return;
	for (size_t i = 0; i < rows->count && !l->r->problem.kind; i++) {
		l->task = rows->items[i].task;
		first_generation_read_row(rows, host, rows->items[i].id, has_room(l->r), write_row, l);
	}
	l->hosts += l->count > before;
}

int first_generation_list_adhoc(struct request *r)
{
	struct listing l = { .r = r };
	struct first_generation_rows rows = { .r = r };
	struct first_generation_query query;

	if (!first_generation_read_query(r, true, &query)) {
		first_generation_query_dispose(&query);
		return first_generation_answer(r, 500, FIRST_GENERATION_REFUSED);
	}
	first_generation_begin(r);
	if (query.task_id)
		list_task(&l, &rows, query.task_id);
	for (size_t i = 0; i < query.count && !r->problem.kind; i++)
		list_host(&l, &rows, query.ips[i], query.single ? SIZE_MAX : NEWEST_OF_EACH);
	first_generation_rows_dispose(&rows);
	first_generation_query_dispose(&query);
	return first_generation_end(r, l.hosts);
}
