/* evil_tick.c - a monitor that hangs in its first tick. */
#include <unistd.h>

#include <drover/monitor.h>

static int tick(void *self, const struct drover_health *health, struct drover_error *err)
{
	(void)self;
	(void)health;
	(void)err;
	for (;;)
		pause();
	return 0;
}

DROVER_MONITOR(.name = "evil_tick", .version = "1.0.0", .summary = "hangs", .tick = tick);
