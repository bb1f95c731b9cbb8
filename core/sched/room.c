/* room.c - see room.h. */
#include "sched/room.h"

static bool has(int64_t running, int64_t more, int64_t limit)
{
	return !limit || !running || running + more <= limit;
}

/* Whether others than first units may begin: what is kept for those is not begun upon yet. */
static bool has_common(int64_t running, int64_t kept, const struct room_limits *limits, int64_t limit)
{
	return !limit || !running || running - kept < limit - limit * limits->reserve / 100;
}

enum room_fit room_fit(const struct room *room, const struct room_limits *limits, int64_t hosts, bool first)
{
	if (!has(room->hosts, hosts, limits->hosts) || !has(room->units, 1, limits->units))
		return ROOM_NONE;
	if (has_common(room->hosts, room->kept_hosts, limits, limits->hosts) &&
	    has_common(room->units, room->kept_units, limits, limits->units))
		return ROOM_COMMON;
	return first ? ROOM_KEPT : ROOM_NONE;
}

void room_add(struct room *room, bool kept, int64_t hosts, int64_t units)
{
	room->hosts += hosts;
	room->units += units;
	if (kept) {
		room->kept_hosts += hosts;
		room->kept_units += units;
	}
}
