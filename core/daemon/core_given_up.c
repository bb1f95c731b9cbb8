/*
 * core_given_up.c - a submission that was refused because the store was away, after some of it may have come
 * there: what is left of it is removed when the store is back.
 *
 * A commit whose connection is lost may have been done all the same, and then the task is there, though nobody was
 * told so. Where the client named it, it asks again with that name, and finds it: it is executed. A task whose name
 * nobody knows is cancelled.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/core.h"
#include "sched/outbox.h"
#include "util/buf.h"
#include "util/log.h"

struct given_up {
	struct job job;
	struct core *core;
	struct active_task *task; /* as the engine would have it */
	char *id;
	int64_t key;
	bool named;   /* by the client */
	bool certain; /* the task was begun, so the key is its own */
	bool is_there;
	bool dispatched; /* other nodes execute it */
	/* as found */
	int64_t found_key, incarnation;
	enum drover_task_state state;
};

static int look(void *context, const struct drover_task *task)
{
	struct given_up *g = context;

	g->found_key = task->key;
	g->incarnation = task->incarnation;
	g->state = task->state;
	g->dispatched = !task->home;
	if (g->dispatched && g->named && g->found_key == g->key && g->incarnation == g->core->incarnation)
		outbox_accepted(g->core->outbox, task);
	return 0;
}

static int run(struct job *base, const struct drover_store_ops *ops, struct drover_session *session,
	       struct drover_error *err)
{
	struct given_up *g = (struct given_up *)base;
	int code = ops->task(session, g->id, 0, look, g, err);

	g->is_there = false;
	if (code == DROVER_ENOTFOUND) /* invisible, or not there at all */
		return g->certain ? ops->abandon(session, g->key, err) : 0;
	if (code || g->found_key != g->key || g->incarnation != g->core->incarnation ||
	    drover_task_state_is_final(g->state))
		return code;
	if (!g->named)
		return ops->cancel(session, g->key, "its submission was refused, since the store was away", err);
	g->is_there = true;
	return 0;
}

static void done(struct job *base, int code, const struct drover_error *err)
{
	struct given_up *g = (struct given_up *)base;

	if (code)
		log_warning("cannot remove task %s, which was given up (the next start does): %s", g->id, err->message);
	if (!code && g->is_there)
		log_info("task %s is there, though its submission had no answer from the store: it is executed", g->id);
	if (!code && g->is_there && !g->dispatched)
		engine_task_accepted(g->core->engine, g->task);
	else
		engine_task_free(g->task);
	free(g->id);
	free(g);
}

void core_given_up(struct core *core, const struct submission *s, bool certain)
{
	struct given_up *g = xcalloc(1, sizeof(*g));

	g->job = (struct job){ .run = run, .done = done, .weight = 1, .on_loop = true };
	g->core = core;
	g->task = engine_task_copy(&s->task, s->executor);
	g->id = xstrdup(s->task.id);
	g->key = s->task.key;
	g->named = s->task.id != s->id;
	g->certain = certain;
	writer_put(core->writer, &g->job);
}
