/* offers.c - see offers.h. What comes in, the thread, and what the engine asks. */
#include "sched/offers.h"

#include <stdlib.h>
#include <string.h>

#include "sched/offers_state.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define TELL_EVERY 1000 /* ms: refusals in between are only counted */
#define NEWER_EVERY (5 * 60 * 1000)
#define STORE_PAUSE 500 /* ms, after a query that failed */
#define LOOK_UNITS 256  /* that a look reads at first */

static const char *const refusal_names[] = { "signature", "pool", "differs" };

const char *offers_refusal_name(enum offers_refusal refusal)
{
	return refusal_names[refusal];
}

void offer_free(struct offer *offer)
{
	if (!offer)
		return;
	free(offer->message);
	free(offer->refusal);
	free(offer);
}

void offered_free(struct offered *offered)
{
	if (!offered)
		return;
	envelope_dispose(&offered->envelope);
	free(offered->message);
	free(offered);
}

/* Whoever can write to a topic can send any number of them. */
void offers_refused(struct offers *o, enum offers_refusal refusal, const char *what, const char *why)
{
	int64_t now = clock_boot_ms(), told = atomic_load(&o->told_at);

	atomic_fetch_add(&o->refused[refusal], 1);
	if (now - told < TELL_EVERY || !atomic_compare_exchange_strong(&o->told_at, &told, now)) {
		atomic_fetch_add(&o->untold, 1);
		return;
	}
	log_warning("%s is refused: %s (%lld more refused since the last such line)", what, why,
		    (long long)atomic_exchange(&o->untold, 0));
}

void offers_stale(struct offers *o)
{
	atomic_fetch_add(&o->stale, 1);
}

/* As long as nodes of two versions run side by side this goes on, and nobody has to do anything about it. */
static void leave_to_newer(struct offers *o, const char *why)
{
	int64_t now = clock_boot_ms(), told = atomic_load(&o->newer_told_at);

	atomic_fetch_add(&o->newer, 1);
	if ((!told || now - told >= NEWER_EVERY) && atomic_compare_exchange_strong(&o->newer_told_at, &told, now))
		log_warning("units are left to engines of a newer version: %s", why);
}

int offers_open(struct offers *o, const void *message, size_t size, struct offered **offered, struct drover_error *err)
{
	struct offered *one = xcalloc(1, sizeof(*one));
	struct drover_error why = { 0 };
	char what[256];
	int executor;

	*offered = NULL;
	if (envelope_open(o->options.keys, message, size, clock_utc_ms(), &one->envelope, &why)) {
		bool newer = one->envelope.newer;

		offered_free(one);
		if (newer) {
			leave_to_newer(o, why.message);
			return 0;
		}
		offers_refused(o, OFFERS_SIGNATURE, "a unit's envelope", why.message);
		return drover_error_set(err, DROVER_EDENIED, "%s", why.message);
	}
	if (envelope_check_pool(&one->envelope, o->options.pools, &why)) {
		snprintf(what, sizeof(what), "task %.160s unit %lld", one->envelope.task.id,
			 (long long)one->envelope.unit);
		offers_refused(o, OFFERS_POOL, what, why.message);
		offered_free(one);
		return drover_error_set(err, DROVER_EDENIED, "%s", why.message);
	}
	executor = executors_find(o->options.executors, one->envelope.task.executor);
	if (executor < 0 || envelope_check_executor(&one->envelope, &o->options.executors->items[executor], NULL)) {
		atomic_fetch_add(&o->elsewhere, 1);
		offered_free(one);
		return 0; /* others see to it */
	}
	one->message = memcpy(xmalloc(size), message, size);
	one->size = size;
	*offered = one;
	return 0;
}

/* ------------------------------------------------------------------------------- what comes in */

static bool has_room(struct offers *o)
{
	return atomic_load(&o->waiting) + atomic_load(&o->hand) < o->options.limit_units &&
	       atomic_load(&o->bytes) < o->options.limit_bytes;
}

/* A draining engine leaves messages to others. */
static bool takes_more(struct offers *o)
{
	return has_room(o) && engine_takes_units(o->options.engine);
}

int offers_take(struct offers *o, const void *envelope, size_t size, struct drover_error *err)
{
	struct offered *offered;
	int code;

	if (!takes_more(o)) {
		atomic_store(&o->refused_for_room, true);
		if (!takes_more(o))
			return drover_error_set(err, DROVER_ERETRY, "the engine's hand is full");
	}
	code = offers_open(o, envelope, size, &offered, err);
	if (code || !offered)
		return code;
	atomic_fetch_add(&o->by_message, 1);
	atomic_fetch_add(&o->waiting, 1);
	atomic_fetch_add(&o->bytes, (int64_t)size);
	worker_lock(&o->worker);
	*o->queue_tail = offered;
	o->queue_tail = &offered->next;
	worker_wake(&o->worker);
	worker_unlock(&o->worker);
	return 0;
}

void offers_await_room(struct offers *o, void (*room)(void *context), void *context)
{
	pthread_mutex_lock(&o->room_lock);
	if (room || context == o->room_context)
		o->room = room;
	if (room)
		o->room_context = context;
	pthread_mutex_unlock(&o->room_lock);
}

void offers_hand_changed(struct offers *o, int64_t units, int64_t bytes)
{
	atomic_fetch_add(&o->hand, units);
	atomic_fetch_add(&o->bytes, bytes);
	if (units <= 0)
		offers_tell_room(o);
}

void offers_tell_room(struct offers *o)
{
	if (!atomic_load(&o->refused_for_room) || !takes_more(o) ||
	    atomic_load(&o->hand) + atomic_load(&o->waiting) > o->options.limit_units * 3 / 4)
		return;
	atomic_store(&o->refused_for_room, false);
	pthread_mutex_lock(&o->room_lock);
	if (o->room)
		o->room(o->room_context);
	pthread_mutex_unlock(&o->room_lock);
}

void offers_look(struct offers *o, int64_t wanted)
{
	if (atomic_exchange(&o->looking, true))
		return;
	worker_lock(&o->worker);
	o->wanted = wanted;
	worker_wake(&o->worker);
	worker_unlock(&o->worker);
}

bool offers_found(const struct offers *o)
{
	return atomic_load(&o->found);
}

void offers_count(struct offers *o, struct offers_counts *counts)
{
	*counts = (struct offers_counts){ .by_message = atomic_load(&o->by_message),
					  .by_look = atomic_load(&o->by_look),
					  .elsewhere = atomic_load(&o->elsewhere),
					  .newer = atomic_load(&o->newer),
					  .stale = atomic_load(&o->stale),
					  .hand = atomic_load(&o->hand),
					  .waiting = atomic_load(&o->waiting) };
	for (size_t i = 0; i < OFFERS_REFUSALS; i++)
		counts->refused[i] = atomic_load(&o->refused[i]);
}

/* --------------------------------------------------------------------------- before it is executed */

int offers_check(struct offers *o, const struct offer *offer, const struct drover_task *task,
		 const struct drover_claim *claim, const struct drover_target *hosts, const int64_t *indexes,
		 size_t count, struct drover_error *err)
{
	struct envelope envelope;
	int code;

	if (offer->refusal)
		return drover_error_set(err, DROVER_EDENIED, "%s", offer->refusal);
	code = envelope_open(o->options.keys, offer->message, offer->size, clock_utc_ms(), &envelope, err);
	if (!code)
		code = envelope_check_task(&envelope, task, err);
	if (!code && (envelope.unit != claim->unit || envelope.first != claim->first || envelope.count != claim->count))
		code = drover_error_set(err, DROVER_EDENIED,
					"the store says that it is of hosts %lld to %lld, and signed are %lld to %lld",
					(long long)claim->first, (long long)(claim->first + claim->count - 1),
					(long long)envelope.first, (long long)(envelope.first + envelope.count - 1));
	for (size_t i = 0; i < count && !code; i++) {
		const struct drover_host_spec host = { .name = hosts[i].name,
						       .address = hosts[i].address,
						       .user = hosts[i].user,
						       .vars = hosts[i].vars,
						       .port = hosts[i].port };

		code = envelope_check_host(&envelope, indexes[i], &host, err);
		if (!code && i && indexes[i] <= indexes[i - 1])
			code = drover_error_set(err, DROVER_EDENIED, "the store has the host %.200s twice",
						hosts[i].name);
	}
	envelope_dispose(&envelope);
	return code;
}

/* ----------------------------------------------------------------------------------- its thread */

/* Waits for something to do. False: it is time to end. */
static bool take_work(struct offers *o, struct offered **queue, int64_t *wanted)
{
	bool stop;

	worker_lock(&o->worker);
	while (!o->queue && !o->wanted && worker_wait(&o->worker, WORKER_FOREVER))
		;
	*queue = o->queue;
	*wanted = o->wanted;
	o->queue = NULL;
	o->queue_tail = &o->queue;
	o->wanted = 0;
	stop = o->worker.stop;
	worker_unlock(&o->worker);
	return !stop;
}

static int work(struct offers *o, struct drover_session *session, struct offered **queue, int64_t *wanted,
		struct drover_error *err)
{
	int code = 0;

	while (*queue && !code) {
		struct offered *offered = *queue;
		int64_t size = (int64_t)offered->size;

		*queue = offered->next;
		code = offers_deliver(o, session, offered, err);
		atomic_fetch_sub(&o->waiting, 1);
		offers_hand_changed(o, 0, -size);
	}
	if (!code && *wanted) {
		code = offers_look_up(o, session, *wanted, err);
		*wanted = 0;
	}
	return code;
}

/* What it could not ask the store about is forgotten: it is found again, as is all that nobody claims. */
static void forget(struct offers *o, struct offered *queue)
{
	while (queue) {
		struct offered *next = queue->next;

		atomic_fetch_sub(&o->waiting, 1);
		offers_hand_changed(o, 0, -(int64_t)queue->size);
		offered_free(queue);
		queue = next;
	}
}

static void offers_thread(void *context)
{
	struct offers *o = context;
	struct offered *queue;
	int64_t wanted;

	while (take_work(o, &queue, &wanted)) {
		struct drover_session *session;
		struct drover_error err = { 0 };
		bool looked = wanted != 0;
		int code = readers_take(o->readers, &session, &err);

		if (!code) {
			code = work(o, session, &queue, &wanted, &err);
			readers_give(o->readers, session, code != 0);
		}
		if (code && o->store_ok)
			log_error("cannot read of offered units in the store: %s; trying again", err.message);
		o->store_ok = !code;
		if (code)
			worker_sleep(&o->worker, clock_boot_ms() + STORE_PAUSE);
		forget(o, queue);
		if (looked)
			atomic_store(&o->looking, false);
	}
	forget(o, queue);
}

int offers_new(const struct offers_options *options, struct offers **offers, struct drover_error *err)
{
	struct offers *o = xcalloc(1, sizeof(*o));
	struct buf pools = BUF_INIT;
	int code;

	o->options = *options;
	for (char *const *pool = options->pools; *pool; pool++)
		buf_printf(&pools, "%s%s", pools.size ? " " : "", *pool);
	o->pools = buf_take(&pools);
	o->readers = readers_new(options->ops, options->store, 1, 0); /* its thread is alone with it */
	o->queue_tail = &o->queue;
	o->look_units = LOOK_UNITS;
	o->store_ok = true;
	pthread_mutex_init(&o->room_lock, NULL);
	worker_init(&o->worker);
	*offers = o; /* before its thread makes calls that come back to it */
	code = worker_start(&o->worker, "offers", offers_thread, o, err);
	if (code) {
		*offers = NULL;
		offers_free(o);
	}
	return code;
}

void offers_stop(struct offers *o)
{
	if (o)
		worker_stop(&o->worker);
}

void offers_free(struct offers *o)
{
	if (!o)
		return;
	offers_stop(o);
	forget(o, o->queue); /* offered after its end */
	offers_forget_tasks(o);
	readers_free(o->readers);
	free(o->pools);
	worker_dispose(&o->worker);
	pthread_mutex_destroy(&o->room_lock);
	free(o);
}
