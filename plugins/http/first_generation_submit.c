/* first_generation_submit.c - the first generation's submissions, made into tasks. */
#include "first_generation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers.h"
#include "http.h"

#define TASK_ID_MOST 160 /* characters */
#define TIMEOUT_MOST (7 * 86400)
#define LABEL_MOST 256 /* bytes that the core takes */

/* A field that must not be empty: its name in a request, and in an answer; `blanks`: even they are something. */
struct needed {
	const char *field, *name;
	bool blanks;
};

static const struct needed adhoc_needs[] = {
	{ "ips", "ips", false },
	{ "task_id", "task_id", true },
	{ "module", "module", false },
	{ NULL, NULL, false },
};

static const struct needed playbook_needs[] = {
	{ "ips", "ips", false },
	{ "task_id", "task_id", false },
	{ "task_name", "task_name", false },
	{ "playbook_content", "playbook_content", false },
	{ "playbook_name", "playbook_name", false },
	{ "type", "task_type", false },
	{ NULL, NULL, false },
};

/* A field as text; numbers are taken as they are written. NULL: it is not there, or no such value. */
static const char *text_of(struct json_object *body, const char *field)
{
	struct json_object *value = json_object_object_get(body, field);

	switch (json_object_get_type(value)) {
	case json_type_string:
		/* Behind a NUL there would be something that nobody sees. */
		if (strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
			return NULL;
		return json_object_get_string(value);
	case json_type_int:
	case json_type_double:
		return json_object_get_string(value);
	default:
		return NULL;
	}
}

static bool is_blank(const char *text, bool list)
{
	return !text || !text[strspn(text, list ? " \t\r\n," : " \t\r\n")];
}

/* Each field that is missing, with the first generation's words. */
static bool find_missing(struct json_object *body, const struct needed *needs, struct writer *missing)
{
	bool found = false;

	writer_object(missing, NULL);
	for (; needs->field; needs++) {
		const char *text = text_of(body, needs->field);

		if (text && *text && (needs->blanks || !is_blank(text, !strcmp(needs->field, "ips"))))
			continue;
		found = true;
		writer_array(missing, needs->name);
		writer_string(missing, NULL, "字段不能为空");
		writer_array_end(missing);
	}
	writer_object_end(missing);
	return found;
}

static int answer_missing(struct request *r, struct json_object *body, struct writer *missing)
{
	writer_object(&r->out, NULL);
	writer_int(&r->out, "code", 500);
	writer_value(&r->out, "data",
		     json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	writer_append(&r->out, ",\"msg\":", 7);
	writer_append(&r->out, missing->data, missing->size);
	writer_object_end(&r->out);
	return MHD_HTTP_OK;
}

/* Seconds; absent, empty and 0 are the default. -1: it is no time. */
static int64_t timeout_of(struct json_object *body, int64_t otherwise)
{
	const char *text = text_of(body, "timeout");
	char *end;
	double seconds;

	if (is_blank(text, false))
		return otherwise;
	seconds = strtod(text, &end);
	if (end[strspn(end, " \t")] || !(seconds >= 0) || seconds > TIMEOUT_MOST)
		return -1;
	return seconds ? (int64_t)(seconds + 0.999) : otherwise;
}

static size_t characters(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	if (!is_blank(text, false))
		json_object_object_add(object, key, json_object_new_string(text));
}

static struct json_object *make_payload(const struct first_generation_kind *kind, struct json_object *body)
{
	struct json_object *payload = json_object_new_object(), *args = json_object_object_get(body, "args");

	if (kind == &first_generation_playbook) {
		add_text(payload, "playbook", text_of(body, "playbook_content"));
		return payload;
	}
	add_text(payload, "module", text_of(body, "module"));
	if (json_object_is_type(args, json_type_object))
		json_object_object_add(payload, "args", json_object_get(args));
	else
		add_text(payload, "args", text_of(body, "args"));
	return payload;
}

/* So that whoever looks at Drover's own lists finds the client's id; it need not be one that Drover could have. */
static void add_labels(struct json_object *task, const char *task_id)
{
	struct json_object *labels;

	if (strlen(task_id) > LABEL_MOST)
		return;
	for (const char *c = task_id; *c; c++)
		if ((unsigned char)*c < ' ')
			return;
	labels = json_object_new_object();
	json_object_object_add(labels, "task_id", json_object_new_string(task_id));
	json_object_object_add(task, "labels", labels);
}

static int add_hosts(struct json_object *task, const char *ips)
{
	struct json_object *hosts = json_object_new_array();
	char **names = NULL;
	size_t count = 0;
	int code = first_generation_split(ips, &names, &count);

	for (size_t i = 0; i < count; i++) {
		struct json_object *host = json_object_new_object();

		/* As an object: a name, whatever it looks like, and never a set of them. */
		json_object_object_add(host, "name", json_object_new_string(names[i]));
		json_object_array_add(hosts, host);
		free(names[i]);
	}
	free(names);
	json_object_object_add(task, "hosts", hosts);
	return code;
}

/* The same request is the same task, whatever else it said. NULL: it cannot be one. */
static struct json_object *make_task(const struct request *r, const struct first_generation_kind *kind,
				     struct json_object *body)
{
	int64_t unit_size = first_generation_unit_size(r->server->options);
	const char *task_id = text_of(body, "task_id");
	int64_t timeout = timeout_of(body, kind->timeout);
	char id[FIRST_GENERATION_ID_SIZE];
	struct json_object *task;

	if (timeout < 0 || characters(task_id) > TASK_ID_MOST)
		return NULL;
	task = json_object_new_object();
	first_generation_id(kind, task_id, id);
	add_text(task, "id", id);
	add_text(task, "name", text_of(body, "task_name"));
	add_text(task, "type", kind->type);
	add_text(task, "note", text_of(body, "playbook_name"));
	json_object_object_add(task, "timeout", json_object_new_int64(timeout));
	json_object_object_add(task, "payload", make_payload(kind, body));
	if (unit_size)
		json_object_object_add(task, "unit_size", json_object_new_int64(unit_size));
	add_labels(task, task_id);
	if (add_hosts(task, text_of(body, "ips"))) {
		json_object_put(task);
		return NULL;
	}
	return task;
}

/* The first complaint is told to the log: the client has no place for it. */
static void complain(void *context, const char *pointer, const char *detail)
{
	char *first = context;

	if (!*first)
		snprintf(first, DROVER_ERROR_SIZE, "%s %s", pointer ? pointer : "", detail);
}

static int submit(struct request *r, const char *json)
{
	char first[DROVER_ERROR_SIZE] = "";
	struct drover_submission s = { .size = sizeof(s),
				       .json = json,
				       .json_size = strlen(json),
				       .owner = r->access.by.name,
				       .by = &r->access.by,
				       .problem = complain,
				       .context = first };
	struct drover_error err = { 0 };
	int code = DROVER_ERETRY;

	if (r->server->draining)
		drover_error_set(&err, code, "the daemon is stopping and takes no new tasks");
	else
		code = r->server->services->submit(r->server->core, &s, &err);
	if (!code)
		return first_generation_answer(r, 200, "任务下发成功");
	if (code == DROVER_EDENIED)
		return problem_set_code(&r->problem, code, &err);
	drover_log(DROVER_LOG_WARNING, "a task of a first-generation client was not stored: %s%s%s", err.message,
		   *first ? ": " : "", first);
	return first_generation_answer(r, 500, FIRST_GENERATION_NOT_STORED);
}

static int take(struct request *r, const struct first_generation_kind *kind, const struct needed *needs)
{
	struct json_object *body = first_generation_parse(r->body ? r->body : "", r->body_size), *task = NULL;
	struct writer missing = { 0 };
	int status;

	if (!json_object_is_type(body, json_type_object)) {
		status = first_generation_answer(r, 500, FIRST_GENERATION_REFUSED);
	} else if (find_missing(body, needs, &missing)) {
		status = answer_missing(r, body, &missing);
	} else if (!(task = make_task(r, kind, body))) {
		drover_log(DROVER_LOG_WARNING,
			   "a task of a first-generation client was not stored: its task_id has more than %d "
			   "characters, or its timeout is no time",
			   TASK_ID_MOST);
		status = first_generation_answer(r, 500, FIRST_GENERATION_NOT_STORED);
	} else {
		status = submit(r, json_object_to_json_string_ext(task, JSON_C_TO_STRING_PLAIN |
										JSON_C_TO_STRING_NOSLASHESCAPE));
	}
	r->out.failed |= missing.failed;
	writer_dispose(&missing);
	json_object_put(task);
	json_object_put(body);
	return status;
}

int first_generation_submit_adhoc(struct request *r)
{
	return take(r, &first_generation_adhoc, adhoc_needs);
}

int first_generation_submit_playbook(struct request *r)
{
	return take(r, &first_generation_playbook, playbook_needs);
}
