/*
 * connection.c - `connections: {NAME: {PLUGIN: {…}}}`: options that several instances share. An instance with
 * `use: NAME` gets those under its plugin's name, as if they were its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/option.h"
#include "conf/suggest.h"
#include "util/buf.h"

/* Whether it is a mapping of mappings; what is in those is checked where they are used. */
void connection_check_all(struct conf *c, const struct tree_node *node)
{
	node = section_mapping(c, node, "connections");
	tree_foreach(node, connection)
	{
		const struct tree_node *kinds;
		char path[160];

		snprintf(path, sizeof(path), "connections.%.100s", connection->key);
		if (tree_empty(connection))
			errors_add(c->errors, &connection->key_place, path, "has no value: write `{KIND: {…}}`");
		kinds = section_mapping(c, connection, path);
		tree_foreach(kinds, kind)
		{
			char inner[300];

			snprintf(inner, sizeof(inner), "%s.%.100s", path, kind->key);
			section_mapping(c, kind, inner);
		}
	}
}

static void not_there(struct conf *c, const struct conf_instance *i, const struct tree_node *among, const char *what,
		      const char *wanted)
{
	struct suggest near;
	char path[160], text[128];

	suggest_begin(&near, wanted);
	tree_foreach(among, member) suggest_consider(&near, member->key);
	snprintf(path, sizeof(path), "%s.use", i->path);
	errors_add(c->errors, section_place(c, &i->named, "use"), path, "%s `%.80s`%s", what, wanted,
		   suggest_text(&near, text, sizeof(text)));
}

/* The plugin's options that may be in a connection, ended as a table is. Owned by the caller. */
static struct drover_option *shareable(const struct drover_option *table)
{
	struct drover_option *some;
	size_t count = 0, kept = 0;

	while (table && table[count].type != DROVER_TYPE_END)
		count++;
	some = xcalloc(count + 1, sizeof(*some));
	for (size_t o = 0; o < count; o++)
		if (table[o].flags & DROVER_CONNECTION)
			some[kept++] = table[o];
	some[kept] = (struct drover_option)DROVER_OPT_END;
	return some;
}

void connection_use(struct conf *c, struct conf_instance *i)
{
	const struct tree_node *connections = tree_get(c->tree, "connections"), *connection, *used;
	const char *use = ((const struct schema_named_instance *)i->named.self)->use;
	struct drover_option *table;
	char path[300];

	if (!use)
		return;
	connection = tree_get(connections, use);
	used = tree_get(connection, i->info->name);
	if (!connection) {
		not_there(c, i, connections, "there is no connection", use);
		return;
	}
	if (!used) {
		not_there(c, i, connection, "that connection has nothing for the plugin", i->info->name);
		return;
	}
	snprintf(path, sizeof(path), "connections.%.100s.%.100s", use, i->info->name);
	table = shareable(i->info->options);
	section_unknown(c, used, path, (const struct drover_option *const[]){ table }, 1);
	section_use(c, &i->options, used, path);
	free(table);
}
