/* drover.c - the program `drover`: its commands as a table, and the way to one of them. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/manual.h"
#include "conf/suggest.h"

const char *argp_program_version = "drover " DROVER_VERSION;

static int cmd_help(struct cli *cli, int argc, char **argv);

const struct command commands[] = {
	{ "demo", "a simulated fleet with hung hosts, in under half a minute", cmd_demo, &cmd_demo_argp },
	{ "run", "a shell command on many hosts", cmd_run, &cmd_run_argp },
	{ "adhoc", "an Ansible module on many hosts", cmd_adhoc, &cmd_adhoc_argp },
	{ "playbook", "an Ansible playbook on many hosts", cmd_playbook, &cmd_playbook_argp },
	{ "submit", "a task in JSON; prints its id", cmd_submit, &cmd_submit_argp },
	{ "watch", "a task's progress to its end", cmd_watch, &cmd_watch_argp },
	{ "show", "one task", cmd_show, &cmd_show_argp },
	{ "list", "tasks, newest first", cmd_list, &cmd_list_argp },
	{ "results", "a task's results, host by host", cmd_results, &cmd_results_argp },
	{ "outputs", "a task's hosts, folded by identical output", cmd_outputs, &cmd_outputs_argp },
	{ "logs", "what hosts wrote, as it is; live with -f", cmd_logs, &cmd_logs_argp },
	{ "host", "one host's history over tasks", cmd_host, &cmd_host_argp },
	{ "cancel", "ends a task", cmd_cancel, &cmd_cancel_argp },
	{ "retry", "a task again, for the hosts that it failed on", cmd_retry, &cmd_retry_argp },
	{ "verify", "proves that every host of a task has exactly one final status", cmd_verify, &cmd_verify_argp },
	{ "engines", "the nodes that execute, and their processes", cmd_engines, &cmd_engines_argp },
	{ "hosts", "node sets: expand, fold, count; groups", cmd_hosts, &cmd_hosts_argp },
	{ "token", "who may ask a daemon: creates, lists and revokes tokens", cmd_token, &cmd_token_argp },
	{ "secret", "encrypts secrets for a daemon's configuration", cmd_secret, &cmd_secret_argp },
	{ "audit", "verifies the chain of an audit log", cmd_audit, &cmd_audit_argp },
	{ "doctor", "checks what a machine with a daemon needs", cmd_doctor, &cmd_doctor_argp },
	{ "config", "checks or shows a daemon's configuration", cmd_config, &cmd_config_argp },
	{ "plugin", "lists and describes plugins", cmd_plugin, &cmd_plugin_argp },
	{ "completion", "the script that makes bash complete all of this", cmd_completion, &cmd_completion_argp },
	{ "help", "this, or a command's options", cmd_help, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const struct command *find_command(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

static void print_help(FILE *out)
{
	fputs("Usage: drover COMMAND [OPTION...]\n"
	      "Drives a herd of hosts: one final, truthful status for each of them.\n\n",
	      out);
	for (const struct command *command = commands; command->name; command++)
		fprintf(out, "  %-12s%s\n", command->name, command->summary);
	fputs("\nTo begin:  drover demo\n"
	      "           drover run -H localhost -- uptime\n"
	      "Options of a command: drover help COMMAND\n",
	      out);
}

static int unknown_command(const char *name)
{
	struct suggest suggest;

	suggest_begin(&suggest, name);
	for (const struct command *command = commands; command->name; command++)
		suggest_consider(&suggest, command->name);
	return cli_usage("", "there is no command \"%s\"%s%s%s", name, suggest.best ? "; did you mean `" : "",
			 suggest.best ? suggest.best : "", suggest.best ? "'?" : "");
}

static int cmd_help(struct cli *cli, int argc, char **argv)
{
	const struct command *command;
	char *words[] = { argv[0], (char *)"--help", NULL };

	/* For the build, so it is not in the help. */
	if (argc == 2 && !strcmp(argv[1], "--man")) {
		manual_write(stdout);
		return CLI_OK;
	}
	if (argc < 2 || argv[1][0] == '-') {
		print_help(stdout);
		return CLI_OK;
	}
	command = find_command(argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	return command->run == cmd_help ? cmd_help(cli, 1, argv) : command->run(cli, 2, words);
}

/* Options before the command: the shared ones, and these. */
static error_t parse_global(int key, char *arg, struct argp_state *state)
{
	int *command = state->input;

	if (key == '?') {
		print_help(stdout);
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
		print_help(stderr);
		return CLI_USAGE;
	}
	command = find_command(argv[at]);
	if (!command)
		return unknown_command(argv[at]);
	code = command->run(&cli, argc - at, argv + at);
	/* A full disk or a closed pipe must not look like success. */
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE) {
		cli_say("cannot write to standard output: %s", errno ? strerror(errno) : "a write failed");
		return code ? code : CLI_ERROR;
	}
	return code;
}
