/* othername.c - a plugin whose entry has another name than its file. */
#include <drover/sink.h>

static int write_events(void *self, const struct drover_event *events, size_t count, struct drover_error *err)
{
	(void)self;
	(void)events;
	(void)count;
	(void)err;
	return 0;
}

DROVER_SINK(.name = "somebody", .version = "1", .summary = "is not who it says", .write = write_events);
