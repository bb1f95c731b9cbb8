/* cmd_submit.c - `drover submit`: a task in JSON, as its user wrote it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/one_task.h"
#include "cli/term.h"

#define TASK_FILE_SIZE ((size_t)1024 * 1024 * 1024)

enum { OPT_DRY_RUN = 0x100 };

struct submit_args {
	const char *word;
	bool dry_run;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct submit_args *args = state->input;

	if (key != OPT_DRY_RUN)
		return one_task_word(key, arg, state, "file (or - for standard input)", &args->word);
	args->dry_run = true;
	return 0;
}

static int read_file(const char *name, struct buf *text)
{
	FILE *file = !strcmp(name, "-") ? stdin : fopen(name, "re");
	char chunk[65536];
	size_t size;
	int code = CLI_OK;

	if (!file) {
		cli_say("cannot read %s: %s", name, strerror(errno));
		return CLI_ERROR;
	}
	while (text->size <= TASK_FILE_SIZE && (size = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_append(text, chunk, size);
	if (ferror(file) || text->size > TASK_FILE_SIZE) {
		cli_say("cannot read %s: %s", name, ferror(file) ? strerror(errno) : "it is too large");
		code = CLI_ERROR;
	}
	if (file != stdin)
		fclose(file);
	return code;
}

static const struct argp_option options[] = {
	{ "dry-run", OPT_DRY_RUN, NULL, 0, "Only say what would be done", 0 },
	{ 0 },
};

const struct argp cmd_submit_argp = { options,
				      parse,
				      "FILE|-",
				      "Submits a task in JSON and prints its id."
				      "\vExample: drover submit task.json && drover watch last",
				      NULL,
				      NULL,
				      NULL };

int cmd_submit(struct cli *cli, int argc, char **argv)
{
	struct submit_args args = { 0 };
	struct drover_error err = { 0 };
	struct json_object *answer = NULL;
	struct buf text = BUF_INIT;
	struct session session;
	int code;

	cli_parse(cli, "submit", &cmd_submit_argp, 0, argc, argv, &args);
	/* Byte for byte: the daemon says what is wrong with it. */
	code = read_file(args.word, &text);
	if (!code)
		code = session_open(&session, cli, true);
	if (code) {
		buf_dispose(&text);
		return code;
	}
	/* Without an id of its own a second copy could be made by a repeated call. */
	session.client.revive = NULL;
	if (client_send(&session.client, "POST", args.dry_run ? "/v1/tasks?dry_run=true" : "/v1/tasks", text.data,
			text.size, &answer, &err))
		code = client_fail(&session.client, "submit the task", &err);
	else if (cli->json || args.dry_run)
		term_json_line(cli, answer, false);
	else
		puts(field_word(answer, "id"));
	json_object_put(answer);
	session_close(&session);
	buf_dispose(&text);
	return code;
}
