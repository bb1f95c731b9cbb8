/* evil_step.c - an executor that begins one host at a time and dies at each whose name begins with "bad". */
#include <stdlib.h>
#include <string.h>

#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	const char *host;

	(void)err;
	while ((host = drover_unit_next_host(unit))) {
		if (!strncmp(host, "bad", 3))
			abort();
		drover_report(unit, host, DROVER_OK);
	}
	return 0;
}

DROVER_EXECUTOR(.name = "evil_step", .version = "1.0.0", .types = "evil_step", .summary = "dies at some of its hosts",
		.window = 1, .run = run);
