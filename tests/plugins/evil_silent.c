/* evil_silent.c - an executor that returns well and has reported nobody. */
#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	(void)err;
	while (drover_unit_next_host(unit))
		;
	return 0;
}

DROVER_EXECUTOR(.name = "evil_silent", .version = "1.0.0", .types = "evil_silent", .summary = "reports nothing",
		.run = run);
