/*
 * droverd.c - the daemon's command line: the supervisor, or one of the processes that it starts of
 * the same program by --role.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/plan.h"
#include "proc/nodump.h"
#include "proc/roles.h"
#include "util/roff.h"

const char *argp_program_version = "droverd " DROVER_VERSION;

enum option_key {
	KEY_CHECK = 256,
	KEY_DAEMON,
	KEY_PID_FILE,
	KEY_MANUAL, /* for the build */
	KEY_ROLE,
	KEY_NAME,
	KEY_CONTROL,
	KEY_CONFIG,
	KEY_LINK,
	KEY_CGROUP
};

struct arguments {
	struct supervisor_options supervisor;
	bool check, manual;
	const char *role;
	int control, config, link;
	const char *cgroup;
};

static const struct argp_option options[] = {
	{ "config-file", 'c', "FILE", 0, "Configuration (default: " CONF_DEFAULT_FILE ")", 0 },
	{ "check", KEY_CHECK, NULL, 0, "Check the configuration and end: 0, or 78 with every error", 0 },
	{ "daemon", KEY_DAEMON, NULL, 0, "Detach from the terminal", 0 },
	{ "pid-file", KEY_PID_FILE, "FILE", 0, "Write the process id to FILE", 0 },
	{ "manual", KEY_MANUAL, NULL, OPTION_HIDDEN, NULL, 0 },
	{ "role", KEY_ROLE, "ROLE", OPTION_HIDDEN, NULL, 0 },
	{ "name", KEY_NAME, "NAME", OPTION_HIDDEN, NULL, 0 },
	{ "control", KEY_CONTROL, "FD", OPTION_HIDDEN, NULL, 0 },
	{ "config", KEY_CONFIG, "FD", OPTION_HIDDEN, NULL, 0 },
	{ "link", KEY_LINK, "FD", OPTION_HIDDEN, NULL, 0 },
	{ "cgroup", KEY_CGROUP, "FOLDER", OPTION_HIDDEN, NULL, 0 },
	{ 0 },
};

static int parse_fd(struct argp_state *state, const char *text)
{
	char *end;
	long fd = strtol(text, &end, 10);

	if (*end || end == text || fd < 0 || fd > 1000000)
		argp_error(state, "%s is no descriptor", text);
	return (int)fd;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'c':
		a->supervisor.config_file = text;
		return 0;
	case KEY_CHECK:
		a->check = true;
		return 0;
	case KEY_MANUAL:
		a->manual = true;
		return 0;
	case KEY_DAEMON:
		a->supervisor.daemonize = true;
		return 0;
	case KEY_PID_FILE:
		a->supervisor.pid_file = text;
		return 0;
	case KEY_ROLE:
		a->role = text;
		return 0;
	case KEY_NAME:
		return 0; /* only to be seen in ps */
	case KEY_CONTROL:
		a->control = parse_fd(state, text);
		return 0;
	case KEY_CONFIG:
		a->config = parse_fd(state, text);
		return 0;
	case KEY_LINK:
		a->link = parse_fd(state, text);
		return 0;
	case KEY_CGROUP:
		a->cgroup = text;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument: %s", text);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int run_role(const struct arguments *a)
{
	if (!strcmp(a->role, "config"))
		return conf_role_main(a->supervisor.config_file, a->control);
	if (!strcmp(a->role, "core"))
		return core_main(a->control, a->config);
	if (!strcmp(a->role, "executor"))
		return executor_main(a->control, a->config, a->link, a->cgroup);
	if (!strcmp(a->role, "sink"))
		return sink_main(a->control, a->config, a->link);
	if (!strcmp(a->role, "inventory"))
		return inventory_main(a->control, a->config);
	if (!strcmp(a->role, "monitor"))
		return monitor_main(a->control, a->config);
	fprintf(stderr, "droverd: there is no role %s\n", a->role);
	return 64;
}

static const struct argp argp = { options, parse, NULL, "Drover's daemon: executes tasks on many hosts.",
				  NULL,    NULL,  NULL };

/* The page droverd(8). */
static int write_manual(FILE *out)
{
	roff_begin(out, "droverd", "8", "executes tasks on many hosts");
	roff_section(out, "SYNOPSIS");
	fputs(".B droverd\n[OPTION...]\n", out);
	roff_section(out, "DESCRIPTION");
	roff_doc(out, &argp, 0);
	roff_lines(out, "It runs in the foreground, says when it is ready as systemd's Type=notify wants it, and logs "
			"to standard "
			"error. Its parts are processes of their own, which are started again when they die.");
	roff_section(out, "OPTIONS");
	roff_options(out, &argp);
	roff_section(out, "SIGNALS");
	roff_item(out, "HUP", "reads the configuration again; a bad one changes nothing and is logged");
	roff_item(out, "TERM, INT",
		  "nothing new is begun, running units have node.drain, then it ends; a second one ends it now");
	roff_section(out, "EXIT STATUS");
	roff_item(out, "0", "ended in order");
	roff_item(out, "1", "an error, said in the log");
	roff_item(out, "64", "wrong usage");
	roff_item(out, "78", "bad configuration");
	roff_section(out, "FILES");
	roff_item(out, CONF_DEFAULT_FILE, "its configuration");
	roff_section(out, "SEE ALSO");
	fputs(".BR drover (1),\n.BR drover.yaml (5)\n", out);
	return ferror(out) ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct arguments a = { .control = -1, .config = -1, .link = -1 };
	char program[4096], *file = NULL;
	ssize_t size;
	int rc;

	nodump(); /* before there is a secret */
	argp_err_exit_status = 64;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (a.role)
		return run_role(&a);
	if (a.manual)
		return write_manual(stdout);
	if (a.check)
		return conf_check(a.supervisor.config_file);
	size = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (size < 0) {
		fprintf(stderr, "droverd: cannot read /proc/self/exe: %s\n", strerror(errno));
		return 1;
	}
	program[size] = '\0';
	a.supervisor.program = program;
	/* As seen from here: the working folder of a detached process is another one, and a reload reads it again. */
	if (a.supervisor.config_file && (file = realpath(a.supervisor.config_file, NULL)))
		a.supervisor.config_file = file;
	rc = supervisor_main(&a.supervisor);
	free(file);
	return rc;
}
