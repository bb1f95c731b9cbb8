/*
 * agent.h - is there an ssh agent, and does it answer?
 *
 * libssh talks to an agent in a way that blocks the loop for as long as the agent is silent. So it
 * is asked once for its list of keys without blocking, under a deadline, and used only if it has
 * answered. (An agent that asks its user to confirm each signature still blocks.)
 */
#ifndef LIB_SSH_AGENT_H
#define LIB_SSH_AGENT_H

#include <systemd/sd-event.h>

enum agent_state { AGENT_NONE, AGENT_ASKED, AGENT_READY };

struct agent {
	char *path;            /* owned */
	struct agent *another; /* of a list that the fan-out has */
	enum agent_state state;
	int fd;
	unsigned keys;
	unsigned got;
	unsigned char answer[9];
	const char *problem; /* why it is not used, or NULL */
	int64_t patience;    /* ms that it has for its answer */
	char late[64];
	sd_event_source *io, *timer;
	void (*settled)(void *context);
	void *context;
};

/*
 * Asks the agent at `path` (copied), which has `patience` ms for its answer. `settled` is called once if the state is
 * AGENT_ASKED now. 0 or -ENOMEM.
 */
int agent_ask(struct agent *agent, sd_event *event, const char *path, int64_t patience, void (*settled)(void *context),
	      void *context);
void agent_dispose(struct agent *agent);

#endif
