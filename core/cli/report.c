/* report.c - see report.h. */
#define _GNU_SOURCE /* sigabbrev_np */
#include "cli/report.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/fold.h"
#include "cli/lines.h"
#include "cli/module_result.h"
#include "cli/recap.h"
#include "cli/tail.h"
#include "cli/term.h"
#include "cli/pages.h"
#include "cli/rows.h"
#include "cli/summary.h"

struct report {
	const struct cli *cli;
	const struct view *view;
	struct fold fold;
	struct recap recap;
	bool modules; /* each row is a module's */
	int64_t largest_rc;
	size_t rows;
	int code; /* what is to be exited with, where that has been said */
};

/* Whose line it is. */
struct from {
	const struct cli *cli;
	const char *host;
	int stream;
};

/* What a shell would have made of the host's end. */
static int64_t exit_code_of(struct json_object *row)
{
	const char *name = field_text(row, "signal");

	if (*name) {
		for (int number = 1; number < NSIG; number++) {
			const char *abbreviation = sigabbrev_np(number);

			if (abbreviation && !strcmp(abbreviation, strncmp(name, "SIG", 3) ? name : name + 3))
				return 128 + number;
		}
		return 128;
	}
	return field_int(row, "rc", 0);
}

static int show_line(void *context, const char *line, size_t size)
{
	const struct from *from = context;

	tail_line(from->cli, from->host, from->stream, line, size);
	return 0;
}

static void show_lines(const struct cli *cli, struct json_object *row)
{
	for (int stream = 1; stream <= 2; stream++) {
		struct from from = { cli, field_text(row, "host"), stream };
		struct buf bytes = rows_bytes(row, stream == 2 ? "stderr" : "stdout");
		struct lines lines = { 0 };

		lines_take(&lines, bytes.data, bytes.size, show_line, &from);
		lines_end(&lines, show_line, &from);
		buf_dispose(&bytes);
	}
}

static int take_row(void *context, struct json_object *row)
{
	struct report *report = context;
	int64_t rc = exit_code_of(row);

	if (rc > report->largest_rc)
		report->largest_rc = rc;
	if (report->modules && !report->cli->json)
		module_result_show(row);
	if (report->view->outdir.path)
		report->code = outdir_write(&report->view->outdir, row);
	if (report->code)
		return DROVER_EFAULT;
	if (!report->cli->json) {
		if (report->view->mode == VIEW_BY_HOST)
			show_lines(report->cli, row);
		fold_add(&report->fold, row);
		recap_add(&report->recap, row);
	} else if (report->view->mode != VIEW_STREAM) {
		pages_json_item(report->cli, row, !report->rows);
	}
	report->rows++;
	return ferror(stdout) ? DROVER_EFAULT : 0;
}

/* Beside lines of hosts the summary goes to stderr: stdout is what they wrote, and nothing else. */
static void print_summary(struct report *report, struct json_object *task)
{
	struct cli cli = *report->cli;
	FILE *out = stdout;

	if (report->view->mode == VIEW_FOLDED) {
		summary_folded(&cli, &report->fold);
	} else {
		fflush(stdout);
		cli.color &= cli.stderr_terminal;
		out = stderr;
	}
	recap_print(&cli, out, &report->recap);
	summary_problems(&cli, out, &report->fold);
	summary_line(&cli, out, task);
}

static void begin_document(const struct cli *cli, struct json_object *task)
{
	fputs("{\"task\":", stdout);
	term_json(cli, task, JSON_C_TO_STRING_PLAIN);
	puts(",\n\"items\":[");
}

int report_print(struct session *session, const struct cli *cli, struct json_object *task, const struct view *view,
		 int64_t *largest_rc)
{
	bool streamed = view->mode == VIEW_STREAM, document = cli->json && !streamed;
	struct report report = { .cli = cli,
				 .view = view,
				 .modules = !strcmp(field_text(task, "type"), "adhoc"),
				 .fold = { .no_output = view->mode != VIEW_FOLDED } };
	struct drover_error err = { .code = DROVER_EFAULT, .message = "standard output is closed" };
	const char *query = streamed && !view->outdir.path ? "output=false" : "";

	if (document)
		begin_document(cli, task);
	if (rows_each(session, field_text(task, "id"), query, take_row, &report, &err) && !report.code)
		report.code = client_fail(&session->client, "read the results", &err);
	if (!report.code && document)
		puts("\n]}");
	if (!report.code && !cli->json)
		print_summary(&report, task);
	if (largest_rc)
		*largest_rc = report.largest_rc;
	fold_dispose(&report.fold);
	recap_dispose(&report.recap);
	return report.code;
}
