/* retry.c - see retry.h. */
#include "task/retry.h"

#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "task/json.h"
#include "util/nodeset.h"
#include "util/ulid.h"

#define BIT(status) (1u << (status))
#define DEFAULTS (BIT(DROVER_FAILED) | BIT(DROVER_UNREACHABLE) | BIT(DROVER_CANCELLED) | BIT(DROVER_EXPIRED))
#define NAMED_MAX 5 /* hosts that a message names */

/* ---------------------------------------------------------------------------------- the request */

static bool read_word(struct retry *r, const char *word, const char *pointer, struct problems *problems)
{
	int status = drover_status_parse(word);

	if (status >= 0 && drover_status_is_final((enum drover_status)status)) {
		r->statuses |= BIT(status);
		return true;
	}
	problems_add(problems, pointer,
		     "is no final status: ok, failed, unreachable, timeout, skipped, cancelled, expired, lost");
	return false;
}

static void read_status(struct retry *r, struct json_object *value, struct problems *problems)
{
	size_t count = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
	char pointer[32];

	r->by_status = true;
	if (json_object_is_type(value, json_type_string)) {
		char *words = xstrdup(json_object_get_string(value)), *place = NULL;
		char *word = strtok_r(words, ",", &place);

		if (!word)
			read_word(r, "", "/status", problems);
		while (word && read_word(r, word, "/status", problems))
			word = strtok_r(NULL, ",", &place);
		free(words);
		return;
	}
	if (!count)
		problems_add(problems, "/status", "must be statuses: a text with commas, or an array");
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(value, i);

		snprintf(pointer, sizeof(pointer), "/status/%zu", i);
		read_word(r, json_object_is_type(item, json_type_string) ? json_object_get_string(item) : "", pointer,
			  problems);
	}
}

static void read_pattern(struct retry *r, struct json_object *value, const char *pointer,
			 const struct task_limits *limits, struct problems *problems)
{
	const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
	struct drover_error err = { 0 };
	struct nodeset set = { NULL, 0 };

	if (!*text || strlen(text) != (size_t)json_object_get_string_len(value)) {
		problems_add(problems, pointer, "must be a host's name or a node set");
		return;
	}
	if (nodeset_expand(text, (size_t)limits->hosts, NULL, NULL, &set, &err)) {
		problems_add(problems, pointer, "%s%s", err.message,
			     err.code == DROVER_ELIMIT ? " (limits.hosts)" : "");
		return;
	}
	for (size_t i = 0; i < set.count; i++)
		nameset_add(&r->names, set.names[i], strlen(set.names[i]));
	nodeset_dispose(&set);
}

static void read_hosts(struct retry *r, struct json_object *value, const struct task_limits *limits,
		       struct problems *problems)
{
	size_t count = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
	char pointer[32];

	r->named = true;
	if (!json_object_is_type(value, json_type_array)) {
		read_pattern(r, value, "/hosts", limits, problems);
		return;
	}
	if (!count || count > (size_t)limits->hosts)
		problems_add(problems, "/hosts", "must be a node set, or an array of 1 to %lld of them",
			     (long long)limits->hosts);
	for (size_t i = 0; i < count && count <= (size_t)limits->hosts; i++) {
		snprintf(pointer, sizeof(pointer), "/hosts/%zu", i);
		read_pattern(r, json_object_array_get_idx(value, i), pointer, limits, problems);
	}
}

static void read_members(struct retry *r, const struct task_limits *limits, struct problems *problems)
{
	json_object_object_foreach (r->root, key, value) {
		if (!strcmp(key, "id")) /* its grammar is checked with the child's other members */
			r->id = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
		else if (!strcmp(key, "status"))
			read_status(r, value, problems);
		else if (!strcmp(key, "hosts"))
			read_hosts(r, value, limits, problems);
		else
			problems_add(problems, "", "may have the members id, status and hosts");
	}
}

int retry_read(struct retry *r, const void *json, size_t size, const struct task_limits *limits,
	       struct problems *problems, struct drover_error *err)
{
	struct drover_error syntax = { 0 };

	*r = (struct retry){ .names = NAMESET_INIT, .indexes = BUF_INIT };
	if (size && json_read(json, size, &r->root, &syntax)) {
		problems_add(problems, NULL, "%s", syntax.message);
		return drover_error_set(err, DROVER_EINVALID, "the body is not JSON: %s", syntax.message);
	}
	if (size && !json_object_is_type(r->root, json_type_object))
		problems_add(problems, "", "must be an object");
	else if (size)
		read_members(r, limits, problems);
	return problems->count ? drover_error_set(err, DROVER_EINVALID, "the request has %zu errors", problems->count)
			       : 0;
}

void retry_dispose(struct retry *r)
{
	nameset_dispose(&r->names);
	json_object_put(r->root);
	json_object_put(r->body);
	buf_dispose(&r->indexes);
}

/* ------------------------------------------------------------------------------------- the child */

static void add_text(struct json_object *body, const char *name, const char *text)
{
	if (text)
		json_object_object_add(body, name, json_object_new_string(text));
}

static void add_number(struct json_object *body, const char *name, int64_t number)
{
	json_object_object_add(body, name, json_object_new_int64(number));
}

static void add_duration(struct json_object *body, const char *name, int64_t ms)
{
	char text[32];

	snprintf(text, sizeof(text), "%lldms", (long long)ms);
	if (ms > 0)
		add_text(body, name, text);
}

static void add_json(struct json_object *body, const char *name, const char *json)
{
	struct json_object *value = json ? json_tokener_parse(json) : NULL;

	if (value)
		json_object_object_add(body, name, value);
}

/* Waves and max_failed as they were submitted: shares are of the child's hosts. Nothing else that stands there. */
static void add_options(struct json_object *body, const char *options)
{
	static const char *const names[] = { "waves", "wave_pause", "max_failed" };
	struct json_object *all = options ? json_tokener_parse(options) : NULL, *value;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (json_object_is_type(all, json_type_object) && (value = json_object_object_get(all, names[i])))
			json_object_object_add(body, names[i], json_object_get(value));
	json_object_put(all);
}

static int64_t expires_in(const struct retry *r, const struct drover_task *parent)
{
	int64_t life = parent->expires_at ? parent->expires_at - parent->created_at : 0;

	return r->life && life > r->life ? r->life : life;
}

void retry_begin(struct retry *r, const struct drover_task *parent)
{
	struct json_object *body = json_object_new_object();

	r->body = body;
	r->hosts = json_object_new_array();
	add_options(body, parent->options);
	add_text(body, "name", parent->name);
	add_text(body, "type", parent->type);
	add_text(body, "executor", parent->executor);
	add_text(body, "pool", parent->pool);
	add_text(body, "credential", parent->credential);
	add_text(body, "note", parent->note);
	add_text(body, "concurrency_key", parent->concurrency_key);
	add_text(body, "on_lost", parent->rerun_lost ? "rerun" : "report");
	add_json(body, "labels", parent->labels);
	add_json(body, "payload", parent->payload);
	add_number(body, "priority", parent->priority);
	add_number(body, "unit_size", parent->unit_size);
	add_number(body, "output_limit", parent->output_limit);
	if (parent->fanout)
		add_number(body, "fanout", parent->fanout);
	add_duration(body, "timeout", parent->timeout);
	add_duration(body, "host_timeout", parent->host_timeout);
	add_duration(body, "connect_timeout", parent->connect_timeout);
	add_duration(body, "expires_in", expires_in(r, parent));
	json_object_object_add(body, "hosts", r->hosts);
}

/* A timeout whose process may live on is not done again unless it is asked for. */
static bool is_selected(struct retry *r, enum drover_status status, enum drover_remote remote, const char *name)
{
	if (r->named && !nameset_remove(&r->names, name, strlen(name)))
		return false;
	if (r->by_status)
		return r->statuses & BIT(status);
	return r->named || DEFAULTS & BIT(status) || (status == DROVER_TIMEOUT && remote != DROVER_REMOTE_UNKNOWN);
}

void retry_offer(struct retry *r, int64_t index, enum drover_status status, enum drover_remote remote,
		 const struct drover_host_spec *host)
{
	struct json_object *item;

	if (!is_selected(r, status, remote, host->name))
		return;
	item = json_object_new_object();
	add_text(item, "name", host->name);
	add_text(item, "address", host->address);
	add_text(item, "user", host->user);
	add_json(item, "vars", host->vars);
	if (host->port)
		add_number(item, "port", host->port);
	json_object_array_add(r->hosts, item);
	buf_printf(&r->indexes, "%lld ", (long long)index);
}

static void tell_missing(const struct retry *r, struct problems *problems)
{
	struct buf text = BUF_INIT;
	size_t told = 0;

	for (size_t i = 0; i < r->names.used && told < NAMED_MAX; i++)
		if (r->names.names[i])
			buf_printf(&text, "%s%s", told++ ? ", " : "", r->names.names[i]);
	if (r->names.count > told)
		buf_printf(&text, " and %zu more", r->names.count - told);
	problems_add(problems, "/hosts", "the task does not have %s", text.data);
	buf_dispose(&text);
}

/* The same selection of the same task gives the same id, so that asking twice does it once. */
static void derive_id(const struct retry *r, const struct drover_task *parent, char id[ULID_SIZE])
{
	unsigned char digest[16];
	struct buf text = BUF_INIT;

	buf_printf(&text, "retry of %s: %s", parent->id, r->indexes.data);
	crypto_generichash(digest, sizeof(digest), (const unsigned char *)text.data, text.size, NULL, 0);
	ulid_from((uint64_t)parent->finished_at, digest, id);
	buf_dispose(&text);
}

int retry_finish(struct retry *r, const struct drover_task *parent, const char **json, size_t *size,
		 struct problems *problems, struct drover_error *err)
{
	char id[ULID_SIZE];

	if (r->names.count)
		tell_missing(r, problems);
	else if (!json_object_array_length(r->hosts))
		problems_add(problems, r->by_status ? "/status" : "",
			     "selects no host: none of the task's ended like that");
	if (problems->count)
		return drover_error_set(err, DROVER_EINVALID, "nothing to do again");
	if (!r->id)
		derive_id(r, parent, id);
	add_text(r->body, "id", r->id ? r->id : id);
	*json = json_object_to_json_string_length(r->body, JSON_C_TO_STRING_PLAIN, size);
	return 0;
}
