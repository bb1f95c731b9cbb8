/*
 * unit_adopt.c - takes a process that the executor's helper has made for this unit into the unit, so that
 * it ends with it. With cgroups it is moved into the unit's; without, it is told by the mark in its
 * environment, which it has taken over itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proc/marker.h"
#include "proc/unit_services.h"

const char *unit_mark(struct drover_unit *unit)
{
	snprintf(unit->mark, sizeof(unit->mark), "%s=%016" PRIx64, MARKER_UNIT, unit->unit->handle);
	return unit->mark;
}

static int move(const char *folder, int pid, struct drover_error *err)
{
	char path[4096];
	int fd, n;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot open %s: %s", path, strerror(errno));
	n = dprintf(fd, "%d", pid);
	if (n < 0)
		drover_error_set(err, errno == ESRCH ? DROVER_ENOTFOUND : DROVER_EFAULT,
				 "cannot move process %d to %s: %s", pid, folder, strerror(errno));
	close(fd);
	return n < 0 ? err ? err->code : DROVER_EFAULT : 0;
}

int unit_adopt(struct drover_unit *unit, int pid, struct drover_error *err)
{
	uint64_t handle;

	if (pid <= 1)
		return drover_error_set(err, DROVER_EINVALID, "%d is no process to adopt", pid);
	if (!marker_get_unit((pid_t)pid, &handle) || handle != unit->unit->handle)
		return drover_error_set(err, DROVER_EINVALID, "process %d does not have this unit's mark", pid);
	return unit->folder ? move(unit->folder, pid, err) : 0;
}
