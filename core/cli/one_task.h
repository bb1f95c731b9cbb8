/* one_task.h - what commands about one task have in common: its id as their only word, and the way to it. */
#ifndef CLI_ONE_TASK_H
#define CLI_ONE_TASK_H

#include <argp.h>

#include <json-c/json.h>

#include "cli/session.h"

#define ONE_TASK_WHAT "task (its id, the beginning of it, or \"last\")"

/* For a command's argp parser: takes the only word. As an argp parser returns. */
error_t one_task_word(int key, char *arg, struct argp_state *state, const char *what, const char **word);
/* A parser for a command without options of its own; its input is a `const char *`, the word. */
error_t one_task_parse(int key, char *arg, struct argp_state *state);

/*
 * Connects and finds the task. CLI_OK: session and task are the caller's. Else it was said what is wrong, and that is
 * what to exit with.
 */
int one_task_open(struct cli *cli, const char *word, struct session *session, struct json_object **task);
void one_task_close(struct session *session, struct json_object *task);

#endif
