/*
 * jsonschema.h - an option table as a JSON Schema (draft 2020-12).
 */
#ifndef CONF_JSONSCHEMA_H
#define CONF_JSONSCHEMA_H

#include "loader/loader.h"

struct json_object;

/*
 * Of an instance's whole mapping: the plugin's options and those that every instance of the kind has. Owned
 * by the caller.
 */
struct json_object *jsonschema_of(const struct drover_plugin_info *info, enum plugin_kind kind);

#endif
