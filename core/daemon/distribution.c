/* distribution.c - see distribution.h. */
#include "daemon/distribution.h"

#include <stdio.h>

#include "daemon/waiting.h"
#include "proc/slice.h"
#include "sched/offers.h"
#include "sched/outbox.h"
#include "util/log.h"

/* On the loop. */
static void forged(void *context, const char *task, int64_t unit, const char *why)
{
	char detail[DROVER_ERROR_SIZE + 256];

	snprintf(detail, sizeof(detail),
		 "task %.160s unit %lld was not executed: the store differs from what was signed: %s", task,
		 (long long)unit, why);
	core_audit_own(context, "forged", detail);
}

static int open_outbox(struct core *core, struct drover_error *err)
{
	int64_t again = slice_int(core->slice, "dispatcher.again", 10000);
	const struct outbox_options options = {
		.ops = core->ops,
		.store = core->store_self,
		.writer = core->writer,
		.dispatcher = core->dispatcher.plugin,
		.dispatcher_self = core->dispatcher.self,
		.incarnation = core->incarnation,
		.ahead = slice_int(core->slice, "dispatcher.ahead", 2),
		.keys = core->keys,
		.forged = forged,
		.context = core,
		.look = slice_int(core->slice, "dispatcher.look", 200),
		.nodes = core->lease_renew < 1000 ? core->lease_renew : 1000,
		.due = again < 2000 ? again / 2 : 1000,
		.again_first = again,
		.again_most = slice_int(core->slice, "dispatcher.again_most", 60000),
	};

	/* The dispatcher's reports must find it. */
	core->outbox = outbox_new(&options);
	return outbox_start(core->outbox, err);
}

static int open_offers(struct core *core, struct drover_error *err)
{
	const struct offers_options options = {
		.ops = core->ops,
		.store = core->store_self,
		.writer = core->writer,
		.engine = core->engine,
		.keys = core->keys,
		.executors = &core->executors,
		.pools = core->pools,
		.limit_units = slice_int(core->slice, "limits.offers", 2000),
		.limit_bytes = slice_int(core->slice, "limits.offer_bytes", 64 << 20),
	};
	int code = offers_new(&options, &core->offers, err);

	if (!code)
		engine_set_offers(core->engine, core->offers, forged, core);
	return code;
}

int distribution_open(struct core *core, struct drover_error *err)
{
	int code = 0;

	if (core->dispatcher.plugin && !core->ops->shared)
		return drover_error_set(
			err, DROVER_EINVALID,
			"a dispatcher hands units to other nodes, and these share no store of the plugin %s: "
			"configure another, such as mysql",
			core->store_plugin->name);
	if (core->ops->shared)
		core->waiting = waiting_new(core);
	if (core->dispatcher.plugin) {
		core->served = served_new(core->readers, core->ops);
		served_configure(core->served, slice_int(core->slice, "cluster.remember", 86400000),
				 slice_int(core->slice, "cluster.refresh", 250));
		code = open_outbox(core, err);
	}
	if (!code && core->ops->shared && core->executors.count && signing_keys_can_verify(core->keys))
		code = open_offers(core, err);
	return code;
}

void distribution_stop(struct core *core)
{
	outbox_stop(core->outbox);
	offers_stop(core->offers);
}

void distribution_free(struct core *core)
{
	served_free(core->served);
	waiting_free(core->waiting);
	outbox_free(core->outbox);
	offers_free(core->offers);
}

int distribution_offer_unit(void *context, const void *envelope, size_t size, struct drover_error *err)
{
	struct core *core = context;

	if (!core->offers)
		return drover_error_set(err, DROVER_EDENIED,
					"this node is no engine: it has no executors, or no keys to verify units by");
	return offers_take(core->offers, envelope, size, err);
}

void distribution_await_room(void *context, void (*room)(void *room_context), void *room_context)
{
	struct core *core = context;

	if (core->offers)
		offers_await_room(core->offers, room, room_context);
}

bool distribution_takes_units(void *context)
{
	const struct core *core = context;

	return core->offers && engine_takes_units(core->engine);
}
