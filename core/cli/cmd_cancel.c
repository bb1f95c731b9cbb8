/* cmd_cancel.c - `drover cancel`: ends a task. */
#include <stdlib.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/one_task.h"

int cmd_cancel(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = { NULL,
					  one_task_parse,
					  "ID",
					  "Ends a task: hosts that have not begun never do, the others are "
					  "ended as at a deadline. Results that are there stay.",
					  NULL,
					  NULL,
					  NULL };
	const char *word = NULL;
	struct drover_error err = { 0 };
	struct json_object *task, *answer = NULL;
	struct session session;
	char *path;
	int code;

	cli_parse(cli, "cancel", &argp, 0, argc, argv, &word);
	code = one_task_open(cli, word, &session, &task);
	if (code)
		return code;
	path = session_task_path(&session, field_text(task, "id"), "/cancel");
	if (client_call(&session.client, "POST", path, NULL, &answer, &err))
		code = client_fail(&session.client, "cancel the task", &err);
	else if (cli->json)
		puts(json_object_to_json_string_ext(answer, ONE_TASK_JSON));
	else
		printf("%s: %s\n", field_text(task, "id"),
		       *field_text(answer, "state") ? field_text(answer, "state") : "cancelling");
	free(path);
	json_object_put(answer);
	one_task_close(&session, task);
	return code;
}
