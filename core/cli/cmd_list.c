/* cmd_list.c - `drover list`, `engines`: tables of what a daemon knows. */
#define _GNU_SOURCE /* strptime, timegm */
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <drover/error.h>
#include <drover/status.h>

#include "cli/field.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "cli/table.h"
#include "conf/value.h"

#define JSON_PRINT (JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)

struct list_args {
	int64_t limit;
	const char *state, *type, *label, *host, *name, *owner;
};

enum { OPT_STATE = 0x100, OPT_TYPE, OPT_LABEL, OPT_HOST, OPT_NAME, OPT_OWNER };

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct list_args *args = state->input;
	struct drover_error err = { 0 };

	switch (key) {
	case 'n':
		if (value_int(arg, &args->limit, &err) || args->limit < 1 || args->limit > 1000)
			argp_error(state, "-n: must be 1 to 1000");
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

static void add_query(struct client *client, struct buf *path, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(path, "&%s=", name);
	client_escape(client, path, value);
}

/* `2024-11-23 04:24:10` of this machine's time zone. */
static const char *local_time(const char *text, char *local, size_t size)
{
	struct tm utc = { 0 }, here;
	time_t seconds;

	*local = '\0';
	if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &utc))
		return text;
	seconds = timegm(&utc);
	if (localtime_r(&seconds, &here))
		strftime(local, size, "%Y-%m-%d %H:%M:%S", &here);
	return local;
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
				local_time(field_text(task, "created_at"), created, sizeof(created)),
				field_text(task, "name") };

	if (!strcmp(state, "done") && *outcome)
		cells[1] = outcome;
	snprintf(hosts, sizeof(hosts), "%" PRId64, field_int(task, "hosts_total", 0));
	snprintf(good, sizeof(good), "%" PRId64, ok);
	snprintf(bad, sizeof(bad), "%" PRId64, progress_done(task) - ok);
	table_row(cli, table, cells, 8, 1, cells[1]);
}

int cmd_list(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "limit", 'n', "N", 0, "At most so many (20; 1,000 at most)", 0 },
		{ "state", OPT_STATE, "STATE", 0, "Only those queued, running, cancelling, done, cancelled, …", 0 },
		{ "type", OPT_TYPE, "TYPE", 0, "Only of this type", 0 },
		{ "label", OPT_LABEL, "KEY=VALUE", 0, "Only with this label", 0 },
		{ "host", OPT_HOST, "HOST", 0, "Only those with this host", 0 },
		{ "name", OPT_NAME, "TEXT", 0, "Only of this name", 0 },
		{ "owner", OPT_OWNER, "NAME", 0, "Only of this owner", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse_list, NULL, "Lists tasks, newest first.", NULL, NULL, NULL };
	static const struct table_column columns[] = { { "ID", 0, 0 },      { "STATE", 0, 0 }, { "TYPE", 0, 0 },
						       { "HOSTS", 1, 0 },   { "OK", 1, 0 },    { "NOT OK", 1, 0 },
						       { "CREATED", 0, 0 }, { "NAME", 0, 1 } };
	struct list_args args = { .limit = 20 };
	struct drover_error err = { 0 };
	struct json_object *answer = NULL;
	struct libscols_table *table;
	struct buf path = BUF_INIT;
	struct session session;
	int code;

	cli_parse(cli, "list", &argp, 0, argc, argv, &args);
	code = session_open(&session, cli, false);
	if (code)
		return code;
	buf_printf(&path, "/v1/tasks?limit=%" PRId64, args.limit);
	add_query(&session.client, &path, "state", args.state);
	add_query(&session.client, &path, "type", args.type);
	add_query(&session.client, &path, "label", args.label);
	add_query(&session.client, &path, "host", args.host);
	add_query(&session.client, &path, "name", args.name);
	add_query(&session.client, &path, "owner", args.owner);
	if (client_call(&session.client, "GET", path.data, NULL, &answer, &err)) {
		code = client_fail(&session.client, "list the tasks", &err);
	} else if (cli->json) {
		puts(json_object_to_json_string_ext(answer, JSON_PRINT));
	} else if (!field_count(field_items(answer))) {
		cli_say("there is no task");
	} else {
		table = table_new(cli, columns, 8);
		for (size_t i = 0; table && i < field_count(field_items(answer)); i++)
			add_task(cli, table, json_object_array_get_idx(field_items(answer), i));
		code = table ? table_print(table) : CLI_ERROR;
	}
	json_object_put(answer);
	buf_dispose(&path);
	session_close(&session);
	return code;
}

/* --------------------------------------------------------------------------------------- engines */

static void join_words(struct buf *words, struct json_object *value)
{
	buf_append(words, "", 0);
	if (json_object_is_type(value, json_type_string))
		buf_string(words, json_object_get_string(value));
	for (size_t i = 0; json_object_is_type(value, json_type_array) && i < json_object_array_length(value); i++)
		buf_printf(words, "%s%s", i ? " " : "", json_object_get_string(json_object_array_get_idx(value, i)));
}

static void add_engine(const struct cli *cli, struct libscols_table *table, struct json_object *engine)
{
	struct json_object *running = field(engine, "running"), *capacity = field(engine, "capacity");
	struct buf executors = BUF_INIT, pools = BUF_INIT;
	char hosts[64], units[64], started[32];
	const char *cells[] = { field_text(engine, "name"),
				field_text(engine, "state"),
				hosts,
				units,
				NULL,
				NULL,
				field_text(engine, "isolation"),
				local_time(field_text(engine, "started_at"), started, sizeof(started)),
				field_text(engine, "version") };

	join_words(&executors, field(engine, "executors"));
	join_words(&pools, field(engine, "pools"));
	cells[4] = executors.data;
	cells[5] = pools.data;
	snprintf(hosts, sizeof(hosts), "%" PRId64 "/%" PRId64, field_int(running, "hosts", 0),
		 field_int(capacity, "hosts", 0));
	snprintf(units, sizeof(units), "%" PRId64 "/%" PRId64, field_int(running, "units", 0),
		 field_int(capacity, "units", 0));
	table_row(cli, table, cells, 9, 1, cells[1]);
	buf_dispose(&executors);
	buf_dispose(&pools);
}

static void add_parts(const struct cli *cli, struct libscols_table *table, struct json_object *engine)
{
	struct json_object *parts = field(engine, "parts");

	for (size_t i = 0; json_object_is_type(parts, json_type_array) && i < json_object_array_length(parts); i++) {
		struct json_object *part = json_object_array_get_idx(parts, i);
		char pid[24], restarts[24], started[32], died[32];
		const char *cells[] = { field_text(engine, "name"),
					field_text(part, "name"),
					pid,
					local_time(field_text(part, "started_at"), started, sizeof(started)),
					restarts,
					local_time(field_text(part, "died_at"), died, sizeof(died)),
					field_text(part, "last_death") };

		snprintf(pid, sizeof(pid), "%" PRId64, field_int(part, "pid", 0));
		snprintf(restarts, sizeof(restarts), "%" PRId64, field_int(part, "restarts", 0));
		table_row(cli, table, cells, 7, -1, NULL);
	}
}

static int print_engines(const struct cli *cli, struct json_object *items)
{
	static const struct table_column engines[] = {
		{ "ENGINE", 0, 0 },    { "STATE", 0, 0 },     { "HOSTS", 1, 0 },
		{ "UNITS", 1, 0 },     { "EXECUTORS", 0, 1 }, { "POOLS", 0, 1 },
		{ "ISOLATION", 0, 0 }, { "STARTED", 0, 0 },   { "VERSION", 0, 0 }
	};
	static const struct table_column parts[] = { { "ENGINE", 0, 0 },    { "PROCESS", 0, 0 },  { "PID", 1, 0 },
						     { "STARTED", 0, 0 },   { "RESTARTS", 1, 0 }, { "DIED", 0, 0 },
						     { "LAST DEATH", 0, 1 } };
	struct libscols_table *table = table_new(cli, engines, 9);
	int code;

	for (size_t i = 0; table && i < field_count(items); i++)
		add_engine(cli, table, json_object_array_get_idx(items, i));
	code = table ? table_print(table) : CLI_ERROR;
	table = code ? NULL : table_new(cli, parts, 7);
	if (!table)
		return CLI_ERROR;
	for (size_t i = 0; i < field_count(items); i++)
		add_parts(cli, table, json_object_array_get_idx(items, i));
	puts("");
	return table_print(table);
}

int cmd_engines(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = { NULL,
					  parse_list,
					  NULL,
					  "Lists the nodes that execute, what runs on them, and their "
					  "processes with their deaths.",
					  NULL,
					  NULL,
					  NULL };
	struct list_args args = { 0 };
	struct drover_error err = { 0 };
	struct json_object *answer = NULL;
	struct session session;
	int code;

	cli_parse(cli, "engines", &argp, 0, argc, argv, &args);
	code = session_open(&session, cli, false);
	if (code)
		return code;
	if (client_call(&session.client, "GET", "/v1/engines", NULL, &answer, &err))
		code = client_fail(&session.client, "list the engines", &err);
	else if (cli->json)
		puts(json_object_to_json_string_ext(answer, JSON_PRINT));
	else
		code = print_engines(cli, field_items(answer));
	json_object_put(answer);
	session_close(&session);
	return code;
}
