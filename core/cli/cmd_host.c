/* cmd_host.c - `drover host`: what tasks did on one host, newest first. */
#include <inttypes.h>
#include <libsmartcols.h>
#include <string.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/pages.h"
#include "cli/session.h"
#include "cli/status_arg.h"
#include "cli/table.h"
#include "conf/value.h"

struct host_args {
	const char *host, *status;
	int64_t limit;
};

struct history {
	const struct cli *cli;
	struct libscols_table *table; /* NULL: JSON */
	size_t count;
};

enum { OPT_STATUS = 0x100 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct host_args *args = state->input;
	struct drover_error err = { 0 };

	switch (key) {
	case 'n':
		if (value_int(arg, &args->limit, &err) || args->limit < 1)
			argp_error(state, "-n: must be a number from 1 on");
		return 0;
	case OPT_STATUS:
		status_arg_check(arg, state);
		return args->status = arg, 0;
	case ARGP_KEY_ARG:
		if (args->host)
			argp_error(state, "one host, please: \"%s\" is too much", arg);
		return args->host = arg, 0;
	case ARGP_KEY_END:
		if (!args->host)
			argp_error(state, "which host?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int take_row(void *context, struct json_object *row)
{
	struct history *history = context;
	char finished[32], rc[24] = "";
	const char *status = field_text(row, "status"), *message = field_text(row, "message");
	const char *cells[] = { field_text(row, "task"),
				status,
				field_text(row, "phase"),
				rc,
				table_time(field_text(row, "finished_at"), finished, sizeof(finished)),
				message };

	history->count++;
	if (history->cli->json) {
		pages_json_item(history->cli, row, history->count == 1);
		return 0;
	}
	if (*field_text(row, "signal"))
		snprintf(rc, sizeof(rc), "%s", field_word(row, "signal"));
	else if (json_object_is_type(field(row, "rc"), json_type_int))
		snprintf(rc, sizeof(rc), "%" PRId64, field_int(row, "rc", 0));
	table_row(history->cli, history->table, cells, 6, 1, status);
	return 0;
}

static int print_history(struct session *session, const struct cli *cli, const struct host_args *args)
{
	static const struct table_column columns[] = { { "TASK", 0, 0 }, { "STATUS", 0, 0 },   { "PHASE", 0, 0 },
						       { "RC", 1, 0 },   { "FINISHED", 0, 0 }, { "MESSAGE", 0, 1 } };
	struct history history = { .cli = cli, .table = cli->json ? NULL : table_new(cli, columns, 6) };
	struct drover_error err = { 0 };
	struct buf query = BUF_INIT;
	int code = CLI_OK;

	if (!cli->json && !history.table)
		return CLI_ERROR;
	/* A table shows no outputs; as data they belong to the row. */
	buf_string(&query, cli->json ? "&host=" : "&output=false&host=");
	client_escape(&session->client, &query, args->host);
	if (args->status) {
		buf_string(&query, "&status=");
		client_escape(&session->client, &query, args->status);
	}
	if (cli->json)
		pages_json_begin();
	if (pages_each(&session->client, "/v1/results", query.data, args->limit, take_row, &history, &err))
		code = client_fail(&session->client, "read the host's history", &err);
	else if (cli->json)
		pages_json_end();
	else if (!history.count)
		cli_say("no%s task had this host", args->status ? " such" : "");
	if (history.count && history.table && !code)
		code = table_print(history.table);
	else if (history.table)
		scols_unref_table(history.table);
	buf_dispose(&query);
	return code;
}

static const struct argp_option options[] = {
	{ "limit", 'n', "N", 0, "At most so many (20)", 0 },
	{ "status", OPT_STATUS, "STATUS,...", 0, "Only where it was ok, failed, unreachable, timeout, …", 0 },
	{ 0 },
};

const struct argp cmd_host_argp = { options,
				    parse,
				    "HOST",
				    "Shows how a host ended in each task that had it, newest first."
				    "\vExample: drover host web7.example.org --status failed,timeout",
				    NULL,
				    NULL,
				    NULL };

int cmd_host(struct cli *cli, int argc, char **argv)
{
	struct host_args args = { .limit = 20 };
	struct session session;
	int code;

	cli_parse(cli, "host", &cmd_host_argp, 0, argc, argv, &args);
	code = session_open(&session, cli, false);
	if (code)
		return code;
	code = print_history(&session, cli, &args);
	session_close(&session);
	return code;
}
