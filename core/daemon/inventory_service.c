/* inventory_service.c - what sources may ask about the inventory: its state, its groups. On the sources' threads. */
#include <stdlib.h>
#include <string.h>

#include "daemon/core.h"
#include "daemon/inventory_keeper.h"
#include "task/inventory.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/nameset.h"
#include "util/nodeset.h"

#define NODE_SET_LIMIT 10000000
#define WAIT_MS 5000 /* for its very first reading */

void core_inventory(void *context, void (*fn)(void *fn_context, const struct drover_inventory *inventory),
		    void *fn_context)
{
	struct core *core = context;
	struct keeper_state state;
	struct inventory *in = keeper_take(core->inventory, 0, &state);
	char *sources = keeper_sources(core->inventory);
	struct drover_inventory told = { .size = sizeof(told),
					 .state = state.state,
					 .message = *state.message ? state.message : NULL,
					 .sources = sources,
					 .read_at = state.read_at,
					 .tried_at = state.tried_at,
					 .skipped_are = "" };

	if (in) {
		size_t skipped;

		told.skipped_are = inventory_skipped(in, &skipped);
		told.skipped = (int64_t)skipped;
		told.hosts = (int64_t)inventory_host_count(in);
		told.groups = (int64_t)inventory_group_count(in);
	}
	fn(fn_context, &told);
	inventory_unref(in);
	free(sources);
}

struct showing {
	drover_host_group_fn *fn;
	void *context;
	bool restricted;
	struct nameset allowed;
	bool found;
};

static int show(void *context, const struct inventory_group *group)
{
	struct showing *showing = context;
	char **names = xcalloc(group->host_count + 1, sizeof(*names));
	size_t count = 0;
	char *hosts;
	int code = 0;

	for (size_t i = 0; i < group->host_count; i++)
		if (!showing->restricted || nameset_has(&showing->allowed, group->hosts[i], strlen(group->hosts[i])))
			names[count++] = (char *)group->hosts[i];
	hosts = nodeset_fold(names, count);
	if (count || !showing->restricted) {
		showing->found = true;
		code = showing->fn(showing->context,
				   &(struct drover_host_group){ .size = sizeof(struct drover_host_group),
								.name = group->name,
								.hosts = hosts,
								.count = (int64_t)count,
								.children = group->children,
								.child_count = group->child_count });
	}
	free(hosts);
	free(names);
	return code;
}

static int restrict_to(struct showing *showing, const struct drover_principal *by, struct drover_error *err)
{
	struct nodeset set;
	int code;

	if (!by || !by->hosts)
		return 0;
	code = nodeset_expand(by->hosts, NODE_SET_LIMIT, NULL, NULL, &set, err);
	if (code)
		return code;
	showing->restricted = true;
	for (size_t i = 0; i < set.count; i++)
		nameset_add(&showing->allowed, set.names[i], strlen(set.names[i]));
	nodeset_dispose(&set);
	return 0;
}

static int unknown(const struct inventory *in, const char *name, bool restricted, struct drover_error *err)
{
	char hint[128] = "";

	/* A name that its asker may not see is no hint for him. */
	if (in && !restricted)
		inventory_suggest(in, name, hint, sizeof(hint));
	return drover_error_set(err, DROVER_ENOTFOUND, "no group is called \"%.80s\"%s", name,
				in ? hint : "; no inventory is configured (see `inventory`)");
}

int core_host_groups(void *context, const struct drover_principal *by, const char *name, const char *after,
		     drover_host_group_fn *fn, void *fn_context, struct drover_error *err)
{
	struct core *core = context;
	struct keeper_state state;
	struct inventory *in = keeper_take(core->inventory, WAIT_MS, &state);
	struct showing showing = { .fn = fn, .context = fn_context };
	int code = restrict_to(&showing, by, err);

	atomic_store(&core->last_request, clock_boot_ms());
	if (code)
		goto out;
	if (!in && name && strcmp(state.state, "none"))
		code = drover_error_set(err, DROVER_ERETRY, "the inventory %s%s",
					*state.message ? "cannot be read: " : "has not been read yet", state.message);
	else if (!name && in)
		code = inventory_groups(in, after, show, &showing);
	else if (name && in)
		code = inventory_group(in, name, show, &showing);
	if (name && !code && !showing.found)
		code = DROVER_ENOTFOUND;
	if (name && code == DROVER_ENOTFOUND)
		code = unknown(in, name, showing.restricted, err);
out:
	nameset_dispose(&showing.allowed);
	inventory_unref(in);
	return code;
}
