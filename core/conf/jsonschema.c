/* jsonschema.c - see jsonschema.h. */
#include "conf/jsonschema.h"

#include <json-c/json.h>
#include <string.h>

#include "conf/schema.h"
#include "conf/value.h"

static void put(struct json_object *to, const char *name, struct json_object *value)
{
	json_object_object_add(to, name, value);
}

static struct json_object *words(const char *const *all)
{
	struct json_object *array = json_object_new_array();

	for (; *all; all++)
		json_object_array_add(array, json_object_new_string(*all));
	return array;
}

/* A scalar as YAML may write it: the file's looks do not matter, the table's type does. */
static struct json_object *scalar(void)
{
	static const char *const types[] = { "string", "number", "boolean", NULL };
	struct json_object *s = json_object_new_object();

	put(s, "type", words(types));
	return s;
}

static struct json_object *patterned(const char *pattern)
{
	static const char *const types[] = { "string", "integer", NULL };
	struct json_object *s = json_object_new_object();

	put(s, "type", words(types));
	put(s, "pattern", json_object_new_string(pattern));
	return s;
}

static struct json_object *integer(const struct drover_option *o)
{
	struct json_object *s = json_object_new_object();
	int64_t bound;

	put(s, "type", json_object_new_string("integer"));
	if (o->minimum && !value_int(o->minimum, &bound, NULL))
		put(s, "minimum", json_object_new_int64(bound));
	if (o->maximum && !value_int(o->maximum, &bound, NULL))
		put(s, "maximum", json_object_new_int64(bound));
	return s;
}

static struct json_object *list(void)
{
	struct json_object *s = json_object_new_object(), *either = json_object_new_array(),
			   *array = json_object_new_object();

	put(array, "type", json_object_new_string("array"));
	put(array, "items", scalar());
	json_object_array_add(either, array);
	json_object_array_add(either, scalar());
	put(s, "anyOf", either);
	return s;
}

static struct json_object *secret(void)
{
	struct json_object *s = json_object_new_object(), *members = json_object_new_object(),
			   *text = json_object_new_object();

	put(text, "type", json_object_new_string("string"));
	put(members, "file", text);
	put(members, "env", json_object_get(text));
	put(members, "encrypted", json_object_get(text));
	put(s, "type", json_object_new_string("object"));
	put(s, "properties", members);
	put(s, "additionalProperties", json_object_new_boolean(false));
	put(s, "minProperties", json_object_new_int(1));
	put(s, "maxProperties", json_object_new_int(1));
	return s;
}

static struct json_object *map(void)
{
	struct json_object *s = json_object_new_object();

	put(s, "type", json_object_new_string("object"));
	put(s, "additionalProperties", scalar());
	return s;
}

static struct json_object *typed(const struct drover_option *o)
{
	struct json_object *s;

	switch (o->type) {
	case DROVER_TYPE_INT:
		return integer(o);
	case DROVER_TYPE_BOOL:
		s = json_object_new_object();
		put(s, "type", json_object_new_string("boolean"));
		return s;
	case DROVER_TYPE_DURATION:
		return patterned("^[0-9]+(ms|s|m|h|d)?$");
	case DROVER_TYPE_SIZE:
		return patterned("^[0-9]+[KMGT]?$");
	case DROVER_TYPE_CHOICE:
		s = json_object_new_object();
		put(s, "enum", words(o->choices));
		return s;
	case DROVER_TYPE_LIST:
		return list();
	case DROVER_TYPE_MAP:
		return map();
	case DROVER_TYPE_SECRET:
		return secret();
	default:
		return scalar();
	}
}

static void add_table(struct json_object *properties, struct json_object *required, const struct drover_option *o)
{
	for (; o && o->type != DROVER_TYPE_END; o++) {
		struct json_object *s;

		if (o->flags & DROVER_HIDDEN)
			continue;
		s = typed(o);
		put(s, "description", json_object_new_string(o->help));
		if (o->initial)
			put(s, "default", json_object_new_string(o->initial));
		put(properties, o->name, s);
		if (o->flags & DROVER_REQUIRED)
			json_object_array_add(required, json_object_new_string(o->name));
	}
}

struct json_object *jsonschema_of(const struct drover_plugin_info *info, enum plugin_kind kind)
{
	struct json_object *s = json_object_new_object(), *properties = json_object_new_object(),
			   *required = json_object_new_array(), *plugin = NULL;

	add_table(properties, required, schema_instance);
	for (enum schema_id id = SCHEMA_SOURCES; id <= SCHEMA_MONITORS; id++)
		if (schema_sections[id].kind == kind)
			add_table(properties, required, schema_sections[id].table);
	if (kind == PLUGIN_SINK && ((const struct drover_sink *)info)->store)
		add_table(properties, required, schema_sections[SCHEMA_STORE].table);
	add_table(properties, required, info->options);
	if (json_object_object_get_ex(properties, "plugin", &plugin))
		put(plugin, "const", json_object_new_string(info->name));
	put(s, "$schema", json_object_new_string("https://json-schema.org/draft/2020-12/schema"));
	put(s, "title", json_object_new_string(info->name));
	put(s, "description", json_object_new_string(info->summary));
	put(s, "type", json_object_new_string("object"));
	put(s, "properties", properties);
	put(s, "required", required);
	put(s, "additionalProperties", json_object_new_boolean(false));
	return s;
}
