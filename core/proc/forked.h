/*
 * forked.h - what a process that the executor host has forked does first: it is on its own, has
 * nothing that is the host's, and what it prints goes to the log.
 */
#ifndef PROC_FORKED_H
#define PROC_FORKED_H

#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

/* All borrowed from the executor host's memory, of which the process has a copy. */
struct forked {
	const char *name; /* as ps shows it */
	int socket;       /* kept; -1: none */
	int output;       /* becomes standard output and error */
	const int *keep;  /* descriptors that the plugin's open has made, ascending; kept */
	size_t keep_count;
	struct rlimit files;
	pid_t parent;
};

/* Ends the process where the parent is gone already. */
void forked_settle(const struct forked *forked);

#endif
