/* cmd_task.c - `drover submit`, `watch`, `show`, `cancel`, `verify`: what concerns one task that is there or to be. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>
#include <drover/status.h>

#include "cli/field.h"
#include "cli/perform.h"
#include "cli/summary.h"
#include "cli/term.h"

#define TASK_FILE_SIZE ((size_t)1024 * 1024 * 1024)
#define JSON_PRINT (JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)

enum { OPT_DRY_RUN = 0x100 };

struct one_arg {
	const char *what; /* that the one word is, for messages */
	const char *word;
	bool dry_run, remote_code;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct one_arg *args = state->input;

	switch (key) {
	case OPT_DRY_RUN:
		args->dry_run = true;
		return 0;
	case 'S':
		args->remote_code = true;
		return 0;
	case ARGP_KEY_ARG:
		if (args->word)
			argp_error(state, "one %s, please: \"%s\" is too much", args->what, arg);
		args->word = arg;
		return 0;
	case ARGP_KEY_END:
		if (!args->word)
			argp_error(state, "which %s?", args->what);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Reads the options, connects and finds the task. CLI_OK: session and task are the caller's. */
static int open_task(struct cli *cli, const char *command, const struct argp *argp, int argc, char **argv,
		     struct one_arg *args, struct session *session, struct json_object **task)
{
	int code;

	args->what = "task (its id, the beginning of it, or \"last\")";
	cli_parse(cli, command, argp, 0, argc, argv, args);
	code = session_open(session, cli, false);
	if (code)
		return code;
	code = session_task(session, args->word, task);
	if (code)
		session_close(session);
	return code;
}

/* ---------------------------------------------------------------------------------------- submit */

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

int cmd_submit(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "dry-run", OPT_DRY_RUN, NULL, 0, "Only say what would be done", 0 },
		{ 0 },
	};
	static const struct argp argp = { options, parse, "FILE|-", "Submits a task in JSON and prints its id.",
					  NULL,    NULL,  NULL };
	struct one_arg args = { .what = "file (or - for standard input)" };
	struct drover_error err = { 0 };
	struct json_object *answer = NULL;
	struct buf text = BUF_INIT;
	struct session session;
	int code;

	cli_parse(cli, "submit", &argp, 0, argc, argv, &args);
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
		puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		puts(field_text(answer, "id"));
	json_object_put(answer);
	session_close(&session);
	buf_dispose(&text);
	return code;
}

/* ----------------------------------------------------------------------------------------- watch */

int cmd_watch(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "remote-exit-code", 'S', NULL, 0, "Exit with the largest exit code of the hosts", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		options,
		parse,
		"ID",
		"Shows a task's progress and, at its end, how it went.\v"
		"Ctrl-C leaves the task alone, twice cancels it. Exit codes are those of run.",
		NULL,
		NULL,
		NULL
	};
	struct one_arg args = { 0 };
	struct json_object *task;
	struct session session;
	int code = open_task(cli, "watch", &argp, argc, argv, &args, &session, &task);

	if (code)
		return code;
	code = perform_follow(&session, cli, field_text(task, "id"), args.remote_code);
	json_object_put(task);
	session_close(&session);
	return code;
}

/* ------------------------------------------------------------------------------------------ show */

/* What says nothing: absent, empty, or a limit of 0, which is none. */
static bool is_blank(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		return true;
	case json_type_string:
		return !json_object_get_string_len(value);
	case json_type_int:
	case json_type_double:
		return json_object_get_double(value) == 0;
	case json_type_object:
		return !json_object_object_length(value);
	default:
		return false;
	}
}

static void show_value(const struct cli *cli, struct json_object *task, const char *name)
{
	struct json_object *value = field(task, name);

	if (is_blank(value))
		return;
	printf("%-16s", name);
	term_line(cli, stdout, json_object_get_string(value));
	puts(strstr(name, "timeout") ? " s" : "");
}

int cmd_show(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = { NULL, parse, "ID", "Shows one task.", NULL, NULL, NULL };
	static const char *const names[] = {
		"id",         "name",         "type",       "executor",  "state",    "outcome",      "reason",
		"owner",      "labels",       "note",       "pool",      "priority", "credential",   "created_at",
		"started_at", "finished_at",  "expires_at", "unit_size", "timeout",  "host_timeout", "connect_timeout",
		"fanout",     "output_limit", "on_lost"
	};
	struct one_arg args = { 0 };
	struct json_object *task;
	struct session session;
	int code = open_task(cli, "show", &argp, argc, argv, &args, &session, &task);

	if (code)
		return code;
	if (cli->json) {
		puts(json_object_to_json_string_ext(task, JSON_PRINT));
	} else {
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			show_value(cli, task, names[i]);
		printf("%-16s%" PRId64 " of %" PRId64 " done\n%-16s", "units",
		       field_int(field(task, "units"), "done", 0), field_int(field(task, "units"), "total", 0),
		       "hosts");
		summary_line(cli, stdout, task);
	}
	json_object_put(task);
	session_close(&session);
	return code;
}

/* ---------------------------------------------------------------------------------------- cancel */

int cmd_cancel(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = { NULL,
					  parse,
					  "ID",
					  "Ends a task: hosts that have not begun never do, the others are "
					  "ended as at a deadline. Results that are there stay.",
					  NULL,
					  NULL,
					  NULL };
	struct one_arg args = { 0 };
	struct drover_error err = { 0 };
	struct json_object *task, *answer = NULL;
	struct session session;
	char *path;
	int code = open_task(cli, "cancel", &argp, argc, argv, &args, &session, &task);

	if (code)
		return code;
	path = session_task_path(&session, field_text(task, "id"), "/cancel");
	if (client_call(&session.client, "POST", path, NULL, &answer, &err))
		code = client_fail(&session.client, "cancel the task", &err);
	else if (cli->json)
		puts(json_object_to_json_string_ext(answer, JSON_PRINT));
	else
		printf("%s: %s\n", field_text(task, "id"),
		       *field_text(answer, "state") ? field_text(answer, "state") : "cancelling");
	free(path);
	json_object_put(answer);
	json_object_put(task);
	session_close(&session);
	return code;
}

/* ---------------------------------------------------------------------------------------- verify */

static void print_verification(const struct cli *cli, struct json_object *answer)
{
	struct json_object *errors = field(answer, "errors");

	printf("%s%s%s: %" PRId64 " hosts, %" PRId64 " rows of %" PRId64 " different hosts; the task is %s\n",
	       term_color(cli, field_bool(answer, "ok") ? "ok" : "failed"), field_bool(answer, "ok") ? "ok" : "WRONG",
	       term_reset(cli), field_int(answer, "hosts", 0), field_int(answer, "rows", 0),
	       field_int(answer, "distinct", 0), field_text(answer, "state"));
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

int cmd_verify(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = { NULL,
					  parse,
					  "ID",
					  "Proves that every host of a task has exactly one final status, and "
					  "that the counts are true. Exit code 1 if not, or if the task has not ended.",
					  NULL,
					  NULL,
					  NULL };
	struct one_arg args = { 0 };
	struct drover_error err = { 0 };
	struct json_object *task, *answer = NULL;
	struct session session;
	char *path;
	int code = open_task(cli, "verify", &argp, argc, argv, &args, &session, &task);

	if (code)
		return code;
	path = session_task_path(&session, field_text(task, "id"), "/verify");
	if (client_call(&session.client, "GET", path, NULL, &answer, &err)) {
		code = client_fail(&session.client, "verify the task", &err);
	} else {
		int64_t open = field_int(field(answer, "counted"), "pending", 0) +
			       field_int(field(answer, "counted"), "running", 0);

		if (cli->json)
			puts(json_object_to_json_string_ext(answer, JSON_PRINT));
		else
			print_verification(cli, answer);
		if (!cli->json && open)
			printf("  %" PRId64 " hosts are not final yet\n", open);
		code = field_bool(answer, "ok") && !open ? CLI_OK : CLI_ERROR;
	}
	free(path);
	json_object_put(answer);
	json_object_put(task);
	session_close(&session);
	return code;
}
