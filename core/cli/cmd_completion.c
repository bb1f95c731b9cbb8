/* cmd_completion.c - `drover completion`: prints the script for a shell. */
#include <string.h>

#include "cli/cli.h"
#include "cli/completion.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char **what = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (*what)
			argp_error(state, "\"%s\" is too much", arg);
		return *what = arg, 0;
	case ARGP_KEY_END:
		if (!*what)
			argp_error(state, "for which shell? bash (zsh reads that, too)");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* `tasks`, `groups`, `engines` and `plugins` are what the script asks for, so they are not in the help. */
const struct argp cmd_completion_argp = { NULL,
					  parse,
					  "bash",
					  "Prints what makes bash complete commands, options, tasks, statuses, groups "
					  "of hosts, engines and plugins. The daemon is asked for "
					  "what it knows, for a second at most. zsh reads the same by bashcompinit."
					  "\vExample: source <(drover completion bash)",
					  NULL,
					  NULL,
					  NULL };

int cmd_completion(struct cli *cli, int argc, char **argv)
{
	const char *what = NULL;

	cli_parse(cli, "completion", &cmd_completion_argp, 0, argc, argv, &what);
	if (!strcmp(what, "bash"))
		completion_script(stdout);
	else if (!completion_words(cli, what, stdout))
		return cli_usage("completion", "there is none for \"%s\": bash (zsh reads that, too)", what);
	return CLI_OK;
}
