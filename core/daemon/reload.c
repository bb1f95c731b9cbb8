/*
 * reload.c - SIGHUP: what of a new configuration the running core takes over, and what it says of the
 * rest. It is not restarted for it, since that would end every running unit. Event loop.
 */
#include <json-c/json.h>
#include <string.h>

#include "daemon/core.h"
#include "daemon/inventory_keeper.h"
#include "proc/slice.h"
#include "task/json.h"
#include "util/log.h"

/* `store` is compared without `keep`, which is taken over. */
static const char *const fixed[] = { "node",    "limits",     "lease",     "log",  "store",
				     "sources", "dispatcher", "executors", "sinks" };

static bool is_same(struct json_object *old, struct json_object *new, const char *section)
{
	struct json_object *was = slice_get(old, section), *is = slice_get(new, section);

	if (!strcmp(section, "store")) {
		json_object_object_del(was, "keep");
		json_object_object_del(is, "keep");
	}
	return json_object_equal(was, is);
}

/* Keys are exchanged while units run; a cluster's name is in all that was signed. */
static void reload_keys(struct core *core, struct json_object *slice)
{
	struct drover_error err = { 0 };

	log_secret(slice_text(slice, "cluster.signing_key", NULL));
	if (strcmp(slice_text(slice, "cluster.name", ""), signing_keys_cluster(core->keys)) != 0)
		log_warning("`cluster.name` has changed: the core takes it over at the next start of droverd");
	if (signing_keys_update(core->keys, slice_get(slice, "cluster"), &err))
		log_error("the keys stay as they were: %s", err.message);
}

void core_reload(struct core *core, const char *text)
{
	struct json_object *slice;
	struct room_limits capacity;
	struct drover_error err = { 0 };

	if (json_read(text, strlen(text), &slice, &err)) {
		log_error("cannot read the new configuration: %s", err.message);
		return;
	}
	atomic_store(&core->keep, slice_int(slice, "store.keep", 0));
	capacity = core_capacity(slice);
	engine_set_capacity(core->engine, &capacity);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		if (!is_same(core->slice, slice, fixed[i]))
			log_warning("`%s` has changed in a way that the core takes over at the next start of droverd",
				    fixed[i]);
	keeper_configure(core->inventory, slice_get(slice, "inventory"));
	served_configure(core->served, slice_int(slice, "cluster.remember", 86400000),
			 slice_int(slice, "cluster.refresh", 250));
	access_configure(&core->access, slice_get(slice, "credentials"));
	reload_keys(core, slice);
	json_object_put(core->slice);
	core->slice = slice;
	core_audit_own(core, "reload", NULL);
	log_info("the new configuration is in force");
}
