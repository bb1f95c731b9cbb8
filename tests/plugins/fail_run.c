/* fail_run.c - an executor whose run fails before any host. */
#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	(void)unit;
	return drover_error_set(err, DROVER_EFAULT, "the tool is not installed");
}

DROVER_EXECUTOR(.name = "fail_run", .version = "1.0.0", .types = "fail_run", .summary = "returns an error", .run = run);
