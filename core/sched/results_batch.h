/*
 * results_batch.h - results and ends of units that are on their way to the store together, and where they are
 * meanwhile: in memory, or in a file. For results.c and results_spool.c.
 *
 * The loop makes a batch and puts its job; the writer's thread runs that, from memory or from the file; the
 * spool's thread writes the file. The loop frees it when both are done with it. The ends come after the results, and
 * stay in memory, too: there are no more of them than units that were executed at once.
 */
#ifndef SCHED_RESULTS_BATCH_H
#define SCHED_RESULTS_BATCH_H

#include "sched/engine_state.h"
#include "sched/results_file.h"

#define BATCH_RESULTS 1000

struct result_block;

struct result_rows {
	struct result_block *blocks; /* what the results' strings are in */
	struct drover_result results[BATCH_RESULTS];
	int64_t ended_at[BATCH_RESULTS]; /* UTC ms */
};

/* One that changed no status. */
struct refused_result {
	int64_t task_key, unit, index;
	enum drover_outcome outcome;
};

struct result_batch {
	struct job job;
	struct engine *engine;
	size_t count;
	int64_t bytes;            /* of outputs */
	int64_t put_at;           /* CLOCK_BOOTTIME ms: when its first result came */
	struct results_end *ends; /* owned, and their messages; changed by the writer's thread only, when it is put */
	struct active_task **end_tasks; /* of each; the loop's */
	size_t end_count;
	bool without_ends; /* they are tried again apart; the loop's, while the writer has it not */
	bool ends_failed;  /* the writer's thread's, until it is finished: it was they that the store did not take */

	/* under the spool's lock */
	struct result_rows *rows; /* NULL: they are in the file */
	bool applying;            /* the writer's thread reads them from memory */
	int64_t number;           /* of its file; 0: it has none */
	int64_t size;             /* of that */

	/* the loop's */
	struct result_batch *next, *previous; /* of those that are unstored */
	bool in_memory;                       /* it counts as that */
	int64_t reserved;                     /* bytes that it counts as on the disk */
	bool spooling;                        /* the spool's thread has it */
	bool finished;                        /* the writer's thread is done with it */
	int finished_code;
	bool settled; /* the last is done for its file */
	/* the writer's thread's, until it is finished */
	struct refused_result *refused;
	size_t refused_count;

	/* the spool's */
	struct result_batch *next_work;
	enum { SPOOL_WRITE, SPOOL_REMOVE, SPOOL_SET_ASIDE } work;
	int spool_code;
	struct drover_error spool_err;
};

void result_rows_free(struct result_rows *rows);

#endif
