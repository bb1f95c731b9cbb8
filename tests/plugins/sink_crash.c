/* sink_crash.c - a sink that dies of SIGSEGV in each write, also where a sanitizer would catch it. */
#include <signal.h>

#include <drover/sink.h>

static int crash(void *self, const struct drover_event *events, size_t count, struct drover_error *err)
{
	(void)self, (void)events, (void)count, (void)err;
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	return 0;
}

DROVER_SINK(.name = "sink_crash", .version = "1.0.0", .summary = "crashes in each write", .write = crash);
