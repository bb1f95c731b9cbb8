/* greet.c - answers for each host of the unit with a greeting: the smallest executor. */
#include <drover/executor.h>

/* Zeroed, filled from `options` and freed by the host. */
struct greet {
	char *word;
};

static const struct drover_option options[] = {
	DROVER_OPT_STRING(struct greet, word, "hello", "what each host is greeted with"), DROVER_OPT_END
};

/* Runs in a process of its own, which is ended at the unit's deadline; so it may block. */
static int run(struct drover_unit *unit, struct drover_error *err)
{
	const struct greet *self = drover_unit_self(unit);
	const char *host;

	(void)err;
	while ((host = drover_unit_next_host(unit)))
		drover_report(unit, host, DROVER_OK, .out = drover_format("%s, %s", self->word, host));
	return 0;
}

DROVER_EXECUTOR(.name = "greet", .version = "1.0.0", .types = "greet", .summary = "greets each host", .window = 2,
		.self_size = sizeof(struct greet), .options = options, .run = run);
