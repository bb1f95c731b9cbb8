/* cleanup.c - what a dead child has left behind is ended before it is started again. */
#include "proc/cgroup.h"
#include "proc/plan_loader.h"
#include "proc/subreaper.h"
#include "proc/supervisor.h"

static bool is_known(void *context, pid_t pid)
{
	const struct supervisor *s = context;

	for (const struct child *c = s->children; c; c = c->next)
		if (c->pid == pid)
			return true;
	return plan_loader_is(s->loader, pid);
}

/*
 * Orphans become children of the nearest subreaper: while an executor host lives, its own; so what
 * we find here and have not started ourselves belonged to somebody who is dead. Except for children
 * from before our exec: they are not of our making.
 */
static bool is_left(void *context, const struct subreaper_process *process)
{
	const struct supervisor *s = context;

	return process->started_at + 20 >= s->started_boot;
}

bool cleanup_child(struct child *c)
{
	static const struct subreaper_filter filter = { is_known, is_left };

	/* The second also with cgroups: root can leave its own. */
	return (!c->cgroup || cgroup_clear(c->cgroup)) && !subreaper_sweep(&filter, c->supervisor);
}
