/* cmd_list.c - `drover list`: tasks, by all that they can be found by. */
#define _GNU_SOURCE /* strptime */
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/pages.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "cli/table.h"
#include "conf/value.h"
#include "task/duration.h"

struct list_args {
	int64_t limit;
	const char *state, *type, *label, *host, *name, *owner;
	char since[64], until[64];
};

enum { OPT_STATE = 0x100, OPT_TYPE, OPT_LABEL, OPT_HOST, OPT_NAME, OPT_OWNER, OPT_SINCE, OPT_UNTIL, OPT_ALL };

/*
 * When: `2h` ago, a day or time of this machine's zone, or a time as the daemon writes it. In `utc` as the daemon
 * reads it.
 */
static bool parse_when(const char *text, char *utc, size_t size)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S" };
	int64_t ago = duration_parse(text);
	struct tm tm = { 0 };
	time_t seconds;

	if (strchr(text, 'T')) {
		snprintf(utc, size, "%s", text);
		return true;
	}
	seconds = time(NULL) - ago / 1000;
	for (size_t i = 0; ago < 0 && i < sizeof(forms) / sizeof(*forms); i++) {
		const char *rest;

		tm = (struct tm){ .tm_isdst = -1 };
		rest = strptime(text, forms[i], &tm);
		if (!rest || *rest)
			continue;
		seconds = mktime(&tm);
		ago = 0;
	}
	return ago >= 0 && gmtime_r(&seconds, &tm) && strftime(utc, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct list_args *args = state->input;
	struct drover_error err = { 0 };

	switch (key) {
	case 'n':
		if (value_int(arg, &args->limit, &err) || args->limit < 1)
			argp_error(state, "-n: must be a number from 1 on");
		return 0;
	case OPT_ALL:
		return args->limit = INT64_MAX, 0;
	case OPT_SINCE:
	case OPT_UNTIL:
		if (!parse_when(arg, key == OPT_SINCE ? args->since : args->until, sizeof(args->since)))
			argp_error(state,
				   "\"%s\" is no time; write 2h (ago), 2024-05-17, 2024-05-17 08:30, "
				   "or 2024-05-17T08:30:00Z",
				   arg);
		return 0;
	case OPT_STATE:
		return args->state = arg, 0;
	case OPT_TYPE:
		return args->type = arg, 0;
	case OPT_LABEL:
		return args->label = arg, 0;
	case OPT_HOST:
		return args->host = arg, 0;
	case OPT_NAME:
		return args->name = arg, 0;
	case OPT_OWNER:
		return args->owner = arg, 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is too much", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

struct listing {
	const struct cli *cli;
	struct libscols_table *table; /* NULL: JSON */
	size_t count;
};

static void add_query(struct client *client, struct buf *path, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_printf(path, "&%s=", name);
	client_escape(client, path, value);
}

static void add_task(const struct cli *cli, struct libscols_table *table, struct json_object *task)
{
	struct json_object *counts = field(task, "counts");
	const char *outcome = field_text(task, "outcome"), *state = field_text(task, "state");
	int64_t ok = field_int(counts, "ok", 0) + field_int(counts, "skipped", 0);
	char hosts[24], good[24], bad[24], created[32];
	const char *cells[] = { field_text(task, "id"),
				state,
				field_text(task, "type"),
				hosts,
				good,
				bad,
				table_time(field_text(task, "created_at"), created, sizeof(created)),
				field_text(task, "name") };

	if (!strcmp(state, "done") && *outcome)
		cells[1] = outcome;
	snprintf(hosts, sizeof(hosts), "%" PRId64, field_int(task, "hosts_total", 0));
	snprintf(good, sizeof(good), "%" PRId64, ok);
	snprintf(bad, sizeof(bad), "%" PRId64, progress_done(task) - ok);
	table_row(cli, table, cells, 8, 1, cells[1]);
}

static int take_task(void *context, struct json_object *task)
{
	struct listing *listing = context;

	listing->count++;
	if (listing->cli->json)
		pages_json_item(listing->cli, task, listing->count == 1);
	else
		add_task(listing->cli, listing->table, task);
	return 0;
}

static void make_query(struct client *client, const struct list_args *args, struct buf *query)
{
	buf_append(query, "", 0);
	add_query(client, query, "state", args->state);
	add_query(client, query, "type", args->type);
	add_query(client, query, "label", args->label);
	add_query(client, query, "host", args->host);
	add_query(client, query, "name", args->name);
	add_query(client, query, "owner", args->owner);
	add_query(client, query, "since", args->since);
	add_query(client, query, "until", args->until);
}

static int list(struct session *session, struct cli *cli, const struct list_args *args)
{
	static const struct table_column columns[] = { { "ID", 0, 0 },      { "STATE", 0, 0 }, { "TYPE", 0, 0 },
						       { "HOSTS", 1, 0 },   { "OK", 1, 0 },    { "NOT OK", 1, 0 },
						       { "CREATED", 0, 0 }, { "NAME", 0, 1 } };
	struct listing listing = { .cli = cli, .table = cli->json ? NULL : table_new(cli, columns, 8) };
	struct drover_error err = { 0 };
	struct buf query = BUF_INIT;
	int code = CLI_OK;

	if (!cli->json && !listing.table)
		return CLI_ERROR;
	make_query(&session->client, args, &query);
	if (cli->json)
		pages_json_begin();
	if (pages_each(&session->client, "/v1/tasks", query.data, args->limit, take_task, &listing, &err))
		code = client_fail(&session->client, "list the tasks", &err);
	else if (cli->json)
		pages_json_end();
	else if (!listing.count)
		cli_say("there is no%s task", query.size ? " such" : "");
	if (listing.count && listing.table && !code)
		code = table_print(listing.table);
	else if (listing.table)
		scols_unref_table(listing.table);
	buf_dispose(&query);
	return code;
}

static const struct argp_option options[] = {
	{ "limit", 'n', "N", 0, "At most so many (20)", 0 },
	{ "all", OPT_ALL, NULL, 0, "All there are", 0 },
	{ "state", OPT_STATE, "STATE,...", 0, "Only those queued, running, cancelling, done, cancelled, …", 0 },
	{ "type", OPT_TYPE, "TYPE", 0, "Only of this type", 0 },
	{ "label", OPT_LABEL, "KEY=VALUE", 0, "Only with this label", 0 },
	{ "host", OPT_HOST, "HOST", 0, "Only those with this host", 0 },
	{ "name", OPT_NAME, "TEXT", 0, "Only those whose name begins so", 0 },
	{ "owner", OPT_OWNER, "NAME", 0, "Only of this owner", 0 },
	{ "since", OPT_SINCE, "WHEN", 0, "Only those made since: 2h (ago), 2024-05-17, '2024-05-17 08:30'", 0 },
	{ "until", OPT_UNTIL, "WHEN", 0, "Only those made until then", 0 },
	{ 0 },
};

const struct argp cmd_list_argp = { options,
				    parse_list,
				    NULL,
				    "Lists tasks, newest first.\vExample: drover list --since 1d --state "
				    "running,queued",
				    NULL,
				    NULL,
				    NULL };

int cmd_list(struct cli *cli, int argc, char **argv)
{
	struct list_args args = { .limit = 20 };
	struct session session;
	int code;

	cli_parse(cli, "list", &cmd_list_argp, 0, argc, argv, &args);
	code = session_open(&session, cli, false);
	if (code)
		return code;
	code = list(&session, cli, &args);
	session_close(&session);
	return code;
}
