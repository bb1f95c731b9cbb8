/* instance.c - one plugin's instance: its plugin is loaded, its options are read by the plugin's table. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/credential.h"
#include "conf/option.h"
#include "conf/suggest.h"
#include "util/buf.h"

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyz0123456789_-"
#define NAME_LENGTH 64

/* How the first store of a beginner is called. */
#define STORE_DEFAULT "sqlite"

static const struct schema_named_instance *named(const struct conf_instance *i)
{
	return i->named.self;
}

static void check_name(struct conf *c, struct conf_instance *i)
{
	const char *own = named(i)->name, *plugin = named(i)->plugin;
	char path[160];

	i->name = own ? own : plugin ? plugin : "?";
	if (!own || (*own && strlen(own) <= NAME_LENGTH && strspn(own, NAME_LETTERS) == strlen(own)))
		return;
	snprintf(path, sizeof(path), "%s.name", i->path);
	errors_add(c->errors, section_place(c, &i->named, "name"), path,
		   "\"%.80s\" is no instance's name: 1 to 64 of a-z, 0-9, _ and -", own);
}

static void no_such_plugin(struct conf *c, struct conf_instance *i, const char *path, const char *message)
{
	struct plugin_listing listing;
	struct suggest near;
	char text[128];

	loader_list(c->plugin_path, &loader_host, &listing);
	suggest_begin(&near, named(i)->plugin);
	for (size_t p = 0; p < listing.count; p++)
		suggest_consider(&near, listing.plugins[p].name);
	errors_add(c->errors, section_place(c, &i->named, "plugin"), path, "%s%s", message,
		   suggest_text(&near, text, sizeof(text)));
	loader_listing_dispose(&listing);
}

static void load_plugin(struct conf *c, struct conf_instance *i)
{
	struct drover_error err = { 0 };
	char path[160];
	int code;

	snprintf(path, sizeof(path), "%s.plugin", i->path);
	if (!named(i)->plugin)
		return;
	code = loader_open(c->plugin_path, named(i)->plugin, &loader_host, &i->plugin, &err);
	if (code == DROVER_ENOTFOUND) {
		no_such_plugin(c, i, path, err.message);
		return;
	}
	if (code) {
		errors_add(c->errors, section_place(c, &i->named, "plugin"), path, "%s", err.message);
		return;
	}
	i->info = loader_info(i->plugin.module, i->kind);
	if (!i->info)
		errors_add(c->errors, section_place(c, &i->named, "plugin"), path, "the plugin %s is no %s",
			   named(i)->plugin, loader_kind_name(i->kind));
}

/* The two mappings that an executor's instance may have. */
static void read_inner(struct conf *c, struct conf_instance *i, struct conf_applied *a, const char *name,
		       const struct drover_option *table, size_t self_size)
{
	const struct tree_node *node = tree_get(i->node, name);
	char path[160];

	if (tree_empty(node) || node->kind != TREE_MAPPING)
		return;
	snprintf(path, sizeof(path), "%s.%s", i->path, name);
	section_read(c, a, node, path, table, self_size);
	section_unknown(c, node, path, &table, 1);
	section_required(c, a);
}

/* Options of the plugin that its kind has already: nobody could set them. */
static void check_reserved(struct conf *c, struct conf_instance *i)
{
	for (const struct drover_option *o = i->info->options; o && o->type != DROVER_TYPE_END; o++)
		if (option_find(schema_instance, o->name) || option_find(i->common.table, o->name))
			errors_add(c->errors, section_place(c, &i->named, "plugin"), i->path,
				   "the plugin %s cannot be used: its option `%s` is one of every %s's own",
				   i->info->name, o->name, loader_kind_name(i->kind));
}

/* Where the embedded database lies, unless it is said. */
static void place_store(struct conf *c, struct conf_instance *i)
{
	const struct schema_node *node = c->tables[SCHEMA_NODE].self;
	const struct drover_option *option = option_find(i->info->options, "path");
	struct buf path = BUF_INIT;

	if (!option || option->type != DROVER_TYPE_STRING || section_given(&i->options, "path"))
		return;
	buf_printf(&path, "%s/drover.db", node->state_dir);
	section_derive(c, &i->options, "path", path.data, "node.state_dir");
	buf_dispose(&path);
}

static bool wants(const struct conf_instance *i, const char *name, enum drover_option_type type)
{
	const struct drover_option *option = option_find(i->info->options, name);

	return option && option->type == type && !section_given(&i->options, name);
}

/* What a plugin's instances are told of the node, where they have such an option and it is not written. */
static void tell_node(struct conf *c, struct conf_instance *i)
{
	const struct schema_node *node = c->tables[SCHEMA_NODE].self;
	const struct schema_cluster *cluster = c->tables[SCHEMA_CLUSTER].self;
	struct json_object *list;

	if (cluster->name && wants(i, "cluster", DROVER_TYPE_STRING))
		section_derive(c, &i->options, "cluster", cluster->name, "cluster.name");
	if (!wants(i, "pools", DROVER_TYPE_LIST))
		return;
	list = json_object_new_array();
	for (size_t p = 0; p < node->pools.count; p++)
		json_object_array_add(list, json_object_new_string(node->pools.items[p]));
	section_derive_json(c, &i->options, "pools", list, "node.pools");
}

/* A message of the plugin's check, at the place of the option that it begins with: "brokers: …", "options.acks: …". */
static void check_failed(struct conf *c, struct conf_instance *i, const char *message)
{
	const struct conf_place *place = section_place(c, &i->options, NULL);
	size_t size = strspn(message, "abcdefghijklmnopqrstuvwxyz0123456789_");
	const char *end = strstr(message, ": "), *path = i->path;
	char name[80], key[160], whole[320];
	const struct tree_node *member, *inner;

	snprintf(name, sizeof(name), "%.*s", (int)size, message);
	member = section_member(&i->options, name);
	if (end && end >= message + size && (message[size] == ':' || message[size] == '.') && !tree_empty(member)) {
		place = &member->place;
		path = tree_get(i->node, name) ? i->path : i->options.used_path;
		snprintf(key, sizeof(key), "%.*s", (int)(end - message - size), message + size);
		inner = *key ? tree_get(member, key + 1) : NULL;
		if (inner)
			place = &inner->key_place;
		snprintf(whole, sizeof(whole), "%.120s.%.64s%.120s", path, name, key);
		path = whole;
		message = end + 2;
	}
	errors_add(c->errors, place, path, "%s", message);
}

static void read_options(struct conf *c, struct conf_instance *i, enum schema_id section)
{
	const struct drover_option *tables[] = { schema_instance, i->common.table, i->info->options };
	size_t before = c->errors->count + c->errors->more;
	struct drover_error err = { 0 };

	check_reserved(c, i);
	section_read(c, &i->options, i->node, i->path, i->info->options, i->info->self_size);
	section_unknown(c, i->node, i->path, tables, 3);
	connection_use(c, i);
	tell_node(c, i);
	if (section == SCHEMA_STORE)
		place_store(c, i);
	if (section == SCHEMA_EXECUTORS)
		credential_check_named(c, i);
	section_required(c, &i->options);
	if (before == c->errors->count + c->errors->more && i->info->check && i->info->check(i->options.self, &err))
		check_failed(c, i, err.message);
}

void instance_read(struct conf *c, struct conf_instance *i, enum schema_id section, const struct tree_node *node,
		   const char *path)
{
	const struct schema_section *schema = &schema_sections[section];

	*i = (struct conf_instance){ .kind = schema->kind,
				     .path = xstrdup(path),
				     .node = section_mapping(c, node, path) };
	section_read(c, &i->named, i->node, path, schema_instance, sizeof(struct schema_named_instance));
	if (section == SCHEMA_STORE && !section_given(&i->named, "plugin"))
		section_derive(c, &i->named, "plugin", STORE_DEFAULT, "default");
	/* What is no mapping has been told already. */
	if (i->node || tree_empty(node))
		section_required(c, &i->named);
	check_name(c, i);
	section_read(c, &i->common, i->node, path, schema->table, schema->self_size);
	if (section == SCHEMA_EXECUTORS) {
		read_inner(c, i, &i->match, "match", schema_match, sizeof(struct schema_matching));
		read_inner(c, i, &i->capacity, "capacity", schema_capacity_own, sizeof(struct schema_capacity));
	}
	load_plugin(c, i);
	if (i->info)
		read_options(c, i, section);
	if (section == SCHEMA_SINKS && i->info && !i->plugin.module->sink->write)
		errors_add(c->errors, section_place(c, &i->named, "plugin"), i->path,
			   "the plugin %s takes no events, it can only be the store", i->info->name);
	if (section == SCHEMA_STORE && i->info && !i->plugin.module->sink->store)
		errors_add(c->errors, section_place(c, &i->named, "plugin"), i->path,
			   "the plugin %s is a sink, but cannot be the store", i->info->name);
}

void instance_dispose(struct conf_instance *i)
{
	section_dispose(&i->named);
	section_dispose(&i->common);
	section_dispose(&i->match);
	section_dispose(&i->capacity);
	section_dispose(&i->options);
	loader_dispose(&i->plugin);
	free(i->path);
}
