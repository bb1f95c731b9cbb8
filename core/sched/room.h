/*
 * room.h - how much may run at once, on a node or of one of its executors, and whether there is room for one unit more.
 *
 * A part of it is kept for tasks of which nothing runs here: however many hosts of a large task hang until their
 * deadline, and however full the engine is of it, another one begins. A unit may reach into what is kept with some of
 * its hosts, so that nothing is wasted where units are large beside the capacity.
 *
 * Pure bookkeeping of one thread. What runs is what was claimed or is being claimed, and not yet final.
 */
#ifndef SCHED_ROOM_H
#define SCHED_ROOM_H

#include <stdbool.h>
#include <stdint.h>

struct room_limits {
	int64_t hosts, units; /* at once; 0: no limit */
	int64_t reserve;      /* percent of both that is kept */
};

struct room {
	int64_t hosts, units;           /* that run */
	int64_t kept_hosts, kept_units; /* those of them that run in what is kept */
};

enum room_fit {
	ROOM_NONE,
	ROOM_COMMON,
	ROOM_KEPT /* only since nothing of its task runs */
};

/* Of a unit of `hosts`. `first`: nothing of its task runs here. A unit larger than all of it runs alone. */
enum room_fit room_fit(const struct room *room, const struct room_limits *limits, int64_t hosts, bool first);
/* Units and hosts begin, or end where the numbers are negative. `kept`: as room_fit said when they began. */
void room_add(struct room *room, bool kept, int64_t hosts, int64_t units);

#endif
