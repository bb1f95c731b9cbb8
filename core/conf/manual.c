/* manual.c - the page drover.yaml(5), made from the tables; see show.h. */
#include <stdlib.h>

#include "conf/option.h"
#include "conf/schema.h"
#include "conf/show.h"
#include "util/roff.h"

static void put_takes(FILE *out, const struct drover_option *o)
{
	fputs(" \\fR(", out);
	if (o->type == DROVER_TYPE_CHOICE) {
		for (int i = 0; o->choices[i]; i++) {
			fputs(i ? ", " : "", out);
			roff_text(out, o->choices[i]);
		}
	} else {
		roff_text(out, option_type_name(o->type));
	}
	if (o->minimum)
		fprintf(out, ", from %s", o->minimum);
	if (o->maximum)
		fprintf(out, ", to %s", o->maximum);
	if (o->flags & DROVER_REQUIRED)
		fputs("; required", out);
	if (o->initial) {
		fputs("; default ", out);
		roff_text(out, o->initial);
	}
	fputs(")\n", out);
}

static void put_table(FILE *out, const struct drover_option *o)
{
	for (; o && o->type != DROVER_TYPE_END; o++) {
		if (o->flags & DROVER_HIDDEN)
			continue;
		fputs(".TP\n\\fB", out);
		roff_text(out, o->name);
		put_takes(out, o);
		roff_text(out, o->help);
		fputc('\n', out);
	}
}

static void put_plugin(FILE *out, const struct listed_plugin *p)
{
	char title[128];

	for (enum plugin_kind kind = 0; p->plugin.module && kind < PLUGIN_KINDS; kind++) {
		const struct drover_plugin_info *info = loader_info(p->plugin.module, kind);

		if (!info)
			continue;
		snprintf(title, sizeof(title), "%s (%s)", info->name, loader_kind_name(kind));
		roff_subsection(out, title);
		roff_text(out, info->summary);
		fputs(".\n", out);
		put_table(out, info->options);
	}
}

static void put_opening(FILE *out)
{
	roff_section(out, "DESCRIPTION");
	roff_lines(out,
		   "What droverd is configured with: one file of YAML, /etc/drover/drover.yaml where `-c` does not say "
		   "otherwise. `drover config check` tells everything that is wrong with one at once, `drover config "
		   "show` where each value comes from.");
	roff_lines(out,
		   "A duration is 250ms, 90s, 5m, 2h, 30d; a bare number is seconds. A size is 64K, 10M, 1G; a bare "
		   "number is bytes. A list may be one plain value. A secret is written {file: PATH}, {env: NAME} or "
		   "{encrypted: TEXT}, see `drover secret`. A variable DROVER_SECTION__OPTION puts its value over the "
		   "file's.");
}

int conf_manual(const char *path, FILE *out)
{
	struct plugin_listing listing;
	char *folders = loader_path(path);

	roff_begin(out, "drover.yaml", "5", "configuration of droverd");
	put_opening(out);
	roff_section(out, "AT THE TOP");
	put_table(out, schema_top);
	roff_section(out, "SECTIONS");
	for (const struct schema_section *s = schema_sections; s->name; s++) {
		roff_subsection(out, s->name);
		roff_text(out, s->help);
		fputs(".\n", out);
		put_table(out, s->table);
	}
	roff_section(out, "EVERY INSTANCE");
	roff_lines(
		out,
		"Of store, dispatcher, sources, executors, sinks and monitors; beside these its plugin's own options.");
	put_table(out, schema_instance);
	roff_subsection(out, "match");
	put_table(out, schema_match);
	roff_subsection(out, "capacity");
	put_table(out, schema_capacity_own);
	roff_section(out, "PLUGINS");
	loader_list(folders, &loader_host, &listing);
	for (size_t i = 0; i < listing.count; i++)
		put_plugin(out, &listing.plugins[i]);
	loader_listing_dispose(&listing);
	free(folders);
	roff_section(out, "FILES");
	roff_item(out, "/etc/drover/drover.yaml", "the default");
	roff_section(out, "SEE ALSO");
	fputs(".BR droverd (8),\n.BR drover (1)\n", out);
	return 0;
}
