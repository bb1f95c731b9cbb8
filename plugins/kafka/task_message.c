/* task_message.c - one message of the topic of tasks: who signed it, its task submitted, or put aside; see tasks.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>
#include <drover/signing.h>

#include "source.h"

#define DEPTH 32 /* of JSON, as the core reads it */
#define REASON 2000
#define PAUSE 200 /* ms, doubled with each try */
#define PAUSE_MOST 5000
#define FAULTS 10          /* tries of what fails otherwise than by waiting */
#define REFUSED_EVERY 1000 /* ms */

/* What became of it, beside its being done: a reason is put aside with it. */
struct outcome {
	char reason[REASON];
	size_t used;
};

static void because(struct outcome *o, const char *pointer, const char *detail)
{
	int wrote;

	if (o->used >= sizeof(o->reason) - 1)
		return;
	wrote = snprintf(o->reason + o->used, sizeof(o->reason) - o->used, "%s%s%s%s", o->used ? "; " : "",
			 pointer ? pointer : "", pointer && *pointer ? ": " : "", detail);
	o->used += wrote > 0 ? (size_t)wrote : 0;
}

static void on_problem(void *context, const char *pointer, const char *detail)
{
	because(context, pointer, detail);
}

/* -------------------------------------------------------------------------------------- the task */

/* The value's member `id`: 1 there is one, 0 there is none, -1 it is no object, which the core will say better. */
static int has_id(const char *value, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
	struct json_object *object = NULL;
	int has = -1;

	if (!tokener)
		return -1;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, value, (int)size);
	if (json_tokener_get_error(tokener) == json_tokener_success && json_object_is_type(object, json_type_object))
		has = json_object_object_get_ex(object, "id", NULL);
	json_object_put(object);
	json_tokener_free(tokener);
	return has;
}

/* From where the message is. Its time is in it: a topic that is made anew begins with the same offsets. */
static void place_id(const rd_kafka_message_t *m, char *id, size_t size)
{
	rd_kafka_timestamp_type_t type;
	int64_t at = rd_kafka_message_timestamp(m, &type);

	snprintf(id, size, "%s:%" PRId32 ":%" PRId64 ":%" PRId64, rd_kafka_topic_name(m->rkt), m->partition, m->offset,
		 at < 0 ? 0 : at);
}

/* The value with that id as its first member; owned. The value is an object. */
static char *with_id(const char *value, size_t size, const char *id, size_t *out_size)
{
	const char *inner = (const char *)memchr(value, '{', size) + 1;
	size_t rest = size - (size_t)(inner - value), blank = 0, room = size + strlen(id) + 16;
	char *whole = malloc(room);
	int wrote;

	if (!whole)
		return NULL;
	while (blank < rest && strchr(" \t\r\n", inner[blank]))
		blank++;
	wrote = snprintf(whole, room, "{\"id\":\"%s\"%s", id, blank < rest && inner[blank] == '}' ? "" : ",");
	memcpy(whole + wrote, inner, rest);
	*out_size = (size_t)wrote + rest;
	return whole;
}

/* Until it is durable, or cannot become so. 0, DROVER_ECANCELLED, or a code with the outcome's reason. */
static int submit(struct tasks *t, const struct drover_principal *by, const char *json, size_t size,
		  struct outcome *outcome)
{
	const struct source *s = t->source;
	int64_t pause = PAUSE;
	int code, faults = 0;

	for (;;) {
		struct drover_submission submission = { .size = sizeof(submission),
							.json = json,
							.json_size = size,
							.owner = by->name,
							.problem = on_problem,
							.context = outcome,
							.by = by };
		struct drover_error err = { 0 };

		outcome->used = 0;
		code = s->services->submit(s->core, &submission, &err);
		if (!code && t->away)
			drover_log(DROVER_LOG_INFO, "the source of tasks: tasks are taken again");
		if (!code) {
			t->away = false;
			return 0;
		}
		if (code == DROVER_EFAULT || code == DROVER_ENOMEM)
			faults++;
		else if (code != DROVER_ERETRY && code != DROVER_ETIMEOUT)
			faults = FAULTS;
		if (faults >= FAULTS) {
			if (!outcome->used)
				because(outcome, NULL, err.message);
			return code;
		}
		if (!t->away)
			drover_log(DROVER_LOG_WARNING, "the source of tasks: %s: tasks wait in Kafka", err.message);
		t->away = true;
		if (!tasks_pause(t, pause))
			return DROVER_ECANCELLED;
		pause = pause * 2 < PAUSE_MOST ? pause * 2 : PAUSE_MOST;
	}
}

static int submit_value(struct tasks *t, const rd_kafka_message_t *m, const struct drover_principal *by,
			struct outcome *outcome)
{
	const char *value = m->payload;
	size_t size = m->len;
	char id[400], *whole;
	int has = has_id(value, size), code;

	if (has)
		return submit(t, by, value, size, outcome);
	if (!t->source->open) {
		because(outcome, "/id", "a signed task needs an id, so that it is the same task when it is sent again");
		return DROVER_EINVALID;
	}
	place_id(m, id, sizeof(id));
	whole = with_id(value, size, id, &size);
	if (!whole) {
		because(outcome, NULL, "not enough memory");
		return DROVER_ENOMEM;
	}
	code = submit(t, by, whole, size, outcome);
	free(whole);
	return code;
}

/* --------------------------------------------------------------------------------------- its signer */

/* A header that is there once, ended by a NUL (librdkafka adds it); or NULL. */
static const char *header(const rd_kafka_message_t *m, const char *name)
{
	rd_kafka_headers_t *headers;
	const void *value;
	size_t size;

	if (rd_kafka_message_headers(m, &headers) || rd_kafka_header_get(headers, 1, name, &value, &size) == 0 ||
	    rd_kafka_header_get(headers, 0, name, &value, &size) || !value || strlen(value) != size)
		return NULL;
	return value;
}

static int find_principal(struct tasks *t, const rd_kafka_message_t *m, const char *from, struct drover_principal *by,
			  struct drover_error *err)
{
	const struct signed_message message = { .value = m->payload,
						.size = m->len,
						.key = header(m, DROVER_SIGNED_KEY),
						.expires = header(m, DROVER_SIGNED_EXPIRES),
						.signature = header(m, DROVER_SIGNED_SIGNATURE) };
	int code = 0;

	if (t->source->open)
		*by = (struct drover_principal){
			.size = sizeof(*by), .name = "kafka", .role = DROVER_ROLE_SUBMIT, .token = "open"
		};
	else
		code = signers_verify(&t->signers, &message, by, err);
	by->from = from;
	return code;
}

/* ------------------------------------------------------------------------------------- put aside */

/* Anybody may write to the topic: a flood of it must not flood logs. */
static void tell_refused(struct tasks *t, const struct drover_principal *by, const char *reason)
{
	const struct source *s = t->source;
	const struct drover_audit line = { .size = sizeof(line),
					   .action = "submit",
					   .result = "refused",
					   .by = by,
					   .detail = reason,
					   .times = t->refused + 1 };
	struct drover_error err = { 0 };

	t->refused++;
	if (link_now() < t->next_refused)
		return;
	t->next_refused = link_now() + REFUSED_EVERY;
	t->refused = 0;
	drover_log(DROVER_LOG_WARNING, "%" PRId64 " messages were put aside into %s, the last one of %s: %s",
		   line.times, s->dead_letter, by->from, reason);
	if (s->services->audit && s->services->audit(s->core, &line, &err))
		drover_log(DROVER_LOG_WARNING, "cannot write the audit log: %s", err.message);
}

static int put_aside(struct tasks *t, const rd_kafka_message_t *m, const char *reason)
{
	int64_t pause = PAUSE;

	for (;;) {
		struct drover_error err = { 0 };
		int code = letters_put(&t->letters, m, reason, &err);

		if (!code || code == DROVER_ECANCELLED)
			return code;
		if (code == DROVER_ELIMIT) {
			drover_log(DROVER_LOG_ERROR, "a message cannot be put aside and is left out: %s", err.message);
			return 0;
		}
		if (!tasks_pause(t, pause))
			return DROVER_ECANCELLED;
		pause = pause * 2 < PAUSE_MOST ? pause * 2 : PAUSE_MOST;
	}
}

int tasks_take(struct tasks *t, const rd_kafka_message_t *m)
{
	struct drover_principal by = { .size = sizeof(by) };
	struct outcome outcome = { .used = 0 };
	struct drover_error err = { 0 };
	char from[400];
	int code;

	snprintf(from, sizeof(from), "kafka %s/%" PRId32 "/%" PRId64, rd_kafka_topic_name(m->rkt), m->partition,
		 m->offset);
	if (!m->payload || !m->len || (int64_t)m->len > t->source->task_size) {
		because(&outcome, NULL, m->len ? "it is larger than `task_size' allows" : "it is empty");
		code = DROVER_EINVALID;
		by.from = from;
	} else {
		code = find_principal(t, m, from, &by, &err);
		if (code)
			because(&outcome, NULL, err.message);
		else
			code = submit_value(t, m, &by, &outcome);
	}
	if (!code || code == DROVER_ECANCELLED)
		return code;
	code = put_aside(t, m, outcome.reason);
	if (!code)
		tell_refused(t, &by, outcome.reason);
	return code;
}
