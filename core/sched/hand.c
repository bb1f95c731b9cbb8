/*
 * hand.c - the hand: units that were offered to this engine and that it has not claimed yet. Others may claim them
 * first, and it may theirs: the store decides.
 *
 * A unit of the hand is ready in the engine's queue like any other, and its envelope waits here. What was claimed
 * is compared with it before anything of it is executed.
 */
#include <stdlib.h>
#include <string.h>

#include "sched/engine_state.h"
#include "sched/offers.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define LOOK_SOON 200   /* ms between two looks of an engine that has room */
#define LOOK_LATER 1000 /* … when the last one found nothing and none was claimed since, or all is busy */
#define LOOK_MOST 64    /* units that it asks for at once */

static struct hand_unit *find(struct engine *e, int64_t task_key, int64_t unit)
{
	struct hand_key key = { task_key, unit };
	struct hand_unit *held;

	HASH_FIND(hh, e->hand, &key, sizeof(key), held);
	return held;
}

static struct offer *take(struct engine *e, struct hand_unit *held)
{
	struct offer *offer = held->offer;

	HASH_DEL(e->hand, held);
	free(held);
	offers_hand_changed(e->offers, -1, -(int64_t)offer->size);
	return offer;
}

static void put(struct engine *e, int64_t task_key, int64_t unit, struct offer *offer)
{
	struct hand_unit *held = xcalloc(1, sizeof(*held));

	held->key = (struct hand_key){ task_key, unit };
	held->offer = offer;
	HASH_ADD(hh, e->hand, key, sizeof(held->key), held);
	offers_hand_changed(e->offers, 1, (int64_t)offer->size);
}

struct offer *hand_take(struct engine *e, const struct active_task *task, int64_t unit)
{
	struct hand_unit *held = find(e, task->key, unit);

	return held ? take(e, held) : NULL;
}

void hand_return(struct engine *e, struct active_task *task, int64_t unit, struct offer *offer)
{
	put(e, task->key, unit, offer);
	ready_return(&e->ready, &task->ready, unit);
}

void hand_drop(struct engine *e, const struct active_task *task)
{
	struct hand_unit *held, *next;

	if (!task->shared)
		return;
	HASH_ITER (hh, e->hand, held, next)
		if (held->key.task_key == task->key)
			offer_free(take(e, held));
}

void hand_empty(struct engine *e)
{
	struct active_task *task, *next;

	if (!e->hand)
		return;
	log_debug("%u units of the hand are left to others", HASH_COUNT(e->hand));
	HASH_ITER (hh, e->tasks, task, next) {
		if (!task->shared)
			continue;
		task_drop_units(e, task);
		task_release(e, task);
	}
}

/* `task`: as it is here already, or NULL. A refused one's copy is not what was signed: others wait until it is gone. */
static bool may_take(const struct engine *e, const struct active_task *task, const struct offer *offer)
{
	if (!engine_takes_units(e))
		return false;
	return !task || (task->shared && !task->ending && (!task->refused || offer->refusal));
}

void engine_unit_offered(struct engine *e, struct active_task *offered, int64_t unit, struct offer *offer)
{
	struct active_task *task;

	HASH_FIND(hh, e->tasks, &offered->key, sizeof(offered->key), task);
	if (!may_take(e, task, offer) || find(e, offered->key, unit)) {
		offer_free(offer);
		engine_task_free(offered);
		return;
	}
	if (task) {
		engine_task_free(offered);
	} else {
		task = offered;
		task->shared = true;
		task->refused = offer->refusal != NULL;
		HASH_ADD(hh, e->tasks, key, sizeof(task->key), task);
		ready_add(&e->ready, &task->ready, task->task.priority, 0, 0);
	}
	log_debug("task %s unit %lld is in the hand, with %u others", task->task.id, (long long)unit,
		  HASH_COUNT(e->hand));
	hand_return(e, task, unit, offer);
	engine_wake(e);
}

/* ------------------------------------------------------------------------------- own looks */

static int on_look(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source;
	(void)usec;
	engine_wake(context);
	return 0;
}

/* An engine with room and no unit hears of nothing by itself. */
static void come_back(struct engine *e, int64_t at)
{
	uint64_t usec = (uint64_t)at * 1000;

	if (!e->look && sd_event_add_time(e->event, &e->look, CLOCK_BOOTTIME, usec, 0, on_look, e) < 0)
		abort();
	if (sd_event_source_set_time(e->look, usec) < 0 || sd_event_source_set_enabled(e->look, SD_EVENT_ONESHOT) < 0)
		abort();
}

/* When it has room, or will have soon, and its hand is empty. */
void hand_look(struct engine *e, bool idle)
{
	int64_t units = e->options.capacity.units - e->room.units;
	int64_t now = clock_boot_ms(), pause;

	if (!e->offers || (!idle && e->hand))
		return;
	pause = idle && (e->look_soon || offers_found(e->offers)) ? LOOK_SOON : LOOK_LATER;
	if (now - e->looked_at < pause) {
		if (idle)
			come_back(e, e->looked_at + pause);
		return;
	}
	e->looked_at = now;
	e->look_soon = false;
	/* One or two more than there is room for: some of them will be others' by then. */
	units = units > 0 ? units + 1 : 1 + e->options.capacity.units / 8;
	offers_look(e->offers, units < LOOK_MOST ? units : LOOK_MOST);
}

/* ------------------------------------------------------------------- before it is executed */

bool hand_is_as_signed(struct engine *e, const struct active_task *task, const struct offer *offer,
		       const struct drover_claim *claim, const struct drover_target *hosts, const int64_t *indexes,
		       size_t count, char *why, size_t size)
{
	struct drover_error err = { 0 };
	char what[256];

	if (!task->shared && !e->offers)
		return true;
	if (!task->shared)
		drover_error_set(&err, DROVER_EDENIED,
				 "it is this node's own by the store, and this node executes only what is signed");
	else if (!offer)
		drover_error_set(&err, DROVER_EDENIED, "there is no envelope");
	else if (!offers_check(e->offers, offer, &task->task, claim, hosts, indexes, count, &err))
		return true;
	snprintf(why, size, "it differs from what was signed: %s", err.message);
	snprintf(what, sizeof(what), "task %.160s unit %lld", task->task.id, (long long)claim->unit);
	offers_refused(e->offers, OFFERS_DIFFERS, what, err.message);
	e->forged(e->forged_context, task->task.id, claim->unit, err.message);
	return false;
}
