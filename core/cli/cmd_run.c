/* cmd_run.c - `drover run`: a shell task, from its options to its exit code. */
#include "cli/cli.h"
#include "cli/run_task.h"

struct run_args {
	struct task_args task;
	struct view view;
	char **words; /* of the command */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run_args *args = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->task;
		state->child_inputs[1] = &args->view;
		return 0;
	case ARGP_KEY_ARG:
		/* The command begins here; what looks like options in it is its own. */
		args->words = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &task_argp, 0, NULL, 0 }, { &view_argp, 0, NULL, 0 }, { 0 } };

const struct argp cmd_run_argp = {
	NULL,
	parse,
	"-H HOSTS -- COMMAND...",
	"Executes a shell command on many hosts and says how each of them ended."
	"\vThe words of COMMAND are joined by blanks for the remote shell, as ssh does. Line by line and "
	"streamed "
	"outputs go to stdout and stderr, as the hosts wrote them; the summary goes to stderr then.\n"
	"Ctrl-C detaches and prints the task's id, twice cancels it; in a private daemon once cancels.\n"
	"Exit code: 0 every host ok, 1 error, 2 usage, 3 some hosts not ok, 4 aborted by a threshold, 5 "
	"cancelled, 69 no daemon, 78 bad configuration, 130 interrupted.\n\n"
	"Examples: drover run -H 'web[1-30]' -- uptime\n"
	"          drover run -H 'db[1-9]' --waves 1,50%,100% -b -- service app restart\n"
	"          drover run -H ^hosts.txt --script check.sh --outdir out",
	children,
	NULL,
	NULL
};

int cmd_run(struct cli *cli, int argc, char **argv)
{
	char *none[] = { NULL };
	struct run_args args = { .words = none };

	task_args_init(&args.task, "run");
	cli_parse(cli, "run", &cmd_run_argp, ARGP_IN_ORDER, argc, argv, &args);
	return run_task(cli, &args.task, &args.view, args.words, false);
}
