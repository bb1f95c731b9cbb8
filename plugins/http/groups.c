/* groups.c - the groups of the Ansible inventory, and in what state that is. */
#include "handlers.h"

#include <string.h>

#include "params.h"

void groups_write_inventory(struct writer *w, const struct drover_inventory *inventory)
{
	writer_object(w, "inventory");
	writer_string(w, "state", inventory->state);
	writer_time(w, "read_at", inventory->read_at);
	writer_time(w, "tried_at", inventory->tried_at);
	writer_string(w, "message", inventory->message);
	writer_array(w, "sources");
	for (const char *at = inventory->sources; *at;) {
		size_t length = strcspn(at, " ");

		if (length)
			writer_text(w, NULL, at, length);
		at += length + strspn(at + length, " ");
	}
	writer_array_end(w);
	writer_int(w, "hosts", inventory->hosts);
	writer_int(w, "groups", inventory->groups);
	writer_int(w, "skipped", inventory->skipped);
	writer_string(w, "skipped_are", inventory->skipped_are);
	writer_object_end(w);
}

static void write_inventory(void *context, const struct drover_inventory *inventory)
{
	groups_write_inventory(context, inventory);
}

static void write_group(struct writer *w, const struct drover_host_group *group)
{
	writer_object(w, NULL);
	writer_string(w, "name", group->name);
	writer_int(w, "count", group->count);
	writer_string(w, "hosts", group->hosts);
	writer_array(w, "children");
	for (size_t i = 0; i < group->child_count; i++)
		writer_string(w, NULL, group->children[i]);
	writer_array_end(w);
	writer_object_end(w);
}

static int show_one(void *context, const struct drover_host_group *group)
{
	write_group(context, group);
	return 0;
}

#define PAGE_FULL 1 /* a callback's own: no more */

struct listing {
	struct request *r;
	int64_t limit;
	bool more;
	char last[512]; /* the name of the last group that was written */
};

static int list_one(void *context, const struct drover_host_group *group)
{
	struct listing *l = context;

	if (!l->limit || (int64_t)l->r->out.size >= l->r->server->options->page_size) {
		l->more = true;
		return PAGE_FULL;
	}
	l->limit--;
	strncpy(l->last, group->name, sizeof(l->last) - 1);
	write_group(&l->r->out, group);
	return 0;
}

int groups_list(struct request *r)
{
	const struct drover_source_services *services = r->server->services;
	struct listing l = { .r = r, .limit = params_int(r, "limit", PAGE_DEFAULT, 1, PAGE_MAXIMUM) };
	const char *after = params_string(r, "after");
	struct drover_error err = { 0 };
	int code;

	if (after && !*after)
		params_wrong(r, "after", "must be the `next` of a page");
	if (r->problem.kind)
		return 0;
	writer_object(&r->out, NULL);
	writer_array(&r->out, "items");
	code = services->host_groups(r->server->core, &r->access.by, NULL, after, list_one, &l, &err);
	if (code && code != PAGE_FULL)
		return problem_set_code(&r->problem, code, &err);
	writer_array_end(&r->out);
	if (l.more)
		writer_string(&r->out, "next", l.last);
	services->inventory(r->server->core, write_inventory, &r->out);
	writer_object_end(&r->out);
	return MHD_HTTP_OK;
}

int groups_show(struct request *r)
{
	const struct drover_source_services *services = r->server->services;
	struct drover_error err = { 0 };
	int code;

	if (r->problem.kind)
		return 0;
	code = services->host_groups(r->server->core, &r->access.by, r->arguments[0], NULL, show_one, &r->out, &err);
	return code ? problem_set_code(&r->problem, code, &err) : MHD_HTTP_OK;
}
