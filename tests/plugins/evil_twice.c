/* evil_twice.c - an executor that reports each host twice, the second time with another status. */
#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	const char *host;

	(void)err;
	while ((host = drover_unit_next_host(unit))) {
		drover_report(unit, host, DROVER_OK, .out = "the truth");
		if (drover_report(unit, host, DROVER_FAILED, .message = "a lie") != DROVER_ECONFLICT)
			return DROVER_EFAULT;
	}
	return 0;
}

DROVER_EXECUTOR(.name = "evil_twice", .version = "1.0.0", .types = "evil_twice", .summary = "reports a host twice",
		.run = run);
