/* nameset.c - see nameset.h. Open addressing; a slot holds an entry's index + 2. */
#include "util/nameset.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "util/buf.h"

enum { SLOT_EMPTY = 0, SLOT_REMOVED = 1, SLOT_FIRST = 2 };

void nameset_dispose(struct nameset *set)
{
	for (size_t i = 0; i < set->used; i++)
		free(set->names[i]);
	free(set->names);
	free(set->slots);
	*set = (struct nameset)NAMESET_INIT;
}

/* FNV-1a from a random start; the last lines spread it over the low bits, which choose the slot. */
static uint64_t hash(const struct nameset *set, const char *name, size_t size)
{
	uint64_t h = set->seed;

	for (size_t i = 0; i < size; i++)
		h = (h ^ (unsigned char)name[i]) * UINT64_C(1099511628211);
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 33;
}

static bool equal(const char *entry, const char *name, size_t size)
{
	return !strncmp(entry, name, size) && !entry[size];
}

/* The slot that holds `name`, or the one where it may be put. There is always an empty one. */
static uint32_t *find(const struct nameset *set, const char *name, size_t size, bool *found)
{
	uint32_t *reusable = NULL;

	for (size_t i = hash(set, name, size);; i++) {
		uint32_t *slot = &set->slots[i & (set->slot_count - 1)];

		if (*slot == SLOT_EMPTY) {
			*found = false;
			return reusable ? reusable : slot;
		}
		if (*slot == SLOT_REMOVED) {
			reusable = reusable ? reusable : slot;
		} else if (equal(set->names[*slot - SLOT_FIRST], name, size)) {
			*found = true;
			return slot;
		}
	}
}

/* Closes the gaps of removed names and makes room for as many names again as there are. */
static void rebuild(struct nameset *set)
{
	size_t kept = 0, slots = 64;
	bool found;

	while (slots < set->count * 4)
		slots *= 2;
	if (!set->seed && getrandom(&set->seed, sizeof(set->seed), GRND_NONBLOCK) != sizeof(set->seed))
		set->seed = UINT64_C(14695981039346656037);
	free(set->slots);
	set->slots = xcalloc(slots, sizeof(*set->slots));
	set->slot_count = slots;
	for (size_t i = 0; i < set->used; i++) {
		char *name = set->names[i];

		if (!name)
			continue;
		*find(set, name, strlen(name), &found) = (uint32_t)kept + SLOT_FIRST;
		set->names[kept++] = name;
	}
	set->used = set->slots_used = kept;
}

bool nameset_add(struct nameset *set, const char *name, size_t size)
{
	uint32_t *slot;
	bool found;
	char *copy;

	if (set->used + 1 > set->slot_count / 2 || set->slots_used + 1 > set->slot_count / 4 * 3)
		rebuild(set);
	slot = find(set, name, size, &found);
	if (found)
		return false;
	if (set->used == set->room) {
		set->room = set->room ? set->room * 2 : 64;
		set->names = xrealloc(set->names, set->room * sizeof(*set->names));
	}
	copy = xmalloc(size + 1);
	memcpy(copy, name, size);
	copy[size] = '\0';
	set->slots_used += *slot == SLOT_EMPTY;
	*slot = (uint32_t)set->used + SLOT_FIRST;
	set->names[set->used++] = copy;
	set->count++;
	return true;
}

bool nameset_has(const struct nameset *set, const char *name, size_t size)
{
	bool found = false;

	if (set->count)
		find(set, name, size, &found);
	return found;
}

bool nameset_remove(struct nameset *set, const char *name, size_t size)
{
	uint32_t *slot;
	bool found;

	if (!set->count)
		return false;
	slot = find(set, name, size, &found);
	if (!found)
		return false;
	free(set->names[*slot - SLOT_FIRST]);
	set->names[*slot - SLOT_FIRST] = NULL;
	*slot = SLOT_REMOVED;
	set->count--;
	return true;
}

char **nameset_take(struct nameset *set, size_t *count)
{
	char **names = xcalloc(set->count + 1, sizeof(*names));
	size_t n = 0;

	for (size_t i = 0; i < set->used; i++)
		if (set->names[i])
			names[n++] = set->names[i];
	*count = n;
	set->used = 0;
	nameset_dispose(set);
	return names;
}
