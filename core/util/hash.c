/* hash.c - see hash.h. */
#include "util/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "util/buf.h"

static size_t place(const struct hash *set, const char *text)
{
	uint64_t h = 14695981039346656037u ^ set->seed;

	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		h = (h ^ *p) * 1099511628211u;
	h ^= h >> 32;
	for (size_t i = (size_t)h & (set->room - 1);; i = (i + 1) & (set->room - 1))
		if (!set->slots[i] || !strcmp(set->slots[i], text))
			return i;
}

static void grow(struct hash *set)
{
	struct hash old = *set;

	/* A seed of its own keeps names that an attacker chose from falling into one slot. */
	if (!set->room && getrandom(&set->seed, sizeof(set->seed), 0) != (ssize_t)sizeof(set->seed))
		set->seed = (uintptr_t)set;
	set->room = set->room ? set->room * 2 : 64;
	set->slots = xcalloc(set->room, sizeof(*set->slots));
	for (size_t i = 0; i < old.room; i++)
		if (old.slots[i])
			set->slots[place(set, old.slots[i])] = old.slots[i];
	free(old.slots);
}

bool hash_add(struct hash *set, const char *text)
{
	size_t i;

	if (set->count * 2 >= set->room)
		grow(set);
	i = place(set, text);
	if (set->slots[i])
		return false;
	set->slots[i] = text;
	set->count++;
	return true;
}

bool hash_has(const struct hash *set, const char *text)
{
	return set->room && set->slots[place(set, text)];
}

void hash_dispose(struct hash *set)
{
	free(set->slots);
	*set = (struct hash){ NULL, 0, 0, 0 };
}
