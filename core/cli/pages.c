/* pages.c - see pages.h. */
#include "cli/pages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/field.h"
#include "cli/term.h"

#define PAGE 1000 /* the daemon ends a page earlier where its rows hold much output */

int pages_each(struct client *client, const char *path, const char *query, int64_t most, pages_fn *fn, void *context,
	       struct drover_error *err)
{
	char *after = xstrdup("");
	int rc = 0;

	while (!rc && after && most > 0) {
		struct json_object *answer = NULL, *items;
		struct buf page = BUF_INIT;

		buf_printf(&page, "%s?limit=%" PRId64 "%s", path, most < PAGE ? most : PAGE, query);
		if (*after) {
			buf_string(&page, "&after=");
			client_escape(client, &page, after);
		}
		free(after);
		after = NULL;
		rc = client_call(client, "GET", page.data, NULL, &answer, err);
		items = rc ? NULL : field_items(answer);
		for (size_t i = 0; !rc && i < field_count(items); i++)
			rc = fn(context, json_object_array_get_idx(items, i));
		most -= (int64_t)field_count(items);
		if (!rc && field_count(items) && *field_text(answer, "next"))
			after = xstrdup(field_text(answer, "next"));
		json_object_put(answer);
		buf_dispose(&page);
	}
	free(after);
	return rc;
}

void pages_json_begin(void)
{
	puts("{\"items\":[");
}

void pages_json_item(const struct cli *cli, struct json_object *item, bool first)
{
	fputs(first ? "" : ",\n", stdout);
	term_json(cli, item, JSON_C_TO_STRING_PLAIN);
}

void pages_json_end(void)
{
	puts("\n]}");
}
