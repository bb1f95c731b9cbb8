/*
 * writer.h - the one thread that writes to the store, and the queue in front of it.
 *
 * Jobs are run in order, as many in one transaction as have come in (group commit), with at most one
 * commit in `interval`; a group of nothing but idle jobs waits for up to `idle_wait` for more. When the store says DROVER_ERETRY the whole group is rolled back and run
 * again after a pause, so a job's `run` may be called several times and must set its outputs anew.
 * A job that fails otherwise is taken out with its error and the rest of its group is run again.
 *
 * A job ends with `done`, on the writer's thread or on the event loop, after the commit is durable.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <pthread.h>

#include <drover/store.h>

struct histogram;
struct sd_event;
struct writer;
struct job;

typedef int job_run_fn(struct job *job, const struct drover_store_ops *ops, struct drover_session *session,
		       struct drover_error *err);
/* `code` 0: committed. The job belongs to the callee from here on. */
typedef void job_done_fn(struct job *job, int code, const struct drover_error *err);

/* Embed it as the first member of what the job needs. */
struct job {
	job_run_fn *run;
	job_done_fn *done;
	int64_t weight; /* rows, about: groups are bounded by their sum */
	bool on_loop;   /* `done` is called on the event loop */
	bool impatient; /* give up with DROVER_ERETRY when the store is away */
	bool idle;      /* nobody waits for it: it may wait for others to share its commit with */
	struct job *next;
	int code;
	struct drover_error err;
};

struct writer_options {
	int64_t interval;     /* ms between commits, at least */
	int64_t idle_wait;    /* ms that idle jobs wait for others */
	int64_t group_weight; /* a group ends when it weighs so much */
	int64_t patience; /* ms: a transaction that takes longer hangs; impatient jobs wait no longer for their turn */
	/* On the writer's thread, after each commit, for each task that it changed. */
	drover_change_fn *change;
	void *context;
};

/* `session` is a writing one, lent to the writer's thread until writer_free. */
int writer_new(struct sd_event *event, const struct drover_store_ops *ops, struct drover_session *session,
	       const struct writer_options *options, struct writer **writer, struct drover_error *err);
/* Ends the thread when all jobs are done or, with the store away, given up. Loop thread. */
void writer_free(struct writer *writer);

/* Any thread. `job` is the writer's until `done`. */
void writer_put(struct writer *writer, struct job *job);
/*
 * Puts it and waits; `done` is not called. Not on the event loop's thread. Returns the job's code. An impatient job
 * waits for `patience` at most until it is begun, and then as long as the store's own limits let it.
 */
int writer_wait(struct writer *writer, struct job *job, struct drover_error *err);

/* Has `done` called on the event loop, after those that are there already, without a transaction. Any thread. */
void writer_post(struct writer *writer, struct job *job);

/* Whether the last transaction worked, and the one under way does not hang. Any thread. */
bool writer_store_ok(const struct writer *writer);
/* How long transactions took, and how many failed. Any thread. */
struct histogram *writer_latency(struct writer *writer);
int64_t writer_errors(const struct writer *writer);
/* Weight of the jobs that wait. Any thread. */
int64_t writer_backlog(const struct writer *writer);

#endif
