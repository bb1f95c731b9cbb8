/* overrides.c - see overrides.h. */
#include "conf/overrides.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema.h"
#include "conf/suggest.h"
#include "conf/value.h"
#include "util/buf.h"

#define PREFIX "DROVER_"
#define PARTS_MAX 8

struct override {
	struct conf_place place; /* the variable's name */
	char *parts[PARTS_MAX];  /* into a copy of the name */
	size_t count;
	const char *value;
	struct conf_errors *errors;
};

/* Is `part` how a variable writes `name`? */
static bool written_as(const char *name, const char *part)
{
	for (; *name && *part; name++, part++)
		if (toupper((unsigned char)(*name == '-' ? '_' : *name)) != *part)
			return false;
	return !*name && !*part;
}

static struct tree_node *member_of(struct tree_node *mapping, const char *part)
{
	tree_foreach(mapping, member) if (written_as(member->key, part)) return member;
	return NULL;
}

/* The member, made as an empty mapping where it is missing. */
static struct tree_node *descend(struct override *o, struct tree_node *mapping, char *part)
{
	struct tree_node *member = member_of(mapping, part);

	if (member && tree_empty(member)) {
		tree_drop(mapping, member);
		member = NULL;
	}
	if (!member) {
		for (char *c = part; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		member = tree_new(TREE_MAPPING, &o->place);
		member->environment = true;
		tree_put(mapping, part, &o->place, member);
	}
	if (member->kind == TREE_MAPPING)
		return member;
	errors_add(o->errors, &o->place, member->key, "is %s in the file, so nothing in it can be set",
		   tree_kind_name(member));
	return NULL;
}

static void set(struct override *o, struct tree_node *mapping, char *part)
{
	struct tree_node *member = member_of(mapping, part), *node = tree_new(TREE_SCALAR, &o->place);
	char *key = member ? xstrdup(member->key) : xstrdup(part);

	if (!member)
		for (char *c = key; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	if (member)
		tree_drop(mapping, member);
	node->text = xstrdup(o->value);
	node->environment = true;
	tree_put(mapping, key, &o->place, node);
	free(key);
}

/* The instance of a list (`executors`) that the second part names, or NULL with an error. */
static struct tree_node *instance(struct override *o, struct tree_node *list, const char *section)
{
	struct tree_node *found = NULL;
	int matches = 0;

	for (size_t i = 0; list && list->kind == TREE_SEQUENCE && i < list->count; i++) {
		const char *name = tree_text(list->items[i], "name");

		if (!name)
			name = tree_text(list->items[i], "plugin");
		if (name && written_as(name, o->parts[1])) {
			found = list->items[i];
			matches++;
		}
	}
	if (matches == 1)
		return found;
	if (matches)
		errors_add(o->errors, &o->place, section, "%d instances are named like %s: which one is meant?",
			   matches, o->parts[1]);
	else
		errors_add(o->errors, &o->place, section, "there is no instance named %s to override", o->parts[1]);
	return NULL;
}

static const struct schema_section *section_of(struct override *o)
{
	struct suggest near;
	char text[128], lower[64];

	for (const struct schema_section *s = schema_sections; s->name; s++)
		if (written_as(s->name, o->parts[0]))
			return s;
	snprintf(lower, sizeof(lower), "%s", o->parts[0]);
	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	suggest_begin(&near, lower);
	for (const struct schema_section *s = schema_sections; s->name; s++)
		suggest_consider(&near, s->name);
	errors_add(o->errors, &o->place, NULL, "overrides nothing: there is no section `%s`%s", lower,
		   suggest_text(&near, text, sizeof(text)));
	return NULL;
}

static void apply(struct override *o, struct tree_node *root)
{
	const struct schema_section *section = section_of(o);
	struct tree_node *at;
	size_t next = 1;

	if (!section)
		return;
	if (section->shape == SCHEMA_LIST) {
		if (o->count < 3) {
			errors_add(o->errors, &o->place, section->name, "write DROVER_%s__NAME__OPTION", o->parts[0]);
			return;
		}
		at = instance(o, tree_get(root, section->name), section->name);
		next = 2;
	} else {
		at = descend(o, root, o->parts[0]);
	}
	for (; at && next + 1 < o->count; next++)
		at = descend(o, at, o->parts[next]);
	if (at)
		set(o, at, o->parts[next]);
}

/* Cuts NODE__NAME into its parts. */
static bool split(struct override *o, char *name)
{
	while (o->count < PARTS_MAX) {
		char *end = strstr(name, "__");

		if (!*name || end == name)
			return false;
		o->parts[o->count++] = name;
		if (!end)
			return o->count > 1;
		*end = '\0';
		name = end + 2;
	}
	return false;
}

/* DROVER_NODE_NAME: was DROVER_NODE__NAME meant? */
static void check_slip(const char *name, struct conf_errors *errors)
{
	const struct conf_place place = { name, 0, 0 };

	for (const struct schema_section *s = schema_sections; s->name; s++) {
		size_t size = strlen(s->name);
		const char *rest = name + strlen(PREFIX);
		char section[32];

		if (strlen(rest) <= size || rest[size] != '_')
			continue;
		snprintf(section, sizeof(section), "%.*s", (int)size, rest);
		if (written_as(s->name, section))
			errors_add(errors, &place, NULL, "overrides nothing: write DROVER_%s__%s", section,
				   rest + size + 1);
	}
}

void overrides_apply(struct tree_node *root, char **environment, char ***names, struct conf_errors *errors)
{
	size_t kept = 0;

	*names = xcalloc(1, sizeof(char *));
	for (char **entry = environment; *entry; entry++) {
		const char *equals = strchr(*entry, '=');
		struct override o = { .errors = errors };
		char *name, *copy;

		if (strncmp(*entry, PREFIX, strlen(PREFIX)) || !equals)
			continue;
		name = strndup(*entry, (size_t)(equals - *entry));
		if (!name || !strstr(name, "__")) {
			if (name)
				check_slip(name, errors);
			free(name);
			continue;
		}
		*names = xrealloc(*names, (kept + 2) * sizeof(char *));
		(*names)[kept++] = name;
		(*names)[kept] = NULL;
		o.place.file = name;
		o.value = equals + 1;
		copy = xstrdup(name + strlen(PREFIX));
		if (!split(&o, copy))
			errors_add(errors, &o.place, NULL, "overrides nothing: write DROVER_SECTION__OPTION");
		else if (!value_utf8(o.value))
			errors_add(errors, &o.place, NULL, "holds bytes that are no UTF-8 text");
		else
			apply(&o, root);
		free(copy);
	}
}

void overrides_dispose(char **names)
{
	for (char **name = names; name && *name; name++)
		free(*name);
	free(names);
}
