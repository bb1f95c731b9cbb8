/* cmd_verify.c - `drover verify`: a task counted again. */
#include <inttypes.h>
#include <stdlib.h>

#include <drover/error.h>
#include <drover/status.h>

#include "cli/field.h"
#include "cli/one_task.h"
#include "cli/term.h"

static void print_verification(const struct cli *cli, struct json_object *answer)
{
	struct json_object *errors = field(answer, "errors");

	printf("%s%s%s: %" PRId64 " hosts, %" PRId64 " rows of %" PRId64 " different hosts; the task is %s\n",
	       term_color(cli, field_bool(answer, "ok") ? "ok" : "failed"), field_bool(answer, "ok") ? "ok" : "WRONG",
	       term_reset(cli), field_int(answer, "hosts", 0), field_int(answer, "rows", 0),
	       field_int(answer, "distinct", 0), field_word(answer, "state"));
	for (int i = 0; i < DROVER_STATUS_COUNT; i++) {
		const char *status = drover_status_name((enum drover_status)i);
		int64_t counted = field_int(field(answer, "counted"), status, 0);

		if (counted)
			printf("  %-12s%" PRId64 "\n", status, counted);
	}
	for (size_t i = 0; json_object_is_type(errors, json_type_array) && i < json_object_array_length(errors); i++) {
		struct json_object *error = json_object_array_get_idx(errors, i);

		fputs("  error: ", stdout);
		term_line(cli, stdout,
			  json_object_is_type(error, json_type_string) ? json_object_get_string(error)
								       : json_object_to_json_string(error));
		putchar('\n');
	}
}

const struct argp cmd_verify_argp = { NULL,
				      one_task_parse,
				      "ID",
				      "Proves that every host of a task has exactly one final status, and "
				      "that the counts are true. Exit code 1 if not, or if the task has not ended."
				      "\vExample: drover verify last",
				      NULL,
				      NULL,
				      NULL };

int cmd_verify(struct cli *cli, int argc, char **argv)
{
	const char *word = NULL;
	struct drover_error err = { 0 };
	struct json_object *task, *answer = NULL;
	struct session session;
	char *path;
	int code;

	cli_parse(cli, "verify", &cmd_verify_argp, 0, argc, argv, &word);
	code = one_task_open(cli, word, &session, &task);
	if (code)
		return code;
	path = session_task_path(&session, field_text(task, "id"), "/verify");
	if (client_call(&session.client, "GET", path, NULL, &answer, &err)) {
		code = client_fail(&session.client, "verify the task", &err);
	} else {
		int64_t open = field_int(field(answer, "counted"), "pending", 0) +
			       field_int(field(answer, "counted"), "running", 0);

		if (cli->json)
			term_json_line(cli, answer, true);
		else
			print_verification(cli, answer);
		if (!cli->json && open)
			printf("  %" PRId64 " hosts are not final yet\n", open);
		code = field_bool(answer, "ok") && !open ? CLI_OK : CLI_ERROR;
	}
	free(path);
	json_object_put(answer);
	one_task_close(&session, task);
	return code;
}
