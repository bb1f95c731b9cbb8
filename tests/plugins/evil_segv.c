/* evil_segv.c - an executor that reports its first host and then touches memory that is not there. */
#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	volatile int *nowhere = NULL;

	(void)err;
	drover_report(unit, drover_unit_next_host(unit), DROVER_OK, .out = "the last words");
	return *nowhere;
}

DROVER_EXECUTOR(.name = "evil_segv", .version = "1.0.0", .types = "evil_segv", .summary = "dies of a segmentation fault", .run = run);
