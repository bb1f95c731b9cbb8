/*
 * cgroup.h - groups of processes that can be ended as one, by cgroup2. No controller is needed.
 *
 * A group is a folder. One that was killed once kills later processes too (measured), so each
 * attempt of anything gets a folder of its own. Paths are those of the file system.
 */
#ifndef PROC_CGROUP_H
#define PROC_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

struct drover_error;

/* The folder of this process's own cgroup, or NULL: there is no cgroup2 here. Owned by the caller. */
char *cgroup_own(void);
/* Can processes be started in folders made in this one, and killed by it? Tries it. */
bool cgroup_usable(const char *folder);
/* Makes the folder; where `uid` is not -1 it is given to that user, who can then make groups in it. */
int cgroup_make(const char *folder, uid_t uid, struct drover_error *err);
/* fork(2) into the folder: 0 in the child, its pid in the parent, -1 and errno. */
pid_t cgroup_fork(const char *folder);
/*
 * Kills everything in the folder and the folders in it, and removes them. True: nothing is left.
 * False: some process is still on its way out; to be called again.
 */
bool cgroup_clear(const char *folder);

/* Is that process in a group in this folder? Only what is below it counts, not the folder itself. */
bool cgroup_has_below(const char *folder, pid_t pid);

#endif
