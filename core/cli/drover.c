/* drover.c - the program `drover`: the way to one of its commands. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"

const char *argp_program_version = "drover " DROVER_VERSION;

/* Options before the command: the shared ones, and these. */
static error_t parse_global(int key, char *arg, struct argp_state *state)
{
	int *command = state->input;

	if (key == '?') {
		commands_print(stdout);
		exit(CLI_OK);
	}
	if (key == 'V') {
		puts(argp_program_version);
		exit(CLI_OK);
	}
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	(void)arg;
	*command = state->next - 1;
	state->next = state->argc;
	return 0;
}

static const struct argp_option global_options[] = {
	{ "help", '?', NULL, 0, "Give this help list", -1 },
	{ "version", 'V', NULL, 0, "Print program version", -1 },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct argp argp = { global_options, parse_global, "COMMAND [OPTION...]", NULL, NULL, NULL, NULL };
	const struct command *command;
	struct cli cli;
	int at = 0, code;

	setlocale(LC_ALL, "");
	signal(SIGPIPE, SIG_IGN);
	argp_err_exit_status = CLI_USAGE;
	cli_init(&cli);
	cli_parse(&cli, "", &argp, ARGP_IN_ORDER | ARGP_NO_HELP, argc, argv, &at);
	if (!at) {
		commands_print(stderr);
		return CLI_USAGE;
	}
	command = commands_find(argv[at]);
	if (!command)
		return commands_unknown(argv[at]);
	code = command->run(&cli, argc - at, argv + at);
	/* A full disk or a closed pipe must not look like success. */
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE) {
		cli_say("cannot write to standard output: %s", errno ? strerror(errno) : "a write failed");
		return code ? code : CLI_ERROR;
	}
	return code;
}
