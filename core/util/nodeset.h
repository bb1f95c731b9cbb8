/*
 * nodeset.h - sets of host names written as ClusterShell's nodeset writes them.
 *
 * Names and addresses, ranges with padding and steps (`web[001-300]`, `10.0.0.[1-50/2]`, several
 * ranges in one name), `,` union, `!` difference, `&` intersection, `^` symmetric difference, from
 * left to right, `@group` by a resolver (a group's name keeps its case, and may be `*`). Names are
 * lower-cased and kept in the order in which they first appear; a name twice is one name.
 *
 * The grammar of one name: 1 to 253 of `a-z 0-9 . _ : -`, the first not `-` or `.`; so that no
 * name can be taken for an option by a program that gets it as an argument.
 *
 * Errors: DROVER_EINVALID with the place (column) and what to do; DROVER_ELIMIT when more than
 * `limit` names would come out, found before memory is spent on them.
 */
#ifndef UTIL_NODESET_H
#define UTIL_NODESET_H

#include <stdbool.h>
#include <stddef.h>

struct drover_error;

struct nodeset {
	char **names; /* owned, NULL-terminated */
	size_t count;
};

/* Gives the pattern that `group` stands for, to be freed by the caller, or NULL: no such group. */
typedef char *nodeset_group_fn(void *context, const char *group);

/* `group` may be NULL: then `@name` is an error. */
int nodeset_expand(const char *pattern, size_t limit, nodeset_group_fn *group, void *context, struct nodeset *set,
		   struct drover_error *err);
void nodeset_dispose(struct nodeset *set);
/* The shortest pattern, as `nodeset -f` gives it: `web[001-003,007],db1`. Owned by the caller. */
char *nodeset_fold(char *const *names, size_t count);
/* True if `name` follows the grammar of one name. Upper case is allowed: it is lowered. */
bool nodeset_name_valid(const char *name);

#endif
