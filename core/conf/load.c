/* load.c - a whole configuration: files, overrides, every section; see conf.h. */
#define _GNU_SOURCE /* environ */
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/credential.h"
#include "conf/option.h"
#include "conf/overrides.h"
#include "conf/suggest.h"
#include "conf/wipe.h"
#include "util/buf.h"

/* The last instance of that name before `index`, or NULL. */
static const struct conf_instance *same_name(const struct conf_instances *list, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(list->items[i].name, "?") && !strcmp(list->items[i].name, list->items[index].name))
			return &list->items[i];
	return NULL;
}

static void read_list(struct conf *c, enum schema_id id, const struct tree_node *node)
{
	struct conf_instances *list = &c->lists[id - SCHEMA_SOURCES];
	const char *section = schema_sections[id].name;

	if (tree_empty(node))
		return;
	if (node->kind != TREE_SEQUENCE) {
		errors_add(c->errors, &node->place, section, "is %s, but must be a list: `- {plugin: NAME}` lines",
			   tree_kind_name(node));
		return;
	}
	list->items = xcalloc(node->count + 1, sizeof(*list->items));
	for (; list->count < node->count; list->count++) {
		struct conf_instance *instance = &list->items[list->count];
		const struct conf_instance *first;
		char path[64], place[512];

		snprintf(path, sizeof(path), "%s[%zu]", section, list->count);
		instance_read(c, instance, id, node->items[list->count], path);
		first = same_name(list, list->count);
		if (first)
			errors_add(c->errors, &instance->node->place, path,
				   "is named `%.80s` like that at %s: give one of them another `name`", instance->name,
				   errors_place(&first->node->place, place, sizeof(place)));
	}
}

/* Unlike a store there is none where nothing is written. */
static void read_dispatcher(struct conf *c, const struct tree_node *node)
{
	if (!tree_empty(node))
		instance_read(c, &c->dispatcher, SCHEMA_DISPATCHER, node, "dispatcher");
}

static void check_sections(struct conf *c)
{
	tree_foreach(c->tree, member)
	{
		const struct schema_section *s = schema_sections;
		struct suggest near;
		char text[128];

		while (s->name && strcmp(s->name, member->key))
			s++;
		if (s->name || option_find(schema_top, member->key))
			continue;
		suggest_begin(&near, member->key);
		for (s = schema_sections; s->name; s++)
			suggest_consider(&near, s->name);
		for (const struct drover_option *o = schema_top; o->type != DROVER_TYPE_END; o++)
			suggest_consider(&near, o->name);
		errors_add(c->errors, &member->key_place, member->key, "is not known here%s",
			   suggest_text(&near, text, sizeof(text)));
	}
}

static void find_plugins(struct conf *c)
{
	const struct schema_paths *paths;
	struct buf all = BUF_INIT;

	section_read(c, &c->top, c->tree, "", schema_top, sizeof(struct schema_paths));
	paths = c->top.self;
	for (size_t i = 0; i < paths->plugin_path.count; i++) {
		const struct conf_place *place = section_place(c, &c->top, "plugin_path");
		char *folder = include_relative(place->file ? place->file : "", paths->plugin_path.items[i]);

		if (strchr(folder, ':'))
			errors_add(c->errors, place, "plugin_path", "a folder's name may not hold a colon: %s", folder);
		buf_printf(&all, "%s%s", i ? ":" : "", folder);
		free(folder);
	}
	if (paths->secret_key) {
		const struct conf_place *place = section_place(c, &c->top, "secret_key");

		c->secret_key = include_relative(place->file ? place->file : "", paths->secret_key);
	}
	c->plugin_path = loader_path(all.data);
	buf_dispose(&all);
}

/* The node is named like its machine unless the file says otherwise. */
static void name_node(struct conf *c)
{
	char host[HOST_NAME_MAX + 1] = "";

	if (section_given(&c->tables[SCHEMA_NODE], "name"))
		return;
	gethostname(host, sizeof(host) - 1);
	section_derive(c, &c->tables[SCHEMA_NODE], "name", *host ? host : "localhost", "this host's name");
}

static void read_all(struct conf *c)
{
	overrides_apply(c->tree, environ, &c->variables, c->errors);
	check_sections(c);
	find_plugins(c);
	for (enum schema_id id = 0; id < SCHEMA_TABLES; id++) {
		const struct schema_section *s = &schema_sections[id];
		const struct tree_node *node = section_mapping(c, tree_get(c->tree, s->name), s->name);

		section_read(c, &c->tables[id], node, s->name, s->table, s->self_size);
		section_unknown(c, node, s->name, &s->table, 1);
	}
	name_node(c);
	credential_read_all(c, tree_get(c->tree, "credentials"));
	connection_check_all(c, tree_get(c->tree, "connections"));
	section_mapping(c, tree_get(c->tree, "projects"), "projects");
	instance_read(c, &c->store, SCHEMA_STORE, tree_get(c->tree, "store"), "store");
	read_dispatcher(c, tree_get(c->tree, "dispatcher"));
	for (enum schema_id id = SCHEMA_SOURCES; id <= SCHEMA_MONITORS; id++)
		read_list(c, id, tree_get(c->tree, schema_sections[id].name));
	crosscheck(c);
}

static void sort_errors(struct conf *c)
{
	const char **names = xcalloc(c->files.count + 1, sizeof(*names));

	for (size_t i = 0; i < c->files.count; i++)
		names[i] = c->files.files[i].name;
	errors_sort(c->errors, names, c->files.count);
	free(names);
}

void conf_load(struct conf *c, const char *file, struct conf_errors *errors)
{
	*c = (struct conf){ .errors = errors, .secret_variables = json_object_new_array() };
	c->tree = include_read(file, &c->files, errors);
	/* What is wrong with half a configuration would only mislead. */
	if (!c->files.incomplete)
		read_all(c);
	sort_errors(c);
}

void conf_dispose(struct conf *c)
{
	instance_dispose(&c->store);
	instance_dispose(&c->dispatcher);
	for (size_t l = 0; l < sizeof(c->lists) / sizeof(c->lists[0]); l++) {
		for (size_t i = 0; i < c->lists[l].count; i++)
			instance_dispose(&c->lists[l].items[i]);
		free(c->lists[l].items);
	}
	credential_dispose_all(c);
	wipe_put(c->tables[SCHEMA_CLUSTER].given);
	c->tables[SCHEMA_CLUSTER].given = NULL;
	json_object_put(c->cluster_keys);
	for (size_t i = 0; i < SCHEMA_TABLES; i++)
		section_dispose(&c->tables[i]);
	section_dispose(&c->top);
	json_object_put(c->secret_variables);
	free(c->plugin_path);
	free(c->secret_key);
	tree_free(c->tree);
	overrides_dispose(c->variables);
	include_dispose(&c->files);
}
