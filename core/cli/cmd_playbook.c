/* cmd_playbook.c - `drover playbook`: an Ansible playbook on many hosts. */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run_task.h"
#include "cli/vars.h"

enum { OPT_SKIP_TAGS = 0x300, OPT_STEP_TIMEOUT, OPT_PROJECT, OPT_PATH };

struct playbook_args {
	struct task_args task;
	struct view view;
	const char *playbook;
	bool is_path; /* the daemon's, not a file of this machine */
	int code;     /* what is wrong with -e was said */
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "The playbook:", 1 },
	{ "extra-vars", 'e', "NAME=VALUE|@FILE", 0, "Variables; also {JSON}. FILE is YAML or JSON", 0 },
	{ "tags", 't', "TAGS", 0, "Only steps with one of these tags", 0 },
	{ "skip-tags", OPT_SKIP_TAGS, "TAGS", 0, "No steps with one of these tags", 0 },
	{ "check", 'C', NULL, 0, "Change nothing; say what would change", 0 },
	{ "diff", 'D', NULL, 0, "Show differences in files", 0 },
	{ "step-timeout", OPT_STEP_TIMEOUT, "DURATION", 0, "One step on one host gets so long", 0 },
	{ "project", OPT_PROJECT, "NAME@REF", 0, "PATH is in this project of the daemon", 0 },
	{ "path", OPT_PATH, NULL, 0, "PATH is in the daemon's folder of playbooks", 0 },
	{ 0 },
};

static void add_text(struct playbook_args *args, const char *name, const char *text)
{
	json_object_object_add(task_args_child(args->task.task, "payload"), name, json_object_new_string(text));
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct playbook_args *args = state->input;
	struct json_object *payload = task_args_child(args->task.task, "payload");

	switch (key) {
	case 'e':
		if (!args->code)
			args->code = vars_add(task_args_child(payload, "vars"), arg, "playbook");
		return 0;
	case 't':
		return add_text(args, "tags", arg), 0;
	case OPT_SKIP_TAGS:
		return add_text(args, "skip_tags", arg), 0;
	case 'C':
	case 'D':
		json_object_object_add(payload, key == 'C' ? "check" : "diff", json_object_new_boolean(true));
		return 0;
	case OPT_STEP_TIMEOUT:
		return add_text(args, "step_timeout", arg), 0;
	case OPT_PROJECT:
		json_object_object_add(args->task.task, "project", json_object_new_string(arg));
		return args->is_path = true, 0;
	case OPT_PATH:
		return args->is_path = true, 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct playbook_args *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->task;
		state->child_inputs[1] = &args->view;
		return 0;
	case ARGP_KEY_ARG:
		if (args->playbook)
			argp_error(state, "one playbook, please: \"%s\" is too much", arg);
		return args->playbook = arg, 0;
	case ARGP_KEY_END:
		if (!args->playbook)
			argp_error(state, "which playbook?");
		return 0;
	default:
		return parse_option(key, arg, state);
	}
}

static const struct argp_child children[] = { { &task_argp, 0, NULL, 0 }, { &view_argp, 0, NULL, 0 }, { 0 } };

const struct argp cmd_playbook_argp = {
	options,
	parse,
	"FILE|PATH -H HOSTS",
	"Executes an Ansible playbook on many hosts and says how each of them ended."
	"\vThe text of FILE (or of standard input: -) is sent; files and roles that it names must be where the "
	"playbook "
	"is executed. With --project or --path it is read there. `hosts: all' and `hosts: target_hosts' in it both "
	"mean HOSTS.\n"
	"The steps of each host are shown, hosts with the same ones as one, and the recap. Ctrl-C and exit codes are "
	"as "
	"of run.\n\n"
	"Examples: drover playbook site.yml -H 'web[1-30]' -e version=1.2 --tags deploy\n"
	"          drover playbook site.yml -H @web -e @vars.yml -C -D",
	children,
	NULL,
	NULL
};

static int add_playbook(struct playbook_args *args)
{
	const char *playbook = args->playbook;

	if (args->code)
		return args->code;
	if (args->is_path) {
		add_text(args, "path", playbook);
		return CLI_OK;
	}
	if (strcmp(playbook, "-") && access(playbook, F_OK))
		return cli_usage("playbook",
				 "there is no file %s here; --path or --project says that it is one of the daemon's",
				 playbook);
	return task_args_read(&args->task, "playbook", playbook, "playbook");
}

int cmd_playbook(struct cli *cli, int argc, char **argv)
{
	char *none[] = { NULL };
	struct playbook_args args = { .code = CLI_OK };
	int code;

	task_args_init(&args.task, "playbook");
	json_object_object_add(args.task.task, "type", json_object_new_string("playbook"));
	cli_parse(cli, "playbook", &cmd_playbook_argp, 0, argc, argv, &args);
	code = add_playbook(&args);
	if (!code)
		return run_task(cli, &args.task, &args.view, none, true);
	task_args_dispose(&args.task);
	return code;
}
