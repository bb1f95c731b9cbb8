/* sink_crash.c - a sink that aborts in each write. */
#include <stdlib.h>

#include <drover/sink.h>

static int __attribute__((noreturn)) crash(void *self, const struct drover_event *events, size_t count, struct drover_error *err)
{
	(void)self, (void)events, (void)count, (void)err;
	abort();
}

DROVER_SINK(.name = "sink_crash", .version = "1.0.0", .summary = "crashes in each write", .write = crash);
