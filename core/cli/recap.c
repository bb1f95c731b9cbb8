/* recap.c - see recap.h. */
#include "cli/recap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "cli/field.h"
#include "cli/term.h"
#include "util/buf.h"
#include "util/nodeset.h"

struct recap_group {
	char *counts; /* owned; as it is shown */
	const char *status;
	char **names; /* owned */
	size_t count, room;
	UT_hash_handle hh;
};

/* In the order of ansible-playbook's own. */
static char *make_counts(struct json_object *counts)
{
	static const char *const keys[] = { "ok", "changed", "unreachable", "failed", "skipped", "rescued", "ignored" };
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		buf_printf(&text, "%s%s=%" PRId64, i ? " " : "", keys[i], field_int(counts, keys[i], 0));
	return buf_take(&text);
}

void recap_add(struct recap *recap, struct json_object *row)
{
	struct json_object *counts = field(row, "recap");
	struct recap_group *group;
	char *text;

	if (!json_object_is_type(counts, json_type_object))
		return;
	text = make_counts(counts);
	HASH_FIND_STR(recap->groups, text, group);
	if (!group) {
		group = xcalloc(1, sizeof(*group));
		group->counts = text;
		group->status = field_int(counts, "unreachable", 0) ? "unreachable"
				: field_int(counts, "failed", 0)    ? "failed"
								    : "ok";
		HASH_ADD_KEYPTR(hh, recap->groups, group->counts, strlen(group->counts), group);
	} else {
		free(text);
	}
	if (group->count == group->room) {
		group->room = group->room ? group->room * 2 : 4;
		group->names = xrealloc(group->names, group->room * sizeof(*group->names));
	}
	group->names[group->count++] = xstrdup(field_text(row, "host"));
}

static int larger_first(const struct recap_group *a, const struct recap_group *b)
{
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return strcmp(a->names[0], b->names[0]);
}

void recap_print(const struct cli *cli, FILE *out, struct recap *recap)
{
	HASH_SORT(recap->groups, larger_first);
	for (struct recap_group *group = recap->groups; group; group = group->hh.next) {
		char *names = nodeset_fold(group->names, group->count);

		fputs("recap      ", out);
		term_line(cli, out, names);
		if (group->count > 1)
			fprintf(out, " (%zu)", group->count);
		fprintf(out, "  %s%s%s\n", term_color(cli, group->status), group->counts, term_reset(cli));
		free(names);
	}
}

void recap_dispose(struct recap *recap)
{
	struct recap_group *group, *next;

	HASH_ITER (hh, recap->groups, group, next) {
		HASH_DEL(recap->groups, group);
		for (size_t i = 0; i < group->count; i++)
			free(group->names[i]);
		free(group->names);
		free(group->counts);
		free(group);
	}
}
