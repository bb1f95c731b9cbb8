/*
 * hosts_arg.h - the node sets of a command line: what a daemon reads, plus `-` (standard input) and `^FILE`,
 * which are read here. Both stand where a name could: at the beginning or after an operator.
 *
 * A file holds node sets, separated by blanks, lines or commas; `#` begins a comment.
 */
#ifndef CLI_HOSTS_ARG_H
#define CLI_HOSTS_ARG_H

#include <stdbool.h>
#include <stddef.h>

#include "util/nodeset.h"

struct drover_error;

/* Node sets given by repeating an option or as words; all together are one set. */
struct hosts_arg {
	const char **specs; /* the array is owned, the texts borrowed */
	size_t count;
	nodeset_group_fn *group; /* who knows what `@group` stands for (host_groups.h); NULL: nobody here */
	void *group_context;
	const int *group_code; /* not 0: that failed, and it was said why; what to exit with */
};

void hosts_arg_add(struct hosts_arg *arg, const char *spec);
void hosts_arg_dispose(struct hosts_arg *arg);
/* Can a daemon read it as one text? Then `*text` is that, owned by the caller. */
bool hosts_arg_text(const struct hosts_arg *arg, char **text);
/* Its names. Errors are nodeset_expand's, or a file cannot be read. */
int hosts_arg_expand(const struct hosts_arg *arg, struct nodeset *set, struct drover_error *err);
/* Says why that failed, unless it was said; returns what to exit with. `option` may be NULL. */
int hosts_arg_fail(const struct hosts_arg *arg, const char *command, const char *option,
		   const struct drover_error *err);

#endif
