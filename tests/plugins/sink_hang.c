/* sink_hang.c - a sink that never returns from its first write. */
#include <signal.h>
#include <unistd.h>

#include <drover/sink.h>

static int hang(void *self, const struct drover_event *events, size_t count, struct drover_error *err)
{
	(void)self;
	(void)events;
	(void)count;
	(void)err;
	signal(SIGTERM, SIG_IGN);
	for (;;)
		pause();
}

DROVER_SINK(.name = "sink_hang", .version = "1.0.0", .summary = "never returns", .write = hang);
