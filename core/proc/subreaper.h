/*
 * subreaper.h - groups of processes without cgroups: what a process leaves behind becomes a child of
 * the nearest subreaper, wherever it has hidden itself by setsid and double forks.
 *
 * The process that uses this is a subreaper and single-threaded. Needs CONFIG_PROC_CHILDREN, which
 * every distribution's kernel has.
 */
#ifndef PROC_SUBREAPER_H
#define PROC_SUBREAPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What /proc tells of a process. */
struct subreaper_process {
	pid_t pid;
	pid_t session;
	bool dead;          /* a zombie; not where only its first thread has ended and others go on */
	int64_t started_at; /* CLOCK_BOOTTIME ms, to 10 ms */
};

/* Makes this process a subreaper; false where it cannot be. */
bool subreaper_become(void);
/* False: no such process. */
bool subreaper_look(pid_t pid, struct subreaper_process *process);
/* The value of NAME in the environment that `pid` was started with. False: not there, or not readable. */
bool subreaper_variable(pid_t pid, const char *name, char *value, size_t room);

/* Which children, or orphans that have become some, are to be killed. */
struct subreaper_filter {
	bool (*spare)(void *context, pid_t pid); /* these are never touched; quick */
	/* Asked of each other one, while it is stopped; it goes on if the answer is no. */
	bool (*kill)(void *context, const struct subreaper_process *child);
};

/*
 * One pass: stops, then kills those children of this process that the filter says so of, with all
 * of their descendants. Returns how many were alive; 0: nothing is left. Call again until it is:
 * what was forked during the pass is found by the next one.
 */
int subreaper_sweep(const struct subreaper_filter *filter, void *context);

#endif
