/* sink_crash.c - a sink that dies of a null pointer in each write. */
#include <drover/sink.h>

static int crash(void *self, const struct drover_event *events, size_t count, struct drover_error *err)
{
	volatile int *nowhere = NULL;

	(void)self, (void)events, (void)count, (void)err;
	*nowhere = 1;
	return 0;
}

DROVER_SINK(.name = "sink_crash", .version = "1.0.0", .summary = "crashes in each write", .write = crash);
