/* cmd_engines.c - `drover engines`: the nodes that execute, and their processes. */
#include <inttypes.h>
#include <libsmartcols.h>
#include <string.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/one_task.h"
#include "cli/table.h"
#include "cli/term.h"
#include "util/buf.h"

struct engines_args {
	const char *verb, *name; /* `drain` or `undrain` of an engine; NULL: the list */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct engines_args *args = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (args->name)
			argp_error(state, "\"%s\" is too much", arg);
		if (args->verb)
			return args->name = arg, 0;
		if (strcmp(arg, "drain") && strcmp(arg, "undrain"))
			argp_error(state, "\"%s\" is not drain, undrain", arg);
		return args->verb = arg, 0;
	case ARGP_KEY_END:
		if (args->verb && !args->name)
			argp_error(state, "%s which engine? `drover engines' shows them", args->verb);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void join_words(struct buf *words, struct json_object *value)
{
	buf_append(words, "", 0);
	if (json_object_is_type(value, json_type_string))
		buf_string(words, json_object_get_string(value));
	for (size_t i = 0; json_object_is_type(value, json_type_array) && i < json_object_array_length(value); i++)
		buf_printf(words, "%s%s", i ? " " : "", json_object_get_string(json_object_array_get_idx(value, i)));
}

static bool is_down(struct json_object *state)
{
	return !strcmp(field_text(state, "state"), "down");
}

/* Those that are down are marked. Daemons before `executor_states` tell names only. */
static void join_executors(struct buf *words, struct json_object *engine)
{
	struct json_object *states = field(engine, "executor_states");

	if (!field_count(states)) {
		join_words(words, field(engine, "executors"));
		return;
	}
	for (size_t i = 0; i < field_count(states); i++) {
		struct json_object *state = json_object_array_get_idx(states, i);

		buf_printf(words, "%s%s%s", i ? " " : "", field_text(state, "name"), is_down(state) ? " (down)" : "");
	}
}

/* When its lease was renewed, by the core's own readings; by the database's clock where it has none yet. */
static void say_age(struct json_object *engine, char *text, size_t size)
{
	int64_t silent = field_int(engine, "silent_ms", -1);
	char time[32];

	if (silent >= 0 && strcmp(field_text(engine, "state"), "down"))
		snprintf(text, size, "%" PRId64 " s ago", silent / 1000);
	else
		snprintf(text, size, "%s", table_time(field_text(engine, "renewed_at"), time, sizeof(time)));
}

static void add_engine(const struct cli *cli, struct libscols_table *table, struct json_object *engine)
{
	struct json_object *running = field(engine, "running"), *capacity = field(engine, "capacity");
	struct buf executors = BUF_INIT, pools = BUF_INIT;
	char hosts[64], units[64], renewed[32], started[32];
	const char *cells[] = { field_text(engine, "name"),
				field_text(engine, "state"),
				hosts,
				units,
				NULL,
				NULL,
				renewed,
				field_text(engine, "isolation"),
				table_time(field_text(engine, "started_at"), started, sizeof(started)),
				field_text(engine, "version") };

	join_executors(&executors, engine);
	join_words(&pools, field(engine, "pools"));
	cells[4] = executors.data;
	cells[5] = pools.data;
	snprintf(hosts, sizeof(hosts), "%" PRId64 "/%" PRId64, field_int(running, "hosts", 0),
		 field_int(capacity, "hosts", 0));
	snprintf(units, sizeof(units), "%" PRId64 "/%" PRId64, field_int(running, "units", 0),
		 field_int(capacity, "units", 0));
	say_age(engine, renewed, sizeof(renewed));
	table_row(cli, table, cells, 10, 1, cells[1]);
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
					table_time(field_text(part, "started_at"), started, sizeof(started)),
					restarts,
					table_time(field_text(part, "died_at"), died, sizeof(died)),
					field_text(part, "last_death") };

		snprintf(pid, sizeof(pid), "%" PRId64, field_int(part, "pid", 0));
		snprintf(restarts, sizeof(restarts), "%" PRId64, field_int(part, "restarts", 0));
		table_row(cli, table, cells, 7, -1, NULL);
	}
}

/* That of groups is said only where something is wrong with it. */
static void say_inventory(struct json_object *engine)
{
	struct json_object *inventory = field(engine, "inventory");
	const char *state = field_text(inventory, "state");
	char read_at[32];

	if (!strcmp(state, "stale"))
		cli_say("%s: the inventory is as of %s: %s", field_text(engine, "name"),
			table_time(field_text(inventory, "read_at"), read_at, sizeof(read_at)),
			field_text(inventory, "message"));
	else if (!strcmp(state, "failed"))
		cli_say("%s: there is no inventory: %s", field_text(engine, "name"), field_text(inventory, "message"));
}

/* Of engines that live: of the others the table says all. */
static void say_executors(struct json_object *engine)
{
	struct json_object *states = field(engine, "executor_states");

	for (size_t i = 0; !is_down(engine) && i < field_count(states); i++) {
		struct json_object *state = json_object_array_get_idx(states, i);
		const char *since = field_text(state, "since"), *why = field_text(state, "message");
		char local[32];

		if (is_down(state))
			cli_say("%s: the executor %s is down%s%s%s%s", field_text(engine, "name"),
				field_text(state, "name"), *since ? " since " : "",
				*since ? table_time(since, local, sizeof(local)) : "", *why ? ": " : "", why);
	}
}

static int print_engines(const struct cli *cli, struct json_object *items)
{
	static const struct table_column engines[] = { { "ENGINE", 0, 0 },  { "STATE", 0, 0 },     { "HOSTS", 1, 0 },
						       { "UNITS", 1, 0 },   { "EXECUTORS", 0, 1 }, { "POOLS", 0, 1 },
						       { "RENEWED", 0, 0 }, { "ISOLATION", 0, 0 }, { "STARTED", 0, 0 },
						       { "VERSION", 0, 0 } };
	static const struct table_column parts[] = { { "ENGINE", 0, 0 },    { "PROCESS", 0, 0 },  { "PID", 1, 0 },
						     { "STARTED", 0, 0 },   { "RESTARTS", 1, 0 }, { "DIED", 0, 0 },
						     { "LAST DEATH", 0, 1 } };
	struct libscols_table *table = table_new(cli, engines, 10);
	int code;

	for (size_t i = 0; i < field_count(items); i++) {
		say_executors(json_object_array_get_idx(items, i));
		say_inventory(json_object_array_get_idx(items, i));
	}
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

static int list_engines(struct cli *cli, struct session *session)
{
	struct drover_error err = { 0 };
	struct json_object *answer = NULL;
	int code = CLI_OK;

	if (client_call(&session->client, "GET", "/v1/engines", NULL, &answer, &err))
		code = client_fail(&session->client, "list the engines", &err);
	else if (cli->json)
		term_json_line(cli, answer, true);
	else
		code = print_engines(cli, field_items(answer));
	json_object_put(answer);
	return code;
}

static int drain_engine(struct cli *cli, struct session *session, const struct engines_args *args)
{
	struct drover_error err = { 0 };
	struct json_object *engine = NULL;
	struct buf path = BUF_INIT;
	int code = CLI_OK;

	buf_string(&path, "/v1/engines/");
	client_escape(&session->client, &path, args->name);
	buf_printf(&path, "/%s", args->verb);
	if (client_call(&session->client, "POST", path.data, NULL, &engine, &err))
		code = client_fail(&session->client, args->verb, &err);
	else if (cli->json)
		term_json_line(cli, engine, true);
	else if (!strcmp(args->verb, "drain"))
		cli_say("%s takes no further units, until `drover engines undrain' or its next start; units that "
			"run: %" PRId64,
			args->name, field_int(field(engine, "running"), "units", 0));
	else
		cli_say("%s takes units again", args->name);
	json_object_put(engine);
	buf_dispose(&path);
	return code;
}

const struct argp cmd_engines_argp = {
	NULL,
	parse,
	"[drain|undrain NAME]",
	"Lists the nodes that execute, what runs on them, and their processes with their deaths. After drain an engine "
	"takes "
	"no further units, while those that run go on to their end; tasks are still accepted and wait in the store."
	"\vExample: drover engines drain node1",
	NULL,
	NULL,
	NULL
};

int cmd_engines(struct cli *cli, int argc, char **argv)
{
	struct engines_args args = { 0 };
	struct session session;
	int code;

	cli_parse(cli, "engines", &cmd_engines_argp, 0, argc, argv, &args);
	code = session_open(&session, cli, false);
	if (code)
		return code;
	code = args.verb ? drain_engine(cli, &session, &args) : list_engines(cli, &session);
	session_close(&session);
	return code;
}
