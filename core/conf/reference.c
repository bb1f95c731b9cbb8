/* reference.c - docs/configuration.md, made from the tables; see show.h. */
#include <stdlib.h>

#include "conf/option.h"
#include "conf/schema.h"
#include "conf/show.h"

static void cell(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '|')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void bounds(const struct drover_option *o, FILE *out)
{
	if (o->type == DROVER_TYPE_CHOICE)
		for (int i = 0; o->choices[i]; i++)
			fprintf(out, "%s`%s`", i ? ", " : "", o->choices[i]);
	else
		fputs(option_type_name(o->type), out);
	if (o->minimum && o->maximum)
		fprintf(out, ", %s to %s", o->minimum, o->maximum);
	else if (o->minimum || o->maximum)
		fprintf(out, ", at %s %s", o->minimum ? "least" : "most", o->minimum ? o->minimum : o->maximum);
}

static void table(const struct drover_option *o, FILE *out)
{
	if (!o || o->type == DROVER_TYPE_END)
		return;
	fputs("| option | takes | default | |\n| --- | --- | --- | --- |\n", out);
	for (; o->type != DROVER_TYPE_END; o++) {
		if (o->flags & DROVER_HIDDEN)
			continue;
		fprintf(out, "| `%s` | ", o->name);
		bounds(o, out);
		if (o->flags & DROVER_REQUIRED)
			fputs(" | required | ", out);
		else if (o->initial)
			fprintf(out, " | `%s` | ", o->initial);
		else
			fputs(" | | ", out);
		cell(o->help, out);
		fputs(o->flags & DROVER_CONNECTION ? " (also under `connections`) |\n" : " |\n", out);
	}
	fputs("\n", out);
}

static void plugin(const struct listed_plugin *p, FILE *out)
{
	for (enum plugin_kind kind = 0; p->plugin.module && kind < PLUGIN_KINDS; kind++) {
		const struct drover_plugin_info *info = loader_info(p->plugin.module, kind);

		if (!info)
			continue;
		fprintf(out, "### `%s` (%s)\n\n%s.\n\n", info->name, loader_kind_name(kind), info->summary);
		if (!info->options || info->options->type == DROVER_TYPE_END)
			fputs("No options.\n\n", out);
		table(info->options, out);
	}
}

static const char opening[] =
	"# Configuration\n\n"
	"<!-- Made from the option tables by `drover config reference`: change those, not this page. -->\n\n"
	"One file of YAML, `/etc/drover/drover.yaml` unless `-c FILE` says otherwise. `drover config check` tells\n"
	"everything that is wrong with it at once, `drover config show` where each value comes from.\n\n"
	"- `include:` names files or patterns, relative to the file that has it; a pattern's files are read in the\n"
	"  order of their names. Mappings merge, lists append, a value given twice is an error.\n"
	"- A duration is `250ms`, `90s`, `5m`, `2h`, `30d`; a bare number is seconds. A size is `64K`, `10M`, `1G`, "
	"`1T`;\n"
	"  a bare number is bytes. Yes and no are `true`/`false`, `yes`/`no`, `on`/`off`. A list may be one plain "
	"value.\n"
	"- A secret is `{file: PATH}` (relative to the configuration file that names it; closed to others), `{env: "
	"NAME}`\n"
	"  or `{encrypted: TEXT}`, which `drover secret encrypt` prints.\n"
	"- A variable `DROVER_SECTION__OPTION` puts its value over the file's: `DROVER_NODE__NAME=eng1`,\n"
	"  `DROVER_EXECUTORS__LAB__USER=root` for the executor named `lab`; upper case, `-` as `_`, lists by commas.\n"
	"- Anchors, aliases, tags and keys given twice are errors.\n\n";

int conf_reference(const char *path, FILE *out)
{
	struct plugin_listing listing;
	char *folders = loader_path(path);

	fputs(opening, out);
	fputs("## At the top\n\n", out);
	table(schema_top, out);
	for (const struct schema_section *s = schema_sections; s->name; s++) {
		fprintf(out, "## `%s`\n\nWhat it is: %s.\n\n", s->name, s->help);
		if (s->shape == SCHEMA_LIST || s->shape == SCHEMA_INSTANCE)
			fprintf(out, "%s has the options of every instance (below), those of its plugin%s\n\n",
				s->shape == SCHEMA_LIST ? "Each of the list" : "It", s->table ? ", and" : ".");
		table(s->table, out);
	}
	fputs("## Every instance\n\nOf `store`, `dispatcher`, `sources`, `executors`, `sinks`, `monitors`.\n\n", out);
	table(schema_instance, out);
	fputs("## An executor's `match`\n\n", out);
	table(schema_match, out);
	fputs("## An executor's `capacity`\n\n", out);
	table(schema_capacity_own, out);
	fputs("## Plugins\n\n", out);
	loader_list(folders, &loader_host, &listing);
	for (size_t i = 0; i < listing.count; i++)
		plugin(&listing.plugins[i], out);
	loader_listing_dispose(&listing);
	free(folders);
	return 0;
}
