/* evil_exit.c - an executor that reports one host and calls exit before run returns. */
#include <stdio.h>
#include <stdlib.h>

#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	(void)err;
	drover_report(unit, drover_unit_next_host(unit), DROVER_OK, .out = "done");
	fprintf(stderr, "giving up here\n");
	exit(3);
}

DROVER_EXECUTOR(.name = "evil_exit", .version = "1.0.0", .types = "evil_exit", .summary = "exits in the middle",
		.run = run);
