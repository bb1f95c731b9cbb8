/* inventory.c - the section `inventory`: what can be said of it before anything is read. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "util/buf.h"

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* The command as a whole path, as execvp(3) would find it; or NULL. Owned by the caller. */
static char *find_command(const struct conf *c)
{
	const struct schema_inventory *inventory = c->tables[SCHEMA_INVENTORY].self;
	const struct conf_place *place = section_place(c, &c->tables[SCHEMA_INVENTORY], "command");
	const char *path = getenv("PATH"), *at = path ? path : "/usr/local/bin:/usr/bin:/bin";

	if (strchr(inventory->command, '/')) {
		char *whole = include_relative(place->file ? place->file : "", inventory->command);

		if (is_program(whole))
			return whole;
		free(whole);
		return NULL;
	}
	while (*at) {
		size_t size = strcspn(at, ":");
		struct buf whole = BUF_INIT;

		buf_printf(&whole, "%.*s/%s", (int)size, at, inventory->command);
		if (*at == '/' && is_program(whole.data))
			return buf_take(&whole);
		buf_dispose(&whole);
		at += size + (at[size] == ':');
	}
	return NULL;
}

/* `place` of a source: from where a relative path counts. As a whole path, since the core works in `/`. */
static char *whole_path(const struct conf_place *place, const char *source)
{
	char *path = include_relative(place->file ? place->file : "", source), *folder;
	struct buf whole = BUF_INIT;

	if (*path == '/')
		return path;
	folder = getcwd(NULL, 0);
	buf_printf(&whole, "%s/%s", folder ? folder : "", path);
	free(folder);
	free(path);
	return buf_take(&whole);
}

void inventory_check(struct conf *c)
{
	const struct conf_applied *a = &c->tables[SCHEMA_INVENTORY];
	const struct schema_inventory *inventory = a->self;
	char *command;

	for (size_t i = 0; i < inventory->sources.count; i++) {
		const char *source = inventory->sources.items[i];

		if (!*source)
			errors_add(c->errors, section_place(c, a, "sources"), "inventory.sources", "a path is empty");
		else if (strchr(source, ','))
			errors_add(c->errors, section_place(c, a, "sources"), "inventory.sources",
				   "\"%.80s\" has a comma, which makes it a list of hosts for ansible-inventory: "
				   "write each path as an item of its own",
				   source);
	}
	if (!inventory->sources.count)
		return;
	command = find_command(c);
	if (!command && !strchr(inventory->command, '/'))
		errors_add(c->errors, section_place(c, a, section_given(a, "command") ? "command" : "sources"),
			   "inventory.command",
			   "`%.80s` is not on the path: install it (on Debian and Ubuntu: apt-get install "
			   "ansible-core), or remove the sources",
			   inventory->command);
	else if (!command)
		errors_add(c->errors, section_place(c, a, "command"), "inventory.command", "there is no program %.200s",
			   inventory->command);
	free(command);
}

struct json_object *inventory_slice(const struct conf *c)
{
	const struct conf_applied *a = &c->tables[SCHEMA_INVENTORY];
	const struct schema_inventory *inventory = a->self;
	struct json_object *slice, *sources;
	char *command;

	if (!inventory->sources.count)
		return NULL;
	slice = json_object_new_object();
	sources = json_object_new_array();
	command = find_command(c);
	for (size_t i = 0; i < inventory->sources.count; i++) {
		char *path = whole_path(section_place(c, a, "sources"), inventory->sources.items[i]);

		json_object_array_add(sources, json_object_new_string(path));
		free(path);
	}
	json_object_object_add(slice, "sources", sources);
	json_object_object_add(slice, "command", json_object_new_string(command ? command : inventory->command));
	json_object_object_add(slice, "refresh", json_object_new_int64(inventory->refresh));
	json_object_object_add(slice, "timeout", json_object_new_int64(inventory->timeout));
	json_object_object_add(slice, "output_limit", json_object_new_int64(inventory->output_limit));
	json_object_object_add(slice, "hosts_limit", json_object_new_int64(inventory->hosts_limit));
	json_object_object_add(slice, "groups_limit", json_object_new_int64(inventory->groups_limit));
	json_object_object_add(slice, "members_limit", json_object_new_int64(inventory->members_limit));
	json_object_object_add(slice, "vars", json_object_new_string(schema_variables[inventory->vars]));
	free(command);
	return slice;
}
