/* otherabi.c - a plugin that says it was built for another major version. */
#include <drover/plugin.h>

static const struct drover_module module = { .size = sizeof(module), .abi_major = 2 };

__attribute__((visibility("default"))) drover_module_fn drover_module_v1;
const struct drover_module *drover_module_v1(const struct drover_host *host)
{
	(void)host;
	return &module;
}
