/* cmd_results.c - `drover results`: a task's rows, host by host. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/hosts_arg.h"
#include "cli/pages.h"
#include "cli/rows.h"
#include "cli/status_arg.h"
#include "cli/term.h"

struct results_args {
	const char *id;
	const char *status, *grep, *sort;
	struct hosts_arg hosts;
};

struct printing {
	const struct cli *cli;
	size_t rows;
};

enum { OPT_STATUS = 0x100, OPT_HOST, OPT_GREP, OPT_SORT };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct results_args *args = state->input;

	switch (key) {
	case OPT_STATUS:
		status_arg_check(arg, state);
		return args->status = arg, 0;
	case OPT_SORT:
		if (strcmp(arg, "index") && strcmp(arg, "finished") && strcmp(arg, "status"))
			argp_error(state, "--sort: \"%s\" is not one of index, finished, status", arg);
		return args->sort = arg, 0;
	case OPT_GREP:
		return args->grep = arg, 0;
	case OPT_HOST:
	case 'H':
		hosts_arg_add(&args->hosts, arg);
		return 0;
	case ARGP_KEY_ARG:
		if (args->id)
			argp_error(state, "one task, please: \"%s\" is too much", arg);
		return args->id = arg, 0;
	case ARGP_KEY_END:
		if (args->grep && args->sort && strcmp(args->sort, "index"))
			argp_error(state, "--grep goes with --sort index only");
		if (!args->id)
			argp_error(state, "which task (its id, the beginning of it, or \"last\")?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_stream(const struct cli *cli, struct json_object *row, const char *stream, const char *label)
{
	struct buf bytes = rows_bytes(row, stream);

	if (bytes.size && label)
		puts(label);
	term_text(cli, stdout, bytes.data, bytes.size);
	buf_dispose(&bytes);
}

static void print_row(const struct cli *cli, struct json_object *row)
{
	const char *status = field_word(row, "status"), *phase = field_word(row, "phase"),
		   *signal = field_word(row, "signal");

	fputs("--- ", stdout);
	term_line(cli, stdout, field_text(row, "host"));
	printf("  %s%s%s", term_color(cli, status), status, term_reset(cli));
	if (*phase && strcmp(status, "ok"))
		printf("  in %s", phase);
	if (*signal)
		printf("  signal %s", signal);
	else if (json_object_is_type(field(row, "rc"), json_type_int) &&
		 (field_int(row, "rc", 0) || strcmp(status, "ok")))
		printf("  exit code %" PRId64, field_int(row, "rc", 0));
	if (*field_text(row, "message")) {
		fputs("  ", stdout);
		term_line(cli, stdout, field_text(row, "message"));
	}
	putchar('\n');
	print_stream(cli, row, "stdout", NULL);
	print_stream(cli, row, "stderr", "[stderr]");
}

static int take_row(void *context, struct json_object *row)
{
	struct printing *printing = context;

	if (printing->cli->json)
		pages_json_item(printing->cli, row, !printing->rows);
	else
		print_row(printing->cli, row);
	printing->rows++;
	return ferror(stdout) ? DROVER_EFAULT : 0;
}

static void add_query(struct client *client, struct buf *query, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(query, "%s%s=", query->size ? "&" : "", name);
	client_escape(client, query, value);
}

/* All rows, or those of each host that was asked for. */
static int print_all(struct session *session, const char *id, const struct results_args *args,
		     const struct nodeset *hosts, struct printing *printing)
{
	struct drover_error err = { .code = DROVER_EFAULT, .message = "standard output is closed" };
	size_t count = args->hosts.count ? hosts->count : 1;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		struct buf query = BUF_INIT;

		buf_append(&query, "", 0);
		add_query(&session->client, &query, "status", args->status);
		add_query(&session->client, &query, "grep", args->grep);
		add_query(&session->client, &query, "sort", args->sort);
		add_query(&session->client, &query, "host", args->hosts.count ? hosts->names[i] : NULL);
		rc = rows_each(session, id, query.data, take_row, printing, &err);
		buf_dispose(&query);
	}
	return rc ? client_fail(&session->client, "read the results", &err) : CLI_OK;
}

static const struct argp_option options[] = {
	{ "status", OPT_STATUS, "STATUS,...", 0, "Only hosts that are ok, failed, unreachable, timeout, …", 0 },
	{ "host", OPT_HOST, "HOSTS", 0, "Only these hosts", 0 },
	{ "hosts", 'H', NULL, OPTION_ALIAS, NULL, 0 },
	{ "sort", OPT_SORT, "ORDER", 0,
	  "By index (the order of the task's hosts, as it is without this), finished or status", 0 },
	{ "grep", OPT_GREP, "TEXT", 0, "Only hosts that wrote TEXT", 0 },
	{ 0 },
};

const struct argp cmd_results_argp = { options,
				       parse,
				       "ID",
				       "Prints a task's results, host by host."
				       "\vExample: drover results last --status timeout,failed",
				       NULL,
				       NULL,
				       NULL };

int cmd_results(struct cli *cli, int argc, char **argv)
{
	struct results_args args = { 0 };
	struct printing printing = { .cli = cli };
	struct drover_error err = { 0 };
	struct json_object *task;
	struct nodeset hosts;
	struct session session;
	int code;

	cli_parse(cli, "results", &cmd_results_argp, 0, argc, argv, &args);
	if (hosts_arg_expand(&args.hosts, &hosts, &err)) {
		hosts_arg_dispose(&args.hosts);
		return cli_usage("results", "--host: %s", err.message);
	}
	code = session_open(&session, cli, false);
	if (!code) {
		code = session_task(&session, args.id, &task);
		if (!code) {
			if (cli->json)
				pages_json_begin();
			code = print_all(&session, field_text(task, "id"), &args, &hosts, &printing);
			if (cli->json && !code)
				pages_json_end();
			json_object_put(task);
		}
		session_close(&session);
	}
	nodeset_dispose(&hosts);
	hosts_arg_dispose(&args.hosts);
	return code;
}
