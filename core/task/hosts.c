/* hosts.c - see hosts.h. */
#include "task/hosts.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/nameset.h"

static bool string_ok(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) &&
	       strlen(json_object_get_string(value)) == (size_t)json_object_get_string_len(value);
}

static struct nodeset *expand(struct submission *s, const char *pattern, const struct task_limits *limits,
			      const char *pointer, struct problems *problems)
{
	struct drover_error err = { 0 };
	struct nodeset set = { NULL, 0 };

	if (nodeset_expand(pattern, (size_t)limits->hosts, NULL, NULL, &set, &err)) {
		problems_add(problems, pointer, "%s", err.message);
		return NULL;
	}
	s->sets = xrealloc(s->sets, (s->set_count + 1) * sizeof(*s->sets));
	s->sets[s->set_count++] = set;
	return &s->sets[s->set_count - 1];
}

struct collector {
	struct submission *submission;
	const struct task_limits *limits;
	struct problems *problems;
	struct nameset seen; /* names taken or excluded */
	size_t room;
	bool full;
};

static void take(struct collector *c, const struct drover_host_spec *host, const char *pointer)
{
	struct submission *s = c->submission;

	if (c->full || !nameset_add(&c->seen, host->name, strlen(host->name)))
		return;
	if ((int64_t)s->host_count >= c->limits->hosts) {
		problems_add(c->problems, pointer, "more than %lld hosts: see limits.hosts in the configuration",
			     (long long)c->limits->hosts);
		c->full = true;
		return;
	}
	if (s->host_count == c->room) {
		c->room = c->room ? c->room * 2 : 64;
		s->hosts = xrealloc(s->hosts, c->room * sizeof(*s->hosts));
	}
	s->hosts[s->host_count++] = *host;
}

static void take_pattern(struct collector *c, const char *pattern, const char *pointer)
{
	struct nodeset *set = expand(c->submission, pattern, c->limits, pointer, c->problems);

	for (size_t i = 0; set && i < set->count; i++)
		take(c, &(struct drover_host_spec){ .name = set->names[i] }, pointer);
}

/* An address goes into a socket call, a user into a protocol field: neither may look like an option. */
static bool word_ok(const char *word, size_t max)
{
	size_t size = strlen(word);

	if (!size || size > max || *word == '-')
		return false;
	for (const unsigned char *p = (const unsigned char *)word; *p; p++)
		if (*p <= ' ' || *p == 0x7f)
			return false;
	return true;
}

static void object_member(struct collector *c, const char *key, struct json_object *value, const char *base,
			  struct drover_host_spec *host)
{
	char pointer[128];

	snprintf(pointer, sizeof(pointer), "%s/%.60s", base, key);
	if (!strcmp(key, "name")) {
		if (!string_ok(value) || !nodeset_name_valid(json_object_get_string(value)))
			problems_add(c->problems, pointer, "must be a host name or address");
		else
			host->name = json_object_get_string(value);
	} else if (!strcmp(key, "address")) {
		if (!string_ok(value) || !nodeset_name_valid(json_object_get_string(value)))
			problems_add(c->problems, pointer, "must be a host name or address");
		else
			host->address = json_object_get_string(value);
	} else if (!strcmp(key, "user")) {
		if (!string_ok(value) || !word_ok(json_object_get_string(value), 64))
			problems_add(c->problems, pointer, "must be a user name without blanks");
		else
			host->user = json_object_get_string(value);
	} else if (!strcmp(key, "port")) {
		int64_t port = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;

		if (port < 1 || port > 65535)
			problems_add(c->problems, pointer, "must be 1 to 65535");
		else
			host->port = (int)port;
	} else if (!strcmp(key, "vars")) {
		if (!json_object_is_type(value, json_type_object))
			problems_add(c->problems, pointer, "must be an object");
		else
			host->vars = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
	} else {
		problems_add(c->problems, pointer, "is not a member of a host: name, address, port, user, vars are");
	}
}

static void take_object(struct collector *c, struct json_object *object, const char *pointer)
{
	struct drover_host_spec host = { .name = NULL };
	size_t before = c->problems->count;
	struct nodeset *set;

	json_object_object_foreach (object, key, value)
		object_member(c, key, value, pointer, &host);
	if (c->problems->count != before)
		return;
	if (!host.name) {
		problems_add(c->problems, pointer, "needs `name`");
		return;
	}
	/* Through the expander, so that the name is lowered as every other is. */
	set = expand(c->submission, host.name, c->limits, pointer, c->problems);
	if (!set || set->count != 1)
		return;
	host.name = set->names[0];
	take(c, &host, pointer);
}

static void take_list(struct collector *c, struct json_object *list)
{
	char pointer[64];

	for (size_t i = 0; i < json_object_array_length(list) && !c->full; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);

		snprintf(pointer, sizeof(pointer), "/hosts/%zu", i);
		if (string_ok(item))
			take_pattern(c, json_object_get_string(item), pointer);
		else if (json_object_is_type(item, json_type_object))
			take_object(c, item, pointer);
		else
			problems_add(c->problems, pointer, "must be a string or an object with a name");
	}
}

static void exclude_all(struct collector *c, struct json_object *exclude)
{
	struct nodeset *set;

	if (!exclude)
		return;
	if (!string_ok(exclude)) {
		problems_add(c->problems, "/exclude", "must be a node set, as a string");
		return;
	}
	if (!*json_object_get_string(exclude))
		return;
	set = expand(c->submission, json_object_get_string(exclude), c->limits, "/exclude", c->problems);
	for (size_t i = 0; set && i < set->count; i++)
		nameset_add(&c->seen, set->names[i], strlen(set->names[i]));
}

void hosts_read(struct submission *s, struct json_object *hosts, struct json_object *exclude,
		const struct task_limits *limits, struct problems *problems)
{
	struct collector c = { .submission = s, .limits = limits, .problems = problems };
	size_t before = problems->count;

	exclude_all(&c, exclude);
	if (!hosts)
		problems_add(problems, "/hosts", "is needed: a node set such as \"web[1-9]\", or a list");
	else if (string_ok(hosts))
		take_pattern(&c, json_object_get_string(hosts), "/hosts");
	else if (json_object_is_type(hosts, json_type_array))
		take_list(&c, hosts);
	else
		problems_add(problems, "/hosts", "must be a string or a list");
	if (problems->count == before && !s->host_count)
		problems_add(problems, "/hosts", "no host is left");
	nameset_dispose(&c.seen);
}
