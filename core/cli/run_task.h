/* run_task.h - from the options of a command that submits a task to its exit code. */
#ifndef CLI_RUN_TASK_H
#define CLI_RUN_TASK_H

#include "cli/cli.h"
#include "cli/task_args.h"
#include "cli/view.h"

/*
 * Completes the task that the options have made (`words`: of a command, NULL-terminated, or empty), submits it to the
 * daemon that is found or started, and follows it as `view` says. `ansible`: the task needs Ansible, which a private
 * daemon may not have. Disposes of `args` and `view`. Returns what to exit with.
 */
int run_task(struct cli *cli, struct task_args *args, struct view *view, char **words, bool ansible);

#endif
