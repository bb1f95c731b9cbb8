/* evil_foreign.c - an executor that reports a host which it was not given. */
#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	const char *host;

	(void)err;
	if (drover_report(unit, "not-mine", DROVER_OK, .out = "mine?") != DROVER_ENOTFOUND)
		return DROVER_EFAULT;
	while ((host = drover_unit_next_host(unit)))
		drover_report(unit, host, DROVER_OK, .out = "done");
	return 0;
}

DROVER_EXECUTOR(.name = "evil_foreign", .version = "1.0.0", .types = "evil_foreign",
		.summary = "reports a host of another unit", .run = run);
