#include "ssh/agent.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* draft-miller-ssh-agent: a length, then the message's type. */
enum { AGENTC_REQUEST_IDENTITIES = 11, AGENT_IDENTITIES_ANSWER = 12 };

static void settle(struct agent *a, enum agent_state state, const char *problem)
{
	a->state = state;
	a->problem = problem;
	a->io = sd_event_source_disable_unref(a->io);
	a->timer = sd_event_source_disable_unref(a->timer);
	close(a->fd);
	a->fd = -1;
	a->settled(a->context);
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct agent *a = context;
	ssize_t size = recv(fd, a->answer + a->got, sizeof(a->answer) - a->got, 0);

	(void)source;
	(void)events;
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (size <= 0) {
		settle(a, AGENT_NONE, "it closed the connection");
		return 0;
	}
	a->got += (unsigned)size;
	if (a->got < sizeof(a->answer))
		return 0;
	a->keys = (unsigned)a->answer[5] << 24 | (unsigned)a->answer[6] << 16 | (unsigned)a->answer[7] << 8 |
		  a->answer[8];
	if (a->answer[4] != AGENT_IDENTITIES_ANSWER)
		settle(a, AGENT_NONE, "it refused to list its keys");
	else if (!a->keys)
		settle(a, AGENT_NONE, "it holds no key");
	else
		settle(a, AGENT_READY, NULL);
	return 0;
}

static int on_late(sd_event_source *source, uint64_t now, void *context)
{
	struct agent *a = context;

	(void)source;
	(void)now;
	snprintf(a->late, sizeof(a->late), "it did not answer within %g s (agent_timeout)", (double)a->patience / 1000);
	settle(a, AGENT_NONE, a->late);
	return 0;
}

int agent_ask(struct agent *a, sd_event *event, const char *path, int64_t patience, void (*settled)(void *context),
	      void *context)
{
	static const unsigned char question[] = { 0, 0, 0, 1, AGENTC_REQUEST_IDENTITIES };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint64_t now;

	*a = (struct agent){
		.fd = -1, .settled = settled, .context = context, .path = strdup(path), .patience = patience
	};
	if (!a->path)
		return -ENOMEM;
	a->problem = "its path is too long";
	if (strlen(path) >= sizeof(address.sun_path))
		return 0;
	memcpy(address.sun_path, path, strlen(path) + 1);
	a->problem = "it cannot be reached";
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (a->fd < 0)
		return 0;
	if (connect(a->fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    send(a->fd, question, sizeof(question), MSG_NOSIGNAL) != (ssize_t)sizeof(question) ||
	    sd_event_now(event, CLOCK_MONOTONIC, &now) < 0 ||
	    sd_event_add_io(event, &a->io, a->fd, EPOLLIN, on_answer, a) < 0 ||
	    sd_event_add_time(event, &a->timer, CLOCK_MONOTONIC, now + (uint64_t)patience * 1000, 10000, on_late, a) <
		    0) {
		a->io = sd_event_source_disable_unref(a->io);
		close(a->fd);
		a->fd = -1;
		return 0;
	}
	a->problem = NULL;
	a->state = AGENT_ASKED;
	return 0;
}

void agent_dispose(struct agent *a)
{
	a->io = sd_event_source_disable_unref(a->io);
	a->timer = sd_event_source_disable_unref(a->timer);
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	free(a->path);
	a->path = NULL;
}
