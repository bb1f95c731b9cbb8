/*
 * nodump.h - keeps what the daemon's processes hold out of core dumps.
 *
 * Two things, both inherited by every process that is started later, of other programs too: the
 * limit of a dump's size is 0, and /proc/self/coredump_filter leaves every mapping out, since a limit
 * does not bind a core_pattern that is a pipe. Not PR_SET_DUMPABLE: that would make /proc/PID/environ
 * unreadable for an ordinary user's daemon, which finds the leftovers of an earlier life there.
 */
#ifndef PROC_NODUMP_H
#define PROC_NODUMP_H

void nodump(void);

#endif
