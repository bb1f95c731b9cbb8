/* verify.c - looks at what a plugin declares, before any of it is used; see loader.h. */
#include <string.h>

#include "conf/option.h"
#include "loader/loader.h"

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/* What each kind's struct had in version 1.0: a smaller one is not that kind. */
static const size_t smallest[PLUGIN_KINDS] = {
	[PLUGIN_SOURCE] = END_OF(struct drover_source, close),
	[PLUGIN_DISPATCHER] = END_OF(struct drover_dispatcher, close),
	[PLUGIN_EXECUTOR] = END_OF(struct drover_executor, close),
	[PLUGIN_SINK] = END_OF(struct drover_sink, store),
	[PLUGIN_MONITOR] = END_OF(struct drover_monitor, close),
};

const char *loader_kind_name(enum plugin_kind kind)
{
	static const char *const names[PLUGIN_KINDS] = { "source", "dispatcher", "executor", "sink", "monitor" };

	return kind < PLUGIN_KINDS ? names[kind] : "unknown";
}

const struct drover_plugin_info *loader_info(const struct drover_module *module, enum plugin_kind kind)
{
	switch (kind) {
	case PLUGIN_SOURCE:
		return module->source ? &module->source->info : NULL;
	case PLUGIN_DISPATCHER:
		return module->dispatcher ? &module->dispatcher->info : NULL;
	case PLUGIN_EXECUTOR:
		return module->executor ? &module->executor->info : NULL;
	case PLUGIN_SINK:
		return module->sink ? &module->sink->info : NULL;
	case PLUGIN_MONITOR:
		return module->monitor ? &module->monitor->info : NULL;
	default:
		return NULL;
	}
}

static int check_info(const struct drover_plugin_info *info, enum plugin_kind kind, const char *name,
		      struct drover_error *err)
{
	const char *what = loader_kind_name(kind);

	if (info->size < smallest[kind])
		return drover_error_set(err, DROVER_EINVALID, "its %s has %zu bytes, at least %zu are needed", what,
					info->size, smallest[kind]);
	if (!info->name || strcmp(info->name, name))
		return drover_error_set(err, DROVER_EINVALID, "its %s calls itself \"%.64s\", its file says \"%s\"",
					what, info->name ? info->name : "(none)", name);
	if (!info->version || !info->summary)
		return drover_error_set(err, DROVER_EINVALID, "its %s has no %s", what,
					info->version ? "summary" : "version");
	return option_check(info->options, info->self_size, err);
}

static int missing(const char *what, struct drover_error *err)
{
	return drover_error_set(err, DROVER_EINVALID, "its %s is missing", what);
}

/* What a kind's header calls required. */
static int check_required(const struct drover_module *module, struct drover_error *err)
{
	if (module->executor && !module->executor->run)
		return missing("executor's run", err);
	if (module->executor && (!module->executor->types || !module->executor->types[0]))
		return missing("executor's list of types", err);
	if (module->source && !module->source->open)
		return missing("source's open", err);
	if (module->sink && !module->sink->write && !module->sink->store)
		return missing("sink's write", err);
	if (module->monitor && !module->monitor->tick)
		return missing("monitor's tick", err);
	if (module->dispatcher && !module->dispatcher->publish)
		return missing("dispatcher's publish", err);
	return 0;
}

int verify_module(const struct drover_module *module, const char *name, struct drover_error *err)
{
	int kinds = 0;

	if (!module)
		return drover_error_set(err, DROVER_EINVALID, "declares nothing");
	if (module->size < END_OF(struct drover_module, abi_minor))
		return drover_error_set(err, DROVER_EINVALID, "declares a module of %zu bytes", module->size);
	if (module->abi_major != DROVER_ABI_MAJOR)
		return drover_error_set(err, DROVER_EINVALID, "was built for ABI %d, this program has %d",
					module->abi_major, DROVER_ABI_MAJOR);
	if (module->size < END_OF(struct drover_module, dispatcher))
		return drover_error_set(err, DROVER_EINVALID, "declares a module of %zu bytes, at least %zu are needed",
					module->size, END_OF(struct drover_module, dispatcher));
	for (enum plugin_kind kind = 0; kind < PLUGIN_KINDS; kind++) {
		const struct drover_plugin_info *info = loader_info(module, kind);
		int code = info ? check_info(info, kind, name, err) : 0;

		if (code)
			return code;
		kinds += info != NULL;
	}
	if (!kinds)
		return drover_error_set(
			err, DROVER_EINVALID,
			"is no plugin of any kind: it declares no source, dispatcher, executor, sink or monitor");
	return check_required(module, err);
}
