/* badtable.c - a plugin whose option has a default beyond its own bounds. */
#include <drover/monitor.h>

struct bad {
	int64_t number;
};

static const struct drover_option options[] = { DROVER_OPT_INT(struct bad, number, "11", "1", "10", "a number"),
						DROVER_OPT_END };

static int tick(void *self, const struct drover_health *health, struct drover_error *err)
{
	(void)self;
	(void)health;
	(void)err;
	return 0;
}

DROVER_MONITOR(.name = "badtable", .version = "1", .summary = "has a bad default", .self_size = sizeof(struct bad),
	       .options = options, .tick = tick);
