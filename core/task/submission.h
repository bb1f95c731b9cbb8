/*
 * submission.h - a task as a user submits it: JSON in, a checked and split task out.
 *
 * Thread: any; a submission belongs to one. Nothing here touches the store.
 */
#ifndef TASK_SUBMISSION_H
#define TASK_SUBMISSION_H

#include <drover/store.h>

#include "task/executors.h"
#include "task/inventory.h"
#include "task/limits.h"
#include "task/problems.h"

/* A pool, and what its engines execute. */
struct task_pool {
	char *name;
	struct executors executors;
};

struct submission_rules {
	/* What serves the task: this node's executors in any of `pools`; or, of other nodes, those of `others`. */
	const struct executors *executors;
	char *const *pools;             /* NULL-terminated; the first is the default, also among `others` */
	const struct task_pool *others; /* ended by a NULL name; or NULL */
	const struct task_limits *limits;
	int64_t life;                  /* ms that a unit may wait at most, since it is signed; 0: for ever */
	struct inventory *inventory;   /* what @group is resolved by, or NULL … */
	const char *inventory_missing; /* … and why; NULL: none is configured */
};

struct submission {
	struct drover_task task;         /* strings are borrowed from the submission */
	int executor;                    /* position in `serving` */
	const struct executors *serving; /* of the rules */
	struct drover_host_spec *hosts;
	size_t host_count;

	/* owned */
	struct json_object *root;
	char *payload, *labels, *options; /* JSON texts */
	int64_t *wave_ends;               /* of each wave: the hosts of it and those before it */
	size_t wave_count;
	struct nodeset *sets;
	size_t set_count;
	struct inventory *inventory;     /* a reference: hosts borrow from it */
	struct json_object *merged_vars; /* an array that keeps what hosts' `vars` point to */
	bool needs_inventory;            /* it names a group while there is no inventory to be read */
	unsigned char digest[32];        /* task.body */
	char id[TASK_ID_MAX + 1];
};

/*
 * Reads, checks and splits. On DROVER_EINVALID `problems` has been told everything that is wrong (with
 * pointer NULL where the text is no JSON). DROVER_ERETRY: it names a group, and there is no inventory to
 * be read now. Dispose of it in any case.
 */
int submission_read(struct submission *submission, const void *json, size_t size, const struct submission_rules *rules,
		    struct problems *problems, struct drover_error *err);
void submission_dispose(struct submission *submission);
/* Unit number `unit` of the split: by waves, then by unit_size. */
struct drover_unit_spec submission_unit(const struct submission *submission, int64_t unit);

#endif
