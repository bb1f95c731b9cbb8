/* describe.c - `drover plugin list` and `describe`; see show.h. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "conf/jsonschema.h"
#include "conf/option.h"
#include "conf/show.h"
#include "loader/loader.h"
#include "util/buf.h"

static void print_json(struct json_object *value, FILE *out)
{
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(value, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							      JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* "executor", "sink, source", … and any one of its infos, for version and summary. */
static const struct drover_plugin_info *kinds_of(const struct drover_module *module, struct buf *kinds)
{
	const struct drover_plugin_info *info = NULL;

	for (enum plugin_kind kind = 0; kind < PLUGIN_KINDS; kind++) {
		if (!loader_info(module, kind))
			continue;
		buf_printf(kinds, "%s%s", info ? ", " : "", loader_kind_name(kind));
		info = loader_info(module, kind);
	}
	return info;
}

static struct json_object *listed_json(const struct listed_plugin *listed, const struct drover_plugin_info *info)
{
	struct json_object *one = json_object_new_object(), *kinds = json_object_new_array();

	json_object_object_add(one, "name", json_object_new_string(listed->name));
	json_object_object_add(one, "path", json_object_new_string(listed->path));
	json_object_object_add(one, "error", listed->error ? json_object_new_string(listed->error) : NULL);
	json_object_object_add(one, "version", info ? json_object_new_string(info->version) : NULL);
	json_object_object_add(one, "summary", info ? json_object_new_string(info->summary) : NULL);
	for (enum plugin_kind kind = 0; info && kind < PLUGIN_KINDS; kind++)
		if (loader_info(listed->plugin.module, kind))
			json_object_array_add(kinds, json_object_new_string(loader_kind_name(kind)));
	json_object_object_add(one, "kinds", kinds);
	return one;
}

int conf_plugin_list(const char *path, bool json, FILE *out)
{
	struct json_object *all = json_object_new_array();
	struct plugin_listing listing;
	char *folders = loader_path(path);

	loader_list(folders, &loader_host, &listing);
	for (size_t i = 0; i < listing.count; i++) {
		const struct listed_plugin *p = &listing.plugins[i];
		const struct drover_plugin_info *info = NULL;
		struct buf kinds = BUF_INIT;

		if (p->plugin.module)
			info = kinds_of(p->plugin.module, &kinds);
		if (json)
			json_object_array_add(all, listed_json(p, info));
		else if (info)
			fprintf(out, "%-18s %-12s %-8s %s\n", p->name, kinds.data, info->version, info->summary);
		else
			fprintf(out, "%-18s %-12s %-8s %s\n", p->name, "broken", "-", p->error);
		buf_dispose(&kinds);
	}
	if (json)
		print_json(all, out);
	else if (!listing.count)
		fprintf(stderr, "no plugins in %s\n", folders);
	json_object_put(all);
	loader_listing_dispose(&listing);
	free(folders);
	return 0;
}

static void describe_option(const struct drover_option *o, FILE *out)
{
	fprintf(out, "  %s (%s", o->name, option_type_name(o->type));
	if (o->flags & DROVER_REQUIRED)
		fputs(", required", out);
	if (o->initial)
		fprintf(out, ", default %s", *o->initial ? o->initial : "\"\"");
	if (o->minimum && o->maximum)
		fprintf(out, ", %s to %s", o->minimum, o->maximum);
	else if (o->minimum || o->maximum)
		fprintf(out, ", at %s %s", o->minimum ? "least" : "most", o->minimum ? o->minimum : o->maximum);
	for (int i = 0; o->type == DROVER_TYPE_CHOICE && o->choices[i]; i++)
		fprintf(out, "%s%s", i ? " | " : ": ", o->choices[i]);
	fprintf(out, ")\n      %s\n", o->help);
}

static void describe_kind(const struct drover_plugin_info *info, enum plugin_kind kind, FILE *out)
{
	bool any = false;

	fprintf(out, "%s %s (%s): %s\n", info->name, info->version, loader_kind_name(kind), info->summary);
	for (const struct drover_option *o = info->options; o && o->type != DROVER_TYPE_END; o++) {
		if (o->flags & DROVER_HIDDEN)
			continue;
		describe_option(o, out);
		any = true;
	}
	if (!any)
		fputs("  no options\n", out);
}

/* What a source says of itself beside its options: an object, or NULL. */
static struct json_object *about(const struct drover_source *source)
{
	struct json_object *object;
	char *text = NULL;
	size_t size;
	FILE *out;

	if (!source || source->size < offsetof(struct drover_source, describe) + sizeof(source->describe) ||
	    !source->describe || !(out = open_memstream(&text, &size)))
		return NULL;
	source->describe(out);
	fclose(out);
	object = json_tokener_parse(text);
	free(text);
	return object;
}

int conf_plugin_describe(const char *path, const char *name, bool json, FILE *out)
{
	struct json_object *all = json_object_new_object();
	struct drover_error err = { 0 };
	struct loaded_plugin plugin;
	char *folders = loader_path(path);
	int code = loader_open(folders, name, &loader_host, &plugin, &err);

	if (code)
		fprintf(stderr, "%s\n", err.message);
	for (enum plugin_kind kind = 0; !code && kind < PLUGIN_KINDS; kind++) {
		const struct drover_plugin_info *info = loader_info(plugin.module, kind);

		if (info && json)
			json_object_object_add(all, loader_kind_name(kind), jsonschema_of(info, kind));
		else if (info)
			describe_kind(info, kind, out);
	}
	if (!code && json) {
		struct json_object *more = about(plugin.module->source);

		if (more)
			json_object_object_add(all, "about", more);
		print_json(all, out);
	}
	json_object_put(all);
	if (!code)
		loader_dispose(&plugin);
	free(folders);
	return code ? 1 : 0;
}
