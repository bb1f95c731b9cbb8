/* session.c - see session.h. */
#include "cli/session.h"

#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/private.h"

#define PREFIX_PAGES 20 /* of 1,000 tasks that are looked through for the beginning of an id */

void session_close(struct session *session)
{
	client_close(&session->client);
	free(session->state);
	session->state = NULL;
}

/* The private daemon may have gone since it answered: it ends by itself when it has nothing to do. */
static int revive(void *context)
{
	struct session *session = context;
	pid_t pid = 0;
	int rc = private_start(session->state, &pid, NULL);

	if (pid)
		session->pid = pid;
	return rc;
}

int session_open_private(struct session *session, const char *state)
{
	struct drover_error err = { 0 };
	struct address address = { 0 };
	int rc;

	*session = (struct session){ .private = true };
	rc = private_start(state, &session->pid, &err);
	if (rc) {
		cli_say("cannot start a private daemon: %s", err.message);
		return CLI_UNREACHABLE;
	}
	session->state = xstrdup(state);
	address.url = private_url(state);
	rc = client_open(&session->client, &address, &err);
	address_dispose(&address);
	if (rc) {
		cli_say("%s", err.message);
		free(session->state);
		return CLI_ERROR;
	}
	session->client.revive = revive;
	session->client.revive_context = session;
	return CLI_OK;
}

/* The private daemon in the place of the one at the default address, which gave `why`. */
static int open_instead(struct session *session, bool start, const char *why)
{
	struct drover_error err = { 0 };
	char *state = NULL;
	int code;

	if (private_state(&state, &err)) {
		cli_say("%s", *why ? why : err.message);
		return CLI_UNREACHABLE;
	}
	if (start || private_exists(state)) {
		code = session_open_private(session, state);
	} else {
		cli_say("%s%sthere is no private daemon either: `drover run' would start one", why, *why ? "; " : "");
		code = CLI_UNREACHABLE;
	}
	free(state);
	return code;
}

int session_open(struct session *session, struct cli *cli, bool start)
{
	struct drover_error err = { 0 };
	struct address address;
	int code = CLI_OK;

	*session = (struct session){ .client = { .wake = -1 } };
	if (cli->standalone)
		return open_instead(session, start, "");
	if (address_find(cli->url, &address, &err)) {
		cli_say("%s", err.message);
		return cli->url ? CLI_USAGE : CLI_BAD_CONFIG;
	}
	if (client_open(&session->client, &address, &err)) {
		cli_say("%s", err.message);
		code = CLI_ERROR;
	} else if (address.assumed) {
		struct json_object *answer = NULL;

		client_call(&session->client, "GET", "/-/healthy", NULL, &answer, &err);
		json_object_put(answer);
		if (session->client.unreachable) {
			client_close(&session->client);
			code = open_instead(session, start, err.message);
		}
	}
	address_dispose(&address);
	return code;
}

char *session_task_path(struct session *session, const char *id, const char *rest)
{
	struct buf path = BUF_INIT;

	buf_string(&path, "/v1/tasks/");
	client_escape(&session->client, &path, id);
	buf_string(&path, rest);
	return buf_take(&path);
}

/* Looks through the tasks for those whose id begins so; `found` becomes the only one, owned. */
static int find_prefix(struct session *session, const char *word, char **found, struct drover_error *err)
{
	struct json_object *answer;
	char *after = xstrdup("");
	size_t count = 0;
	int rc = 0;

	for (int page = 0; !rc && after && count < 2 && page < PREFIX_PAGES; page++) {
		struct buf path = BUF_INIT;

		buf_string(&path, "/v1/tasks?limit=1000");
		if (*after) {
			buf_string(&path, "&after=");
			client_escape(&session->client, &path, after);
		}
		rc = client_call(&session->client, "GET", path.data, NULL, &answer, err);
		buf_dispose(&path);
		for (size_t i = 0; !rc && i < field_count(field_items(answer)); i++) {
			const char *id = field_text(json_object_array_get_idx(field_items(answer), i), "id");

			if (strncasecmp(id, word, strlen(word)))
				continue;
			count++;
			free(*found);
			*found = xstrdup(id);
		}
		free(after);
		after = !rc && *field_text(answer, "next") ? xstrdup(field_text(answer, "next")) : NULL;
		json_object_put(answer);
	}
	free(after);
	if (!rc && count != 1) {
		free(*found);
		*found = NULL;
		rc = count ? drover_error_set(err, DROVER_ECONFLICT, "more than one task's id begins with \"%s\"", word)
			   : drover_error_set(err, DROVER_ENOTFOUND,
					      "there is no task \"%s\"; `drover list' shows them", word);
	}
	return rc;
}

static int newest(struct session *session, char **found, struct drover_error *err)
{
	struct json_object *answer = NULL;
	int rc = client_call(&session->client, "GET", "/v1/tasks?limit=1", NULL, &answer, err);

	if (!rc && !field_count(field_items(answer)))
		rc = drover_error_set(err, DROVER_ENOTFOUND, "there is no task yet");
	if (!rc)
		*found = xstrdup(field_text(json_object_array_get_idx(field_items(answer), 0), "id"));
	json_object_put(answer);
	return rc;
}

static int get_task(struct session *session, const char *id, struct json_object **task, struct drover_error *err)
{
	char *path = session_task_path(session, id, "");
	int rc = client_call(&session->client, "GET", path, NULL, task, err);

	free(path);
	return rc;
}

int session_task(struct session *session, const char *word, struct json_object **task)
{
	struct drover_error err = { 0 };
	char *id = NULL;
	int rc;

	*task = NULL;
	if (!strcmp(word, "last") || !strcmp(word, "-")) {
		rc = newest(session, &id, &err);
	} else {
		rc = *word ? get_task(session, word, task, &err) : DROVER_ENOTFOUND;
		if (!rc)
			return CLI_OK;
		if (rc == DROVER_ENOTFOUND)
			rc = find_prefix(session, word, &id, &err);
	}
	if (!rc)
		rc = get_task(session, id, task, &err);
	free(id);
	return rc ? client_fail(&session->client, "find the task", &err) : CLI_OK;
}
