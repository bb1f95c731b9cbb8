/* cmd_logs.c - `drover logs`: what hosts wrote, as it is; live with -f. */
#include <string.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/follow.h"
#include "cli/hosts_arg.h"
#include "cli/one_task.h"
#include "cli/pages.h"
#include "cli/rows.h"
#include "cli/tail.h"

struct logs_args {
	const char *word;
	struct hosts_arg hosts;
	bool follow;
};

/* Rows of hosts are told to a tail as the events that they were. */
struct reading {
	struct tail *tail; /* NULL: they are only counted */
	struct drover_error *err;
	size_t rows;
};

enum { OPT_HOST = 0x100 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct logs_args *args = state->input;

	switch (key) {
	case OPT_HOST:
	case 'H':
		hosts_arg_add(&args->hosts, arg);
		return 0;
	case 'f':
		args->follow = true;
		return 0;
	default:
		return one_task_word(key, arg, state, ONE_TASK_WHAT, &args->word);
	}
}

static int take_row(void *context, struct json_object *row)
{
	struct reading *reading = context;

	reading->rows++;
	json_object_object_add(row, "kind", json_object_new_string("host"));
	return reading->tail ? tail_event(reading->tail, "host", row, reading->err) : 0;
}

/* The rows of the hosts that are asked for, without their outputs. */
static int read_rows(struct session *session, const char *id, const struct nodeset *only, struct reading *reading)
{
	size_t count = only ? only->count : 1;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		struct buf query = BUF_INIT;

		buf_string(&query, "output=false");
		if (only) {
			buf_string(&query, "&host=");
			client_escape(&session->client, &query, only->names[i]);
		}
		rc = rows_each(session, id, query.data, take_row, reading, reading->err);
		buf_dispose(&query);
	}
	return rc ? client_fail(&session->client, "read the outputs", reading->err) : CLI_OK;
}

static int print_logs(struct session *session, struct cli *cli, const struct logs_args *args,
		      const struct nodeset *hosts, struct json_object *task)
{
	struct tail tail = { .session = session,
			     .cli = cli,
			     .id = field_text(task, "id"),
			     .only = args->hosts.count ? hosts : NULL,
			     .watching = true };
	struct drover_error err = { 0 };
	struct reading reading = { args->follow ? NULL : &tail, &err, 0 };
	struct json_object *ended = NULL;
	int code = CLI_OK;

	/* Of one host the bytes are all there is to say. */
	tail.bare = (tail.only ? (int64_t)hosts->count : field_int(task, "hosts_total", 0)) == 1;
	if (!args->follow || tail.only)
		code = read_rows(session, tail.id, tail.only, &reading);
	if (!code && tail.only && !reading.rows) {
		cli_say("the task %s has no such host", tail.id);
		code = CLI_ERROR;
	}
	if (!code && args->follow)
		code = follow_task(session, cli, tail.id, &tail, NULL, &ended);
	json_object_put(ended);
	tail_dispose(&tail);
	return code;
}

static const struct argp_option options[] = {
	{ "host", OPT_HOST, "HOSTS", 0, "Only these hosts", 0 },
	{ "hosts", 'H', NULL, OPTION_ALIAS, NULL, 0 },
	{ "follow", 'f', NULL, 0, "Go on with what they write until the task has ended", 0 },
	{ 0 },
};

const struct argp cmd_logs_argp = {
	options,
	parse,
	"ID",
	"Prints what hosts wrote, standard output to stdout, standard error to stderr: of one host its bytes "
	"as "
	"they are, of several hosts each line with its host in front."
	"\vOn a terminal control characters are made harmless; a file or pipe gets every byte. Ctrl-C ends the "
	"printing, never the task.\n\nExamples: drover logs last -f\n"
	"          drover logs last --host web7 > web7.out",
	NULL,
	NULL,
	NULL
};

int cmd_logs(struct cli *cli, int argc, char **argv)
{
	struct logs_args args = { 0 };
	struct drover_error err = { 0 };
	struct json_object *task;
	struct nodeset hosts;
	struct session session;
	int code;

	cli_parse(cli, "logs", &cmd_logs_argp, 0, argc, argv, &args);
	if (hosts_arg_expand(&args.hosts, &hosts, &err)) {
		hosts_arg_dispose(&args.hosts);
		return cli_usage("logs", "--host: %s", err.message);
	}
	code = one_task_open(cli, args.word, &session, &task);
	if (!code) {
		code = print_logs(&session, cli, &args, &hosts, task);
		one_task_close(&session, task);
	}
	nodeset_dispose(&hosts);
	hosts_arg_dispose(&args.hosts);
	return code;
}
