/* dispatcher.c - the core's dispatcher: what hands units to other nodes; see drover/dispatcher.h. Event loop. */
#include <stdlib.h>

#include "conf/option.h"
#include "daemon/core.h"
#include "proc/slice.h"
#include "sched/outbox.h"
#include "util/buf.h"
#include "util/log.h"

static void delivered(void *context, int64_t task_key, int64_t unit, int code)
{
	log_debug("unit %lld of task %lld: the message is %s", (long long)unit, (long long)task_key,
		  code ? "not delivered" : "delivered");
	outbox_delivered(((struct core *)context)->outbox, task_key, unit, code);
}

static const struct drover_dispatcher_services services = {
	.size = sizeof(struct drover_dispatcher_services),
	.delivered = delivered,
};

int core_open_dispatcher(struct core *core, struct drover_error *err)
{
	struct json_object *instance = slice_get(core->slice, "dispatcher");
	struct core_dispatcher *d = &core->dispatcher;
	const struct drover_module *module;
	int code;

	if (!instance)
		return 0;
	d->name = xstrdup(slice_text(instance, "name", ""));
	code = core_load_instance(instance, PLUGIN_DISPATCHER, &module, &d->self, err);
	if (code)
		return code;
	d->plugin = module->dispatcher;
	code = d->plugin->open ? d->plugin->open(d->self, &services, core, err) : 0;
	d->open = !code;
	return code;
}

void core_close_dispatcher(struct core *core)
{
	struct core_dispatcher *d = &core->dispatcher;

	if (d->open && d->plugin->close)
		d->plugin->close(d->self);
	if (d->plugin)
		option_free(d->plugin->options, d->self);
	free(d->name);
	*d = (struct core_dispatcher){ 0 };
}
