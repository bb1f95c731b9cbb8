/*
 * internal.h - what the hosts of one fan-out share.
 */
#ifndef LIB_SSH_INTERNAL_H
#define LIB_SSH_INTERNAL_H

#include "ssh/agent.h"
#include "ssh/host.h"
#include "ssh/hostkey.h"
#include "ssh/keys.h"
#include "ssh/resolve.h"

/* For the end of a remote process: at its own time's end, and at a stop, when the unit has 2 s. */
#define END_LIMIT_MS 3000
#define STOP_LIMIT_MS 1700

struct fanout {
	struct fanout_config config;
	sd_event *event; /* borrowed */
	struct host *hosts;
	size_t count, left, running, next; /* next: the first that has not begun */
	bool stopped;
	bool beginning;
	struct keys keys;
	struct hostkeys *hostkeys;
	struct agent agent;
	struct resolver *resolver;
};

/* The host has told its end; the next one's turn. */
void fanout_ended(struct fanout *fanout);
/* ms of CLOCK_BOOTTIME, now. */
int64_t fanout_now(void);

#endif
