/* cluster.c - the section `cluster`: keys that are read, and who needs them. */
#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/option.h"
#include "conf/secret.h"
#include "task/signing_keys.h"
#include "util/buf.h"

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define HOW_SIGN "`drover key generate -o FILE' makes one; then write `cluster: {signing_key: {file: FILE}}`"

static const struct schema_cluster *values(const struct conf *c)
{
	return c->tables[SCHEMA_CLUSTER].self;
}

static void wrong(struct conf *c, const char *option, const char *path, const char *text)
{
	errors_add(c->errors, section_place(c, &c->tables[SCHEMA_CLUSTER], option), path, "%s", text);
}

/* ---------------------------------------------------------------------------------------------- keys */

/* Believes one line's key; false: an error was added. `where` is a file, or NULL: the line is in the configuration. */
static bool add_key(struct conf *c, const char *path, const char *where, const char *line)
{
	struct signing_key key;
	struct drover_error err = { 0 };
	char text[SIGNING_KEY_TEXT];
	int code = signing_key_parse(line, &key, &err);

	if (code || key.has_private)
		errors_add(c->errors, section_place(c, &c->tables[SCHEMA_CLUSTER], "public_keys"), path, "%s%s%s",
			   where ? where : "", where ? ": " : "",
			   code ? err.message
				: "is a private key, which signs: write the public one, and keep this one closed");
	signing_key_public_text(&key, text);
	if (!code && !key.has_private)
		json_object_array_add(c->cluster_keys, json_object_new_string(text));
	code = code || key.has_private;
	sodium_memzero(&key, sizeof(key));
	return !code;
}

/* A key a line; blank ones and those that begin with `#` say nothing. */
static void read_file(struct conf *c, const char *path, const char *item)
{
	const struct conf_place *place = section_place(c, &c->tables[SCHEMA_CLUSTER], "public_keys");
	char *file = include_relative(place->file ? place->file : "", item), *text, *line, *rest = NULL;
	const char *fault;

	text = secret_read(file, true, &fault);
	if (!text)
		errors_add(c->errors, place, path, "the public key's file %s: %s", file, fault);
	for (line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
		if (line[strspn(line, " \t\r")] && line[0] != '#' && !add_key(c, path, file, line))
			break;
	secret_free(text);
	free(file);
}

static void read_public(struct conf *c)
{
	const struct drover_list *list = &values(c)->public_keys;
	char path[64];

	for (size_t i = 0; i < list->count; i++) {
		snprintf(path, sizeof(path), "cluster.public_keys[%zu]", i);
		if (!strncmp(list->items[i], "drover-signing-", strlen("drover-signing-")))
			add_key(c, path, NULL, list->items[i]);
		else
			read_file(c, path, list->items[i]);
	}
}

/* Who signs believes its own signatures. */
static void read_signing(struct conf *c)
{
	struct signing_key key;
	struct drover_error err = { 0 };
	char text[SIGNING_KEY_TEXT];

	if (!values(c)->signing_key)
		return;
	if (signing_key_parse(values(c)->signing_key, &key, &err)) {
		wrong(c, "signing_key", "cluster.signing_key", err.message);
	} else if (!key.has_private) {
		wrong(c, "signing_key", "cluster.signing_key",
		      "is the public key, which verifies: the private one signs");
	} else {
		signing_key_public_text(&key, text);
		json_object_array_add(c->cluster_keys, json_object_new_string(text));
	}
	sodium_memzero(&key, sizeof(key));
}

/* ------------------------------------------------------------------------------------- who needs them */

/* A source that is told of pools brings their units, unless it is told not to. */
static bool brings_units(const struct conf_instance *i)
{
	const struct drover_option *pools = i->info ? option_find(i->info->options, "pools") : NULL;
	const struct drover_option *units = i->info ? option_find(i->info->options, "units") : NULL;

	if (units && i->options.self && units->type == DROVER_TYPE_BOOL &&
	    !*(const bool *)((const char *)i->options.self + units->offset))
		return false;
	return pools && i->options.self && pools->type == DROVER_TYPE_LIST &&
	       ((const struct drover_list *)((const char *)i->options.self + pools->offset))->count;
}

static void check_needs(struct conf *c)
{
	const struct conf_instances *sources = conf_list(c, SCHEMA_SOURCES);
	bool written = section_given(&c->tables[SCHEMA_CLUSTER], "signing_key") ||
		       tree_get(c->tables[SCHEMA_CLUSTER].node, "signing_key");

	if (c->dispatcher.named.self && !written)
		errors_add(c->errors, section_place(c, &c->dispatcher.named, NULL), "dispatcher",
			   "needs a key that units are signed with, since engines execute no others: " HOW_SIGN);
	for (size_t i = 0; i < sources->count; i++)
		if (brings_units(&sources->items[i]) && !json_object_array_length(c->cluster_keys) && !written &&
		    !values(c)->public_keys.count)
			errors_add(
				c->errors, section_place(c, &sources->items[i].named, NULL), sources->items[i].path,
				"needs the public key of those who sign units, since no others are executed: copy the "
				"distributor's FILE.pub here, and write `cluster: {name: NAME, public_keys: "
				"[FILE.pub]}`");
}

static void check_name(struct conf *c)
{
	const char *name = values(c)->name;

	if (name && (!*name || strlen(name) > 64 || strspn(name, NAME_LETTERS) != strlen(name)))
		errors_add(c->errors, section_place(c, &c->tables[SCHEMA_CLUSTER], "name"), "cluster.name",
			   "\"%.80s\" is no cluster's name: 1 to 64 letters, digits, `.`, `_` and `-`", name);
	else if (!name && (values(c)->signing_key || values(c)->public_keys.count))
		wrong(c, NULL, "cluster.name",
		      "is required where units are signed: the same on all nodes, and another than other clusters' "
		      "names");
}

void cluster_check(struct conf *c)
{
	c->cluster_keys = json_object_new_array();
	check_name(c);
	read_public(c);
	read_signing(c);
	check_needs(c);
}

struct json_object *cluster_slice(const struct conf *c)
{
	const struct schema_cluster *cluster = values(c);
	struct json_object *slice = json_object_new_object();

	json_object_object_add(slice, "name", cluster->name ? json_object_new_string(cluster->name) : NULL);
	json_object_object_add(slice, "unit_life", json_object_new_int64(cluster->unit_life));
	json_object_object_add(slice, "unit_limit", json_object_new_int64(cluster->unit_limit));
	json_object_object_add(slice, "remember", json_object_new_int64(cluster->remember));
	json_object_object_add(slice, "refresh", json_object_new_int64(cluster->refresh));
	if (cluster->signing_key)
		json_object_object_add(slice, "signing_key", json_object_new_string(cluster->signing_key));
	if (json_object_array_length(c->cluster_keys))
		json_object_object_add(slice, "public_keys", json_object_get(c->cluster_keys));
	return slice;
}
