/*
 * nameset.h - a set of strings that remembers the order in which they came.
 *
 * Adding, finding and removing take constant time; the hash is seeded at random, so that names
 * chosen by somebody else cannot make it slow. Not thread-safe. Memory as in buf.h.
 */
#ifndef UTIL_NAMESET_H
#define UTIL_NAMESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nameset {
	char **names; /* owned; NULL where one was removed */
	size_t used;  /* of names, the removed included */
	size_t room;
	size_t count; /* names in the set */
	uint32_t *slots;
	size_t slot_count; /* a power of two, or 0 */
	size_t slots_used; /* the slots of removed names included */
	uint64_t seed;
};

#define NAMESET_INIT                                                                                                   \
	{                                                                                                              \
		0                                                                                                      \
	}
#define NAMESET_MAX 100000000u /* names that it is made for */

void nameset_dispose(struct nameset *set);
/* Copies `name`. False: it was there already. */
bool nameset_add(struct nameset *set, const char *name, size_t size);
bool nameset_has(const struct nameset *set, const char *name, size_t size);
/* False: it was not there. */
bool nameset_remove(struct nameset *set, const char *name, size_t size);
/* Gives the names away, in order, NULL-terminated: the caller frees each and the array. The set is empty then. */
char **nameset_take(struct nameset *set, size_t *count);

#endif
