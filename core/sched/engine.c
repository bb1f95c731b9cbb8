/* engine.c - see engine.h. The engine's life, its tasks, and its executors' coming and going. */
#include "sched/engine.h"

#include <stdlib.h>
#include <string.h>

#include "sched/engine_state.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

static int on_work(sd_event_source *source, void *context)
{
	struct engine *e = context;

	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	results_turn(e);
	claim_units(e);
	return 0;
}

void engine_wake(struct engine *e)
{
	sd_event_source_set_enabled(e->work, SD_EVENT_ONESHOT);
}

struct engine *engine_new(struct sd_event *event, struct writer *writer, struct hub *hub,
			  const struct engine_options *options)
{
	struct engine *e = xcalloc(1, sizeof(*e));

	e->event = sd_event_ref(event);
	e->writer = writer;
	e->hub = hub;
	e->options = *options;
	atomic_init(&e->lease_until, INT64_MAX);
	e->slots = xcalloc(options->executors->count, sizeof(*e->slots));
	for (size_t i = 0; i < options->executors->count; i++) {
		e->slots[i].engine = e;
		e->slots[i].position = i;
	}
	engine_room_limit_executors(e);
	if (sd_event_add_defer(event, &e->work, on_work, e) < 0)
		abort();
	sd_event_source_set_enabled(e->work, SD_EVENT_OFF);
	results_open(e);
	return e;
}

void engine_free(struct engine *e)
{
	struct running_unit *unit, *next_unit;
	struct active_task *task, *next_task;

	if (!e)
		return;
	results_close(e);
	for (size_t i = 0; i < e->options.executors->count; i++)
		exec_link_free(e->slots[i].link);
	HASH_ITER (hh, e->units, unit, next_unit)
		running_free(e, unit);
	HASH_ITER (hh, e->tasks, task, next_task) {
		task->running = 0;
		task->asking = task->advancing = false;
		task->ending = true;
		task_drop_units(e, task);
		task_release(e, task);
	}
	sd_event_source_unref(e->work);
	sd_event_source_unref(e->look);
	sd_event_unref(e->event);
	free(e->slots);
	free(e);
}

/* ------------------------------------------------------------------------------------- tasks */

static struct active_task *task_find(struct engine *e, int64_t key)
{
	struct active_task *task;

	HASH_FIND(hh, e->tasks, &key, sizeof(key), task);
	return task;
}

struct active_task *engine_task_copy(const struct drover_task *from, int executor)
{
	struct active_task *task = xcalloc(1, sizeof(*task));

	task->key = from->key;
	task->executor = executor;
	task->task = (struct drover_task){
		.size = sizeof(struct drover_task),
		.key = from->key,
		.id = xstrdup(from->id),
		.type = xstrdup(from->type),
		.executor = xstrdup(from->executor),
		.pool = xstrdup(from->pool),
		.owner = xstrdup(from->owner),
		.home = xstrdup(from->home),
		.payload = xstrdup(from->payload),
		.credential = xstrdup(from->credential),
		.priority = from->priority,
		.rerun_lost = from->rerun_lost,
		.timeout = from->timeout,
		.host_timeout = from->host_timeout,
		.connect_timeout = from->connect_timeout,
		.output_limit = from->output_limit,
		.fanout = from->fanout,
		.unit_size = from->unit_size,
		.hosts = from->hosts,
		.units = from->units,
		.expires_at = from->expires_at,
		.waves = from->waves,
		.wave = from->wave,
		.wave_units = from->wave_units,
		.next_wave_at = from->next_wave_at,
		.max_failed_as = from->max_failed_as,
		.concurrency_key = xstrdup(from->concurrency_key),
	};
	return task;
}

void engine_task_free(struct active_task *task)
{
	free(task->ready.returned);
	free((char *)task->task.id);
	free((char *)task->task.type);
	free((char *)task->task.executor);
	free((char *)task->task.pool);
	free((char *)task->task.owner);
	free((char *)task->task.home);
	free((char *)task->task.payload);
	free((char *)task->task.credential);
	free((char *)task->task.concurrency_key);
	wants_drop(task);
	free(task);
}

void task_drop_units(struct engine *e, struct active_task *task)
{
	ready_drop(&e->ready, &task->ready);
	hand_drop(e, task);
}

void task_release(struct engine *e, struct active_task *task)
{
	bool more_waves = !task->shared && !task->ending && task->task.wave + 1 < task->task.waves;

	if (task->running || task->asking || task->advancing || ready_count(&task->ready) || more_waves)
		return;
	HASH_DEL(e->tasks, task);
	task_drop_units(e, task);
	engine_task_free(task);
}

void engine_task_accepted(struct engine *e, struct active_task *task)
{
	if (task_find(e, task->key)) { /* told twice, since the first answer was lost */
		engine_task_free(task);
		return;
	}
	HASH_ADD(hh, e->tasks, key, sizeof(task->key), task);
	ready_add(&e->ready, &task->ready, task->task.priority, 0, task->task.wave_units);
	engine_wake(e);
}

void engine_task_found(struct engine *e, const struct drover_task *from)
{
	struct active_task *task = engine_task_copy(from, executors_find(e->options.executors, from->executor));

	if (task->executor < 0)
		log_warning("task %s waits: its executor %s is not configured any more", from->id, from->executor);
	HASH_ADD(hh, e->tasks, key, sizeof(task->key), task);
	ready_add(&e->ready, &task->ready, from->priority, from->wave_units, from->wave_units);
}

void engine_unit_ready(struct engine *e, int64_t task_key, int64_t unit)
{
	struct active_task *task = task_find(e, task_key);

	if (!task)
		return;
	ready_return(&e->ready, &task->ready, unit);
	engine_wake(e);
}

void engine_tasks_found(struct engine *e)
{
	struct active_task *task, *next;

	HASH_ITER (hh, e->tasks, task, next)
		task_release(e, task);
}

void engine_set_offers(struct engine *e, struct offers *offers, engine_forged_fn *forged, void *context)
{
	e->offers = offers;
	e->forged = forged;
	e->forged_context = context;
}

int64_t engine_next_expiry(const struct engine *e)
{
	int64_t next = 0;

	for (const struct active_task *task = e->tasks; task; task = task->hh.next)
		if (task->task.expires_at && (!next || task->task.expires_at < next))
			next = task->task.expires_at;
	return next;
}

static void stop_unit(struct engine *e, struct running_unit *unit, const char *reason)
{
	if (unit->stopped)
		return;
	unit->stopped = true;
	if (e->slots[unit->executor].link)
		exec_link_stop(e->slots[unit->executor].link, unit->handle, reason);
}

void engine_task_cancelled(struct engine *e, int64_t task_key)
{
	struct active_task *task = task_find(e, task_key);
	struct running_unit *unit, *next;

	if (!task)
		return;
	task->cancelled = task->ending = true;
	task_drop_units(e, task);
	HASH_ITER (hh, e->units, unit, next)
		if (unit->task == task)
			stop_unit(e, unit, "cancelled");
	task_release(e, task);
}

/* --------------------------------------------------------------------------------- executors */

void engine_executor_up(struct engine *e, const char *name, int fd)
{
	int i = executors_find(e->options.executors, name);
	struct drover_error err = { 0 };
	struct executor_slot *slot;

	if (i < 0) {
		log_error("a connection to the executor %s, which is not configured", name);
		return;
	}
	slot = &e->slots[i];
	if (slot->link) {
		log_warning("executor %s came again before its end was seen", name);
		running_events.closed(slot, "replaced");
	}
	if (exec_link_new(e->event, fd, &running_events, slot, &slot->link, &err))
		log_error("cannot talk to the executor %s: %s", name, err.message);
	else
		exec_link_permit(slot->link);
}

bool engine_executor_is_up(const struct engine *e, size_t executor)
{
	return e->slots[executor].link && e->slots[executor].ready;
}

void engine_permit(struct engine *e)
{
	for (size_t i = 0; i < e->options.executors->count; i++)
		if (e->slots[i].link)
			exec_link_permit(e->slots[i].link);
}

/* ------------------------------------------------------------------------------------- the lease */

void engine_set_lease(struct engine *e, int64_t until)
{
	atomic_store(&e->lease_until, until);
}

bool engine_has_lease(const struct engine *e)
{
	return clock_boot_ms() < atomic_load(&e->lease_until);
}

static void end_reruns(struct engine *e)
{
	struct running_unit *unit, *next;

	HASH_ITER (hh, e->units, unit, next) {
		if (!unit->task->task.rerun_lost || unit->stopped)
			continue;
		unit->cut_off = true;
		stop_unit(e, unit, "the lease is not renewed");
	}
}

void engine_check_lease(struct engine *e)
{
	bool cut_off = !engine_has_lease(e);
	struct active_task *task, *next;

	if (cut_off && !e->cut_off)
		log_warning(
			"the lease is not renewed: no host is begun until it is, and hosts that would be run again are "
			"ended; %lld units run on",
			(long long)(e->room.units - e->claiming_units));
	if (cut_off)
		end_reruns(e);
	if (!cut_off && e->cut_off) {
		log_info("hosts are begun again");
		HASH_ITER (hh, e->tasks, task, next)
			wants_put(e, task);
	}
	e->cut_off = cut_off;
}

void engine_drain(struct engine *e)
{
	atomic_store(&e->draining, true);
	hand_empty(e);
}

void engine_hold(struct engine *e, bool hold)
{
	atomic_store(&e->held, hold);
}

bool engine_is_held(const struct engine *e)
{
	return atomic_load(&e->held);
}

bool engine_takes_units(const struct engine *e)
{
	return !atomic_load(&e->draining) && !atomic_load(&e->held);
}

void engine_stop_units(struct engine *e, const char *reason)
{
	struct running_unit *unit, *next;

	HASH_ITER (hh, e->units, unit, next) {
		unit->shutdown = true;
		stop_unit(e, unit, reason);
	}
}

void engine_load(const struct engine *e, struct engine_load *load)
{
	*load = (struct engine_load){ .capacity_hosts = e->options.capacity.hosts,
				      .capacity_units = e->options.capacity.units,
				      .running_hosts = e->room.hosts - e->claiming_hosts,
				      .running_units = e->room.units,
				      .ready_units = e->ready.units,
				      .tasks = HASH_COUNT(e->tasks),
				      .results_full = e->spool_full };
}
