/*
 * roles.h - what a droverd process can be. The supervisor execs itself with
 * `droverd --role=ROLE --control=FD --config=FD`; each function below is such a process's main.
 *
 * `config_fd` holds the part's slice of the configuration as JSON (see conf/plan.h); `control_fd`
 * is its connection to the supervisor. They return the exit code.
 */
#ifndef PROC_ROLES_H
#define PROC_ROLES_H

#include <stdbool.h>

struct supervisor_options {
	const char *config_file; /* NULL: the default */
	const char *program;     /* the path to exec for children: /proc/self/exe resolved */
	bool daemonize;
	const char *pid_file; /* or NULL */
};

int supervisor_main(const struct supervisor_options *options);
int executor_main(int control_fd, int config_fd);
int sink_main(int control_fd, int config_fd);
int monitor_main(int control_fd, int config_fd);
/* core/daemon/core_main.c */
int core_main(int control_fd, int config_fd);

#endif
