/*
 * leftovers.h - one supervisor a state folder, and nothing left of the one before.
 *
 * state_dir/lock carries two locks. The record lock (fcntl) belongs to the supervisor alone and
 * names its pid to whoever asks. The flock belongs to the open file, which every child inherits: it
 * is free only when all of them are gone.
 *
 * Without cgroups a process is found by its mark alone: one that has exec'd with an empty environment
 * and outlived both its executor host and the supervisor, each killed by SIGKILL, is not found.
 */
#ifndef PROC_LEFTOVERS_H
#define PROC_LEFTOVERS_H

#include <stddef.h>
#include <sys/types.h>

struct drover_error;

/* Makes the folder (mode 0700) where it is missing, for `owner` (-1: us). Writes what names it: for DROVER_RUN. */
int leftovers_folder(const char *state_dir, uid_t owner, char *run, size_t size, struct drover_error *err);
/* The record lock. `*fd` is the lock's open file. DROVER_ECONFLICT: a supervisor lives, its pid is told. */
int leftovers_lock(const char *state_dir, int *fd, struct drover_error *err);
/*
 * Kills what an earlier supervisor has left: the cgroup tree (may be NULL), the processes that carry
 * the mark; then takes the flock. Blocks for some seconds at most.
 */
int leftovers_kill(const char *run, const char *tree, int lock, struct drover_error *err);

#endif
