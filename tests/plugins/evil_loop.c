/* evil_loop.c - an executor that ignores SIGTERM and its stop descriptor, and loops. */
#include <signal.h>

#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	(void)unit;
	(void)err;
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	for (;;)
		;
	return 0;
}

DROVER_EXECUTOR(.name = "evil_loop", .version = "1.0.0", .types = "evil_loop",
		.summary = "ignores every request to end", .run = run);
