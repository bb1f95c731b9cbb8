/*
 * task_args.h - the options that make a task, shared by the commands that submit one, and the task as JSON that
 * they make: each option has its twin there.
 */
#ifndef CLI_TASK_ARGS_H
#define CLI_TASK_ARGS_H

#include <argp.h>
#include <stdbool.h>

#include <json-c/json.h>

#include "cli/hosts_arg.h"

struct task_args {
	const char *command;      /* "run": for messages */
	struct json_object *task; /* owned; what the options said so far */
	struct hosts_arg hosts, exclude;
	const char *user; /* -u */
	int port;         /* -p, or 0 */
	const char *stdin_file, *script_file;
	bool dry_run, detach, yes;
};

/* A child for a command's argp; its input is a struct task_args. */
extern const struct argp task_argp;

void task_args_init(struct task_args *args, const char *command);
void task_args_dispose(struct task_args *args);
/*
 * Completes args->task: hosts, exclude, an id, and the payload `words` (a command, NULL-terminated; may be
 * empty where a script is given). Returns CLI_OK, or says what is wrong and returns what to exit with.
 */
int task_args_finish(struct task_args *args, char **words);
/* The text of FILE (`-`: standard input) as a member of the payload. Codes as above; `option` is for messages. */
int task_args_read(struct task_args *args, const char *option, const char *file, const char *member);
/* The object below `parent`, made where it is not there yet. Borrowed. */
struct json_object *task_args_child(struct json_object *parent, const char *name);

#endif
