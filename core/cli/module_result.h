/* module_result.h - what a module gave, for people: one that printed nothing shows its whole result. */
#ifndef CLI_MODULE_RESULT_H
#define CLI_MODULE_RESULT_H

#include <json-c/json.h>

/*
 * Gives a row of an ad-hoc task without output its `result` as `stdout`, JSON over several lines, without what Ansible
 * keeps for itself. Other rows stay as they are.
 */
void module_result_show(struct json_object *row);

#endif
