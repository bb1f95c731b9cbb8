/*
 * hash.h - a set of borrowed strings (open addressing, FNV-1a with a random seed).
 *
 * Zeroed is empty. One thread.
 */
#ifndef UTIL_HASH_H
#define UTIL_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash {
	const char **slots;
	size_t room; /* a power of two */
	size_t count;
	uint64_t seed;
};

/* True if it was not there. `text` must outlive the set. */
bool hash_add(struct hash *set, const char *text);
bool hash_has(const struct hash *set, const char *text);
void hash_dispose(struct hash *set);

#endif
