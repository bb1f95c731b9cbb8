/* perform.c - see perform.h. */
#include "cli/perform.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/follow.h"
#include "cli/tail.h"
#include "cli/report.h"
#include "cli/term.h"

#define ASK_ABOVE 100 /* hosts */

int perform_submit(struct session *session, const char *path, struct json_object *body, const char *what,
		   struct interrupt *interrupt, struct json_object **answer)
{
	struct client *client = &session->client;
	struct drover_error err = { 0 };
	int rc;

	if (interrupt) {
		interrupt_open(interrupt);
		client->wake = interrupt->fd;
	}
	rc = client_call(client, "POST", path, body, answer, &err);
	client->wake = -1;
	if (rc == DROVER_ECANCELLED) {
		interrupt_take(interrupt, 0);
		cli_say("interrupted before the daemon has answered: `drover list' shows whether the task is there");
	}
	if (rc && interrupt)
		interrupt_close(interrupt);
	return rc ? client_fail(client, what, &err) : CLI_OK;
}

static int submit(struct session *session, const struct task_args *args, bool dry_run, struct interrupt *interrupt,
		  struct json_object **answer)
{
	return perform_submit(session, dry_run ? "/v1/tasks?dry_run=true" : "/v1/tasks", args->task, "submit the task",
			      interrupt, answer);
}

static void print_plan(struct json_object *answer)
{
	int64_t waves = field_int(answer, "waves", 1);

	printf("would run on %" PRId64 " hosts in %" PRId64 " units", field_int(answer, "hosts", 0),
	       field_int(answer, "units", 0));
	if (waves > 1)
		printf(", %" PRId64 " waves,", waves);
	printf(" by the executor %s; nothing is stored\n", field_word(answer, "executor"));
}

static int dry_run(struct session *session, const struct cli *cli, const struct task_args *args)
{
	struct json_object *answer;
	int code = submit(session, args, true, NULL, &answer);

	if (code)
		return code;
	if (cli->json)
		term_json_line(cli, answer, false);
	else
		print_plan(answer);
	json_object_put(answer);
	return CLI_OK;
}

/* On a terminal, before many hosts are touched. CLI_OK: go on. */
static int confirm(struct session *session, const struct cli *cli, const struct task_args *args)
{
	struct json_object *answer;
	char line[16] = "";
	int64_t hosts;
	int code;

	if (args->yes || !cli->stderr_terminal || !isatty(STDIN_FILENO))
		return CLI_OK;
	code = submit(session, args, true, NULL, &answer);
	if (code)
		return code;
	hosts = field_int(answer, "hosts", 0);
	json_object_put(answer);
	if (hosts <= ASK_ABOVE)
		return CLI_OK;
	fprintf(stderr, "Run on %" PRId64 " hosts? [y/N] ", hosts);
	if (fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y'))
		return CLI_OK;
	cli_say("nothing was done (-y does not ask)");
	return CLI_ERROR;
}

int perform_follow(struct session *session, struct cli *cli, const char *id, const struct view *view,
		   struct interrupt *interrupt)
{
	struct tail tail = { .session = session, .cli = cli, .id = id };
	struct json_object *task;
	int64_t largest = 0;
	int code = follow_task(session, cli, id, view->mode == VIEW_STREAM ? &tail : NULL, interrupt, &task);

	tail_dispose(&tail);
	if (code)
		return code;
	code = report_print(session, cli, task, view, &largest);
	if (!code)
		code = follow_exit_code(task);
	/* -S speaks of what the hosts' commands said; an aborted or cancelled task is still that. */
	if (view->remote_code && largest > 0 && (code == CLI_OK || code == CLI_SOME_NOT_OK))
		code = (int)(largest & 0xff ? largest & 0xff : 1);
	json_object_put(task);
	return code;
}

int perform_task(struct session *session, struct cli *cli, const struct task_args *args, const struct view *view)
{
	struct interrupt interrupt;
	struct json_object *answer;
	char *id;
	int code;

	if (args->dry_run)
		return dry_run(session, cli, args);
	code = confirm(session, cli, args);
	if (!code)
		code = submit(session, args, false, args->detach ? NULL : &interrupt, &answer);
	if (code)
		return code;
	id = xstrdup(field_word(answer, "id"));
	if (args->detach && cli->json)
		term_json_line(cli, answer, false);
	else if (args->detach)
		puts(id);
	else if (cli->verbose)
		cli_say("task %s: %" PRId64 " hosts in %" PRId64 " units", id, field_int(answer, "hosts", 0),
			field_int(answer, "units", 0));
	json_object_put(answer);
	if (!args->detach)
		code = perform_follow(session, cli, id, view, &interrupt);
	free(id);
	return code;
}
