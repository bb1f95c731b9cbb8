/*
 * results_spool.h - the folder of results that wait for the store, and the thread that writes it, so that the
 * event loop never waits for a disk.
 */
#ifndef SCHED_RESULTS_SPOOL_H
#define SCHED_RESULTS_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include <drover/store.h>

struct sd_event;
struct result_batch;
struct result_rows;
struct results_file;
struct results_spool;

/* On the loop: the thread is done with what it was given. batch->spool_code says how it went. */
typedef void results_spool_done_fn(void *context, struct result_batch *batch);

/* "STATE_DIR/results"; the caller's. */
char *results_spool_folder(const char *state_dir);
/*
 * Before a node's new incarnation begins: what an earlier one could not store, in order, each under its own
 * incarnation and attempt, so that the store's fence decides of it. A file that cannot be used is set aside.
 * 0, or why the store does not take them now.
 */
int results_spool_recover(const char *folder, const struct drover_store_ops *ops, struct drover_session *session,
			  struct drover_error *err);

/* Whether results wait in the folder for the next start: this life is to be ended by that one, after it has stored them. */
bool results_spool_waits(const char *folder);

int results_spool_new(struct sd_event *event, const char *folder, struct results_spool **spool,
		      struct drover_error *err);
/* Ends the thread when it has done its work; nothing is called any more after it. */
void results_spool_free(struct results_spool *spool);
/* Once; who is called. */
void results_spool_listen(struct results_spool *spool, results_spool_done_fn *done, void *context);
/* As batch->work says. The batch is the thread's until `done`. Loop. */
void results_spool_put(struct results_spool *spool, struct result_batch *batch);

/*
 * On the writer's thread: the batch's results, from memory or, into `file`, from the disk; NULL with `code`. They
 * stay where they are until results_spool_leave.
 */
struct drover_result *results_spool_enter(struct results_spool *spool, struct result_batch *batch,
					  struct results_file *file, int *code, struct drover_error *err);
void results_spool_leave(struct results_spool *spool, struct result_batch *batch, struct results_file *file);

#endif
