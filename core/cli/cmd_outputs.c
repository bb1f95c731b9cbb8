/* cmd_outputs.c - `drover outputs`: a task's hosts folded by identical output, the largest group first. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/one_task.h"
#include "cli/pages.h"
#include "cli/report.h"
#include "cli/rows.h"
#include "cli/status_arg.h"
#include "cli/term.h"

struct outputs_args {
	const char *word, *status;
	bool full;
	struct view view;
};

struct printing {
	const struct cli *cli;
	bool full;
	size_t groups;
};

enum { OPT_STATUS = 0x100, OPT_FULL };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct outputs_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->view;
		return 0;
	case OPT_STATUS:
		status_arg_check(arg, state);
		return args->status = arg, 0;
	case OPT_FULL:
		return args->full = true, 0;
	default:
		return one_task_word(key, arg, state, ONE_TASK_WHAT, &args->word);
	}
}

static void print_header(const struct cli *cli, struct json_object *group)
{
	const char *status = field_word(group, "status"), *signal = field_word(group, "signal");
	int64_t count = field_int(group, "count", 0), rc = field_int(group, "rc", 0);

	fputs("--- ", stdout);
	term_line(cli, stdout, field_text(group, "hosts"));
	if (count > 1)
		printf(" (%" PRId64 ")", count);
	printf("  %s%s%s", term_color(cli, status), status, term_reset(cli));
	if (*field_word(group, "phase") && strcmp(status, "ok") && strcmp(status, "failed"))
		printf("  in %s", field_word(group, "phase"));
	if (*signal)
		printf("  signal %s", signal);
	else if (rc)
		printf("  exit code %" PRId64, rc);
	if (*field_text(group, "message")) {
		fputs("  ", stdout);
		term_line(cli, stdout, field_text(group, "message"));
	}
	putchar('\n');
}

/* One stream of a group: whole, or as its difference to the largest group where that is shorter. */
static void print_stream(const struct printing *printing, struct json_object *group, const char *stream)
{
	struct json_object *diff = field(field(group, "diff_to_majority"), stream);
	struct buf bytes = rows_bytes(group, stream);
	const char *text = json_object_get_string(diff);
	size_t size = (size_t)json_object_get_string_len(diff);
	bool differs = json_object_is_type(diff, json_type_string) && size && size < bytes.size && !printing->full;
	bool error = !strcmp(stream, "stderr");

	if (bytes.size && (error || differs))
		printf("[%s%s]\n", stream, differs ? ", as it differs from the largest group's" : "");
	term_text(printing->cli, stdout, differs ? text : bytes.data, differs ? size : bytes.size);
	buf_dispose(&bytes);
}

static int take_group(void *context, struct json_object *group)
{
	struct printing *printing = context;

	printing->groups++;
	if (printing->cli->json) {
		pages_json_item(printing->cli, group, printing->groups == 1);
	} else {
		print_header(printing->cli, group);
		print_stream(printing, group, "stdout");
		print_stream(printing, group, "stderr");
		if (field_bool(group, "truncated"))
			puts("[the middle of the output was not kept: --output-limit]");
	}
	return ferror(stdout) ? DROVER_EFAULT : 0;
}

static int print_groups(struct session *session, const struct cli *cli, const char *id, const struct outputs_args *args)
{
	struct drover_error err = { .code = DROVER_EFAULT, .message = "standard output is closed" };
	struct printing printing = { .cli = cli, .full = args->full };
	char *path = session_task_path(session, id, "/outputs");
	struct buf query = BUF_INIT;
	int code = CLI_OK;

	buf_string(&query, "&diff=true");
	if (args->status) {
		buf_string(&query, "&status=");
		client_escape(&session->client, &query, args->status);
	}
	if (cli->json)
		pages_json_begin();
	if (pages_each(&session->client, path, query.data, INT64_MAX, take_group, &printing, &err))
		code = client_fail(&session->client, "read the outputs", &err);
	else if (cli->json)
		pages_json_end();
	else if (!printing.groups)
		cli_say("no host of it has ended%s yet", args->status ? " so" : "");
	buf_dispose(&query);
	free(path);
	return code;
}

static const struct argp_option options[] = {
	{ "status", OPT_STATUS, "STATUS,...", 0, "Only hosts that are ok, failed, unreachable, timeout, …", 0 },
	{ "full", OPT_FULL, NULL, 0, "Outputs whole, never as differences", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &view_ended_argp, 0, NULL, 0 }, { 0 } };

const struct argp cmd_outputs_argp = { options,
				       parse,
				       "ID",
				       "Prints what hosts wrote, hosts with the same output as one group, the "
				       "largest first; of the others the "
				       "difference to it where that is shorter."
				       "\vExample: drover outputs last --status ok",
				       children,
				       NULL,
				       NULL };

int cmd_outputs(struct cli *cli, int argc, char **argv)
{
	struct outputs_args args = { 0 };
	struct json_object *task;
	struct session session;
	int code;

	cli_parse(cli, "outputs", &cmd_outputs_argp, 0, argc, argv, &args);
	if (args.status && (args.view.folder || args.view.mode != VIEW_FOLDED))
		return cli_usage("outputs", "--status does not go with -L or --outdir, which take all hosts");
	code = view_open(&args.view);
	if (!code)
		code = one_task_open(cli, args.word, &session, &task);
	if (!code) {
		if (args.view.folder || args.view.mode != VIEW_FOLDED)
			code = report_print(&session, cli, task, &args.view, NULL);
		else
			code = print_groups(&session, cli, field_text(task, "id"), &args);
		one_task_close(&session, task);
	}
	view_close(&args.view);
	return code;
}
