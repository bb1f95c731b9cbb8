/* lease.c - see lease.h. */
#include "sched/lease.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <drover/crash_point.h>

#include "sched/silence.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/worker.h"

#define LOOK_MAX 1000  /* ms between two readings: an order to drain is in them, too */
#define AGAIN_MAX 1000 /* ms after a renewal that failed */
#define SWEEP_UNITS 200
#define WHO_TRIES 20 /* to find out who has ended this lease */
#define WHO_PAUSE 250

struct lease {
	struct lease_options options;
	struct drover_session *session;
	int64_t look; /* ms between readings */

	/* the thread's own */
	int64_t next_renew, next_look; /* CLOCK_BOOTTIME ms */
	bool announced, blind;
	char *told; /* of its executors; what has not changed is not told again */

	struct worker worker; /* its lock is of the following */
	bool soon;
	struct silence silence; /* written by the thread alone */

	atomic_llong renewed; /* begin of the last renewal that worked */
	atomic_llong renewals_failed, expelled, swept;
	atomic_bool failing, sweep_wanted, sweeping;
};

/* What the loop is to hear. */
struct note {
	struct job job;
	struct lease *lease;
	bool is_end;
	enum lease_end how;
	bool drain;
};

static void note_done(struct job *base, int code, const struct drover_error *err)
{
	struct note *note = (struct note *)base;
	const struct lease_options *o = &note->lease->options;

	(void)code;
	(void)err;
	if (note->is_end)
		o->ended(o->context, note->how);
	else
		o->drain(o->context, note->drain);
	free(note);
}

static void tell(struct lease *l, struct note what)
{
	struct note *note = xmalloc(sizeof(*note));

	*note = what;
	note->job = (struct job){ .done = note_done };
	note->lease = l;
	writer_post(l->options.writer, &note->job);
}

/* ------------------------------------------------------------------------------------- sweeping */

struct sweep_job {
	struct job job;
	struct lease *lease;
	int64_t count;
	bool more;
};

static int swept_unit(void *context, const struct drover_unit_row *row)
{
	struct sweep_job *job = context;

	log_warning("took over unit %lld of task %lld after attempt %d: it is %s", (long long)row->unit,
		    (long long)row->task_key, row->attempt, drover_unit_state_name(row->state));
	job->count++;
	return 0;
}

static int run_sweep(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		     struct drover_error *err)
{
	struct sweep_job *job = (struct sweep_job *)base;
	int code;

	job->count = 0;
	CRASH_POINT("sweep.write");
	code = ops->sweep(session, job->lease->options.max_attempts, SWEEP_UNITS, swept_unit, job, &job->more, err);
	CRASH_POINT("sweep.written");
	return code;
}

/* On the writer's thread. */
static void sweep_done(struct job *base, int code, const struct drover_error *err)
{
	struct sweep_job *job = (struct sweep_job *)base;
	struct lease *l = job->lease;

	CRASH_POINT("sweep.done");
	if (code) {
		log_error("cannot take over units of nodes that are gone: %s", err->message);
		atomic_store(&l->sweep_wanted, true);
	} else {
		atomic_fetch_add(&l->swept, job->count);
		if (job->more) {
			writer_put(l->options.writer, &job->job);
			return;
		}
	}
	atomic_store(&l->sweeping, false);
	free(job);
}

static void sweep(struct lease *l)
{
	struct sweep_job *job;

	if (atomic_exchange(&l->sweeping, true))
		return;
	atomic_store(&l->sweep_wanted, false);
	job = xcalloc(1, sizeof(*job));
	job->job = (struct job){ .run = run_sweep, .done = sweep_done, .weight = SWEEP_UNITS };
	job->lease = l;
	writer_put(l->options.writer, &job->job);
}

/* ---------------------------------------------------------------------------- reading the nodes */

struct node_read {
	char node[128];
	int64_t incarnation, renewed_at;
	bool ended, holds, drain;
};

struct nodes_read {
	struct node_read *rows;
	size_t count;
};

static int keep_node(void *context, const struct drover_incarnation_row *row)
{
	struct nodes_read *read = context;
	struct node_read *kept;

	read->rows = xrealloc(read->rows, (read->count + 1) * sizeof(*read->rows));
	kept = &read->rows[read->count++];
	*kept = (struct node_read){ .incarnation = row->incarnation,
				    .renewed_at = row->renewed_at,
				    .ended = row->ended_at != 0,
				    .holds = row->claimed_units != 0,
				    .drain = row->drain };
	snprintf(kept->node, sizeof(kept->node), "%s", row->node);
	return 0;
}

static void expel(struct lease *l, const struct node_read *node)
{
	const struct drover_store_ops *ops = l->options.ops;
	struct drover_error err = { 0 };
	bool ended = false;
	int code = ops->begin(l->session, &err);

	if (!code)
		code = ops->expel(l->session, node->incarnation, node->renewed_at, &ended, &err);
	CRASH_POINT("expel.commit");
	if (!code)
		code = ops->commit(l->session, NULL, NULL, &err);
	CRASH_POINT("expel.committed");
	if (code) {
		ops->rollback(l->session);
		log_error("cannot end the lease of node %s: %s", node->node, err.message);
	} else if (ended) {
		log_warning(
			"node %s (incarnation %lld) has not renewed its lease for %lld ms: its units are taken over",
			node->node, (long long)node->incarnation, (long long)l->options.take_over);
		atomic_fetch_add(&l->expelled, 1);
		atomic_store(&l->sweep_wanted, true);
	}
}

static bool drains(const struct lease *l)
{
	return l->options.drains(l->options.context);
}

/*
 * Told is what differs from what the node does, not from what was read last: orders may come and go between two readings.
 * `before`: what it did when the reading began. One that was given at the node itself meanwhile may not be in it.
 */
static void heed_drain(struct lease *l, bool before, bool drain)
{
	bool now = drains(l);

	if (drain != now && now == before)
		tell(l, (struct note){ .drain = drain });
}

static void weigh(struct lease *l, const struct nodes_read *read, bool drained, int64_t begun, int64_t ended)
{
	bool *silent = xcalloc(read->count, sizeof(*silent));

	worker_lock(&l->worker);
	silence_begin(&l->silence, begun, ended, atomic_load(&l->renewed));
	for (size_t i = 0; i < read->count; i++)
		silent[i] = !read->rows[i].ended &&
			    silence_read(&l->silence, read->rows[i].incarnation, read->rows[i].renewed_at) &&
			    read->rows[i].incarnation != l->options.incarnation;
	silence_end(&l->silence);
	worker_unlock(&l->worker);
	for (size_t i = 0; i < read->count; i++) {
		const struct node_read *node = &read->rows[i];

		if (silent[i])
			expel(l, node);
		else if (node->ended && node->holds)
			atomic_store(&l->sweep_wanted, true);
		if (node->incarnation == l->options.incarnation)
			heed_drain(l, drained, node->drain);
	}
	free(silent);
	if (atomic_load(&l->sweep_wanted))
		sweep(l);
}

static int read_nodes(struct lease *l, struct nodes_read *read, struct drover_error *err)
{
	*read = (struct nodes_read){ .rows = NULL };
	return l->options.ops->nodes(l->session, keep_node, read, err);
}

static void look(struct lease *l)
{
	struct drover_error err = { 0 };
	struct nodes_read read;
	int64_t begun = clock_boot_ms();
	bool drained = drains(l);
	int code = read_nodes(l, &read, &err);

	if (!code)
		weigh(l, &read, drained, begun, clock_boot_ms());
	else if (!l->blind)
		log_warning("cannot read the other nodes' leases: %s", err.message);
	l->blind = code != 0;
	free(read.rows);
}

/* ------------------------------------------------------------------------------------- renewing */

/* A newer incarnation of this node that lives is another process: the daemon starts a core when the old one is gone. */
static enum lease_end find_out_why(struct lease *l)
{
	enum lease_end how = LEASE_EXPELLED;

	for (int i = 0; i < WHO_TRIES; i++) {
		struct drover_error err = { 0 };
		struct nodes_read read;
		int code = read_nodes(l, &read, &err);

		for (size_t n = 0; n < read.count; n++)
			if (!strcmp(read.rows[n].node, l->options.node) && !read.rows[n].ended)
				how = LEASE_REPLACED;
		free(read.rows);
		if (!code || !worker_sleep(&l->worker, clock_boot_ms() + WHO_PAUSE))
			break;
	}
	return how;
}

static int put_renewal(struct lease *l, struct drover_renewal *renewal, struct drover_error *err)
{
	const struct drover_store_ops *ops = l->options.ops;
	int code = ops->begin(l->session, err);

	if (!code)
		code = ops->renew(l->session, renewal, err);
	CRASH_POINT("renew.commit");
	if (!code)
		code = ops->commit(l->session, NULL, NULL, err);
	CRASH_POINT("renew.committed");
	if (code)
		ops->rollback(l->session);
	return code;
}

static void renewal_failed(struct lease *l, int64_t begun, const struct drover_error *err)
{
	int64_t again = l->options.renew < AGAIN_MAX ? l->options.renew : AGAIN_MAX;

	if (!atomic_exchange(&l->failing, true))
		log_warning("cannot renew the lease: %s; trying again", err->message);
	atomic_fetch_add(&l->renewals_failed, 1);
	l->next_renew = begun + again;
}

/* False: the lease is over. */
static bool renew(struct lease *l)
{
	const struct lease_options *o = &l->options;
	struct drover_announcement node_is = { .size = sizeof(node_is) };
	struct drover_renewal renewal = { .size = sizeof(renewal), .incarnation = o->incarnation, .node_is = &node_is };
	struct drover_error err = { 0 };
	int64_t begun = clock_boot_ms();
	bool drained = drains(l);
	int code;

	o->announce(o->context, &node_is);
	node_is.pools = l->announced ? NULL : o->pools;
	if (l->told && node_is.executors && !strcmp(l->told, node_is.executors))
		node_is.executors = NULL;
	code = put_renewal(l, &renewal, &err);
	if (code == DROVER_ECONFLICT) {
		o->renewed(o->context, 0);
		tell(l, (struct note){ .is_end = true, .how = find_out_why(l) });
		return false;
	}
	if (code) {
		renewal_failed(l, begun, &err);
		return true;
	}
	if (atomic_exchange(&l->failing, false))
		log_info("the lease is renewed again");
	l->announced = true;
	if (node_is.executors) {
		free(l->told);
		l->told = xstrdup(node_is.executors);
	}
	l->next_renew = begun + o->renew;
	atomic_store(&l->renewed, begun);
	o->renewed(o->context, begun + o->stop_after);
	heed_drain(l, drained, renewal.drain);
	return true;
}

/* ---------------------------------------------------------------------------------- the thread */

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Until the next thing is to be done. False: the end. */
static bool await_turn(struct lease *l)
{
	int64_t until = least(l->next_renew, l->next_look);
	bool stop;

	worker_lock(&l->worker);
	while (!l->soon && worker_wait(&l->worker, until))
		;
	if (l->soon)
		l->next_renew = 0;
	l->soon = false;
	stop = l->worker.stop;
	worker_unlock(&l->worker);
	return !stop;
}

static void lease_thread(void *context)
{
	struct lease *l = context;
	bool lives = true;

	while (lives && await_turn(l)) {
		if (clock_boot_ms() >= l->next_renew)
			lives = renew(l);
		if (lives && clock_boot_ms() >= l->next_look) {
			l->next_look = clock_boot_ms() + l->look;
			look(l);
		}
	}
}

int lease_new(const struct lease_options *options, struct lease **lease, struct drover_error *err)
{
	struct lease *l = xcalloc(1, sizeof(*l));
	int code = options->ops->session_open(options->store_self, DROVER_SESSION_WRITE, &l->session, err);

	if (code) {
		free(l);
		return code;
	}
	l->options = *options;
	l->look = least(least(options->read_gap / 2, options->renew), LOOK_MAX);
	l->silence = (struct silence){ .take_over = options->take_over,
				       .read_gap = options->read_gap,
				       .stop_after = options->stop_after };
	atomic_store(&l->renewed, clock_boot_ms()); /* the incarnation has just begun */
	worker_init(&l->worker);
	*lease = l;
	/* Others know of this node before it says that it is ready. */
	renew(l);
	return worker_start(&l->worker, "lease", lease_thread, l, err);
}

void lease_stop(struct lease *l)
{
	if (l)
		worker_stop(&l->worker);
}

void lease_free(struct lease *l)
{
	if (!l)
		return;
	worker_dispose(&l->worker);
	l->options.ops->session_close(l->session);
	silence_dispose(&l->silence);
	free(l->told);
	free(l);
}

void lease_soon(struct lease *l)
{
	worker_lock(&l->worker);
	l->soon = true;
	worker_wake(&l->worker);
	worker_unlock(&l->worker);
}

int64_t lease_silence(struct lease *l, int64_t incarnation)
{
	int64_t silent;

	worker_lock(&l->worker);
	silent = silence_of(&l->silence, incarnation);
	worker_unlock(&l->worker);
	return silent;
}

bool lease_is_failing(const struct lease *l)
{
	return atomic_load(&l->failing);
}

void lease_read_numbers(struct lease *l, struct lease_numbers *numbers)
{
	*numbers = (struct lease_numbers){ .age = clock_boot_ms() - atomic_load(&l->renewed),
					   .renewals_failed = atomic_load(&l->renewals_failed),
					   .expelled = atomic_load(&l->expelled),
					   .swept = atomic_load(&l->swept) };
}
