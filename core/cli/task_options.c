/* task_options.c - the options of task_args.h, and the members of the task that they are. */
#include "cli/task_args.h"

#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "conf/value.h"
#include "task/duration.h"
#include "util/buf.h"

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
	OPT_BECOME_USER,
	OPT_BECOME_METHOD,
	OPT_MAX_FAILED,
	OPT_WAVES,
	OPT_WAVE_PAUSE,
	OPT_CONCURRENCY_KEY,
	OPT_TYPE,
	OPT_PAYLOAD
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "Hosts:", 1 },
	{ "hosts", 'H', "HOSTS", 0, "On which hosts: web[1-30],db1!web7; - reads standard input, ^FILE a file", 0 },
	{ "nodes", 'w', NULL, OPTION_ALIAS, NULL, 0 },
	{ "exclude", 'x', "HOSTS", 0, "Not on these hosts", 0 },
	{ "user", 'u', "USER", 0, "Log in as USER", 0 },
	{ "port", 'p', "PORT", 0, "Connect to PORT", 0 },
	{ "credential", OPT_CREDENTIAL, "NAME", 0, "Log in with a credential of the daemon's configuration", 0 },
	{ "become", 'b', NULL, 0, "Become another user there: root, or who --become-user names", 0 },
	{ "become-user", OPT_BECOME_USER, "USER", 0, "Become USER there", 0 },
	{ "become-method", OPT_BECOME_METHOD, "METHOD", 0,
	  "Become another user by sudo (as it is without this), su or doas", 0 },
	{ NULL, 0, NULL, 0, "Limits (durations: 30, 90s, 5m):", 2 },
	{ "timeout", OPT_TIMEOUT, "DURATION", 0, "A unit of hosts gets so long", 0 },
	{ "host-timeout", OPT_HOST_TIMEOUT, "DURATION", 0, "One host gets so long in all", 0 },
	{ "connect-timeout", OPT_CONNECT_TIMEOUT, "DURATION", 0, "Connecting to a host may take so long", 0 },
	{ "fanout", 'f', "N", 0, "At most N hosts at once, on all engines together", 0 },
	{ "max-failed", OPT_MAX_FAILED, "N|N%", 0, "When more hosts than these went wrong, begin no more", 0 },
	{ "waves", OPT_WAVES, "N,N%,...", 0, "So many hosts first, then up to so many: 1,10%,100%", 0 },
	{ "wave-pause", OPT_WAVE_PAUSE, "DURATION", 0, "A pause between waves", 0 },
	{ "concurrency-key", OPT_CONCURRENCY_KEY, "KEY", 0, "Of the tasks with this key one runs at a time", 0 },
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
	enum { TWIN_TEXT, TWIN_NUMBER, TWIN_SIZE, TWIN_DURATION, TWIN_SHARE, TWIN_SHARES } kind;
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
	{ OPT_WAVE_PAUSE, "--wave-pause", "wave_pause", TWIN_DURATION },
	{ OPT_CONCURRENCY_KEY, "--concurrency-key", "concurrency_key", TWIN_TEXT },
	{ OPT_MAX_FAILED, "--max-failed", "max_failed", TWIN_SHARE },
	{ OPT_WAVES, "--waves", "waves", TWIN_SHARES },
};

/* A number, or one of 0% to 100%. */
static bool is_share(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || digits > 9)
		return false;
	return !text[digits] || (!strcmp(text + digits, "%") && strtol(text, NULL, 10) <= 100);
}

/* `1,10%,100%` as a list of texts. NULL: one of them is wrong; it is what `wrong` says. */
static struct json_object *make_shares(const char *text, char *wrong, size_t size)
{
	struct json_object *array = json_object_new_array();
	char *copy = xstrdup(text), *rest = copy, *word;

	while (array && (word = strsep(&rest, ","))) {
		json_object_array_add(array, json_object_new_string(word));
		if (is_share(word))
			continue;
		snprintf(wrong, size, "%s", word);
		json_object_put(array);
		array = NULL;
	}
	free(copy);
	return array;
}

/* The value as the task has it. NULL: it is wrong, as `err` says. */
static struct json_object *twin_value(const struct twin *twin, const char *text, struct drover_error *err)
{
	struct json_object *shares;
	char wrong[32] = "";
	int64_t number;

	switch (twin->kind) {
	case TWIN_TEXT:
		return json_object_new_string(text);
	case TWIN_DURATION:
		if (duration_parse(text) >= 0)
			return json_object_new_string(text);
		drover_error_set(err, DROVER_EINVALID, "\"%s\" is not a duration such as 30, 90s or 5m", text);
		return NULL;
	case TWIN_SIZE:
		return value_size(text, &number, err) ? NULL : json_object_new_int64(number);
	case TWIN_NUMBER:
		return value_int(text, &number, err) ? NULL : json_object_new_int64(number);
	case TWIN_SHARE:
		if (is_share(text))
			return strchr(text, '%') ? json_object_new_string(text)
						 : json_object_new_int64(strtol(text, NULL, 10));
		drover_error_set(err, DROVER_EINVALID, "\"%s\" is neither a number of hosts nor a share such as 10%%",
				 text);
		return NULL;
	case TWIN_SHARES:
		break;
	}
	shares = make_shares(text, wrong, sizeof(wrong));
	if (!shares)
		drover_error_set(err, DROVER_EINVALID,
				 "\"%s\" is neither a number of hosts nor a share; write 1,10%%,100%%", wrong);
	return shares;
}

static void add_twin(struct task_args *args, const struct twin *twin, const char *text, struct argp_state *state)
{
	struct drover_error err = { 0 };
	struct json_object *value = twin_value(twin, text, &err);

	if (value)
		json_object_object_add(args->task, twin->member, value);
	else
		argp_error(state, "%s: %s", twin->option, err.message);
}

struct json_object *task_args_child(struct json_object *parent, const char *name)
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

/* Each of the three options says that another user is meant; root, where none is named. */
static void add_become(struct task_args *args, int key, const char *text, struct argp_state *state)
{
	struct json_object *become = task_args_child(task_args_child(args->task, "payload"), "become");

	if (key == OPT_BECOME_METHOD && strcmp(text, "sudo") && strcmp(text, "su") && strcmp(text, "doas"))
		argp_error(state, "--become-method: \"%s\" is not one of sudo, su, doas", text);
	if (key == OPT_BECOME_USER || !json_object_object_get_ex(become, "user", NULL))
		json_object_object_add(become, "user", json_object_new_string(key == OPT_BECOME_USER ? text : "root"));
	if (key == OPT_BECOME_METHOD)
		json_object_object_add(become, "method", json_object_new_string(text));
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
	case 'b':
	case OPT_BECOME_USER:
	case OPT_BECOME_METHOD:
		return add_become(args, key, arg, state), 0;
	case OPT_ENV:
		add_pair(task_args_child(task_args_child(args->task, "payload"), "env"), "--env", arg, state);
		return 0;
	case OPT_LABEL:
		add_pair(task_args_child(args->task, "labels"), "--label", arg, state);
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
