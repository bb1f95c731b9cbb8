/* tick_file.c - a monitor that writes each tick as a line into a file. */
#include <stdio.h>

#include <drover/monitor.h>

struct tick_file {
	char *path;
};

static const struct drover_option options[] = { DROVER_OPT_STRING(struct tick_file, path, NULL,
								  "file that the lines are appended to",
								  .flags = DROVER_REQUIRED),
						DROVER_OPT_END };

static int tick(void *self, const struct drover_health *health, struct drover_error *err)
{
	const struct tick_file *t = self;
	FILE *f = fopen(t->path, "ae");

	if (!f)
		return drover_error_set(err, DROVER_EFAULT, "cannot open %s", t->path);
	fprintf(f, "node=%s alive=%d store=%d hosts=%lld restarts=%lld\n", health->node, health->core_alive,
		health->store_reachable, (long long)health->running_hosts, (long long)health->restarts);
	fclose(f);
	return 0;
}

DROVER_MONITOR(.name = "tick_file", .version = "1.0.0", .summary = "writes each tick into a file",
	       .self_size = sizeof(struct tick_file), .options = options, .tick = tick);
