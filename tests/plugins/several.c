/* several.c - one module that is a source, a sink that can be the store, and a monitor: for configurations. */
#include <drover/monitor.h>
#include <drover/sink.h>
#include <drover/source.h>
#include <drover/store.h>

struct several {
	char *path;
	char *listen;
	char *password;
};

static const struct drover_option options[] = { DROVER_OPT_STRING(struct several, path, NULL, "a file"),
						DROVER_OPT_STRING(struct several, listen, "127.0.0.1:1", "an address"),
						DROVER_OPT_SECRET(struct several, password, "a secret"),
						DROVER_OPT_END };

static int open_source(void *self, const struct drover_source_services *services, void *core, struct drover_error *err)
{
	(void)self;
	(void)services;
	(void)core;
	(void)err;
	return 0;
}

static int write_events(void *self, const struct drover_event *events, size_t count, struct drover_error *err)
{
	(void)self;
	(void)events;
	(void)count;
	(void)err;
	return 0;
}

static int tick(void *self, const struct drover_health *health, struct drover_error *err)
{
	(void)self;
	(void)health;
	(void)err;
	return 0;
}

#define ABOUT(type)                                                                                                    \
	.size = sizeof(type), .name = "several", .version = "0.1", .summary = "is of several kinds",                   \
	.self_size = sizeof(struct several), .options = options

static const struct drover_store_ops store = { .size = sizeof(store) };
static const struct drover_source source = { ABOUT(struct drover_source), .open = open_source };
static const struct drover_sink sink = { ABOUT(struct drover_sink), .write = write_events, .store = &store };
static const struct drover_monitor monitor = { ABOUT(struct drover_monitor), .tick = tick };

DROVER_MODULE(.source = &source, .sink = &sink, .monitor = &monitor);
