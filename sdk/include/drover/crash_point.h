/*
 * drover/crash_point.h - places at which a test has the process killed: each where a death is hard to survive.
 *
 * No part of the contract: without -DDROVER_CRASH_POINTS (`make CRASH_POINTS=1`) a point is nothing at all. With it, the
 * process that passes the point NAME for the N-th time (1: the first) kills itself by SIGKILL, where the environment's
 * DROVER_CRASH_AT holds NAME or NAME:N, among others with commas between them. The file NAME in the folder
 * DROVER_CRASH_MARKS is made just before; where it exists already, nobody dies there any more. A name is used at one
 * place of the sources.
 */
#ifndef DROVER_CRASH_POINT_H
#define DROVER_CRASH_POINT_H

#ifdef DROVER_CRASH_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void drover_crash_point(const char *name, atomic_int *passed)
{
	const char *wanted = getenv("DROVER_CRASH_AT"), *marks = getenv("DROVER_CRASH_MARKS");
	size_t size = strlen(name);
	char path[4096];
	int turn, fd;

	while (wanted && (strncmp(wanted, name, size) != 0 || (wanted[size] && !strchr(":,", wanted[size])))) {
		wanted = strchr(wanted, ',');
		wanted = wanted ? wanted + 1 : NULL;
	}
	if (!wanted || !marks)
		return;
	turn = wanted[size] == ':' ? atoi(wanted + size + 1) : 1;
	if (atomic_fetch_add(passed, 1) + 1 != turn ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s", marks, name) >= sizeof(path))
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	close(fd);
	kill(getpid(), SIGKILL);
}

#define CRASH_POINT(name)                                                                                              \
	do {                                                                                                           \
		static atomic_int passed_here;                                                                         \
		drover_crash_point(name, &passed_here);                                                                \
	} while (0)

#else

#define CRASH_POINT(name) ((void)0)

#endif

#endif
