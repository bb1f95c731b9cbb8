/* task_args.c - see task_args.h. */
#include "cli/task_args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "conf/value.h"
#include "task/duration.h"
#include "util/buf.h"
#include "util/ulid.h"

#define PAYLOAD_FILE_SIZE ((size_t)64 * 1024 * 1024)

enum {
	OPT_TIMEOUT = 0x100,
	OPT_HOST_TIMEOUT,
	OPT_CONNECT_TIMEOUT,
	OPT_UNIT_SIZE,
	OPT_POOL,
	OPT_PRIORITY,
	OPT_CREDENTIAL,
	OPT_ENV,
	OPT_STDIN,
	OPT_OUTPUT_LIMIT,
	OPT_ON_LOST,
	OPT_EXPIRES,
	OPT_NAME,
	OPT_LABEL,
	OPT_NOTE,
	OPT_DRY_RUN,
	OPT_DETACH,
	OPT_SCRIPT,
	OPT_EXECUTOR,
	OPT_TYPE,
	OPT_PAYLOAD
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "Hosts:", 1 },
	{ "hosts", 'H', "HOSTS", 0, "On which hosts: web[1-30],db1!web7; - reads standard input, ^FILE a file", 0 },
	{ "nodes", 'w', NULL, OPTION_ALIAS, NULL, 0 },
	{ "exclude", 'x', "HOSTS", 0, "… but not on these", 0 },
	{ "user", 'u', "USER", 0, "Log in as USER", 0 },
	{ "port", 'p', "PORT", 0, "Connect to PORT", 0 },
	{ "credential", OPT_CREDENTIAL, "NAME", 0, "Log in with a credential of the daemon's configuration", 0 },
	{ NULL, 0, NULL, 0, "Limits (durations: 30, 90s, 5m):", 2 },
	{ "timeout", OPT_TIMEOUT, "DURATION", 0, "A unit of hosts gets so long", 0 },
	{ "host-timeout", OPT_HOST_TIMEOUT, "DURATION", 0, "One host gets so long in all", 0 },
	{ "connect-timeout", OPT_CONNECT_TIMEOUT, "DURATION", 0, "Connecting to a host may take so long", 0 },
	{ "fanout", 'f', "N", 0, "At most N hosts at once, on all engines together", 0 },
	{ "unit-size", OPT_UNIT_SIZE, "N", 0, "Hosts of a unit", 0 },
	{ "output-limit", OPT_OUTPUT_LIMIT, "SIZE", 0,
	  "Keep so much of each host's output, its head and tail (64K, 1M)", 0 },
	{ "expires", OPT_EXPIRES, "DURATION", 0, "Hosts not begun by then are not begun at all", 0 },
	{ "priority", OPT_PRIORITY, "N", 0, "1 to 100; 50 is usual, higher goes first", 0 },
	{ "pool", OPT_POOL, "NAME", 0, "The engines of this pool execute it", 0 },
	{ "executor", OPT_EXECUTOR, "NAME", 0, "This executor of the configuration, not the first that fits", 0 },
	{ "on-lost", OPT_ON_LOST, "WHAT", 0, "A host whose engine died: report (as lost) or rerun", 0 },
	{ NULL, 0, NULL, 0, "What is executed:", 3 },
	{ "env", OPT_ENV, "NAME=VALUE", 0, "Set in the command's environment", 0 },
	{ "stdin", OPT_STDIN, "FILE", 0, "What the command reads on each host", 0 },
	{ "script", OPT_SCRIPT, "FILE", 0, "A script to execute instead of a command", 0 },
	{ "type", OPT_TYPE, "TYPE", OPTION_HIDDEN, "The task's type", 0 },
	{ "payload", OPT_PAYLOAD, "JSON", OPTION_HIDDEN, "The task's payload, for another type", 0 },
	{ NULL, 0, NULL, 0, "The task:", 4 },
	{ "name", OPT_NAME, "TEXT", 0, "Its name in lists", 0 },
	{ "label", OPT_LABEL, "KEY=VALUE", 0, "A label", 0 },
	{ "note", OPT_NOTE, "TEXT", 0, "A note", 0 },
	{ "dry-run", OPT_DRY_RUN, NULL, 0, "Only say what would be done", 0 },
	{ "detach", OPT_DETACH, NULL, 0, "Print the task's id and leave", 0 },
	{ "yes", 'y', NULL, 0, "Do not ask, however many hosts it is", 0 },
	{ 0 },
};

/* The options whose value goes into the task as it is. */
static const struct twin {
	int key;
	const char *option, *member;
	enum { TWIN_TEXT, TWIN_NUMBER, TWIN_SIZE, TWIN_DURATION } kind;
} twins[] = {
	{ OPT_TIMEOUT, "--timeout", "timeout", TWIN_DURATION },
	{ OPT_HOST_TIMEOUT, "--host-timeout", "host_timeout", TWIN_DURATION },
	{ OPT_CONNECT_TIMEOUT, "--connect-timeout", "connect_timeout", TWIN_DURATION },
	{ OPT_EXPIRES, "--expires", "expires_in", TWIN_DURATION },
	{ OPT_UNIT_SIZE, "--unit-size", "unit_size", TWIN_NUMBER },
	{ 'f', "--fanout", "fanout", TWIN_NUMBER },
	{ OPT_PRIORITY, "--priority", "priority", TWIN_NUMBER },
	{ OPT_OUTPUT_LIMIT, "--output-limit", "output_limit", TWIN_SIZE },
	{ OPT_POOL, "--pool", "pool", TWIN_TEXT },
	{ OPT_EXECUTOR, "--executor", "executor", TWIN_TEXT },
	{ OPT_CREDENTIAL, "--credential", "credential", TWIN_TEXT },
	{ OPT_ON_LOST, "--on-lost", "on_lost", TWIN_TEXT },
	{ OPT_NAME, "--name", "name", TWIN_TEXT },
	{ OPT_NOTE, "--note", "note", TWIN_TEXT },
	{ OPT_TYPE, "--type", "type", TWIN_TEXT },
};

void task_args_init(struct task_args *args, const char *command)
{
	*args = (struct task_args){ .command = command, .task = json_object_new_object() };
}

void task_args_dispose(struct task_args *args)
{
	json_object_put(args->task);
	hosts_arg_dispose(&args->hosts);
	hosts_arg_dispose(&args->exclude);
}

static void add_twin(struct task_args *args, const struct twin *twin, const char *text, struct argp_state *state)
{
	struct drover_error err = { 0 };
	struct json_object *value = NULL;
	int64_t number;
	int rc = 0;

	if (twin->kind == TWIN_TEXT)
		value = json_object_new_string(text);
	else if (twin->kind == TWIN_DURATION && duration_parse(text) >= 0)
		value = json_object_new_string(text);
	else if (twin->kind == TWIN_DURATION)
		rc = drover_error_set(&err, DROVER_EINVALID, "\"%s\" is not a duration such as 30, 90s or 5m", text);
	else
		rc = twin->kind == TWIN_SIZE ? value_size(text, &number, &err) : value_int(text, &number, &err);
	if (rc)
		argp_error(state, "%s: %s", twin->option, err.message);
	else
		json_object_object_add(args->task, twin->member, value ? value : json_object_new_int64(number));
}

/* The object below `parent`, made where it is not there yet. */
static struct json_object *child(struct json_object *parent, const char *name)
{
	struct json_object *object;

	if (!json_object_object_get_ex(parent, name, &object)) {
		object = json_object_new_object();
		json_object_object_add(parent, name, object);
	}
	return object;
}

static void add_pair(struct json_object *object, const char *option, const char *pair, struct argp_state *state)
{
	const char *equals = strchr(pair, '=');
	char *key;

	if (!equals || equals == pair) {
		argp_error(state, "%s: \"%s\" is not NAME=VALUE", option, pair);
		return;
	}
	key = strndup(pair, (size_t)(equals - pair));
	if (key)
		json_object_object_add(object, key, json_object_new_string(equals + 1));
	free(key);
}

static void set_payload(struct task_args *args, const char *text, struct argp_state *state)
{
	struct json_object *payload = json_tokener_parse(text);

	if (json_object_is_type(payload, json_type_object)) {
		json_object_object_add(args->task, "payload", payload);
	} else {
		json_object_put(payload);
		argp_error(state, "--payload: not a JSON object");
	}
}

static int parse_port(const char *text, struct argp_state *state)
{
	struct drover_error err = { 0 };
	int64_t port;

	if (value_int(text, &port, &err))
		argp_error(state, "--port: %s", err.message);
	else if (port < 1 || port > 65535)
		argp_error(state, "--port: must be 1 to 65535");
	else
		return (int)port;
	return 0;
}

static error_t parse_other(int key, char *arg, struct argp_state *state)
{
	struct task_args *args = state->input;

	switch (key) {
	case 'H':
	case 'w':
		hosts_arg_add(&args->hosts, arg);
		return 0;
	case 'x':
		hosts_arg_add(&args->exclude, arg);
		return 0;
	case 'u':
		args->user = arg;
		return 0;
	case 'p':
		args->port = parse_port(arg, state);
		return 0;
	case OPT_ENV:
		add_pair(child(child(args->task, "payload"), "env"), "--env", arg, state);
		return 0;
	case OPT_LABEL:
		add_pair(child(args->task, "labels"), "--label", arg, state);
		return 0;
	case OPT_STDIN:
		args->stdin_file = arg;
		return 0;
	case OPT_SCRIPT:
		args->script_file = arg;
		return 0;
	case OPT_PAYLOAD:
		set_payload(args, arg, state);
		return 0;
	case OPT_DRY_RUN:
		return args->dry_run = true, 0;
	case OPT_DETACH:
		return args->detach = true, 0;
	case 'y':
		return args->yes = true, 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	for (size_t i = 0; i < sizeof(twins) / sizeof(*twins); i++) {
		if (twins[i].key == key) {
			add_twin(state->input, &twins[i], arg, state);
			return 0;
		}
	}
	return parse_other(key, arg, state);
}

const struct argp task_argp = { options, parse, NULL, NULL, NULL, NULL, NULL };

/* -------------------------------------------------------------------------------- the whole task */

static struct json_object *host_value(const struct task_args *args, const char *name)
{
	struct json_object *host;

	if (!args->user && !args->port)
		return json_object_new_string(name);
	host = json_object_new_object();
	json_object_object_add(host, "name", json_object_new_string(name));
	if (args->user)
		json_object_object_add(host, "user", json_object_new_string(args->user));
	if (args->port)
		json_object_object_add(host, "port", json_object_new_int(args->port));
	return host;
}

/* As text where the daemon can read it so, else as the list of its names. */
static int add_hosts(struct task_args *args, const char *member, const char *option, const struct hosts_arg *hosts,
		     bool objects)
{
	struct drover_error err = { 0 };
	struct json_object *array;
	struct nodeset set;
	char *text = NULL;

	if (!objects && hosts_arg_text(hosts, &text)) {
		json_object_object_add(args->task, member, json_object_new_string(text));
		free(text);
		return CLI_OK;
	}
	if (hosts_arg_expand(hosts, &set, &err))
		return cli_usage(args->command, "%s: %s", option, err.message);
	array = json_object_new_array_ext((int)set.count + 1);
	for (size_t i = 0; i < set.count; i++)
		json_object_array_add(array,
				      objects ? host_value(args, set.names[i]) : json_object_new_string(set.names[i]));
	json_object_object_add(args->task, member, array);
	nodeset_dispose(&set);
	return CLI_OK;
}

static int read_payload_file(struct task_args *args, const char *option, const char *name, const char *member)
{
	FILE *file = !strcmp(name, "-") ? stdin : fopen(name, "re");
	struct buf text = BUF_INIT;
	char chunk[16384];
	size_t size;
	int code = CLI_OK;

	if (!file)
		return cli_usage(args->command, "%s: cannot read %s: %s", option, name, strerror(errno));
	while (text.size <= PAYLOAD_FILE_SIZE && (size = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_append(&text, chunk, size);
	if (ferror(file) || text.size > PAYLOAD_FILE_SIZE)
		code = cli_usage(args->command, "%s: cannot read %s: %s", option, name,
				 ferror(file) ? strerror(errno) : "it is too large");
	else
		json_object_object_add(child(args->task, "payload"), member,
				       json_object_new_string_len(text.data ? text.data : "", (int)text.size));
	if (file != stdin)
		fclose(file);
	buf_dispose(&text);
	return code;
}

static int add_command(struct task_args *args, char **words)
{
	struct json_object *payload;
	struct buf command = BUF_INIT;
	int code;

	if (json_object_object_get_ex(args->task, "type", NULL))
		return *words ? cli_usage(args->command, "words of a command do not go with --type; use --payload")
			      : CLI_OK;
	json_object_object_add(args->task, "type", json_object_new_string("shell"));
	payload = child(args->task, "payload");
	if (args->script_file && *words)
		return cli_usage(args->command, "--script and a command exclude each other: which shall it be?");
	if (args->script_file) {
		code = read_payload_file(args, "--script", args->script_file, "script");
		if (code)
			return code;
	} else if (*words) {
		/* By blanks for the remote shell, as ssh does. */
		for (char **word = words; *word; word++)
			buf_printf(&command, "%s%s", word == words ? "" : " ", *word);
		json_object_object_add(payload, "command", json_object_new_string(command.data));
		buf_dispose(&command);
	} else {
		return cli_usage(args->command,
				 "there is no command; write it behind the options: drover run -H HOSTS -- uptime");
	}
	return args->stdin_file ? read_payload_file(args, "--stdin", args->stdin_file, "stdin") : CLI_OK;
}

int task_args_finish(struct task_args *args, char **words)
{
	char id[ULID_SIZE];
	int code;

	if (!args->hosts.count)
		return cli_usage(args->command,
				 "-H is missing: on which hosts? For example -H web[1-30] or -H localhost");
	code = add_hosts(args, "hosts", "-H", &args->hosts, args->user || args->port);
	if (!code && args->exclude.count)
		code = add_hosts(args, "exclude", "-x", &args->exclude, false);
	if (!code)
		code = add_command(args, words);
	/* Named here, a task can be submitted again after a lost answer without becoming two. */
	ulid_make(id);
	json_object_object_add(args->task, "id", json_object_new_string(id));
	return code;
}
