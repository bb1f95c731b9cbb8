/*
 * drover/crash_point.h - places at which a test has the process killed: each where a death is hard to survive.
 *
 * No part of the contract: without -DDROVER_CRASH_POINTS (`make CRASH_POINTS=1`) a point is nothing at all. With it, the
 * process that passes the point NAME for the N-th time (1: the first) kills itself by SIGKILL, where the environment
 * says DROVER_CRASH_AT=NAME or NAME:N. The file DROVER_CRASH_MARK is made just before; where it exists already, nobody
 * dies any more. A name is used at one place of the sources.
 */
#ifndef DROVER_CRASH_POINT_H
#define DROVER_CRASH_POINT_H

#ifdef DROVER_CRASH_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void drover_crash_point(const char *name, atomic_int *passed)
{
	const char *wanted = getenv("DROVER_CRASH_AT"), *mark = getenv("DROVER_CRASH_MARK");
	size_t size = strlen(name);
	int turn, fd;

	if (!wanted || !mark || strncmp(wanted, name, size) != 0 || (wanted[size] && wanted[size] != ':'))
		return;
	turn = wanted[size] ? atoi(wanted + size + 1) : 1;
	if (atomic_fetch_add(passed, 1) + 1 != turn)
		return;
	fd = open(mark, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
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
