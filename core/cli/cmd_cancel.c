/* cmd_cancel.c - `drover cancel`: ends a task. */
#include <stdlib.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/one_task.h"
#include "cli/term.h"

enum { OPT_REASON = 0x100 };

struct cancel_args {
	const char *word, *reason;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct cancel_args *args = state->input;

	if (key != OPT_REASON)
		return one_task_word(key, arg, state, ONE_TASK_WHAT, &args->word);
	args->reason = arg;
	return 0;
}

static const struct argp_option options[] = {
	{ "reason", OPT_REASON, "TEXT", 0, "Why; it is kept with the task", 0 },
	{ 0 },
};

const struct argp cmd_cancel_argp = { options,
				      parse,
				      "ID",
				      "Ends a task: hosts that have not begun never do, the others are "
				      "ended as at a deadline. Results that are there stay."
				      "\vExample: drover cancel 01JABC --reason 'wrong release'",
				      NULL,
				      NULL,
				      NULL };

int cmd_cancel(struct cli *cli, int argc, char **argv)
{
	struct cancel_args args = { 0 };
	struct drover_error err = { 0 };
	struct json_object *task, *answer = NULL, *body = NULL;
	struct session session;
	char *path;
	int code;

	cli_parse(cli, "cancel", &cmd_cancel_argp, 0, argc, argv, &args);
	code = one_task_open(cli, args.word, &session, &task);
	if (code)
		return code;
	if (args.reason) {
		body = json_object_new_object();
		json_object_object_add(body, "reason", json_object_new_string(args.reason));
	}
	path = session_task_path(&session, field_text(task, "id"), "/cancel");
	if (client_call(&session.client, "POST", path, body, &answer, &err))
		code = client_fail(&session.client, "cancel the task", &err);
	else if (cli->json)
		term_json_line(cli, answer, true);
	else
		printf("%s: %s\n", field_word(task, "id"),
		       *field_word(answer, "state") ? field_word(answer, "state") : "cancelling");
	free(path);
	json_object_put(body);
	json_object_put(answer);
	one_task_close(&session, task);
	return code;
}
