/*
 * permit.h - until when units of an executor host may begin hosts: a time in memory that it shares with them, and
 * that they may only read.
 *
 * A process that has stood still (a stopped machine, SIGSTOP) cannot know it, and others may have its hosts by now. So
 * each unit looks at the clock itself before it begins a host, and waits where the core's last word is too old; its
 * executor host then hears from the core again, or ends it.
 */
#ifndef PROC_PERMIT_H
#define PROC_PERMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct drover_error;

struct permit {
	_Atomic int64_t *until; /* CLOCK_BOOTTIME ms; NULL: not opened */
};

int permit_open(struct permit *permit, struct drover_error *err);
void permit_dispose(struct permit *permit);
void permit_set(struct permit *permit, int64_t until);
/* In a process that was forked: from here on it cannot write there. */
void permit_protect(const struct permit *permit);
bool permit_holds(const struct permit *permit);

#endif
