/* cleanup.c - what a dead child has left behind is ended before it is started again. */
#include "proc/cgroup.h"
#include "proc/plan_loader.h"
#include "proc/subreaper.h"
#include "proc/supervisor.h"

/*
 * Orphans become children of the nearest subreaper: while an executor host lives, its own; so what
 * we find here and have not started ourselves belonged to somebody who is dead.
 */
static bool is_unknown(void *context, const struct subreaper_process *process)
{
	const struct supervisor *s = context;

	for (const struct child *c = s->children; c; c = c->next)
		if (c->pid == process->pid)
			return false;
	/* Children from before our exec are not of our making. */
	return !plan_loader_is(s->loader, process->pid) && process->started_at + 20 >= s->started_boot;
}

bool cleanup_child(struct child *c)
{
	if (c->cgroup)
		return cgroup_clear(c->cgroup);
	return !subreaper_sweep(is_unknown, c->supervisor);
}
