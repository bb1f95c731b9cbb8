/* commands.c - the commands of `drover` as a table, and `drover help`. */
#include "cli/commands.h"

#include <string.h>

#include "cli/manual.h"
#include "conf/suggest.h"

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
	{ "key", "makes and shows the keys that units are signed with; signs tasks", cmd_key, &cmd_key_argp },
	{ "audit", "verifies the chain of an audit log", cmd_audit, &cmd_audit_argp },
	{ "doctor", "checks what a machine with a daemon needs; makes Kafka's topics", cmd_doctor, &cmd_doctor_argp },
	{ "config", "checks or shows a daemon's configuration", cmd_config, &cmd_config_argp },
	{ "plugin", "lists, describes and runs plugins", cmd_plugin, &cmd_plugin_argp },
	{ "completion", "the script that makes bash complete all of this", cmd_completion, &cmd_completion_argp },
	{ "help", "this, or a command's options", cmd_help, NULL },
	{ NULL, NULL, NULL, NULL },
};

const struct command *commands_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

void commands_print(FILE *out)
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

int commands_unknown(const char *name)
{
	struct suggest suggest;

	suggest_begin(&suggest, name);
	for (const struct command *command = commands; command->name; command++)
		suggest_consider(&suggest, command->name);
	return cli_usage("", "there is no command \"%s\"%s%s%s", name, suggest.best ? "; did you mean `" : "",
			 suggest.best ? suggest.best : "", suggest.best ? "'?" : "");
}

int cmd_help(struct cli *cli, int argc, char **argv)
{
	const struct command *command;
	char *words[] = { argv[0], (char *)"--help", NULL };

	/* For the build, so it is not in the help. */
	if (argc == 2 && !strcmp(argv[1], "--man")) {
		manual_write(stdout);
		return CLI_OK;
	}
	if (argc < 2 || argv[1][0] == '-') {
		commands_print(stdout);
		return CLI_OK;
	}
	command = commands_find(argv[1]);
	if (!command)
		return commands_unknown(argv[1]);
	return command->run == cmd_help ? cmd_help(cli, 1, argv) : command->run(cli, 2, words);
}
