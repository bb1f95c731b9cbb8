/* evil_segv.c - an executor that reports its first host and then dies as by a wild pointer. */
#include <signal.h>

#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	(void)err;
	drover_report(unit, drover_unit_next_host(unit), DROVER_OK, .out = "the last words");
	signal(SIGSEGV, SIG_DFL); /* a sanitizer would make an exit of it */
	return raise(SIGSEGV);
}

DROVER_EXECUTOR(.name = "evil_segv", .version = "1.0.0", .types = "evil_segv",
		.summary = "dies of a segmentation fault", .run = run);
