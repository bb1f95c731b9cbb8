/* submission.c - see submission.h. */
#include "task/submission.h"

#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task/duration.h"
#include "task/hosts.h"
#include "task/json.h"
#include "task/payload.h"
#include "task/thresholds.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/ulid.h"

enum field_kind {
	FIELD_TEXT,     /* const char *: bounded, no control characters */
	FIELD_WORD,     /* const char *: letters, digits, . _ : - */
	FIELD_NUMBER,   /* int64_t, from low to high */
	FIELD_DURATION, /* int64_t ms, from low to high */
	FIELD_OTHER     /* read elsewhere */
};

struct field {
	const char *name;
	enum field_kind kind;
	size_t offset; /* in struct drover_task */
	int64_t low, high;
};

#define AT(member) offsetof(struct drover_task, member)
#define DAY_MS (86400 * INT64_C(1000))

static const struct field fields[] = {
	{ "id", FIELD_WORD, AT(id), 1, TASK_ID_MAX },
	{ "name", FIELD_TEXT, AT(name), 0, 200 },
	{ "type", FIELD_WORD, AT(type), 1, 64 },
	{ "executor", FIELD_WORD, AT(executor), 1, 64 },
	{ "pool", FIELD_WORD, AT(pool), 1, 64 },
	{ "credential", FIELD_WORD, AT(credential), 1, 64 },
	{ "note", FIELD_TEXT, AT(note), 0, 4000 },
	{ "unit_size", FIELD_NUMBER, AT(unit_size), 1, 0 }, /* high: limits.unit_size */
	{ "fanout", FIELD_NUMBER, AT(fanout), 1, 1000000 },
	{ "output_limit", FIELD_NUMBER, AT(output_limit), 0, 0 }, /* high: limits.output */
	{ "timeout", FIELD_DURATION, AT(timeout), 1, 7 * DAY_MS },
	{ "host_timeout", FIELD_DURATION, AT(host_timeout), 1, 7 * DAY_MS },
	{ "connect_timeout", FIELD_DURATION, AT(connect_timeout), 1, DAY_MS },
	{ "wave_pause", FIELD_DURATION, AT(wave_pause), 0, 7 * DAY_MS },
	{ "concurrency_key", FIELD_TEXT, AT(concurrency_key), 1, 200 },
	{ "waves", FIELD_OTHER, 0, 0, 0 },
	{ "max_failed", FIELD_OTHER, 0, 0, 0 },
	{ "priority", FIELD_OTHER, 0, 1, 100 },
	{ "expires_in", FIELD_OTHER, 0, 1, 365 * DAY_MS },
	{ "on_lost", FIELD_OTHER, 0, 0, 0 },
	{ "labels", FIELD_OTHER, 0, 0, 0 },
	{ "payload", FIELD_OTHER, 0, 0, 0 },
	{ "hosts", FIELD_OTHER, 0, 0, 0 },
	{ "exclude", FIELD_OTHER, 0, 0, 0 },
};

static bool text_ok(struct json_object *value, int64_t low, int64_t high, bool word)
{
	const char *text = json_object_get_string(value);
	size_t size;

	if (!json_object_is_type(value, json_type_string))
		return false;
	size = (size_t)json_object_get_string_len(value);
	if (strlen(text) != size || (int64_t)size < low || (int64_t)size > high)
		return false;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool plain = (*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z') || strchr("._:-", *p);

		if (word ? !plain : (*p < ' ' && *p != '\n' && *p != '\t'))
			return false;
	}
	return true;
}

/* `option` is what sets the upper bound, for the message: " (limits.output)", or "". */
static void read_number(const struct field *field, struct json_object *value, int64_t high, const char *option,
			struct problems *problems, int64_t *out)
{
	int64_t number = json_object_get_int64(value);
	char pointer[64];

	snprintf(pointer, sizeof(pointer), "/%s", field->name);
	if (!json_object_is_type(value, json_type_int) || number < field->low || number > high)
		problems_add(problems, pointer, "must be %lld to %lld%s", (long long)field->low, (long long)high,
			     option);
	else
		*out = number;
}

static void read_duration(const struct field *field, struct json_object *value, const char *pointer,
			  struct problems *problems, int64_t *out)
{
	int64_t ms = duration_from_json(value);

	if (ms < field->low || ms > field->high)
		problems_add(problems, pointer, "must be seconds or a duration such as 90s or 5m, at most %lld days",
			     (long long)(field->high / DAY_MS));
	else
		*out = ms;
}

static void read_field(struct submission *s, const struct field *field, struct json_object *value,
		       const struct task_limits *limits, struct problems *problems)
{
	void *member = (char *)&s->task + field->offset;
	char pointer[64];

	snprintf(pointer, sizeof(pointer), "/%s", field->name);
	switch (field->kind) {
	case FIELD_TEXT:
		if (!text_ok(value, field->low, field->high, false))
			problems_add(problems, pointer, "must be text of %s%lld bytes",
				     field->low ? "1 to " : "at most ", (long long)field->high);
		else
			*(const char **)member = json_object_get_string(value);
		break;
	case FIELD_WORD:
		if (!text_ok(value, field->low, field->high, true))
			problems_add(problems, pointer, "must be 1 to %lld of A-Z a-z 0-9 . _ : -",
				     (long long)field->high);
		else
			*(const char **)member = json_object_get_string(value);
		break;
	case FIELD_NUMBER:
		if (field->offset == AT(unit_size))
			read_number(field, value, limits->unit_size, " (limits.unit_size)", problems, member);
		else if (field->offset == AT(output_limit))
			read_number(field, value, limits->output, " (limits.output)", problems, member);
		else
			read_number(field, value, field->high, "", problems, member);
		break;
	case FIELD_DURATION:
		read_duration(field, value, pointer, problems, member);
		break;
	case FIELD_OTHER:
		break;
	}
}

static const struct field *find_field(const char *name)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (!strcmp(fields[i].name, name))
			return &fields[i];
	return NULL;
}

/* RFC 6901 section 3: `~` and `/` are escaped. */
static void key_pointer(const char *key, char *pointer, size_t size)
{
	size_t n = 1;

	pointer[0] = '/';
	for (; *key && n + 3 < size; key++) {
		if (*key == '~' || *key == '/') {
			pointer[n++] = '~';
			pointer[n++] = *key == '~' ? '0' : '1';
		} else {
			pointer[n++] = *key;
		}
	}
	pointer[n] = '\0';
}

static void read_members(struct submission *s, const struct task_limits *limits, struct problems *problems)
{
	json_object_object_foreach (s->root, key, value) {
		const struct field *field = find_field(key);
		char pointer[200];

		key_pointer(key, pointer, sizeof(pointer));
		if (!field)
			problems_add(problems, pointer, "is not a member of a task in this version");
		else if (!value)
			problems_add(problems, pointer, "must not be null: leave it out");
		else
			read_field(s, field, value, limits, problems);
	}
}

static char *plain_json(struct json_object *value)
{
	return xstrdup(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
}

static void read_labels(struct submission *s, struct problems *problems)
{
	struct json_object *labels = json_object_object_get(s->root, "labels");
	bool ok = json_object_is_type(labels, json_type_object) && json_object_object_length(labels) <= 64;

	if (!labels)
		return;
	if (ok) {
		json_object_object_foreach (labels, key, value)
			ok = ok && *key && strlen(key) <= 64 && !strchr(key, '=') && text_ok(value, 0, 256, false);
	}
	if (!ok)
		problems_add(problems, "/labels",
			     "must be an object of at most 64 texts, with keys of 1 to 64 bytes without =");
	else
		s->task.labels = s->labels = plain_json(labels);
}

/* How long it may wait for an engine. What is signed must not be replayed for ever. */
static void read_expiry(struct submission *s, int64_t life, struct problems *problems)
{
	struct json_object *expires = json_object_object_get(s->root, "expires_in");
	int64_t ms = 0;

	if (expires)
		read_duration(find_field("expires_in"), expires, "/expires_in", problems, &ms);
	if (life && ms > life)
		problems_add(problems, "/expires_in",
			     "must be at most %lld s: a signed unit's life (cluster.unit_life)",
			     (long long)(life / 1000));
	if (!ms)
		ms = life;
	if (ms)
		s->task.expires_at = clock_utc_ms() + ms;
}

static void read_others(struct submission *s, struct problems *problems)
{
	struct json_object *priority = json_object_object_get(s->root, "priority");
	struct json_object *on_lost = json_object_object_get(s->root, "on_lost");
	int64_t number = TASK_PRIORITY_DEFAULT;

	if (priority)
		read_number(find_field("priority"), priority, 100, "", problems, &number);
	s->task.priority = (int)number;
	if (on_lost) {
		const char *word =
			json_object_is_type(on_lost, json_type_string) ? json_object_get_string(on_lost) : "";

		s->task.rerun_lost = !strcmp(word, "rerun");
		if (!s->task.rerun_lost && strcmp(word, "report"))
			problems_add(problems, "/on_lost", "must be \"report\" or \"rerun\"");
	}
	read_labels(s, problems);
}

static void check_executor(struct submission *s, const struct executors *executors, int i, const char *pointer,
			   struct problems *problems)
{
	const struct executor_entry *e = &executors->items[i];

	if (!executor_serves(e, s->task.type)) {
		problems_add(problems, pointer, "the executor `%s` serves %s, not %s", e->name, e->types_text,
			     s->task.type);
		return;
	}
	for (size_t h = 0; h < s->host_count; h++) {
		if (executor_matches(e, s->hosts[h].name))
			continue;
		problems_add(problems, pointer, "the executor `%s` does not serve the host %s (see its `match`)",
			     e->name, s->hosts[h].name);
		return;
	}
	s->executor = i;
}

static bool matches_all(const struct submission *s, const struct executor_entry *e)
{
	for (size_t h = 0; e->has_match && h < s->host_count; h++)
		if (!executor_matches(e, s->hosts[h].name))
			return false;
	return true;
}

/* Whose executors it is for: this node's own, or those of the engines that serve its pool. False: nobody does. */
static bool choose_pool(struct submission *s, const struct submission_rules *rules)
{
	if (!s->task.pool)
		s->task.pool = rules->pools[0];
	for (const struct task_pool *other = rules->others; other && other->name; other++)
		if (!strcmp(other->name, s->task.pool)) {
			s->serving = &other->executors;
			return true;
		}
	if (rules->others)
		return false;
	s->serving = rules->executors;
	for (char *const *pool = rules->pools; *pool; pool++)
		if (!strcmp(*pool, s->task.pool))
			return true;
	return false;
}

static void tell_pools(const struct submission *s, const struct submission_rules *rules, struct problems *problems)
{
	struct buf served = BUF_INIT;

	for (const struct task_pool *other = rules->others; other && other->name; other++)
		buf_printf(&served, "%s%s", served.size ? ", " : "", other->name);
	for (char *const *pool = rules->pools; !rules->others && *pool; pool++)
		buf_printf(&served, "%s%s", served.size ? ", " : "", *pool);
	problems_add(problems, "/pool", "no engine serves the pool %s; served are: %s", s->task.pool,
		     served.size ? served.data : "none");
	buf_dispose(&served);
}

static void choose_executor(struct submission *s, struct problems *problems)
{
	const struct executors *executors = s->serving;
	struct buf served = BUF_INIT;
	bool type_served = false;

	if (!s->task.type) {
		if (!json_object_object_get(s->root, "type"))
			problems_add(problems, "/type", "is needed");
		return;
	}
	if (!executors)
		return;
	if (s->task.executor) {
		int i = executors_find(executors, s->task.executor);

		if (i < 0)
			problems_add(problems, "/executor", "no executor `%s` is configured", s->task.executor);
		else
			check_executor(s, executors, i, "/executor", problems);
		return;
	}
	for (size_t i = 0; i < executors->count && s->executor < 0; i++) {
		bool serves = executor_serves(&executors->items[i], s->task.type);

		type_served = type_served || serves;
		if (serves && matches_all(s, &executors->items[i]))
			s->executor = (int)i;
		buf_printf(&served, "%s%s", i ? ", " : "", executors->items[i].types_text);
	}
	if (s->executor < 0 && type_served)
		problems_add(problems, "/hosts", "no executor of type %s serves all of these hosts", s->task.type);
	else if (s->executor < 0)
		problems_add(problems, "/type", "no executor serves %s; served are: %s", s->task.type,
			     served.size ? served.data : "none");
	buf_dispose(&served);
}

static void read_payload(struct submission *s, struct problems *problems)
{
	struct json_object *payload = json_object_object_get(s->root, "payload");

	if (!payload)
		problems_add(problems, "/payload", "is needed");
	else if (!json_object_is_type(payload, json_type_object))
		problems_add(problems, "/payload", "must be an object");
	else if (s->executor >= 0)
		payload_check(&s->serving->items[s->executor], payload, problems);
	if (json_object_is_type(payload, json_type_object))
		s->task.payload = s->payload = plain_json(payload);
}

static void fill_defaults(struct submission *s, const struct submission_rules *rules)
{
	struct drover_task *t = &s->task;

	if (!t->id) {
		ulid_make(s->id);
		t->id = s->id;
	}
	if (!t->unit_size)
		t->unit_size = TASK_UNIT_SIZE_DEFAULT;
	if (!t->timeout)
		t->timeout = !strcmp(t->type, "playbook") ? TASK_TIMEOUT_PLAYBOOK : TASK_TIMEOUT_DEFAULT;
	if (!json_object_object_get(s->root, "output_limit"))
		t->output_limit = rules->limits->output_default;
	t->executor = s->serving->items[s->executor].name;
	t->hosts = (int64_t)s->host_count;
	thresholds_split(s);
	t->counts[DROVER_PENDING] = t->hosts;
	t->state = DROVER_TASK_QUEUED;
}

/* Equal bodies are one task sent twice, however their keys are ordered. */
static void fill_digest(struct submission *s)
{
	struct buf canonical = BUF_INIT;

	json_canonical(s->root, &canonical);
	crypto_generichash(s->digest, sizeof(s->digest), (const unsigned char *)canonical.data, canonical.size, NULL,
			   0);
	buf_dispose(&canonical);
	s->task.body = s->digest;
	s->task.body_size = sizeof(s->digest);
}

int submission_read(struct submission *s, const void *json, size_t size, const struct submission_rules *rules,
		    struct problems *problems, struct drover_error *err)
{
	struct drover_error syntax = { 0 };
	bool served;

	*s = (struct submission){ .task = { .size = sizeof(struct drover_task) }, .executor = -1 };
	if (json_read(json, size, &s->root, &syntax)) {
		problems_add(problems, NULL, "%s", syntax.message);
		return drover_error_set(err, DROVER_EINVALID, "the body is not JSON: %s", syntax.message);
	}
	if (!json_object_is_type(s->root, json_type_object)) {
		problems_add(problems, "", "must be an object");
		return drover_error_set(err, DROVER_EINVALID, "a task is an object");
	}
	read_members(s, rules->limits, problems);
	read_others(s, problems);
	read_expiry(s, rules->life, problems);
	hosts_read(s, json_object_object_get(s->root, "hosts"), json_object_object_get(s->root, "exclude"), rules,
		   problems);
	thresholds_read(s, rules->limits, problems);
	served = choose_pool(s, rules);
	choose_executor(s, problems);
	read_payload(s, problems);
	if (!served)
		tell_pools(s, rules, problems);
	if (problems->count)
		return drover_error_set(err, DROVER_EINVALID, "the task has %zu error%s", problems->count,
					problems->count == 1 ? "" : "s");
	if (s->needs_inventory)
		return drover_error_set(err, DROVER_ERETRY, "the task names a group, and %s", rules->inventory_missing);
	fill_defaults(s, rules);
	fill_digest(s);
	return 0;
}

void submission_dispose(struct submission *s)
{
	for (size_t i = 0; i < s->set_count; i++)
		nodeset_dispose(&s->sets[i]);
	free(s->sets);
	free(s->hosts);
	free(s->payload);
	free(s->labels);
	free(s->options);
	free(s->wave_ends);
	json_object_put(s->root);
	json_object_put(s->merged_vars);
	inventory_unref(s->inventory);
	*s = (struct submission){ .executor = -1 };
}
