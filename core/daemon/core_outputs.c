/* core_outputs.c - what sources may ask about outputs: drover/source.h. Runs on the sources' threads. */
#include <stdlib.h>
#include <string.h>

#include "daemon/core.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/nodeset.h"

static void give_back(struct core *core, struct drover_session *session, int code)
{
	/* A callback's own value ends a query early, which breaks nothing. */
	readers_give(core->readers, session, code == DROVER_EFAULT || code == DROVER_ERETRY);
}

/* Names separated by commas, as a node set. Owned by the caller. */
static char *fold(const char *names, int64_t count)
{
	char *text = xstrdup(names), *save, *folded;
	char **list = xcalloc((size_t)count + 1, sizeof(*list));
	size_t n = 0;

	for (char *name = strtok_r(text, ",", &save); name && n < (size_t)count; name = strtok_r(NULL, ",", &save))
		list[n++] = name;
	folded = nodeset_fold(list, n);
	free(list);
	free(text);
	return folded;
}

struct group_teller {
	drover_group_fn *fn;
	void *context;
};

static int tell_group(void *context, const struct drover_group *group)
{
	const struct group_teller *teller = context;
	struct drover_group told = *group;
	char *hosts = fold(group->hosts, group->count);
	int code;

	told.hosts = hosts;
	code = teller->fn(teller->context, &told);
	free(hosts);
	return code;
}

int core_groups(void *context, const struct drover_group_filter *filter, drover_group_fn *fn, void *fn_context,
		struct drover_error *err)
{
	struct group_teller teller = { .fn = fn, .context = fn_context };
	struct core *core = context;
	struct drover_session *session;
	int code;

	atomic_store(&core->last_request, clock_boot_ms());
	code = readers_take(core->readers, &session, err);
	if (code)
		return code;
	code = core->ops->groups(session, filter, tell_group, &teller, err);
	give_back(core, session, code);
	return code;
}

int core_output_part(void *context, int64_t task_key, const char *host, int stream, drover_output_want_fn *want,
		     drover_output_fn *fn, void *fn_context, struct drover_error *err)
{
	struct core *core = context;
	struct drover_session *session;
	int code;

	atomic_store(&core->last_request, clock_boot_ms());
	code = readers_take(core->readers, &session, err);
	if (code)
		return code;
	code = core->ops->output_part(session, task_key, host, stream, want, fn, fn_context, err);
	give_back(core, session, code);
	return code;
}

/* ---------------------------------------------------------------------------------- live output */

struct watch_note {
	struct job job;
	struct core *core;
	bool watched;
	char task[];
};

static void tell_engine(struct job *base, int code, const struct drover_error *err)
{
	struct watch_note *note = (struct watch_note *)base;

	(void)code;
	(void)err;
	engine_watch(note->core->engine, note->task, note->watched);
	free(note);
}

void core_watch(void *context, const char *task, bool watched)
{
	struct core *core = context;
	struct watch_note *note = xcalloc(1, sizeof(*note) + strlen(task) + 1);

	note->job.done = tell_engine;
	note->core = core;
	note->watched = watched;
	strcpy(note->task, task);
	writer_post(core->writer, &note->job);
}
