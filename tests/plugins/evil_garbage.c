/* evil_garbage.c - an executor that finds the socket to its host and writes rubbish into it. */
#include <unistd.h>

#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	(void)err;
	drover_report(unit, drover_unit_next_host(unit), DROVER_OK, .out = "done");
	for (;;)
		if (write(drover_unit_event_fd(unit), "this is no frame at all, and never was", 38) < 0)
			break;
	return 0;
}

DROVER_EXECUTOR(.name = "evil_garbage", .version = "1.0.0", .types = "evil_garbage",
		.summary = "writes what is no frame", .run = run);
