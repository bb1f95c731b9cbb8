/*
 * overrides.h - values from the environment, put over those of the files.
 *
 *	DROVER_NODE__NAME=eng1               node.name
 *	DROVER_EXECUTORS__LAB__USER=root     user of the executor named lab
 *	DROVER_EXECUTORS__LAB__MATCH__HOSTS  and so on inwards
 *
 * Upper case, `-` as `_`, parts joined by two `_`. A list's items are separated by commas. Variables
 * without two `_` (DROVER_URL, DROVER_TOKEN, …) are none, but those that look like a slip of the pen
 * (DROVER_NODE_NAME) are errors.
 */
#ifndef CONF_OVERRIDES_H
#define CONF_OVERRIDES_H

#include "conf/tree.h"

/*
 * Puts what `environment` (as environ(7)) overrides into the tree, which keeps references to its strings'
 * copies in `names`.
 */
void overrides_apply(struct tree_node *root, char **environment, char ***names, struct conf_errors *errors);
void overrides_dispose(char **names);

#endif
