/*
 * roles.h - what a droverd process can be. The supervisor execs itself with
 * `droverd --role=ROLE --control=FD --config=FD [--link=FD] [--cgroup=FOLDER]`; each function below
 * is such a process's main.
 *
 * `config_fd` holds the part's slice of the configuration as JSON (see conf/plan.h); `control_fd`
 * is its connection to the supervisor, `link_fd` that to the core. They return the exit code.
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
/* `cgroup`: the folder of this process's own cgroup, where those of its units are made; NULL: the subreaper way. */
int executor_main(int control_fd, int config_fd, int link_fd, const char *cgroup);
/* core/proc/sink_host.c */
int sink_main(int control_fd, int config_fd, int link_fd);
int monitor_main(int control_fd, int config_fd);
/* core/proc/inventory_host.c: started by the core, not by the supervisor; see there. */
int inventory_main(int control_fd, int config_fd);
/* core/daemon/core_main.c */
int core_main(int control_fd, int config_fd);

#endif
