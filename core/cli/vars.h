/* vars.h - the variables of a playbook, as -e gives them. */
#ifndef CLI_VARS_H
#define CLI_VARS_H

#include <json-c/json.h>

/*
 * Adds to the object `vars` what `text` says: `NAME=VALUE` (several with blanks between them, values with blanks in
 * quotes), `{…}` (JSON) or `@FILE` (YAML or JSON, whose values have YAML's types). What is there already is replaced.
 * Returns CLI_OK, or says what is wrong and returns what to exit with.
 */
int vars_add(struct json_object *vars, const char *text, const char *command);

#endif
