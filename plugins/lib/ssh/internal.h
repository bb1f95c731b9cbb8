/*
 * internal.h - what the hosts of one fan-out share.
 */
#ifndef LIB_SSH_INTERNAL_H
#define LIB_SSH_INTERNAL_H

#include "ssh/agent.h"
#include "ssh/become.h"
#include "ssh/host.h"
#include "ssh/hostkey.h"
#include "ssh/identity.h"
#include "ssh/resolve.h"
#include "ssh/settings.h"

struct fanout {
	struct fanout_config config;
	sd_event *event; /* borrowed */
	struct host *hosts;
	size_t count, left, running, next; /* next: the first that has not begun */
	bool stopped;
	bool beginning;
	struct config *ssh_config;
	struct identities identities;
	struct hostkeys *hostkeys; /* a list: one for each set of files */
	struct agent *agents;      /* a list: one for each socket */
	struct resolver *resolver;
	struct become become;
};

/* The agent at `path`, asked when it is first wanted. NULL: no memory. */
struct agent *fanout_agent(struct fanout *fanout, const char *path);
/* What these files hold; read when they are first wanted. NULL: no memory. */
struct hostkeys *fanout_hostkeys(struct fanout *fanout, const char *const *paths, size_t count);

/* The host has told its end; the next one's turn. */
void fanout_ended(struct fanout *fanout);
/* ms of CLOCK_BOOTTIME, now. */
int64_t fanout_now(void);

#endif
