/* core_changes.c - tells the engine what a commit has changed of tasks that have thresholds. */
#include <stdlib.h>

#include "daemon/core.h"
#include "sched/outbox.h"
#include "util/buf.h"

struct change_note {
	struct job job;
	struct core *core;
	struct drover_task task; /* numbers, and a concurrency key of its own */
};

/* On the loop. */
static void tell_engine(struct job *base, int code, const struct drover_error *err)
{
	struct change_note *note = (struct change_note *)base;

	(void)code;
	(void)err;
	engine_task_changed(note->core->engine, &note->task);
	free((char *)note->task.concurrency_key);
	free(note);
}

void core_task_changed(struct core *core, const struct drover_task_change *change)
{
	const struct drover_task *t = &change->task;
	struct change_note *note;

	outbox_changed(core->outbox, t);
	if (!engine_cares_for(t))
		return;
	note = xcalloc(1, sizeof(*note));
	note->job.done = tell_engine;
	note->core = core;
	note->task = (struct drover_task){ .size = sizeof(note->task),
					   .key = t->key,
					   .state = t->state,
					   .wave = t->wave,
					   .next_wave_at = t->next_wave_at,
					   .concurrency_key = xstrdup(t->concurrency_key) };
	writer_post(core->writer, &note->job);
}
