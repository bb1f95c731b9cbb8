/*
 * helped.c - an executor whose units have their work done by processes that its helper forks for them,
 * and which leave something behind. "pid of the helper" is what each host says.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drover/executor.h>

struct helped {
	int ends[2]; /* the units', the helper's */
};

struct request {
	char mark[64];
};

static int open_pair(void *context, struct drover_error *err)
{
	struct helped *self = context;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, self->ends))
		return drover_error_set(err, DROVER_EFAULT, "cannot make a socket pair");
	return 0;
}

static void take_mark(const char *mark)
{
	char name[64];
	const char *value = strchr(mark, '=');
	char *place;

	snprintf(name, sizeof(name), "%.*s", (int)(value - mark), mark);
	place = getenv(name);
	if (place && strlen(place) == strlen(value + 1))
		memcpy(place, value + 1, strlen(place));
}

/* A worker for the unit: says who it is, waits to be adopted, leaves a child that hides, and answers. */
static void work(int channel, int helper)
{
	char byte;
	int said[2] = { (int)getpid(), helper };

	if (write(channel, said, sizeof(said)) != sizeof(said) || read(channel, &byte, 1) != 1)
		_exit(1);
	if (!fork()) {
		setsid();
		for (;;)
			pause();
	}
	if (write(channel, "done", 4) != 4)
		_exit(1);
	for (;;)
		pause();
}

static int receive(int from, struct request *request)
{
	union {
		char data[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { request, sizeof(*request) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.data, .msg_controllen = sizeof(control)
	};
	int fd = -1;

	if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) != sizeof(*request) || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static int help(void *context, struct drover_error *err)
{
	struct helped *self = context;
	int helper = (int)getpid(), channel;
	struct request request;

	close(self->ends[0]);
	while ((channel = receive(self->ends[1], &request)) >= 0) {
		pid_t pid = fork();

		if (!pid) {
			take_mark(request.mark);
			setsid();
			if (!fork())
				work(channel, helper);
			_exit(0);
		}
		close(channel);
		waitpid(pid, NULL, 0);
	}
	return drover_error_set(err, DROVER_EFAULT, "nobody asks any more");
}

static int ask(struct helped *self, const char *mark, int channel)
{
	union {
		char data[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .data = { 0 } };
	struct request request = { .mark = "" };
	struct iovec part = { &request, sizeof(request) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.data, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	snprintf(request.mark, sizeof(request.mark), "%s", mark);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &channel, sizeof(int));
	return sendmsg(self->ends[0], &message, MSG_NOSIGNAL) < 0;
}

/* A worker's channel and what it said first; -1. A helper that dies with a request is asked again. */
static int get_worker(struct helped *self, const char *mark, int said[2])
{
	for (int tries = 0; tries < 5; tries++) {
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) || ask(self, mark, ends[1]))
			return -1;
		close(ends[1]);
		if (read(ends[0], said, 2 * sizeof(int)) == 2 * sizeof(int))
			return ends[0];
		close(ends[0]);
	}
	return -1;
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	struct helped *self = (struct helped *)(uintptr_t)drover_unit_self(unit);
	int said[2], rc, channel = get_worker(self, drover_unit_mark(unit), said);
	const char *host;
	char answer[4];

	if (channel < 0)
		return drover_error_set(err, DROVER_EFAULT, "the helper made nothing");
	if (drover_unit_adopt(unit, 1, NULL) != DROVER_EINVALID ||
	    drover_unit_adopt(unit, said[1], NULL) != DROVER_EINVALID)
		return drover_error_set(err, DROVER_EFAULT, "what is not the unit's was adopted");
	rc = drover_unit_adopt(unit, said[0], err);
	if (rc)
		return rc;
	if (write(channel, "x", 1) != 1 || read(channel, answer, 4) != 4)
		return drover_error_set(err, DROVER_EFAULT, "the work was not done");
	while ((host = drover_unit_next_host(unit)))
		drover_report(unit, host, DROVER_OK, .out = drover_format("%d", said[1]));
	return 0;
}

DROVER_EXECUTOR(.name = "helped", .version = "1.0.0", .types = "helped", .summary = "has its work done by a helper",
		.self_size = sizeof(struct helped), .open = open_pair, .helper = help, .run = run,
		.host_memory = 1 << 30);
