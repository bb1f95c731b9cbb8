/*
 * outputs.c - the hosts of a task by what they printed: one item for all that printed the same.
 *
 * The groups come from the store one by one, so that no more than a page of outputs is ever in memory.
 */
#include "handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "params.h"
#include "show.h"
#include "utf8.h"

/* One stream of the largest group; `text` is NULL where it is no text or too large to be compared. */
struct base {
	char *text; /* owned */
	size_t size;
	bool too_large;
};

struct page {
	struct request *r;
	const struct drover_group_filter *filter;
	int64_t limit, shown;
	int64_t last_count, last_id;
	bool more;
	bool diff;
	int64_t majority; /* first_id of the group that the others are compared with; 0: none */
	struct base out, err;
};

static bool base_take(struct base *base, struct drover_bytes bytes)
{
	base->size = bytes.size;
	base->too_large = bytes.size > DIFF_BYTES;
	if (base->too_large || !utf8_is_text(bytes.data, bytes.size))
		return true;
	base->text = malloc(bytes.size + 1);
	if (base->text && bytes.size)
		memcpy(base->text, bytes.data, bytes.size);
	return base->text;
}

static int take_majority(void *context, const struct drover_group *group)
{
	struct page *p = context;

	p->majority = group->first_id;
	if (!base_take(&p->out, group->out) || !base_take(&p->err, group->err))
		problem_set(&p->r->problem, PROBLEM_UNAVAILABLE, "not enough memory");
	return 1;
}

/* Why there is no difference to be shown, or NULL. */
static const char *show_diff_of(struct writer *w, const char *key, const struct base *base, struct drover_bytes bytes)
{
	static const char *const reasons[] = { [DIFF_TOO_LARGE] = "too large",
					       [DIFF_TOO_DIFFERENT] = "too different",
					       [DIFF_NO_MEMORY] = "not enough memory" };
	struct writer text = { NULL };
	enum diff_result result = DIFF_TOO_LARGE;
	const char *reason;

	if (base->too_large || bytes.size > DIFF_BYTES) {
		reason = reasons[DIFF_TOO_LARGE];
	} else if (!base->text || !utf8_is_text(bytes.data, bytes.size)) {
		reason = "not text";
	} else {
		result = diff_unified(base->text, base->size, bytes.data, bytes.size, &text);
		reason = reasons[result];
	}
	if (result == DIFF_MADE)
		writer_text(w, key, text.data, text.size);
	else
		writer_null(w, key);
	writer_dispose(&text);
	return result == DIFF_MADE ? NULL : reason;
}

static void show_diff(struct page *p, const struct drover_group *group)
{
	struct writer *w = &p->r->out;
	const char *reason = NULL, *other = NULL;

	if (!p->majority || group->first_id == p->majority) {
		writer_null(w, "diff_to_majority");
		return;
	}
	writer_object(w, "diff_to_majority");
	if (p->filter->stream != 2)
		reason = show_diff_of(w, "stdout", &p->out, group->out);
	if (p->filter->stream != 1)
		other = show_diff_of(w, "stderr", &p->err, group->err);
	writer_string(w, "given_up", reason ? reason : other);
	writer_object_end(w);
}

static int add_group(void *context, const struct drover_group *group)
{
	struct page *p = context;
	struct request *r = p->r;

	if (p->shown == p->limit || (int64_t)r->out.size >= r->server->options->page_size) {
		p->more = true;
		return 1;
	}
	writer_object(&r->out, NULL);
	show_group(&r->out, group, p->filter->stream, p->filter->outputs);
	if (p->diff)
		show_diff(p, group);
	writer_object_end(&r->out);
	p->last_count = group->count;
	p->last_id = group->first_id;
	p->shown++;
	return 0;
}

/* "COUNT-ID" of the last group of the page before. */
static void read_after(struct request *r, struct drover_group_filter *filter)
{
	const char *text = params_string(r, "after");
	long long count, id;
	int end = 0;

	if (!text)
		return;
	if (sscanf(text, "%18lld-%18lld%n", &count, &id, &end) != 2 || text[end] || count < 1 || id < 0) {
		params_wrong(r, "after", "is none that was given here as next");
		return;
	}
	filter->after_count = count;
	filter->after_id = id;
}

static void answer(struct page *p)
{
	struct request *r = p->r;
	struct drover_error err = { 0 };
	char next[48];
	int code = 0;

	if (p->diff) {
		struct drover_group_filter first = *p->filter;

		first.after_count = first.after_id = 0;
		first.limit = 1;
		first.printed = first.outputs = true;
		code = r->server->services->groups(r->server->core, &first, take_majority, p, &err);
	}
	writer_object(&r->out, NULL);
	writer_array(&r->out, "items");
	if (code >= 0)
		code = r->server->services->groups(r->server->core, p->filter, add_group, p, &err);
	if (code < 0) {
		problem_set_code(&r->problem, code, &err);
		return;
	}
	writer_array_end(&r->out);
	if (p->more) {
		snprintf(next, sizeof(next), "%lld-%lld", (long long)p->last_count, (long long)p->last_id);
		writer_string(&r->out, "next", next);
	}
	writer_object_end(&r->out);
}

int outputs_of_task(struct request *r)
{
	static const char *const streams[] = { "both", "stdout", "stderr", NULL };
	struct page p = { .r = r, .limit = params_int(r, "limit", PAGE_DEFAULT, 1, PAGE_MAXIMUM) };
	struct drover_group_filter filter = { .size = sizeof(filter),
					      .statuses = params_words(r, "status", drover_status_parse),
					      .stream = params_choice(r, "stream", streams, 0),
					      .outputs = params_bool(r, "output", true),
					      .limit = p.limit + 1 };

	p.filter = &filter;
	p.diff = params_bool(r, "diff", false);
	read_after(r, &filter);
	if (p.diff && !filter.outputs)
		params_wrong(r, "diff", "does not go with output=false");
	if (r->problem.kind || tasks_find(r, &filter.task_key))
		return 0;
	answer(&p);
	free(p.out.text);
	free(p.err.text);
	return MHD_HTTP_OK;
}
