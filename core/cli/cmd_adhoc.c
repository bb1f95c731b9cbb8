/* cmd_adhoc.c - `drover adhoc`: an Ansible module on many hosts. */
#include "cli/cli.h"
#include "cli/run_task.h"

struct adhoc_args {
	struct task_args task;
	struct view view;
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "The module:", 1 },
	{ "module", 'm', "MODULE", 0, "The module's name: copy, ansible.builtin.service", 0 },
	{ "args", 'a', "ARGS", 0, "Its arguments, as `ansible -a' takes them: KEY=VALUE..., a command, {JSON}", 0 },
	{ "check", 'C', NULL, 0, "Change nothing; say what would change", 0 },
	{ "diff", 'D', NULL, 0, "Show differences in files", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct adhoc_args *args = state->input;
	struct json_object *payload = args->task.task ? task_args_child(args->task.task, "payload") : NULL;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->task;
		state->child_inputs[1] = &args->view;
		return 0;
	case 'm':
		json_object_object_add(payload, "module", json_object_new_string(arg));
		return 0;
	case 'a':
		json_object_object_add(payload, "args", json_object_new_string(arg));
		return 0;
	case 'C':
	case 'D':
		json_object_object_add(payload, key == 'C' ? "check" : "diff", json_object_new_boolean(true));
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "\"%s\" is too much: a module's arguments are one word behind -a", arg);
		return 0;
	case ARGP_KEY_END:
		if (!json_object_object_get_ex(payload, "module", NULL))
			argp_error(state, "which module? -m ping, for one");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &task_argp, 0, NULL, 0 }, { &view_argp, 0, NULL, 0 }, { 0 } };

const struct argp cmd_adhoc_argp = {
	options,
	parse,
	"-H HOSTS -m MODULE [-a ARGS]",
	"Executes an Ansible module on many hosts and says how each of them ended."
	"\vWhat the module printed is shown, hosts with the same as one; of a module that prints nothing its whole "
	"result.\n"
	"Ctrl-C and exit codes are as of run.\n\n"
	"Examples: drover adhoc -H 'web[1-30]' -m service -a 'name=nginx state=restarted' -b\n"
	"          drover adhoc -H @db -m copy -a 'src=/srv/my.cnf dest=/etc/mysql/my.cnf' -C -D",
	children,
	NULL,
	NULL
};

int cmd_adhoc(struct cli *cli, int argc, char **argv)
{
	char *none[] = { NULL };
	struct adhoc_args args = { .view = { 0 } };

	task_args_init(&args.task, "adhoc");
	json_object_object_add(args.task.task, "type", json_object_new_string("adhoc"));
	cli_parse(cli, "adhoc", &cmd_adhoc_argp, 0, argc, argv, &args);
	return run_task(cli, &args.task, &args.view, none, true);
}
