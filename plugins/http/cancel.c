/* cancel.c - cancelling a task. */
#include "handlers.h"

#include <string.h>

#include <json-c/json.h>

#include "show.h"

#define REASON_SIZE 1000

static const char *find_reason(struct request *r, struct json_object *body)
{
	const char *reason = NULL;

	json_object_object_foreach (body, key, value) {
		if (strcmp(key, "reason"))
			problem_add(&r->problem, "pointer", "", "may have only the member reason");
		else if (!json_object_is_type(value, json_type_string) ||
			 json_object_get_string_len(value) > REASON_SIZE)
			problem_add(&r->problem, "pointer", "/reason", "must be a text of at most 1000 bytes");
		else
			reason = json_object_get_string(value);
	}
	return reason;
}

/* The body is optional: {"reason": "…"}. Returns the parsed object, which owns `*reason`, or NULL. */
static struct json_object *read_reason(struct request *r, const char **reason)
{
	struct json_tokener *tokener = json_tokener_new_ex(8);
	struct json_object *body = NULL;

	*reason = NULL;
	if (tokener && r->body_size <= 64 * 1024) {
		json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
		body = json_tokener_parse_ex(tokener, r->body, (int)r->body_size);
		if (json_tokener_get_error(tokener) != json_tokener_success)
			problem_set(&r->problem, PROBLEM_SYNTAX, "%s",
				    json_tokener_error_desc(json_tokener_get_error(tokener)));
		else if (!json_object_is_type(body, json_type_object))
			problem_add(&r->problem, "pointer", "", "must be an object");
	} else {
		problem_set(&r->problem, PROBLEM_TOO_LARGE, "a reason has at most %d characters", REASON_SIZE);
	}
	if (tokener)
		json_tokener_free(tokener);
	if (!r->problem.kind && !r->problem.count)
		*reason = find_reason(r, body);
	if (r->problem.count)
		problem_set(&r->problem, PROBLEM_INVALID, "%s", "");
	return body;
}

static int show_cancelled(void *context, const struct drover_task *task)
{
	struct request *r = context;

	writer_object(&r->out, NULL);
	show_task(&r->out, task);
	writer_object_end(&r->out);
	return 0;
}

int tasks_cancel(struct request *r)
{
	struct drover_error err = { 0 };
	struct json_object *body = NULL;
	const char *reason = NULL;
	int code;

	if (r->body_size)
		body = read_reason(r, &reason);
	if (!r->problem.kind) {
		code = r->server->services->cancel(r->server->core, r->arguments[0],
						   reason ? reason : "cancelled by request", show_cancelled, r, &err);
		if (code == DROVER_ENOTFOUND)
			problem_set(&r->problem, PROBLEM_NOT_FOUND, "there is no task %.160s", r->arguments[0]);
		else if (code == DROVER_ECONFLICT)
			problem_set(&r->problem, PROBLEM_CONFLICT, "the task has ended already");
		else if (code)
			problem_set_code(&r->problem, code, &err);
	}
	json_object_put(body);
	return MHD_HTTP_ACCEPTED;
}
