/* sink_hang.c - a sink whose write never returns. */
#include <unistd.h>

#include <drover/sink.h>

static int hang(void *self, const struct drover_event *events, size_t count, struct drover_error *err)
{
	(void)self, (void)events, (void)err;
	do
		pause();
	while (count);
	return 0;
}

DROVER_SINK(.name = "sink_hang", .version = "1.0.0", .summary = "hangs in its first write", .write = hang);
