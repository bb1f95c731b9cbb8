/*
 * served.h - what a distributor knows of the engines: which pools they serve, by which executors. Tasks are checked by
 * it, and GET /v1/executors shows it.
 *
 * It is read from what nodes announce in the store (struct drover_announcement), at most every `refresh`, by whoever
 * needs it then. An engine that ended less than `remember` ago counts: it may be about to come back. What it says
 * is a help for those who submit, and nothing is believed for it: engines hold each unit against their own
 * configuration (envelope_check_executor).
 *
 * Thread: any.
 */
#ifndef DAEMON_SERVED_H
#define DAEMON_SERVED_H

#include <stdatomic.h>

#include "store/readers.h"
#include "task/submission.h"

/* One executor's name and kind, with those who have it. */
struct served_row {
	char *name, *plugin, *version, *types, *summary;
	char *nodes; /* names, separated by blanks */
	bool up;     /* on one that lives, and it takes units now */
};

/* What a node announced. Those of living nodes come first, the newest of them at the front: its executors go first. */
struct served_node {
	char *name, *pools, *executors;
	bool lives;
	int64_t incarnation;
};

/* As of one reading; never changed. */
struct served {
	atomic_int references;
	struct task_pool *pools; /* by name; ended by a NULL one */
	size_t pool_count;
	struct served_row *rows;
	size_t row_count;
	struct served_node *nodes;
	size_t node_count;
	int64_t read_at; /* CLOCK_BOOTTIME ms */
};

struct served_keeper;

struct served_keeper *served_new(struct readers *readers, const struct drover_store_ops *ops);
/* ms; also at a reload. */
void served_configure(struct served_keeper *keeper, int64_t remember, int64_t refresh);
void served_free(struct served_keeper *keeper);
/*
 * A reference to what is known, read anew if it is time to. While the store is away, what was known before; DROVER_ERETRY:
 * nothing is.
 */
int served_take(struct served_keeper *keeper, struct served **served, struct drover_error *err);
void served_give(struct served *served);

#endif
