/* unit_names.c - see unit_names.h. */
#include "proc/unit_names.h"

#include <string.h>
#include <sys/random.h>

#include "proc/unit_services.h"

/* FNV-1a from a random start: whoever names hosts does not know where they collide. */
static uint64_t hash(const struct drover_unit *unit, const char *name)
{
	uint64_t h = unit->seed ^ 0xcbf29ce484222325u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3u;
	return h ^ h >> 32;
}

static void build(struct drover_unit *unit)
{
	const struct drover_unit_info *info = &unit->unit->info;

	if (getrandom(&unit->seed, sizeof(unit->seed), GRND_NONBLOCK) < 0)
		unit->seed = (uintptr_t)unit;
	unit->name_slots = 16;
	while (unit->name_slots < info->count * 2)
		unit->name_slots *= 2;
	unit->names = xcalloc(unit->name_slots, sizeof(*unit->names));
	for (size_t i = 0; i < info->count; i++) {
		size_t at = hash(unit, info->targets[i].name) & (unit->name_slots - 1);

		while (unit->names[at])
			at = (at + 1) & (unit->name_slots - 1);
		unit->names[at] = (uint32_t)i + 1;
	}
}

ssize_t unit_names_find(struct drover_unit *unit, const char *name)
{
	const struct drover_unit_info *info = &unit->unit->info;
	size_t at;

	if (!unit->names)
		build(unit);
	for (at = hash(unit, name) & (unit->name_slots - 1); unit->names[at]; at = (at + 1) & (unit->name_slots - 1))
		if (!strcmp(info->targets[unit->names[at] - 1].name, name))
			return (ssize_t)unit->names[at] - 1;
	return -1;
}
