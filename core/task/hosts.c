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

struct collector {
	struct submission *submission;
	const struct submission_rules *rules;
	struct problems *problems;
	struct nameset seen; /* names taken or excluded */
	size_t room;
	bool full;
	struct nameset bad[INVENTORY_FIELDS]; /* hosts that cannot be reached as the inventory says */
	const char *bad_value[INVENTORY_FIELDS];
	char hint[160]; /* of a group that is not known */
};

static char *resolve_group(void *context, const char *group)
{
	struct collector *c = context;
	struct submission *s = c->submission;
	char *pattern;

	if (!s->inventory) {
		/* Not this client's fault, where there is one: it may come again. */
		s->needs_inventory = c->rules->inventory_missing;
		if (!s->needs_inventory)
			snprintf(c->hint, sizeof(c->hint), "; no inventory is configured (see `inventory`)");
		return s->needs_inventory ? xstrdup("") : NULL;
	}
	pattern = inventory_pattern(s->inventory, group);
	if (!pattern)
		inventory_suggest(s->inventory, group, c->hint, sizeof(c->hint));
	return pattern;
}

static struct nodeset *expand(struct collector *c, const char *pattern, const char *pointer)
{
	struct submission *s = c->submission;
	struct drover_error err = { 0 };
	struct nodeset set = { NULL, 0 };

	*c->hint = '\0';
	if (nodeset_expand(pattern, (size_t)c->rules->limits->hosts, resolve_group, c, &set, &err)) {
		problems_add(c->problems, pointer, "%s%s%s", err.message,
			     err.code == DROVER_ELIMIT ? " (limits.hosts)" : "", c->hint);
		return NULL;
	}
	s->sets = xrealloc(s->sets, (s->set_count + 1) * sizeof(*s->sets));
	s->sets[s->set_count++] = set;
	return &s->sets[s->set_count - 1];
}

/* The task's own variables win over the inventory's. The text lives as long as the submission. */
static const char *merge_vars(struct submission *s, const char *inventory, const char *own)
{
	struct json_object *all, *more;

	if (!inventory || !own)
		return own ? own : inventory;
	all = json_tokener_parse(inventory);
	more = json_tokener_parse(own);
	json_object_object_foreach (more, name, value)
		json_object_object_add(all, name, json_object_get(value));
	json_object_put(more);
	if (!s->merged_vars)
		s->merged_vars = json_object_new_array();
	json_object_array_add(s->merged_vars, all);
	return json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN);
}

static void note_bad(struct collector *c, const struct inventory_host *known, enum inventory_field field)
{
	if (!known->bad[field])
		return;
	nameset_add(&c->bad[field], known->name, strlen(known->name));
	if (!c->bad_value[field])
		c->bad_value[field] = known->bad[field];
}

/* What the task leaves open is as the inventory has it. */
static void complete(struct collector *c, struct drover_host_spec *host)
{
	struct submission *s = c->submission;
	const struct inventory_host *known = s->inventory ? inventory_host(s->inventory, host->name) : NULL;

	if (!known)
		return;
	if (!host->address) {
		host->address = known->address;
		note_bad(c, known, INVENTORY_ADDRESS);
	}
	if (!host->port) {
		host->port = known->port;
		note_bad(c, known, INVENTORY_PORT);
	}
	if (!host->user) {
		host->user = known->user;
		note_bad(c, known, INVENTORY_USER);
	}
	/* `localhost` is never reached by ssh, wherever it is named. */
	if (s->task.type && !strcmp(s->task.type, "shell") && strcmp(host->name, "localhost"))
		note_bad(c, known, INVENTORY_CONNECTION);
	host->vars = merge_vars(s, known->vars, host->vars);
}

static void tell_bad(struct collector *c)
{
	static const char *const words[INVENTORY_FIELDS] = {
		[INVENTORY_ADDRESS] = "ansible_host is no address (templates are not filled in)",
		[INVENTORY_PORT] = "ansible_port is no port",
		[INVENTORY_USER] = "ansible_user is no user's name (templates are not filled in)",
		[INVENTORY_CONNECTION] = "ansible_connection is not ssh, and this executor has no other way",
	};

	for (int i = 0; i < INVENTORY_FIELDS; i++) {
		size_t count;
		char **names = nameset_take(&c->bad[i], &count);
		char *pattern = nodeset_fold(names, count);

		if (count)
			problems_add(c->problems, "/hosts", "of %.200s in the inventory, %s: \"%.80s\"; exclude %s",
				     pattern, words[i], c->bad_value[i], count == 1 ? "it" : "them");
		for (size_t n = 0; n < count; n++)
			free(names[n]);
		free(names);
		free(pattern);
		nameset_dispose(&c->bad[i]);
	}
}

static void take(struct collector *c, const struct drover_host_spec *host, const char *pointer)
{
	struct submission *s = c->submission;

	if (c->full || !nameset_add(&c->seen, host->name, strlen(host->name)))
		return;
	if ((int64_t)s->host_count >= c->rules->limits->hosts) {
		problems_add(c->problems, pointer, "more than %lld hosts, the limit (limits.hosts)",
			     (long long)c->rules->limits->hosts);
		c->full = true;
		return;
	}
	if (s->host_count == c->room) {
		c->room = c->room ? c->room * 2 : 64;
		s->hosts = xrealloc(s->hosts, c->room * sizeof(*s->hosts));
	}
	s->hosts[s->host_count] = *host;
	complete(c, &s->hosts[s->host_count++]);
}

static void take_pattern(struct collector *c, const char *pattern, const char *pointer)
{
	struct nodeset *set = expand(c, pattern, pointer);

	for (size_t i = 0; set && i < set->count; i++)
		take(c, &(struct drover_host_spec){ .name = set->names[i] }, pointer);
}

/* It goes into a protocol field and may not look like an option. */
bool hosts_user_valid(const char *user)
{
	size_t size = strlen(user);

	if (!size || size > 64 || *user == '-')
		return false;
	for (const unsigned char *p = (const unsigned char *)user; *p; p++)
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
		if (!string_ok(value) || !hosts_user_valid(json_object_get_string(value)))
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
	set = expand(c, host.name, pointer);
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
	set = expand(c, json_object_get_string(exclude), "/exclude");
	for (size_t i = 0; set && i < set->count; i++)
		nameset_add(&c->seen, set->names[i], strlen(set->names[i]));
}

void hosts_read(struct submission *s, struct json_object *hosts, struct json_object *exclude,
		const struct submission_rules *rules, struct problems *problems)
{
	struct collector c = { .submission = s, .rules = rules, .problems = problems };
	size_t before = problems->count;

	s->inventory = inventory_ref(rules->inventory);
	exclude_all(&c, exclude);
	if (!hosts)
		problems_add(problems, "/hosts", "is needed: a node set such as \"web[1-9]\", or a list");
	else if (string_ok(hosts))
		take_pattern(&c, json_object_get_string(hosts), "/hosts");
	else if (json_object_is_type(hosts, json_type_array))
		take_list(&c, hosts);
	else
		problems_add(problems, "/hosts", "must be a string or a list");
	tell_bad(&c);
	if (problems->count == before && !s->host_count && !s->needs_inventory)
		problems_add(problems, "/hosts", "no host is left");
	nameset_dispose(&c.seen);
}
