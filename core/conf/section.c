/* section.c - a mapping of the file read by an option table; see conf.h. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/option.h"
#include "conf/secret.h"
#include "conf/suggest.h"
#include "util/buf.h"
#include "util/log.h"

static char *member_path(const char *path, const char *name)
{
	struct buf whole = BUF_INIT;

	buf_printf(&whole, "%s%s%s", path, *path ? "." : "", name);
	return buf_take(&whole);
}

const struct tree_node *section_mapping(struct conf *c, const struct tree_node *node, const char *path)
{
	if (tree_empty(node))
		return NULL;
	if (node->kind == TREE_MAPPING)
		return node;
	errors_add(c->errors, &node->place, path, "is %s, but must be a mapping: `{key: value}`", tree_kind_name(node));
	return NULL;
}

/* A value within a list or a mapping as a string; NULL: an error was added. */
static struct json_object *inner_text(struct conf *c, const struct tree_node *node, const char *path)
{
	if (node->kind == TREE_SCALAR)
		return json_object_new_string(node->text);
	errors_add(c->errors, &node->place, path, "is %s, but must be a plain value", tree_kind_name(node));
	return NULL;
}

static struct json_object *list_value(struct conf *c, const struct tree_node *node, const char *path)
{
	struct json_object *list = json_object_new_array();
	bool sound = true;

	for (size_t i = 0; i < node->count; i++) {
		struct buf name = BUF_INIT;
		struct json_object *item;

		buf_printf(&name, "%s[%zu]", path, i);
		item = inner_text(c, node->items[i], name.data);
		sound = sound && item;
		if (item)
			json_object_array_add(list, item);
		buf_dispose(&name);
	}
	if (sound)
		return list;
	json_object_put(list);
	return NULL;
}

/* A secret's text, which the log does not show from now on: a plugin's check may quote it. NULL: an error was added. */
static struct json_object *secret_value(struct conf *c, const struct tree_node *node, const char *path)
{
	char *secret = secret_resolve(node, path, c->secret_key, c->secret_variables, c->errors);
	struct json_object *value = secret ? json_object_new_string(secret) : NULL;

	log_secret(secret);
	secret_free(secret);
	return value;
}

/* A list within a mapping: its items with commas between them, as an option of one value would have them. */
static struct json_object *joined_value(struct conf *c, const struct tree_node *node, const char *path)
{
	struct json_object *list = list_value(c, node, path), *joined;
	struct buf text = BUF_INIT;

	if (!list)
		return NULL;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		buf_printf(&text, "%s%s", i ? "," : "", json_object_get_string(json_object_array_get_idx(list, i)));
	joined = json_object_new_string(text.data ? text.data : "");
	buf_dispose(&text);
	json_object_put(list);
	return joined;
}

static struct json_object *map_value(struct conf *c, const struct drover_option *option, const struct tree_node *node,
				     const char *path)
{
	struct json_object *map = json_object_new_object();
	bool sound = true;

	tree_foreach(node, member)
	{
		char *name = member_path(path, member->key);
		struct json_object *value = option_is_secret(option, member->key) ? secret_value(c, member, name)
					    : member->kind == TREE_SEQUENCE       ? joined_value(c, member, name)
										  : inner_text(c, member, name);

		sound = sound && value;
		if (value)
			json_object_object_add(map, member->key, value);
		free(name);
	}
	if (sound)
		return map;
	json_object_put(map);
	return NULL;
}

/* An override's list: separated by commas. */
static struct json_object *split_value(const char *text)
{
	struct json_object *list = json_object_new_array();

	while (*text) {
		size_t size = strcspn(text, ",");

		if (size)
			json_object_array_add(list, json_object_new_string_len(text, (int)size));
		text += size + (text[size] == ',');
	}
	return list;
}

/* What is written, as JSON of strings; NULL: an error was added. */
static struct json_object *written(struct conf *c, const struct drover_option *option, const struct tree_node *node,
				   const char *path)
{
	if (option->type == DROVER_TYPE_SECRET)
		return secret_value(c, node, path);
	if (node->kind == TREE_SEQUENCE)
		return list_value(c, node, path);
	if (node->kind == TREE_MAPPING)
		return map_value(c, option, node, path);
	if (node->absent) {
		errors_add(c->errors, &node->key_place, path, "has no value: write one, or remove the line");
		return NULL;
	}
	if (option->type == DROVER_TYPE_LIST && node->environment)
		return split_value(node->text);
	return json_object_new_string(node->text);
}

static void read_member(struct conf *c, struct conf_applied *a, const struct drover_option *option,
			const struct tree_node *node, const char *parent)
{
	char *path = member_path(parent, option->name);
	struct json_object *value = written(c, option, node, path);
	struct drover_error err = { 0 };

	if (value && option_assign(option, a->self, value, &err))
		errors_add(c->errors, &node->place, path, "%s", err.message);
	if (value)
		json_object_object_add(a->given, option->name, value);
	free(path);
}

void section_read(struct conf *c, struct conf_applied *a, const struct tree_node *node, const char *path,
		  const struct drover_option *table, size_t self_size)
{
	*a = (struct conf_applied){ .path = xstrdup(path), .table = table, .node = node };
	a->self = option_new(table, self_size);
	a->given = json_object_new_object();
	a->derived = json_object_new_object();
	for (; table && table->type != DROVER_TYPE_END; table++) {
		const struct tree_node *member = tree_get(node, table->name);

		/* Of a list or a mapping nothing may be left when its lines are commented out. */
		if (tree_empty(member) &&
		    (!member || table->type == DROVER_TYPE_LIST || table->type == DROVER_TYPE_MAP))
			continue;
		read_member(c, a, table, member, path);
	}
}

void section_use(struct conf *c, struct conf_applied *a, const struct tree_node *used, const char *path)
{
	a->used = used;
	a->used_path = xstrdup(path);
	for (const struct drover_option *o = a->table; o && o->type != DROVER_TYPE_END; o++) {
		const struct tree_node *member = tree_get(used, o->name), *own = tree_get(a->node, o->name);
		char place[512], *name;

		if (!(o->flags & DROVER_CONNECTION) || tree_empty(member))
			continue;
		if (tree_empty(own)) {
			read_member(c, a, o, member, path);
			continue;
		}
		name = member_path(a->path, o->name);
		errors_add(c->errors, &own->key_place, name, "is in the connection already, at %s: write it once",
			   errors_place(&member->key_place, place, sizeof(place)));
		free(name);
	}
}

const struct tree_node *section_member(const struct conf_applied *a, const char *name)
{
	const struct tree_node *own = tree_get(a->node, name);

	return own ? own : tree_get(a->used, name);
}

static void suggest_from(struct suggest *near, const struct drover_option *table)
{
	for (; table && table->type != DROVER_TYPE_END; table++)
		if (!(table->flags & DROVER_HIDDEN))
			suggest_consider(near, table->name);
}

void section_unknown(struct conf *c, const struct tree_node *node, const char *path,
		     const struct drover_option *const *tables, size_t count)
{
	tree_foreach(node, member)
	{
		const struct drover_option *known = NULL;
		struct suggest near;
		char text[128], *name;

		for (size_t i = 0; i < count && !known; i++)
			known = option_find(tables[i], member->key);
		if (known)
			continue;
		suggest_begin(&near, member->key);
		for (size_t i = 0; i < count; i++)
			suggest_from(&near, tables[i]);
		name = member_path(path, member->key);
		errors_add(c->errors, &member->key_place, name, "is not known here%s",
			   suggest_text(&near, text, sizeof(text)));
		free(name);
	}
}

void section_required(struct conf *c, const struct conf_applied *a)
{
	for (const struct drover_option *o = a->table; o && o->type != DROVER_TYPE_END; o++) {
		char *path;

		if (!(o->flags & DROVER_REQUIRED) || section_member(a, o->name) || section_given(a, o->name))
			continue;
		path = member_path(a->path, o->name);
		errors_add(c->errors, section_place(c, a, NULL), path, "is required (%s)", o->help);
		free(path);
	}
}

void section_derive(struct conf *c, struct conf_applied *a, const char *name, const char *value, const char *origin)
{
	section_derive_json(c, a, name, json_object_new_string(value), origin);
}

void section_derive_json(struct conf *c, struct conf_applied *a, const char *name, struct json_object *value,
			 const char *origin)
{
	struct drover_error err = { 0 };

	if (option_set(a->table, a->self, name, value, &err))
		errors_add(c->errors, section_place(c, a, NULL), a->path, "%s (from %s): %s", name, origin,
			   err.message);
	json_object_object_add(a->given, name, value);
	json_object_object_add(a->derived, name, json_object_new_string(origin));
}

bool section_given(const struct conf_applied *a, const char *name)
{
	return json_object_object_get_ex(a->given, name, NULL);
}

const struct conf_place *section_place(const struct conf *c, const struct conf_applied *a, const char *name)
{
	const struct tree_node *member = name ? section_member(a, name) : NULL;

	if (member)
		return &member->place;
	return a->node ? &a->node->place : &c->tree->place;
}

void section_dispose(struct conf_applied *a)
{
	option_free(a->table, a->self);
	json_object_put(a->given);
	json_object_put(a->derived);
	free(a->path);
	free(a->used_path);
	*a = (struct conf_applied){ 0 };
}
