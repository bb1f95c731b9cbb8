/* flood.c - an executor that reports every host at once, as fast as it can, with `size` bytes of output. */
#include <stdlib.h>
#include <string.h>

#include <drover/executor.h>

struct flood {
	int64_t size;
	bool cork;
};

static const struct drover_option options[] = {
	DROVER_OPT_SIZE(struct flood, size, "0", "0", "64M", "bytes of output for each host"),
	DROVER_OPT_BOOL(struct flood, cork, "false", "whether reports are sent together"), DROVER_OPT_END
};

static int run(struct drover_unit *unit, struct drover_error *err)
{
	const struct flood *self = drover_unit_self(unit);
	char *output = malloc((size_t)self->size + 1);
	const char *host;

	if (!output)
		return drover_error_set(err, DROVER_ENOMEM, "no memory");
	memset(output, 'f', (size_t)self->size);
	output[self->size] = '\0';
	drover_unit_cork(unit, self->cork);
	while ((host = drover_unit_next_host(unit)))
		drover_report(unit, host, DROVER_OK, .out = output, .out_size = (size_t)self->size, .has_rc = true);
	drover_unit_cork(unit, false);
	free(output);
	return 0;
}

DROVER_EXECUTOR(.name = "flood", .version = "1.0.0", .types = "flood", .summary = "reports as fast as it can",
		.self_size = sizeof(struct flood), .options = options, .run = run);
