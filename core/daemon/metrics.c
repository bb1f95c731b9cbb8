/* metrics.c - see metrics.h. */
#include "daemon/metrics.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "daemon/core.h"
#include "sched/offers.h"
#include "sched/outbox.h"
#include "sched/results_file.h"
#include "sched/results_spool.h"
#include "util/buf.h"
#include "util/histogram.h"

/* ---------------------------------------------------------------------------------- counting */

static void add(atomic_llong *to, int64_t number)
{
	atomic_fetch_add_explicit(to, number, memory_order_relaxed);
}

void metrics_found(struct core_metrics *m, const struct drover_task *task)
{
	add(&m->tasks[task->state], 1);
	add(&m->hosts[DROVER_PENDING], task->counts[DROVER_PENDING]);
	add(&m->hosts[DROVER_RUNNING], task->counts[DROVER_RUNNING]);
}

/* What an open task has added to the gauges. */
struct seen_task {
	int64_t key;
	enum drover_task_state state;
	int64_t pending, running; /* hosts */
	UT_hash_handle hh;
};

static void add_seen(struct core_metrics *m, const struct seen_task *seen, int sign)
{
	add(&m->tasks[seen->state], sign);
	add(&m->hosts[DROVER_PENDING], sign * seen->pending);
	add(&m->hosts[DROVER_RUNNING], sign * seen->running);
}

void metrics_seen(struct core_metrics *m, const struct drover_task *task)
{
	struct seen_task *seen;

	HASH_FIND(hh, m->seen, &task->key, sizeof(task->key), seen);
	if (seen)
		add_seen(m, seen, -1);
	if (drover_task_state_is_final(task->state)) {
		if (seen)
			HASH_DEL(m->seen, seen);
		free(seen);
		return;
	}
	if (!seen) {
		seen = xcalloc(1, sizeof(*seen));
		seen->key = task->key;
		HASH_ADD(hh, m->seen, key, sizeof(seen->key), seen);
	}
	seen->state = task->state;
	seen->pending = task->counts[DROVER_PENDING];
	seen->running = task->counts[DROVER_RUNNING];
	add_seen(m, seen, 1);
}

void metrics_dispose(struct core_metrics *m)
{
	struct seen_task *seen, *next;

	HASH_ITER (hh, m->seen, seen, next) {
		HASH_DEL(m->seen, seen);
		free(seen);
	}
}

void metrics_changed(struct core_metrics *m, const struct drover_task_change *change)
{
	const struct drover_task *task = &change->task;
	bool accepted = change->old_state == DROVER_TASK_ACCEPTING && task->state != DROVER_TASK_ACCEPTING;

	if (task->state == DROVER_TASK_ACCEPTING)
		return;
	add(&m->accepted, accepted);
	if (change->old_state != task->state && !(m->shared && !drover_task_state_is_final(task->state)))
		add(&m->tasks[task->state], 1);
	if (change->old_state != task->state && !accepted && !m->shared)
		add(&m->tasks[change->old_state], -1);
	for (int i = m->shared ? DROVER_OK : DROVER_PENDING; i < DROVER_STATUS_COUNT; i++)
		add(&m->hosts[i], task->counts[i] - (accepted ? 0 : change->old_counts[i]));
}

/* ----------------------------------------------------------------------------------- telling */

struct telling {
	drover_metric_fn *fn;
	void *context;
};

static void tell(struct telling *t, enum drover_metric_type type, const char *name, const char *help, double value,
		 const char *label, const char *label_value)
{
	const char *labels[] = { label, label_value, NULL };

	t->fn(t->context, &(struct drover_metric){ .size = sizeof(struct drover_metric),
						   .name = name,
						   .help = help,
						   .type = type,
						   .labels = label ? labels : NULL,
						   .value = value });
}

static void tell_states(struct telling *t, struct core_metrics *m)
{
	static const char open_help[] = "Tasks that have not ended, by state.";
	static const char ended_help[] = "Tasks that ended since the core's start, by state.";

	tell(t, DROVER_COUNTER, "tasks_accepted_total", "Tasks accepted since the core's start.",
	     (double)atomic_load(&m->accepted), NULL, NULL);
	for (int i = DROVER_TASK_QUEUED; i < DROVER_TASK_DONE; i++)
		tell(t, DROVER_GAUGE, "tasks", open_help, (double)atomic_load(&m->tasks[i]), "state",
		     drover_task_state_name((enum drover_task_state)i));
	for (int i = DROVER_TASK_DONE; i < DROVER_TASK_STATE_COUNT; i++)
		tell(t, DROVER_COUNTER, "tasks_ended_total", ended_help, (double)atomic_load(&m->tasks[i]), "state",
		     drover_task_state_name((enum drover_task_state)i));
	for (int i = DROVER_PENDING; i <= DROVER_RUNNING; i++)
		tell(t, DROVER_GAUGE, "hosts", "Hosts of tasks that have no final status, by status.",
		     (double)atomic_load(&m->hosts[i]), "status", drover_status_name((enum drover_status)i));
	for (int i = DROVER_OK; i < DROVER_STATUS_COUNT; i++)
		tell(t, DROVER_COUNTER, "hosts_ended_total",
		     "Hosts that got their final status since the core's start, by status.",
		     (double)atomic_load(&m->hosts[i]), "status", drover_status_name((enum drover_status)i));
}

static void tell_load(struct telling *t, const struct engine_load *load)
{
	tell(t, DROVER_GAUGE, "engine_units_ready", "Units that wait for this engine.", (double)load->ready_units, NULL,
	     NULL);
	tell(t, DROVER_GAUGE, "engine_units_running", "Units that this engine executes.", (double)load->running_units,
	     NULL, NULL);
	tell(t, DROVER_GAUGE, "engine_hosts_running", "Hosts of those units that have not ended.",
	     (double)load->running_hosts, NULL, NULL);
	tell(t, DROVER_GAUGE, "results_spool_full", "1 while results cannot be kept on disk, and nothing is claimed.",
	     load->results_full, NULL, NULL);
	tell(t, DROVER_GAUGE, "engine_capacity_units", "Units that this engine may execute at once.",
	     (double)load->capacity_units, NULL, NULL);
	tell(t, DROVER_GAUGE, "engine_capacity_hosts", "Hosts that this engine may have running at once.",
	     (double)load->capacity_hosts, NULL, NULL);
}

static void tell_store(struct telling *t, struct core *core)
{
	int64_t buckets[HISTOGRAM_BOUNDS + 1];
	double sum = histogram_read(writer_latency(core->writer), buckets);

	tell(t, DROVER_GAUGE, "store_up", "1 while the store's last transaction worked.", core_store_ok(core), NULL,
	     NULL);
	tell(t, DROVER_GAUGE, "store_queue_rows", "Rows that wait to be written to the store.",
	     (double)writer_backlog(core->writer), NULL, NULL);
	tell(t, DROVER_COUNTER, "store_errors_total", "Transactions of the store that failed.",
	     (double)writer_errors(core->writer), NULL, NULL);
	t->fn(t->context,
	      &(struct drover_metric){ .size = sizeof(struct drover_metric),
				       .name = "store_commit_seconds",
				       .help = "How long transactions took, from their begin to their commit.",
				       .type = DROVER_HISTOGRAM,
				       .value = sum,
				       .bounds = histogram_bounds,
				       .buckets = buckets,
				       .bucket_count = HISTOGRAM_BOUNDS });
}

static void tell_lease(struct telling *t, struct core *core)
{
	struct lease_numbers lease;

	if (!core->lease)
		return;
	lease_read_numbers(core->lease, &lease);
	tell(t, DROVER_GAUGE, "lease_age_seconds", "Time since this core last renewed its lease.",
	     (double)lease.age / 1000, NULL, NULL);
	tell(t, DROVER_COUNTER, "lease_renewals_failed_total", "Renewals of the lease that failed, each try.",
	     (double)lease.renewals_failed, NULL, NULL);
	tell(t, DROVER_COUNTER, "nodes_expelled_total", "Nodes whose lease this one has ended, since they were silent.",
	     (double)lease.expelled, NULL, NULL);
	tell(t, DROVER_COUNTER, "units_taken_over_total", "Units of nodes that are gone that this one gave back.",
	     (double)lease.swept, NULL, NULL);
}

/* Name by name, since all values of one name come together. */
static void tell_sinks(struct telling *t, struct core *core)
{
	struct hub_sink sinks[HUB_SINKS];
	size_t count = hub_sinks(core->hub, sinks, HUB_SINKS);

	tell(t, DROVER_GAUGE, "event_subscribers", "Event streams and clients that wait for a task's end.",
	     (double)hub_subscribers(core->hub), NULL, NULL);
	for (size_t i = 0; i < count; i++)
		tell(t, DROVER_GAUGE, "sink_spool_bytes", "Bytes of a sink's spool on disk.", (double)sinks[i].bytes,
		     "sink", sinks[i].name);
	for (size_t i = 0; i < count; i++)
		tell(t, DROVER_GAUGE, "sink_spool_full", "1 while a sink's spool takes nothing more.", sinks[i].full,
		     "sink", sinks[i].name);
}

/* What is on the disk is read there: files that were set aside count, too. */
static void tell_results(struct telling *t, struct core *core)
{
	char *folder = results_spool_folder(core->state_dir);
	struct results_usage usage;
	struct drover_error err;

	if (!results_file_usage(folder, &usage, &err)) {
		tell(t, DROVER_GAUGE, "results_spool_bytes", "Bytes on disk of results that wait for the store.",
		     (double)usage.bytes, NULL, NULL);
		tell(t, DROVER_GAUGE, "results_spool_files", "Files of results that wait for the store.",
		     (double)usage.files, NULL, NULL);
		tell(t, DROVER_GAUGE, "results_unusable_bytes",
		     "Bytes on disk of results that could not be stored and were set aside.",
		     (double)usage.unusable_bytes, NULL, NULL);
		tell(t, DROVER_GAUGE, "results_unusable_files",
		     "Files of results that could not be stored and were set aside.", (double)usage.unusable_files,
		     NULL, NULL);
	}
	free(folder);
}

static void tell_parts(struct telling *t, const struct core_view *view)
{
	for (size_t i = 0; i < view->part_count; i++)
		tell(t, DROVER_COUNTER, "part_restarts_total", "Restarts of the daemon's processes.",
		     (double)view->parts[i].part.restarts, "part", view->parts[i].name);
	for (size_t i = 0; i < view->part_count; i++)
		tell(t, DROVER_GAUGE, "part_start_time_seconds", "When the process was started, in Unix time.",
		     (double)view->parts[i].part.started_at / 1000, "part", view->parts[i].name);
}

static void tell_outbox(struct telling *t, struct core *core)
{
	struct outbox_counts c;

	if (!core->outbox)
		return;
	outbox_count(core->outbox, &c);
	tell(t, DROVER_COUNTER, "units_published_total", "Units that the dispatcher took for the first time.",
	     (double)c.published, NULL, NULL);
	tell(t, DROVER_COUNTER, "units_republished_total",
	     "Units that were published again, since nobody had claimed them.", (double)c.again, NULL, NULL);
	tell(t, DROVER_COUNTER, "units_undelivered_total", "Units that the dispatcher could not deliver.",
	     (double)c.failed, NULL, NULL);
	tell(t, DROVER_COUNTER, "tasks_taken_up_total", "Tasks taken up from distributors that ended.",
	     (double)c.adopted, NULL, NULL);
	tell(t, DROVER_COUNTER, "units_voided_total",
	     "Units that were ended, since what the store has of them is not what was signed.", (double)c.voided, NULL,
	     NULL);
	tell(t, DROVER_COUNTER, "units_unverified_total",
	     "Looks at units that nobody has claimed, and that no key of this node verifies.", (double)c.unsure, NULL,
	     NULL);
	tell(t, DROVER_GAUGE, "outbox_units", "Units that wait here for being published.", (double)c.waiting, NULL,
	     NULL);
	tell(t, DROVER_GAUGE, "outbox_units_in_flight", "Units that are published and not yet marked so.",
	     (double)c.out, NULL, NULL);
	tell(t, DROVER_GAUGE, "outbox_tasks", "Tasks of which units wait here.", (double)c.tasks, NULL, NULL);
}

static void tell_offers(struct telling *t, struct core *core)
{
	struct offers_counts c;

	if (!core->offers)
		return;
	offers_count(core->offers, &c);
	tell(t, DROVER_COUNTER, "units_offered_total", "Units that this engine heard of, by how.", (double)c.by_message,
	     "by", "message");
	tell(t, DROVER_COUNTER, "units_offered_total", "Units that this engine heard of, by how.", (double)c.by_look,
	     "by", "look");
	for (int i = 0; i < OFFERS_REFUSALS; i++)
		tell(t, DROVER_COUNTER, "units_refused_total",
		     "Units that were refused: no valid signature, a pool of others, or not what the store says.",
		     (double)c.refused[i], "reason", offers_refusal_name((enum offers_refusal)i));
	tell(t, DROVER_COUNTER, "units_elsewhere_total", "Units that no executor of this engine serves.",
	     (double)c.elsewhere, NULL, NULL);
	tell(t, DROVER_COUNTER, "units_newer_total",
	     "Units signed by a node of a newer version, left to engines that know it.", (double)c.newer, NULL, NULL);
	tell(t, DROVER_COUNTER, "units_stale_total", "Units that others had claimed, or that had ended.",
	     (double)c.stale, NULL, NULL);
	tell(t, DROVER_GAUGE, "engine_hand_units", "Units that this engine knows of and has not claimed.",
	     (double)(c.hand + c.waiting), NULL, NULL);
}

static void tell_inventory(void *context, const struct drover_inventory *inventory)
{
	struct telling *t = context;

	if (!strcmp(inventory->state, "none"))
		return;
	tell(t, DROVER_GAUGE, "inventory_up", "1 where the last reading of the Ansible inventory worked.",
	     !strcmp(inventory->state, "ok"), NULL, NULL);
	tell(t, DROVER_GAUGE, "inventory_read_time_seconds", "When the inventory in use was read, in Unix time.",
	     (double)inventory->read_at / 1000, NULL, NULL);
	tell(t, DROVER_GAUGE, "inventory_hosts", "Hosts of the inventory in use.", (double)inventory->hosts, NULL,
	     NULL);
}

void metrics_tell(void *core_context, drover_metric_fn *fn, void *context)
{
	struct core *core = core_context;
	struct telling t = { fn, context };
	const char *build[] = { "version", DROVER_VERSION, "node", core->node, NULL };

	fn(context, &(struct drover_metric){ .size = sizeof(struct drover_metric),
					     .name = "build_info",
					     .help = "The program that runs.",
					     .type = DROVER_GAUGE,
					     .labels = build,
					     .value = 1 });
	tell(&t, DROVER_GAUGE, "draining", "1 while no further unit is taken.", core_is_draining(core), NULL, NULL);
	tell_states(&t, &core->metrics);
	tell_store(&t, core);
	tell_results(&t, core);
	tell_lease(&t, core);
	tell_sinks(&t, core);
	tell_outbox(&t, core);
	tell_offers(&t, core);
	core_inventory(core, tell_inventory, &t);
	pthread_mutex_lock(&core->lock);
	tell_load(&t, &core->view.load);
	tell_parts(&t, &core->view);
	pthread_mutex_unlock(&core->lock);
}
