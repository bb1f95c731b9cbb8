/*
 * secret.h - secrets of the configuration: where they are kept, never what they are.
 *
 *	password: {file: PATH}      the file's text without one final line end; PATH is relative to the
 *	                            configuration file that names it
 *	password: {env: NAME}       a variable of the daemon's environment
 *	password: {encrypted: TEXT} what `drover secret encrypt` printed (secret_box.h)
 */
#ifndef CONF_SECRET_H
#define CONF_SECRET_H

#include "conf/tree.h"

struct json_object;

#define SECRET_SIZE (64 * 1024)

/*
 * The secret that `node` names; owned by the caller, to be overwritten before it is freed. NULL: the
 * errors say why. Names of variables are added to the array `variables`, so that they can be kept
 * from child processes. `key_file` decrypts; NULL: where secret_box.h says.
 */
char *secret_resolve(const struct tree_node *node, const char *path, const char *key_file,
		     struct json_object *variables, struct conf_errors *errors);
/* The path of `{file: PATH}`, made relative to the file that names it, or NULL. Owned by the caller. */
char *secret_file(const struct tree_node *node);
void secret_free(char *secret);
/*
 * A file's text without one final line end, to be freed by secret_free. NULL: `*fault` says why (static), as "is open to
 * everybody"; with `open` such a file is taken.
 */
char *secret_read(const char *file, bool open, const char **fault);

#endif
