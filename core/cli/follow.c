/* follow.c - see follow.h. */
#include "cli/follow.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/events.h"
#include "cli/field.h"
#include "cli/tail.h"
#include "cli/progress.h"
#include "util/clock.h"

#define SECOND_PRESS_MS 2000
#define AWAY_MS 15000      /* a daemon that is being started again gets so long */
#define LEAST_PAUSE_MS 150 /* between questions, also where an answer comes at once */
#define STREAM_TRIES 100   /* for the events of a task that has ended */

struct follow {
	struct session *session;
	const struct cli *cli;
	const char *id;
	struct interrupt interrupt;
	struct progress progress;
	struct tail *tail;
	struct events events;    /* where it is live */
	struct drover_error err; /* of what is read from them */
	bool cancelled;          /* we asked for it */
	int64_t away;            /* boot ms since when the daemon has not answered, or 0 */
};

static bool is_final(struct json_object *task)
{
	const char *state = field_word(task, "state");

	return !strcmp(state, "done") || !strcmp(state, "cancelled") || !strcmp(state, "aborted");
}

static int cancel(struct follow *follow)
{
	struct client *client = &follow->session->client;
	char *path = session_task_path(follow->session, follow->id, "/cancel");
	struct json_object *answer = NULL;
	struct drover_error err = { 0 };
	int wake = client->wake, rc;

	client->wake = -1;
	rc = client_call(client, "POST", path, NULL, &answer, &err);
	client->wake = wake;
	json_object_put(answer);
	free(path);
	/* A conflict: it has just ended by itself. */
	if (rc && rc != DROVER_ECONFLICT)
		return client_fail(client, "cancel the task", &err);
	follow->cancelled = true;
	return CLI_OK;
}

/* A signal has come. CLI_OK: go on following. */
static int interrupted(struct follow *follow)
{
	interrupt_take(&follow->interrupt, 0);
	progress_clear(&follow->progress);
	if (follow->tail && follow->tail->watching)
		return CLI_INTERRUPTED;
	if (follow->cancelled) {
		cli_say("task %s is being cancelled; not waiting for its end", follow->id);
		return CLI_INTERRUPTED;
	}
	if (!follow->session->private) {
		cli_say("detached: task %s goes on (drover watch %s); Ctrl-C again within 2 s cancels it", follow->id,
			follow->id);
		if (!interrupt_take(&follow->interrupt, SECOND_PRESS_MS))
			return CLI_INTERRUPTED;
	}
	cli_say("cancelling task %s", follow->id);
	return cancel(follow);
}

/* Asks once, which waits a little on the other side. CLI_OK with `*task` NULL: ask again. */
static int ask(struct follow *follow, struct json_object **task)
{
	struct client *client = &follow->session->client;
	const char *wait = follow->tail                   ? ""
			   : follow->cli->stderr_terminal ? "?wait=200ms"
			   : follow->cli->verbose         ? "?wait=5s"
							  : "?wait=25s";
	char *path = session_task_path(follow->session, follow->id, follow->away ? "" : wait);
	struct drover_error err = { 0 };
	int64_t start = clock_boot_ms(), took;
	int rc, code = CLI_OK;

	rc = client_call(client, "GET", path, NULL, task, &err);
	free(path);
	took = clock_boot_ms() - start;
	if (!rc)
		follow->away = 0;
	if (rc == DROVER_ECANCELLED)
		return interrupted(follow);
	if (rc == DROVER_ERETRY) {
		follow->away = follow->away ? follow->away : start;
		if (clock_boot_ms() - follow->away < AWAY_MS)
			rc = 0;
	}
	if (rc) {
		progress_clear(&follow->progress);
		code = client_fail(client, "follow the task", &err);
		cli_say("task %s goes on", follow->id);
	} else if ((!*task || !is_final(*task)) && took < LEAST_PAUSE_MS) {
		struct pollfd wake = { .fd = client->wake, .events = POLLIN };

		poll(&wake, 1, (int)(LEAST_PAUSE_MS - took));
	}
	return code;
}

/* With a bar, until the task is final. */
static int follow_progress(struct follow *follow, struct json_object **task)
{
	int code = CLI_OK;

	progress_begin(&follow->progress, follow->cli);
	while (code == CLI_OK && (!*task || !is_final(*task))) {
		json_object_put(*task);
		code = ask(follow, task);
		if (code == CLI_OK && *task)
			progress_show(&follow->progress, *task);
	}
	progress_clear(&follow->progress);
	return code;
}

static int take_event(void *context, const char *kind, struct json_object *event)
{
	struct follow *follow = context;

	return tail_event(follow->tail, kind, event, &follow->err);
}

/* With what hosts write, until all of it was shown. Between two connections the daemon is asked how the task is. */
static int follow_live(struct follow *follow, struct json_object **task)
{
	struct client *client = &follow->session->client;
	int rc, code = CLI_OK, tries = 0;

	if (events_open(&follow->events, follow->session, follow->id, take_event, follow, &follow->err))
		return client_fail(client, "follow the task", &follow->err);
	do {
		rc = events_read(&follow->events, &follow->err);
		if (rc == DROVER_ECANCELLED)
			code = interrupted(follow);
		else if (rc && (rc != DROVER_ERETRY || (*task && is_final(*task) && ++tries == STREAM_TRIES)))
			code = client_fail(client, "follow the task", &follow->err);
		json_object_put(*task);
		*task = NULL;
		if (code == CLI_OK)
			code = ask(follow, task);
	} while (code == CLI_OK && !(follow->events.ended && *task));
	events_close(&follow->events);
	return code;
}

int follow_task(struct session *session, const struct cli *cli, const char *id, struct tail *tail,
		struct interrupt *interrupt, struct json_object **task)
{
	struct follow follow = { .session = session, .cli = cli, .id = id, .tail = tail };
	int code;

	*task = NULL;
	if (interrupt)
		follow.interrupt = *interrupt;
	else
		interrupt_open(&follow.interrupt);
	session->client.wake = follow.interrupt.fd;
	code = tail ? follow_live(&follow, task) : follow_progress(&follow, task);
	session->client.wake = -1;
	interrupt_close(&follow.interrupt);
	if (code != CLI_OK) {
		json_object_put(*task);
		*task = NULL;
	}
	return code;
}

int follow_exit_code(struct json_object *task)
{
	const char *state = field_word(task, "state"), *outcome = field_text(task, "outcome");
	int64_t total = field_int(task, "hosts_total", -1);

	if (!strcmp(state, "cancelled"))
		return CLI_CANCELLED;
	if (!strcmp(state, "aborted"))
		return CLI_ABORTED;
	if (*outcome)
		return !strcmp(outcome, "ok") ? CLI_OK : CLI_SOME_NOT_OK;
	return field_int(field(task, "counts"), "ok", 0) == total ? CLI_OK : CLI_SOME_NOT_OK;
}
