/* fail_open.c - an executor that cannot be opened. */
#include <drover/executor.h>

static int open_it(void *self, struct drover_error *err)
{
	(void)self;
	return drover_error_set(err, DROVER_ENOTFOUND, "the tool is not installed");
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	(void)unit;
	(void)err;
	return 0;
}

DROVER_EXECUTOR(.name = "fail_open", .version = "1.0.0", .types = "fail_open", .summary = "cannot be opened",
		.open = open_it, .run = run);
