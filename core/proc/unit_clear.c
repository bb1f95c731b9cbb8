/* unit_clear.c - ends everything that a unit has started, and finds out what that is. */
#include <signal.h>

#include "proc/cgroup.h"
#include "proc/helper.h"
#include "proc/marker.h"
#include "proc/subreaper.h"
#include "proc/unit.h"

/* /proc tells when a process began in ticks, rounded down. */
#define TICK_MS 10
/* Over /proc without a rest: what forks and exits all the time must not win. */
#define PASSES 5

static struct unit *find_leader(struct executor_host *host, pid_t pid)
{
	struct unit *unit;

	HASH_FIND(pid_hh, host->by_pid, &pid, sizeof(pid), unit);
	return unit;
}

/* Of another unit's, and the helper that all share. */
static bool is_other_leader(void *context, pid_t pid)
{
	struct unit *unit = context, *leader = find_leader(unit->host, pid);

	return (leader && leader != unit) || helper_is(unit->host->helper, pid);
}

/*
 * Whose is it? By session, where it has not left its leader's; by its mark, which forks and execs
 * inherit; else by the time. The weak spot: a process that has left its session, has exec'd with an
 * empty environment and is an orphan is taken for one of any unit that began before it did, so it may
 * go down with a neighbour's end. And an ordinary user's kill does not reach what a setuid program
 * has made another user's. Both need cgroups.
 */
static bool is_of_unit(void *context, const struct subreaper_process *child)
{
	struct unit *unit = context;
	uint64_t handle;

	if (child->pid == unit->pid || child->session == unit->pid)
		return true;
	if (find_leader(unit->host, child->session))
		return false;
	if (marker_get_unit(child->pid, &handle)) {
		if (handle == unit->handle)
			return true;
		if (unit_parent_find(unit->host, handle))
			return false;
	}
	return child->started_at + TICK_MS >= unit->started_at;
}

static bool is_not_escaped(void *context, pid_t pid)
{
	struct unit *unit = context;

	return is_other_leader(unit, pid) || cgroup_has_below(unit->host->cgroup, pid);
}

/* With cgroups nobody is taken for another's by his age: his own group will be killed. */
static bool is_surely_of_unit(void *context, const struct subreaper_process *child)
{
	struct unit *unit = context;
	uint64_t handle;

	return child->pid == unit->pid || child->session == unit->pid ||
	       (marker_get_unit(child->pid, &handle) && handle == unit->handle);
}

static bool sweep(struct unit *unit, const struct subreaper_filter *filter)
{
	for (int pass = 0; pass < PASSES; pass++)
		if (!subreaper_sweep(filter, unit))
			return true;
	return false;
}

bool unit_clear(struct unit *unit)
{
	static const struct subreaper_filter all = { is_other_leader, is_of_unit };
	/* Root may leave its cgroup, and pam_systemd moves what `su -` starts; such orphans come to us. */
	static const struct subreaper_filter escaped = { is_not_escaped, is_surely_of_unit };

	if (unit->folder)
		return cgroup_clear(unit->folder) && sweep(unit, &escaped);
	if (!unit->reaped) {
		kill(-unit->pid, SIGKILL); /* the whole group at once: no fork escapes this one */
		kill(unit->pid, SIGKILL);
	}
	return sweep(unit, &all);
}
