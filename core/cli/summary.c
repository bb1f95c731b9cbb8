/* summary.c - see summary.h. */
#include "cli/summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <drover/status.h>

#include "cli/field.h"
#include "cli/term.h"
#include "util/clock.h"
#include "util/nodeset.h"

void summary_line(const struct cli *cli, FILE *out, struct json_object *task)
{
	struct json_object *counts = field(task, "counts");
	int64_t total = field_int(task, "hosts_total", 0);
	int64_t from = clock_parse(field_text(task, "created_at")), to = clock_parse(field_text(task, "finished_at"));
	const char *comma = "", *state = field_word(task, "state"), *reason = field_text(task, "reason");

	/* ok comes first, whatever its number is, and what is not final last. */
	for (int i = DROVER_OK; i < DROVER_STATUS_COUNT + DROVER_OK; i++) {
		const char *status = drover_status_name((enum drover_status)(i % DROVER_STATUS_COUNT));
		int64_t count = field_int(counts, status, 0);

		if (!count && i != DROVER_OK)
			continue;
		fprintf(out, "%s%s%" PRId64 " %s%s", comma, count ? term_color(cli, status) : "", count, status,
			term_reset(cli));
		comma = ", ";
	}
	fprintf(out, " of %" PRId64 " host%s", total, total == 1 ? "" : "s");
	if (from >= 0 && to >= from)
		fprintf(out, " in %.1f s", (double)(to - from) / 1000);
	if (strcmp(state, "done"))
		fprintf(out, "; the task is %s", state);
	if (*reason) {
		fputs(": ", out);
		term_line(cli, out, reason);
	}
	fputs("   (task ", out);
	term_line(cli, out, field_text(task, "id"));
	fputs(")\n", out);
}

/* `web[1-26] (26)`, where one host is just its name. */
static void print_names(const struct cli *cli, FILE *out, const struct fold_group *group)
{
	char *pattern = nodeset_fold(group->names, group->count);

	term_line(cli, out, pattern);
	if (group->count > 1)
		fprintf(out, " (%zu)", group->count);
	free(pattern);
}

/* How the hosts of a group ended: `exit code 3`, `in key exchange: no answer for 5 s; …`. */
static void print_reason(const struct cli *cli, FILE *out, const struct fold_group *group)
{
	const char *separator = "";

	if (*group->phase && strcmp(group->status, "ok") && strcmp(group->status, "failed")) {
		fprintf(out, "in %s", group->phase);
		separator = ": ";
	}
	if (*group->signal)
		fprintf(out, "%ssignal %s", separator, group->signal);
	else if (group->has_rc && group->rc)
		fprintf(out, "%sexit code %" PRId64, separator, group->rc);
	if (*group->signal || (group->has_rc && group->rc))
		separator = ": ";
	if (*group->message) {
		fputs(separator, out);
		term_line(cli, out, group->message);
		separator = "; ";
	}
	if (!strcmp(group->remote, "unknown"))
		fprintf(out, "%sits remote process may live on", separator);
	else if (!strcmp(group->remote, "dead"))
		fprintf(out, "%sits remote process was ended", separator);
}

static void print_header(const struct cli *cli, const struct fold_group *group)
{
	fputs("--- ", stdout);
	print_names(cli, stdout, group);
	printf("  %s%s%s", term_color(cli, group->status), group->status, term_reset(cli));
	if (strcmp(group->status, "ok")) {
		fputs("  ", stdout);
		print_reason(cli, stdout, group);
	}
	putchar('\n');
}

static void print_outputs(const struct cli *cli, const struct fold_group *group)
{
	term_text(cli, stdout, group->out.data, group->out.size);
	if (group->err.size && group->out.size)
		puts("[stderr]");
	term_text(cli, stdout, group->err.data, group->err.size);
	if (group->truncated)
		puts("[the middle of the output was not kept: --output-limit]");
	if (group->cut)
		puts("[only the beginning is shown: drover results shows all]");
}

void summary_problems(const struct cli *cli, FILE *out, struct fold *fold)
{
	struct fold ends = { .no_output = true };
	struct fold_group **sorted;
	size_t count;

	for (struct fold_group *group = fold->groups; group; group = group->hh.next) {
		struct json_object *row;

		if (!strcmp(group->status, "ok"))
			continue;
		row = json_object_new_object();
		json_object_object_add(row, "status", json_object_new_string(group->status));
		json_object_object_add(row, "phase", json_object_new_string(group->phase));
		json_object_object_add(row, "message", json_object_new_string(group->message));
		json_object_object_add(row, "signal", json_object_new_string(group->signal));
		json_object_object_add(row, "remote_process", json_object_new_string(group->remote));
		if (group->has_rc)
			json_object_object_add(row, "rc", json_object_new_int64(group->rc));
		for (size_t i = 0; i < group->count; i++) {
			json_object_object_add(row, "host", json_object_new_string(group->names[i]));
			fold_add(&ends, row);
		}
		json_object_put(row);
	}
	sorted = fold_sorted(&ends, &count);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%s%-11s%s  ", term_color(cli, sorted[i]->status), sorted[i]->status, term_reset(cli));
		print_names(cli, out, sorted[i]);
		fputs("  ", out);
		print_reason(cli, out, sorted[i]);
		fputc('\n', out);
	}
	free(sorted);
	fold_dispose(&ends);
}

void summary_folded(const struct cli *cli, struct fold *fold)
{
	struct fold_group **sorted;
	size_t count;

	sorted = fold_sorted(fold, &count);
	for (size_t i = 0; i < count; i++) {
		const struct fold_group *group = sorted[i];

		/* Those without output that are not ok have their line below. */
		if (strcmp(group->status, "ok") && !group->out.size && !group->err.size)
			continue;
		print_header(cli, group);
		print_outputs(cli, group);
	}
	free(sorted);
}
