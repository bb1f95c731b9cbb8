/*
 * waves.c - a task's next wave is opened when its time has come. The store decides (compare-and-set), so
 * it does not matter who asks, or how often.
 */
#include <stdlib.h>

#include "sched/engine_state.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

struct wave_job {
	struct job job;
	struct engine *engine;
	struct active_task *task;
	struct drover_advance advance;
};

static int run_advance(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		       struct drover_error *err)
{
	return ops->advance(session, &((struct wave_job *)base)->advance, err);
}

static void advance_done(struct job *base, int code, const struct drover_error *err)
{
	struct wave_job *job = (struct wave_job *)base;
	struct active_task *task = job->task;
	struct engine *e = job->engine;

	task->advancing = false;
	if (code)
		log_error("cannot open the next wave of task %s: %s", task->task.id, err->message);
	if (!code && job->advance.advanced) {
		log_info("task %s: wave %lld of %lld begins, %lld units", task->task.id,
			 (long long)job->advance.wave + 2, (long long)task->task.waves,
			 (long long)job->advance.unit_count);
		task->task.wave = job->advance.wave + 1;
		task->task.next_wave_at = 0;
		if (!task->ending)
			ready_open(&e->ready, &task->ready, job->advance.unit_count);
	}
	task_release(e, task);
	free(job);
	engine_wake(e);
}

void waves_advance(struct engine *e, struct active_task *task)
{
	struct wave_job *job;

	if (task->shared || task->ending || task->advancing || e->draining || !task->task.next_wave_at ||
	    task->task.next_wave_at > clock_utc_ms())
		return;
	job = xcalloc(1, sizeof(*job));
	job->job = (struct job){ .run = run_advance, .done = advance_done, .weight = 10, .on_loop = true };
	job->engine = e;
	job->task = task;
	job->advance =
		(struct drover_advance){ .size = sizeof(job->advance), .task_key = task->key, .wave = task->task.wave };
	task->advancing = true;
	writer_put(e->writer, &job->job);
}
