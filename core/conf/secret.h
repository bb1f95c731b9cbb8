/*
 * secret.h - secrets of the configuration: where they are kept, never what they are.
 *
 *	password: {file: PATH}      the file's text without one final line end; PATH is relative to the
 *	                            configuration file that names it
 *	password: {env: NAME}       a variable of the daemon's environment
 *	password: {encrypted: …}    not yet
 */
#ifndef CONF_SECRET_H
#define CONF_SECRET_H

#include "conf/tree.h"

struct json_object;

#define SECRET_SIZE (64 * 1024)

/*
 * The secret that `node` names; owned by the caller, to be overwritten before it is freed. NULL: the
 * errors say why. Names of variables are added to the array `variables`, so that they can be kept
 * from child processes.
 */
char *secret_resolve(const struct tree_node *node, const char *path, struct json_object *variables,
		     struct conf_errors *errors);
/* The path of `{file: PATH}`, made relative to the file that names it, or NULL. Owned by the caller. */
char *secret_file(const struct tree_node *node);
void secret_free(char *secret);

#endif
