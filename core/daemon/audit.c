/* audit.c - what the core writes into the audit log by itself, and for sources. */
#include "daemon/core.h"
#include "util/log.h"

int core_audit(void *context, const struct drover_audit *line, struct drover_error *err)
{
	return hub_audit(((struct core *)context)->hub, line, err);
}

void core_audit_own(struct core *core, const char *action, const char *detail)
{
	struct drover_audit line = { .size = sizeof(line), .action = action, .result = "allowed", .detail = detail };
	struct drover_error err = { 0 };

	if (core->hub && hub_audit(core->hub, &line, &err))
		log_error("`%s` is missing in the audit log: %s", action, err.message);
}
