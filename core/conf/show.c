/* show.c - the effective configuration, with where each value comes from; see show.h. */
#include "conf/show.h"

#include <json-c/json.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/option.h"
#include "conf/plan.h"
#include "util/buf.h"

#define EXIT_CONFIG 78
#define COMMENT_COLUMN 44

struct show {
	const struct conf *conf;
	FILE *out;
	struct json_object *json; /* NULL: YAML */
};

/* Where the value of an option comes from. */
static void origin(const struct conf_applied *a, const char *name, char *text, size_t size)
{
	const struct tree_node *node = section_member(a, name);
	struct json_object *derived;

	if (json_object_object_get_ex(a->derived, name, &derived))
		snprintf(text, size, "from %s", json_object_get_string(derived));
	else if (!tree_empty(node) && node->environment)
		snprintf(text, size, "environment %s", node->place.file);
	else if (!tree_empty(node))
		snprintf(text, size, "from %s:%d", node->place.file, node->place.line);
	else
		snprintf(text, size, "default");
}

/* Does YAML read the text back as it is, unquoted? Anything doubtful is quoted. */
static bool plain(const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-@%+";

	return *text && !strchr("-@%", *text) && strspn(text, safe) == strlen(text);
}

static void put_scalar(struct buf *line, const char *text)
{
	struct json_object *quoted;

	if (plain(text)) {
		buf_string(line, text);
		return;
	}
	/* A JSON string is a YAML string. */
	quoted = json_object_new_string(text);
	buf_string(line,
		   json_object_to_json_string_ext(quoted, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(quoted);
}

static void put_value(struct buf *line, struct json_object *value)
{
	const char *separator = "";

	if (json_object_is_type(value, json_type_array)) {
		buf_char(line, '[');
		for (size_t i = 0; i < json_object_array_length(value); i++, separator = ", ") {
			buf_string(line, separator);
			put_scalar(line, json_object_get_string(json_object_array_get_idx(value, i)));
		}
		buf_char(line, ']');
	} else if (json_object_is_type(value, json_type_object)) {
		buf_char(line, '{');
		json_object_object_foreach (value, key, member) {
			buf_string(line, separator);
			put_scalar(line, key);
			buf_string(line, ": ");
			put_scalar(line, json_object_get_string(member));
			separator = ", ";
		}
		buf_char(line, '}');
	} else {
		put_scalar(line, json_object_get_string(value));
	}
}

/* A mapping with `***` for the values that are secrets. Owned by the caller. */
static struct json_object *masked(const struct drover_option *option, struct json_object *given)
{
	struct json_object *copy;

	if (!option->choices || !json_object_is_type(given, json_type_object))
		return json_object_get(given);
	copy = json_object_new_object();
	json_object_object_foreach (given, key, value)
		json_object_object_add(copy, key,
				       option_is_secret(option, key) ? json_object_new_string("***")
								     : json_object_get(value));
	return copy;
}

/* The value to be shown, or NULL: there is none. Owned by the caller. */
static struct json_object *shown(const struct conf_applied *a, const struct drover_option *option)
{
	struct json_object *given;

	if (json_object_object_get_ex(a->given, option->name, &given))
		return option->type == DROVER_TYPE_SECRET ? json_object_new_string("***") : masked(option, given);
	if (!option->initial)
		return NULL;
	return json_object_new_string(option->initial);
}

static void show_option(struct show *s, const struct conf_applied *a, const struct drover_option *option,
			const char *indent)
{
	struct json_object *value = shown(a, option), *entry;
	struct buf line = BUF_INIT;
	char from[640];

	if (!value)
		return;
	origin(a, option->name, from, sizeof(from));
	if (s->json) {
		buf_printf(&line, "%s%s%s", a->path, *a->path ? "." : "", option->name);
		entry = json_object_new_object();
		json_object_object_add(entry, "value", json_object_get(value));
		json_object_object_add(entry, "origin", json_object_new_string(from));
		json_object_object_add(s->json, line.data, entry);
	} else {
		buf_printf(&line, "%s%s: ", indent, option->name);
		put_value(&line, value);
		fprintf(s->out, "%-*s # %s\n", COMMENT_COLUMN, line.data, from);
	}
	buf_dispose(&line);
	json_object_put(value);
}

/* All of a table but what is shown otherwise, or is only for tests and not set. */
static void show_table(struct show *s, const struct conf_applied *a, const char *indent)
{
	for (const struct drover_option *o = a->table; o && o->type != DROVER_TYPE_END; o++)
		if (!(o->flags & DROVER_HIDDEN) || json_object_object_get_ex(a->given, o->name, NULL))
			show_option(s, a, o, indent);
}

static void heading(struct show *s, const char *format, const char *name)
{
	if (!s->json)
		fprintf(s->out, format, name);
}

static void show_instance(struct show *s, const struct conf_instance *i, bool in_list)
{
	if (in_list)
		heading(s, "  - # %s\n", i->name);
	show_table(s, &i->named, in_list ? "    " : "  ");
	show_table(s, &i->common, in_list ? "    " : "  ");
	show_table(s, &i->options, in_list ? "    " : "  ");
}

static void show_all(struct show *s)
{
	const struct conf *c = s->conf;

	for (const struct drover_option *o = schema_top; o->type != DROVER_TYPE_END; o++)
		show_option(s, &c->top, o, "");
	for (enum schema_id id = 0; id < SCHEMA_TABLES; id++) {
		heading(s, "%s:\n", schema_sections[id].name);
		show_table(s, &c->tables[id], "  ");
	}
	heading(s, "%s:\n", "store");
	show_instance(s, &c->store, false);
	if (c->dispatcher.named.self) {
		heading(s, "%s:\n", "dispatcher");
		show_instance(s, &c->dispatcher, false);
	}
	if (c->credential_count)
		heading(s, "%s:\n", "credentials");
	for (size_t i = 0; i < c->credential_count; i++) {
		heading(s, "  %s:\n", c->credentials[i].name);
		show_table(s, &c->credentials[i].values, "    ");
	}
	for (enum schema_id id = SCHEMA_SOURCES; id <= SCHEMA_MONITORS; id++) {
		const struct conf_instances *list = conf_list(c, id);

		if (list->count)
			heading(s, "%s:\n", schema_sections[id].name);
		for (size_t i = 0; i < list->count; i++)
			show_instance(s, &list->items[i], true);
	}
}

int conf_show(const char *file, bool json, FILE *out)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct conf c;
	struct show s = { .conf = &c, .out = out, .json = json ? json_object_new_object() : NULL };

	conf_load(&c, file ? file : CONF_DEFAULT_FILE, &errors);
	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.lines[i]);
	if (!errors.count) {
		show_all(&s);
		if (json)
			fprintf(out, "%s\n",
				json_object_to_json_string_ext(s.json, JSON_C_TO_STRING_PRETTY |
									       JSON_C_TO_STRING_SPACED |
									       JSON_C_TO_STRING_NOSLASHESCAPE));
	}
	json_object_put(s.json);
	conf_dispose(&c);
	if (errors.count) {
		errors_dispose(&errors);
		return EXIT_CONFIG;
	}
	return 0;
}
