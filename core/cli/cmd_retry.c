/* cmd_retry.c - `drover retry`: a task again, as a new one, for hosts that it went wrong on. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/hosts_arg.h"
#include "cli/one_task.h"
#include "cli/perform.h"
#include "cli/status_arg.h"
#include "cli/term.h"

struct retry_args {
	const char *word, *status, *id;
	struct hosts_arg hosts;
	struct view view;
	bool watch;
};

enum { OPT_STATUS = 0x100, OPT_HOST, OPT_ID, OPT_WATCH };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct retry_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->view;
		return 0;
	case OPT_STATUS:
		status_arg_check(arg, state);
		return args->status = arg, 0;
	case OPT_HOST:
	case 'H':
		hosts_arg_add(&args->hosts, arg);
		return 0;
	case OPT_ID:
		return args->id = arg, 0;
	case OPT_WATCH:
		return args->watch = true, 0;
	default:
		return one_task_word(key, arg, state, ONE_TASK_WHAT, &args->word);
	}
}

/* `a,b` as a list. */
static struct json_object *split(const char *list)
{
	struct json_object *array = json_object_new_array();
	char *copy = xstrdup(list);

	for (char *save, *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
		json_object_array_add(array, json_object_new_string(word));
	free(copy);
	return array;
}

/* What the daemon is to be asked; owned by the caller. NULL: the hosts are wrong, said so. */
static struct json_object *make_body(const struct retry_args *args)
{
	struct json_object *body = json_object_new_object(), *names;
	struct drover_error err = { 0 };
	struct nodeset set = { 0 };
	char *text = NULL;

	if (args->id)
		json_object_object_add(body, "id", json_object_new_string(args->id));
	if (args->status)
		json_object_object_add(body, "status", split(args->status));
	if (!args->hosts.count)
		return body;
	if (hosts_arg_text(&args->hosts, &text)) {
		json_object_object_add(body, "hosts", json_object_new_string(text));
		free(text);
		return body;
	}
	if (hosts_arg_expand(&args->hosts, &set, &err)) {
		cli_usage("retry", "--host: %s", err.message);
		json_object_put(body);
		return NULL;
	}
	names = json_object_new_array();
	for (size_t i = 0; i < set.count; i++)
		json_object_array_add(names, json_object_new_string(set.names[i]));
	json_object_object_add(body, "hosts", names);
	nodeset_dispose(&set);
	return body;
}

static int retry(struct session *session, struct cli *cli, struct json_object *task, const struct retry_args *args,
		 struct json_object *body)
{
	char *path = session_task_path(session, field_text(task, "id"), "/retry");
	struct json_object *answer = NULL;
	struct interrupt interrupt;
	int code =
		perform_submit(session, path, body, "submit the task again", args->watch ? &interrupt : NULL, &answer);

	if (code)
		goto out;
	if (args->watch && cli->verbose)
		cli_say("task %s: %" PRId64 " hosts in %" PRId64 " units", field_word(answer, "id"),
			field_int(answer, "hosts", 0), field_int(answer, "units", 0));
	else if (!args->watch && cli->json)
		term_json_line(cli, answer, false);
	else if (!args->watch)
		puts(field_word(answer, "id"));
	if (args->watch)
		code = perform_follow(session, cli, field_text(answer, "id"), &args->view, &interrupt);
	json_object_put(answer);
out:
	free(path);
	return code;
}

static const struct argp_option options[] = {
	{ "status", OPT_STATUS, "STATUS,...", 0,
	  "Hosts that ended so (failed, unreachable, cancelled, expired, and timeouts whose remote process is "
	  "dead)",
	  0 },
	{ "host", OPT_HOST, "HOSTS", 0, "Only these hosts", 0 },
	{ "hosts", 'H', NULL, OPTION_ALIAS, NULL, 0 },
	{ "id", OPT_ID, "ID", 0, "The new task's id", 0 },
	{ "watch", OPT_WATCH, NULL, 0, "Follow the new task to its end, as run does", 0 },
	{ 0 },
};

static const struct argp_child children[] = { { &view_argp, 0, NULL, 0 }, { 0 } };

const struct argp cmd_retry_argp = {
	options,
	parse,
	"ID",
	"Submits a task that has ended again, as a new one, for the hosts that it went wrong on; prints the "
	"new "
	"id."
	"\vAsked twice it is one new task. With --watch the exit codes are those of run.\n\n"
	"Example: drover retry last --status unreachable --watch",
	children,
	NULL,
	NULL
};

int cmd_retry(struct cli *cli, int argc, char **argv)
{
	struct retry_args args = { 0 };
	struct json_object *task, *body;
	struct session session;
	int code;

	cli_parse(cli, "retry", &cmd_retry_argp, 0, argc, argv, &args);
	if (!args.watch && (args.view.folder || args.view.mode != VIEW_FOLDED || args.view.remote_code))
		return cli_usage("retry", "what is shown is said for --watch; without it only the new id is");
	body = make_body(&args);
	code = body ? view_open(&args.view) : CLI_USAGE;
	if (!code)
		code = session_open(&session, cli, true);
	if (!code) {
		code = session_task(&session, args.word, &task);
		if (!code)
			code = retry(&session, cli, task, &args, body);
		one_task_close(&session, task);
	}
	json_object_put(body);
	view_close(&args.view);
	hosts_arg_dispose(&args.hosts);
	return code;
}
