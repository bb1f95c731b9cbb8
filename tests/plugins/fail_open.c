/*
 * fail_open.c - an executor that cannot be opened; with `needs`, as long as that file is missing. With `hangs` its opening
 * has no end as long as that one is there.
 */
#include <unistd.h>

#include <drover/executor.h>

struct fail_open {
	char *needs, *hangs;
};

static const struct drover_option options[] = {
	DROVER_OPT_STRING(struct fail_open, needs, NULL, "file without which it cannot be opened"),
	DROVER_OPT_STRING(struct fail_open, hangs, NULL, "file with which its opening hangs"), DROVER_OPT_END
};

static int open_it(void *self, struct drover_error *err)
{
	const struct fail_open *f = self;

	while (f->hangs && !access(f->hangs, F_OK))
		usleep(10000);
	if (f->needs && !access(f->needs, F_OK))
		return 0;
	return drover_error_set(err, DROVER_ENOTFOUND, "the tool is not installed");
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	const char *host;

	(void)err;
	while ((host = drover_unit_next_host(unit)))
		drover_report(unit, host, DROVER_OK);
	return 0;
}

DROVER_EXECUTOR(.name = "fail_open", .version = "1.0.0", .types = "fail_open", .summary = "cannot be opened",
		.self_size = sizeof(struct fail_open), .options = options, .open = open_it, .run = run);
