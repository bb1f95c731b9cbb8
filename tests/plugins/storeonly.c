/* storeonly.c - a sink that takes no events: it can only be the store; and has an option that belongs to the kind. */
#include <drover/sink.h>
#include <drover/store.h>

struct storeonly {
	int64_t spool_limit;
};

static const struct drover_option options[] = {
	DROVER_OPT_INT(struct storeonly, spool_limit, "1", NULL, NULL, "every sink has one already"), DROVER_OPT_END
};

static const struct drover_store_ops ops = { .size = sizeof(ops) };

DROVER_SINK(.name = "storeonly", .version = "1", .summary = "can only be the store",
	    .self_size = sizeof(struct storeonly), .options = options, .store = &ops);
