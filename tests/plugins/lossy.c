/* lossy.c - a dispatcher whose messages all get lost, though it says that they came: each leaves a line in `path`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <drover/dispatcher.h>

struct lossy {
	char *path;
	const struct drover_dispatcher_services *services;
	void *core;
};

static const struct drover_option options[] = {
	DROVER_OPT_STRING(struct lossy, path, NULL, "file of what was published", .flags = DROVER_REQUIRED),
	DROVER_OPT_END
};

static int open_lossy(void *self, const struct drover_dispatcher_services *services, void *core,
		      struct drover_error *err)
{
	struct lossy *lossy = self;

	(void)err;
	lossy->services = services;
	lossy->core = core;
	return 0;
}

static int publish(void *self, const struct drover_dispatch *unit, struct drover_error *err)
{
	struct lossy *lossy = self;
	FILE *file = fopen(lossy->path, "ae");

	if (!file)
		return drover_error_set(err, DROVER_EFAULT, "cannot open %s: %s", lossy->path, strerror(errno));
	fprintf(file, "%lld %lld %s %d\n", (long long)unit->task_key, (long long)unit->unit, unit->pool,
		unit->publications);
	fclose(file);
	lossy->services->delivered(lossy->core, unit->task_key, unit->unit, 0);
	return 0;
}

static const struct drover_dispatcher dispatcher = {
	.size = sizeof(dispatcher),
	.name = "lossy",
	.version = "1.0.0",
	.summary = "loses every message",
	.options = options,
	.self_size = sizeof(struct lossy),
	.open = open_lossy,
	.publish = publish,
};

DROVER_MODULE(.dispatcher = &dispatcher);
