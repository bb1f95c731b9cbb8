/*
 * cli.h - what all commands of `drover` share: the options that each takes, how they end, and how
 * they speak. Data goes to stdout, everything else to stderr.
 *
 * The program is single-threaded. Memory as in util/buf.h.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What the program exits with; docs and scripts rely on the numbers. */
enum cli_exit {
	CLI_OK = 0,
	CLI_ERROR = 1,
	CLI_USAGE = 2,
	CLI_SOME_NOT_OK = 3,
	CLI_ABORTED = 4,
	CLI_CANCELLED = 5,
	CLI_UNREACHABLE = 69, /* EX_UNAVAILABLE */
	CLI_BAD_CONFIG = 78,  /* EX_CONFIG */
	CLI_INTERRUPTED = 130
};

/* The options that every command takes, and what the program knows of its surroundings. */
struct cli {
	const char *url; /* --url, or NULL */
	bool standalone; /* --standalone: the private daemon, even where another one is reachable */
	bool json;
	bool verbose;
	bool color;           /* stdout may carry colours */
	bool stdout_terminal; /* … and must not carry control characters of others */
	bool stderr_terminal;
};

struct command {
	const char *name;
	const char *summary;
	int (*run)(struct cli *cli, int argc, char **argv); /* returns an enum cli_exit, or -S's code */
	const struct argp *argp; /* what run reads; manual pages and completion are made from it */
};

/* cli.c: the options that every command takes. */
extern const struct argp cli_shared_argp;
/* commands.c: the table, ended by a name of NULL. */
extern const struct command commands[];

void cli_init(struct cli *cli);
/*
 * Reads a command's options (and the shared ones) by its argp; ends the program with CLI_USAGE and a
 * hint on what is wrong. `flags` as for argp_parse. Where ARGP_IN_ORDER is in it, options end at the
 * first word that is none.
 */
void cli_parse(struct cli *cli, const char *command, const struct argp *argp, unsigned flags, int argc, char **argv,
	       void *input);
/* One line on stderr, after `drover: `. */
void __attribute__((format(printf, 1, 2))) cli_say(const char *format, ...);
/* The same, for a usage error, with the command's --help; returns CLI_USAGE. */
int __attribute__((format(printf, 2, 3))) cli_usage(const char *command, const char *format, ...);

/* The commands, each in its file, with what each reads: its options and words. */
int cmd_adhoc(struct cli *cli, int argc, char **argv);
int cmd_audit(struct cli *cli, int argc, char **argv);
int cmd_cancel(struct cli *cli, int argc, char **argv);
int cmd_completion(struct cli *cli, int argc, char **argv);
int cmd_config(struct cli *cli, int argc, char **argv);
int cmd_demo(struct cli *cli, int argc, char **argv);
int cmd_doctor(struct cli *cli, int argc, char **argv);
int cmd_engines(struct cli *cli, int argc, char **argv);
int cmd_host(struct cli *cli, int argc, char **argv);
int cmd_hosts(struct cli *cli, int argc, char **argv);
int cmd_key(struct cli *cli, int argc, char **argv);
int cmd_list(struct cli *cli, int argc, char **argv);
int cmd_logs(struct cli *cli, int argc, char **argv);
int cmd_outputs(struct cli *cli, int argc, char **argv);
int cmd_playbook(struct cli *cli, int argc, char **argv);
int cmd_plugin(struct cli *cli, int argc, char **argv);
int cmd_results(struct cli *cli, int argc, char **argv);
int cmd_retry(struct cli *cli, int argc, char **argv);
int cmd_run(struct cli *cli, int argc, char **argv);
int cmd_secret(struct cli *cli, int argc, char **argv);
int cmd_show(struct cli *cli, int argc, char **argv);
int cmd_submit(struct cli *cli, int argc, char **argv);
int cmd_token(struct cli *cli, int argc, char **argv);
int cmd_verify(struct cli *cli, int argc, char **argv);
int cmd_watch(struct cli *cli, int argc, char **argv);

extern const struct argp cmd_adhoc_argp, cmd_playbook_argp;
extern const struct argp cmd_audit_argp, cmd_cancel_argp, cmd_completion_argp, cmd_config_argp, cmd_plugin_argp,
	cmd_demo_argp, cmd_doctor_argp, cmd_engines_argp, cmd_host_argp, cmd_hosts_argp, cmd_key_argp, cmd_list_argp,
	cmd_logs_argp, cmd_outputs_argp, cmd_results_argp, cmd_retry_argp, cmd_run_argp, cmd_secret_argp, cmd_show_argp,
	cmd_submit_argp, cmd_token_argp, cmd_verify_argp, cmd_watch_argp;

#endif
