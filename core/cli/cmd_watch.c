/* cmd_watch.c - `drover watch`: a task's progress to its end. */
#include "cli/field.h"
#include "cli/one_task.h"
#include "cli/perform.h"

struct watch_args {
	const char *word;
	struct view view;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct watch_args *args = state->input;

	if (key != ARGP_KEY_INIT)
		return one_task_word(key, arg, state, ONE_TASK_WHAT, &args->word);
	state->child_inputs[0] = &args->view;
	return 0;
}

static const struct argp_child children[] = { { &view_argp, 0, NULL, 0 }, { 0 } };

const struct argp cmd_watch_argp = { NULL,
				     parse,
				     "ID",
				     "Shows a task's progress and, at its end, how it went.\v"
				     "Ctrl-C leaves the task alone, twice cancels it. Exit codes are those of run.\n\n"
				     "Example: drover watch last --stream",
				     children,
				     NULL,
				     NULL };

int cmd_watch(struct cli *cli, int argc, char **argv)
{
	struct watch_args args = { 0 };
	struct json_object *task;
	struct session session;
	int code;

	cli_parse(cli, "watch", &cmd_watch_argp, 0, argc, argv, &args);
	code = view_open(&args.view);
	if (!code)
		code = one_task_open(cli, args.word, &session, &task);
	if (!code) {
		code = perform_follow(&session, cli, field_text(task, "id"), &args.view, NULL);
		one_task_close(&session, task);
	}
	view_close(&args.view);
	return code;
}
