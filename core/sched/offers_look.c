/*
 * offers_look.c - the engine's own look for units that were published and that nobody has claimed.
 *
 * Engines with room look at the same time and see the same units. So each takes only as many as it has room
 * for: the most urgent, in turn among their tasks, and of one task's it is chance that decides.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "sched/offers_state.h"
#include "util/buf.h"

#define LOOK_UNITS 256       /* that are read at first, and … */
#define LOOK_UNITS_MOST 8192 /* … where all of them were for other engines, at most */

struct found_unit {
	struct drover_due_unit unit;
	struct offered *offered;
	int64_t turn; /* the how many-th of its task */
	uint32_t chance;
};

struct found_units {
	struct offers *offers;
	struct found_unit *items;
	size_t count;
	int64_t read;
};

static int see_unit(void *context, const struct drover_due_unit *unit)
{
	struct found_units *found = context;
	struct offered *offered;
	struct drover_error err = { 0 };

	found->read++;
	if (offers_open(found->offers, unit->envelope.data, unit->envelope.size, &offered, &err) || !offered)
		return 0;
	if (offered->envelope.unit != unit->unit) {
		offers_refused(found->offers, OFFERS_DIFFERS, "a unit in the store", "its envelope is another unit's");
		offered_free(offered);
		return 0;
	}
	offered->looked_up = true;
	found->items = xrealloc(found->items, (found->count + 1) * sizeof(*found->items));
	found->items[found->count++] = (struct found_unit){
		.unit = { .task_key = unit->task_key, .unit = unit->unit },
		.offered = offered,
		.chance = randombytes_random(),
	};
	return 0;
}

static int by_task(const void *a, const void *b)
{
	const struct found_unit *one = a, *other = b;

	if (one->unit.task_key != other->unit.task_key)
		return one->unit.task_key < other->unit.task_key ? -1 : 1;
	return (one->chance > other->chance) - (one->chance < other->chance);
}

static int by_urgency(const void *a, const void *b)
{
	const struct found_unit *one = a, *other = b;
	int mine = one->offered->envelope.task.priority, others = other->offered->envelope.task.priority;

	if (mine != others)
		return mine > others ? -1 : 1;
	if (one->turn != other->turn)
		return one->turn < other->turn ? -1 : 1;
	return (one->chance > other->chance) - (one->chance < other->chance);
}

static void sort(struct found_units *found)
{
	if (!found->count)
		return;
	qsort(found->items, found->count, sizeof(*found->items), by_task);
	for (size_t i = 1; i < found->count; i++)
		if (found->items[i].unit.task_key == found->items[i - 1].unit.task_key)
			found->items[i].turn = found->items[i - 1].turn + 1;
	qsort(found->items, found->count, sizeof(*found->items), by_urgency);
}

int offers_look_up(struct offers *o, struct drover_session *session, int64_t wanted, struct drover_error *err)
{
	const struct drover_due_filter filter = { .size = sizeof(filter), .pools = o->pools, .limit = o->look_units };
	struct found_units found = { .offers = o };
	int code = o->options.ops->due_units(session, &filter, see_unit, &found, err);

	sort(&found);
	for (size_t i = 0; i < found.count; i++) {
		struct offered *offered = found.items[i].offered;

		if (code || (int64_t)i >= wanted) {
			offered_free(offered);
			continue;
		}
		code = offers_deliver(o, session, offered, err);
		atomic_fetch_add(&o->by_look, !code);
	}
	free(found.items);
	if (found.count || found.read < o->look_units)
		o->look_units = LOOK_UNITS;
	else if (o->look_units < LOOK_UNITS_MOST)
		o->look_units *= 2;
	atomic_store(&o->found, found.count > 0);
	return code;
}
