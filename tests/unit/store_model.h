/*
 * store_model.h - a model of a store in plain C: hosts, units and tasks in arrays, and the rules that units and tasks
 * follow from their hosts by. What a walk does to both it and a store is in store_walk.h.
 */
#ifndef TESTS_STORE_MODEL_H
#define TESTS_STORE_MODEL_H

#include "unit/store_fixture.h"

enum { TASKS = 8, HOSTS = 40, NODES = 3, INCARNATIONS = 4096 };

struct model_host {
	enum drover_status status;
	int attempt; /* of its intent or result; 0: none */
	int64_t incarnation;
	bool before; /* begun in an attempt that brought no result, since which no other did */
	bool late;
};

struct model_unit {
	enum drover_unit_state state;
	int attempt, excused;
	int64_t incarnation;
	struct drover_unit_spec spec;
};

struct model_task {
	int64_t key, base, hosts, unit_size, units;
	enum drover_task_state state;
	bool rerun, expired;
	bool touched;
	int64_t fanout;
	enum drover_threshold max_failed_as;
	int64_t max_failed;
	int concurrency_key; /* 0: none */
	int64_t waves, wave;
	int64_t wave_base; /* bad hosts when it was opened */
	struct model_host host[HOSTS];
	struct model_unit unit[HOSTS];
};

struct model {
	struct model_task tasks[TASKS];
	int64_t nodes[NODES]; /* the living incarnation */
	bool ended[INCARNATIONS];
};

static struct model m;
/* How often the walk has come to what is rare: a walk that does not says nothing about it. */
static struct {
	int aborted, advanced, fanout, wave, key, partial, before;
} seen_often;

static inline int64_t unit_first(const struct model_task *t, int64_t unit)
{
	return t->unit[unit].spec.first;
}

static inline int64_t unit_last(const struct model_task *t, int64_t unit)
{
	return unit_first(t, unit) + t->unit[unit].spec.count - 1;
}

static inline int64_t count(const struct model_task *t, enum drover_status status)
{
	int64_t n = 0;

	for (int64_t i = 0; i < t->hosts; i++)
		n += t->host[i].status == status;
	return n;
}

static inline int64_t bad(const struct model_task *t)
{
	return count(t, DROVER_FAILED) + count(t, DROVER_UNREACHABLE) + count(t, DROVER_TIMEOUT) +
	       count(t, DROVER_LOST);
}

static inline int64_t room(const struct model_task *t)
{
	return t->fanout ? t->fanout - count(t, DROVER_RUNNING) : ALL;
}

/* Hosts of the waves up to `wave`. */
static inline int64_t wave_end(const struct model_task *t, int64_t wave)
{
	int64_t end = 0;

	for (int64_t unit = 0; unit < t->units; unit++)
		if (t->unit[unit].spec.wave <= wave)
			end = unit_last(t, unit) + 1;
	return end;
}

static inline int64_t wave_hosts(const struct model_task *t)
{
	return wave_end(t, t->wave) - (t->wave ? wave_end(t, t->wave - 1) : 0);
}

/* All hosts of the open waves are final, and there is a next one. */
static inline bool wave_is_over(const struct model_task *t)
{
	for (int64_t i = 0; i < wave_end(t, t->wave); i++)
		if (!drover_status_is_final(t->host[i].status))
			return false;
	return t->state == DROVER_TASK_RUNNING && t->wave + 1 < t->waves;
}

static inline bool waits_for_key(const struct model_task *t)
{
	for (int i = 0; t->concurrency_key && i < TASKS; i++)
		if (m.tasks[i].key && m.tasks[i].key < t->key && m.tasks[i].concurrency_key == t->concurrency_key &&
		    !drover_task_state_is_final(m.tasks[i].state))
			return true;
	return false;
}

static inline bool running(const struct model_task *t)
{
	return t->state == DROVER_TASK_QUEUED || t->state == DROVER_TASK_RUNNING;
}

/* Units and the task follow from their hosts. */
static inline void settle(struct model_task *t)
{
	bool all = true;

	t->touched = true;
	for (int64_t unit = 0; unit < t->units; unit++) {
		bool done = true;

		for (int64_t i = unit_first(t, unit); i <= unit_last(t, unit); i++)
			done = done && drover_status_is_final(t->host[i].status);
		if (done)
			t->unit[unit].state = DROVER_UNIT_DONE;
		all = all && done;
	}
	if (all && running(t))
		t->state = DROVER_TASK_DONE;
	if (all && t->state == DROVER_TASK_CANCELLING)
		t->state = DROVER_TASK_CANCELLED;
	if (all && t->state == DROVER_TASK_ABORTING)
		t->state = DROVER_TASK_ABORTED;
}

static inline void begin_hosts(struct model_task *t, struct model_unit *u, int64_t first, int64_t last, int64_t window)
{
	for (int64_t i = first; i <= last; i++) {
		if (t->host[i].status != DROVER_PENDING || !window)
			continue;
		t->host[i].status = DROVER_RUNNING;
		t->host[i].attempt = u->attempt;
		t->host[i].incarnation = u->incarnation;
		window--;
	}
}

/* Of one that is not begun again. */
static inline enum drover_status fate(const struct model_task *t, const struct model_host *h, enum drover_status status)
{
	bool lost = t->rerun && h->before && status != DROVER_PENDING;

	seen_often.before += lost;
	return lost ? DROVER_LOST : status;
}

static inline void end_pending(struct model_task *t, enum drover_status status)
{
	for (int64_t i = 0; i < t->hosts; i++)
		if (t->host[i].status == DROVER_PENDING)
			t->host[i].status = fate(t, &t->host[i], status);
	settle(t);
}

/* After each host that ended: too many bad ones abort the task. */
static inline bool check_threshold(struct model_task *t)
{
	bool exceeded = false;

	if (t->max_failed_as == DROVER_THRESHOLD_HOSTS)
		exceeded = bad(t) > t->max_failed;
	else if (t->max_failed_as == DROVER_THRESHOLD_PERCENT)
		exceeded = (bad(t) - t->wave_base) * 10000 > t->max_failed * wave_hosts(t);
	/* In the store a task ends when the transaction is written; here it may have, with this very host. */
	if (!exceeded || (t->state != DROVER_TASK_RUNNING && t->state != DROVER_TASK_DONE))
		return false;
	t->state = DROVER_TASK_ABORTING;
	seen_often.aborted++;
	end_pending(t, DROVER_CANCELLED);
	return true;
}

static inline void model_begun_again(struct model_host *h, enum drover_remote remote)
{
	h->status = DROVER_PENDING;
	if (remote == DROVER_REMOTE_NONE)
		h->attempt = 0, h->incarnation = 0;
	else
		h->before = true;
}

static inline bool model_end(struct model_task *t, int64_t unit, enum drover_status begun, enum drover_status rest,
			     enum drover_remote remote)
{
	struct model_unit *u = &t->unit[unit];
	bool again = running(t) && u->attempt - u->excused < MAX_ATTEMPTS;
	bool together = begun == DROVER_PENDING && !again && remote == DROVER_REMOTE_NONE;
	bool open = false;

	if (begun == DROVER_PENDING && !again && !together)
		begun = DROVER_LOST;
	if (rest == DROVER_PENDING && !again)
		rest = running(t) ? DROVER_FAILED : DROVER_CANCELLED;
	for (int64_t i = unit_first(t, unit); i <= unit_last(t, unit); i++) {
		struct model_host *h = &t->host[i];

		if (together && h->status == DROVER_RUNNING)
			model_begun_again(h, remote);
		if (h->status == DROVER_PENDING)
			h->status = fate(t, h, rest);
		else if (h->status == DROVER_RUNNING && begun == DROVER_PENDING)
			model_begun_again(h, remote);
		else if (h->status == DROVER_RUNNING)
			h->status = begun;
		open = open || h->status == DROVER_PENDING;
	}
	if (open) {
		u->state = DROVER_UNIT_READY;
		u->incarnation = 0;
	}
	settle(t);
	return !check_threshold(t) && open;
}

static inline enum drover_outcome model_result(struct model_task *t, const struct drover_result *r)
{
	struct model_unit *u = &t->unit[r->unit];
	struct model_host *h = &t->host[r->index];
	bool holds = u->attempt == r->attempt && u->incarnation == r->incarnation;
	bool own = h->attempt == r->attempt && h->incarnation == r->incarnation;

	if (holds && u->state == DROVER_UNIT_CLAIMED && !drover_status_is_final(h->status)) {
		if (h->status == DROVER_PENDING && t->rerun && h->before) {
			h->status = fate(t, h, r->status);
		} else {
			h->status = r->status;
			h->attempt = r->attempt;
			h->incarnation = r->incarnation;
		}
		settle(t);
		check_threshold(t);
		return DROVER_WRITTEN;
	}
	if ((holds || own) && drover_status_is_final(h->status) && h->status != DROVER_LOST)
		return DROVER_REPEATED;
	h->late = true;
	return DROVER_LATE;
}

#endif
