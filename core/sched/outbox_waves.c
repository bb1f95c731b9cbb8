/*
 * outbox_waves.c - opens the next waves of tasks that engines execute elsewhere. The store decides
 * (compare-and-set), so it does not matter who asks, or how often.
 *
 * That a wave has ended is heard from commits (outbox_changed). Those of other nodes may come late or not at all,
 * so tasks whose units are all out are read again once in a while, too.
 */
#include <stdlib.h>

#include <drover/crash_point.h>

#include "sched/outbox_state.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define REFRESH 2000     /* ms */
#define REFRESH_TASKS 50 /* in one turn */

struct wave_job {
	struct job job;
	struct outbox *outbox;
	struct drover_advance advance;
};

struct wave_note {
	struct outbox_note note;
	struct drover_advance advance;
};

static int run_advance(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
		       struct drover_error *err)
{
	int code;

	CRASH_POINT("advance.write");
	code = ops->advance(session, &((struct wave_job *)base)->advance, err);
	CRASH_POINT("advance.written");
	return code;
}

static void take_advanced(struct outbox *o, struct outbox_note *note)
{
	const struct drover_advance *advance = &((struct wave_note *)note)->advance;
	struct outbox_task *task = outbox_find(o, advance->task_key);

	if (task) {
		task->advancing = false;
		task->next_wave_at = 0;
		task->refreshed_at = 0;
	}
	if (task && advance->advanced && advance->wave == task->wave) {
		task->wave++;
		task->wave_units += advance->unit_count;
		ready_open(&task->lane->pool->queue, &task->ready, advance->unit_count);
	}
	free(note);
}

/* On the writer's thread. */
static void advance_done(struct job *base, int code, const struct drover_error *err)
{
	struct wave_job *job = (struct wave_job *)base;
	struct wave_note *note = xcalloc(1, sizeof(*note));

	CRASH_POINT("advance.done");
	if (code)
		log_error("cannot open the next wave of task %lld: %s", (long long)job->advance.task_key, err->message);
	note->note.take = take_advanced;
	note->advance = job->advance;
	note->advance.advanced = !code && job->advance.advanced;
	if (note->advance.advanced)
		log_info("task %lld: wave %lld begins, %lld units", (long long)job->advance.task_key,
			 (long long)job->advance.wave + 2, (long long)job->advance.unit_count);
	outbox_post(job->outbox, &note->note);
	free(job);
}

static void advance(struct outbox *o, struct outbox_task *task)
{
	struct wave_job *job = xcalloc(1, sizeof(*job));

	job->job = (struct job){ .run = run_advance, .done = advance_done, .weight = 10 };
	job->outbox = o;
	job->advance =
		(struct drover_advance){ .size = sizeof(job->advance), .task_key = task->key, .wave = task->wave };
	task->advancing = true;
	writer_put(o->options.writer, &job->job);
}

struct refreshed {
	struct outbox *outbox;
	struct outbox_task *task;
};

static int see_row(void *context, const struct drover_task *row)
{
	struct refreshed *refreshed = context;

	outbox_update(refreshed->outbox, refreshed->task, row);
	return 0;
}

static int refresh(struct outbox *o, struct outbox_task *task, struct drover_session *session, struct drover_error *err)
{
	struct refreshed refreshed = { o, task };
	int code;

	task->refreshed_at = clock_boot_ms();
	code = o->options.ops->task(session, NULL, task->key, see_row, &refreshed, err);
	if (code == DROVER_ENOTFOUND) {
		outbox_update(o, task, &(struct drover_task){ .state = DROVER_TASK_DONE });
		code = 0;
	}
	return code;
}

int outbox_waves(struct outbox *o, struct drover_session *session, struct drover_error *err)
{
	int64_t now = clock_boot_ms(), utc = clock_utc_ms();
	struct outbox_task *task, *next;
	int reads = 0, code = 0;

	HASH_ITER (hh, o->tasks, task, next) {
		if (task->wave + 1 >= task->waves || task->advancing || code)
			continue;
		if (task->next_wave_at && task->next_wave_at <= utc) {
			advance(o, task);
		} else if (task->delivered == task->wave_units && now - task->refreshed_at >= REFRESH &&
			   reads++ < REFRESH_TASKS) {
			code = refresh(o, task, session, err);
		}
	}
	return code;
}
