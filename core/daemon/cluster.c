/* cluster.c - see cluster.h. */
#include "daemon/cluster.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "proc/slice.h"
#include "task/announced.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

bool core_is_distributor(const struct core *core)
{
	return core->dispatches;
}

bool core_is_draining(const struct core *core)
{
	return atomic_load(&core->draining) || engine_is_held(core->engine);
}

bool core_store_ok(const struct core *core)
{
	return writer_store_ok(core->writer) && !(core->lease && lease_is_failing(core->lease));
}

void core_hold(struct core *core, bool hold)
{
	if (engine_is_held(core->engine) != hold)
		log_info(hold ? "draining by request: no further unit is taken" : "units are taken again, by request");
	engine_hold(core->engine, hold);
	core_announce(core);
}

void core_announce(struct core *core)
{
	if (core->lease)
		lease_soon(core->lease);
}

/* --------------------------------------------------------------------------- the lease's callbacks */

static void announce(void *context, struct drover_announcement *now)
{
	struct core *core = context;
	const struct engine_load *load = &core->view.load;

	pthread_mutex_lock(&core->lock);
	memcpy(core->announced_isolation, core->view.isolation, sizeof(core->announced_isolation));
	now->capacity_hosts = load->capacity_hosts;
	now->capacity_units = load->capacity_units;
	now->running_hosts = load->running_hosts;
	now->running_units = load->running_units;
	for (size_t i = 0; i < core->executors.count; i++)
		announced_set(core->announced_executors, i, &core->view.executors[i].is);
	pthread_mutex_unlock(&core->lock);
	now->executors = json_object_to_json_string_ext(core->announced_executors, JSON_C_TO_STRING_PLAIN);
	now->isolation = core->announced_isolation;
	now->state = core_is_draining(core) ? "draining" : "up";
	now->dispatches = core->dispatches;
}

static void renewed(void *context, int64_t until)
{
	struct core *core = context;

	engine_set_lease(core->engine, until);
	if (until)
		atomic_store(&core->renewed_at, clock_utc_ms());
}

static bool drains(void *context)
{
	const struct core *core = context;

	return engine_is_held(core->engine);
}

static void asked_to_drain(void *context, bool drain)
{
	core_hold(context, drain);
}

static void lease_ended(void *context, enum lease_end how)
{
	struct core *core = context;

	if (how == LEASE_REPLACED) {
		log_error(
			"another node named %s has started on the same store and has taken over: this one stops. Give "
			"each node a name of its own (node.name)",
			core->node);
		control_replaced(core->control);
	} else {
		log_error("another node has ended this core's lease, since it was not renewed in time: it stops and "
			  "starts again");
	}
	sd_event_exit(core->event, 1);
}

/* -------------------------------------------------------------------------------------- its life */

char *core_pools_text(const struct core *core)
{
	struct buf b = BUF_INIT;

	buf_append(&b, "", 0);
	for (char *const *pool = core->pools; *pool; pool++)
		buf_printf(&b, "%s%s", b.size ? " " : "", *pool);
	return buf_take(&b);
}

/* Units of others come signed: who has no key to verify them is no engine for them. */
static char *pools_served(const struct core *core)
{
	return core->executors.count && signing_keys_can_verify(core->keys) ? core_pools_text(core) : xstrdup("");
}

int cluster_introduce(struct core *core, struct drover_error *err)
{
	const struct room_limits capacity = core_capacity(core->slice);
	struct drover_announcement node_is = {
		.size = sizeof(node_is),
		.state = "up",
		.capacity_hosts = capacity.hosts,
		.capacity_units = capacity.units,
		.dispatches = core->dispatches,
	};
	struct drover_renewal renewal = { .size = sizeof(renewal),
					  .incarnation = core->incarnation,
					  .node_is = &node_is };

	if (!core->ops->shared)
		return 0;
	/* They are about to come up. */
	if (json_object_deep_copy(slice_get(core->slice, "executors"), &core->announced_executors, NULL))
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	core->announced_pools = pools_served(core);
	node_is.pools = core->announced_pools;
	node_is.executors = json_object_to_json_string_ext(core->announced_executors, JSON_C_TO_STRING_PLAIN);
	return core->ops->renew(core->session, &renewal, err);
}

int cluster_open(struct core *core, struct drover_error *err)
{
	struct lease_options options = {
		.ops = core->ops,
		.store_self = core->store_self,
		.writer = core->writer,
		.node = core->node,
		.incarnation = core->incarnation,
		.renew = core->lease_renew,
		.take_over = slice_int(core->slice, "lease.take_over", 45000),
		.read_gap = slice_int(core->slice, "lease.read_gap", 5000),
		.stop_after = core->lease_stop_after,
		.max_attempts = (int)core->limits.attempts,
		.announce = announce,
		.renewed = renewed,
		.drains = drains,
		.drain = asked_to_drain,
		.ended = lease_ended,
		.context = core,
	};

	if (!core->ops->shared)
		return 0;
	engine_set_lease(core->engine, clock_boot_ms() + core->lease_stop_after);
	core_view_update(core); /* others are told its capacity from the first renewal on */
	options.pools = core->announced_pools;
	return lease_new(&options, &core->lease, err);
}

int cluster_watch(struct core *core, struct drover_error *err)
{
	if (!core->ops->shared)
		return 0;
	return elsewhere_new(core, slice_int(core->slice, "lease.changes", 500), core->changes_since, &core->elsewhere,
			     err);
}

void cluster_stop(struct core *core)
{
	lease_stop(core->lease);
	elsewhere_stop(core->elsewhere);
}

void cluster_free(struct core *core)
{
	lease_free(core->lease);
	elsewhere_free(core->elsewhere);
	free(core->announced_pools);
	json_object_put(core->announced_executors);
}
