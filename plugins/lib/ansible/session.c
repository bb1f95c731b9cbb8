/* session.c - a unit and the process that the fork server has made for it. */
#define _GNU_SOURCE
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ansible.h"
#include "channel.h"

/* The server is being started again where it died between taking a request and forking for it. */
#define TRIES 5

/* At the deadline it has so long to say who hung; the unit is killed after 2 s. */
#define LAST_WORDS_MS 1500

/* The server answers in milliseconds; while it starts, in a second or two; when it cannot, it says so. */
#define HELLO_MS 60000

struct session {
	struct drover_unit *unit;
	struct ansible *self;
	const struct ansible_batch *batch;
	bool *final;    /* by place in the batch: its end was reported */
	unsigned *seen; /* by place: the watchers (drover_unit_watched) who were shown what it had done so far */
	struct json_object *request;
	struct channel channel;
	int process; /* pidfd of what was adopted; -1: none */
	bool ended;  /* it has said so */
	int rc;
};

enum woken { WOKEN_CHANNEL = 1 << 0, WOKEN_PROCESS = 1 << 1, WOKEN_STOP = 1 << 2 };

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* `timeout` in ms; -1: none. 0: that is over. */
static unsigned wait_for(struct session *s, int timeout)
{
	struct pollfd fds[] = { { .fd = s->channel.fd, .events = POLLIN },
				{ .fd = s->process, .events = POLLIN },
				{ .fd = drover_unit_stop_fd(s->unit), .events = POLLIN } };
	unsigned woken = 0;

	if (poll(fds, 3, timeout) < 0)
		return 0;
	if (fds[0].revents)
		woken |= WOKEN_CHANNEL;
	if (fds[1].revents)
		woken |= WOKEN_PROCESS;
	if (fds[2].revents && drover_unit_stopping(s->unit))
		woken |= WOKEN_STOP;
	return woken;
}

/* The message and, with it, the channel's other end and our standard output and error. */
static int send_request(struct session *s, int channel, struct drover_error *err)
{
	union {
		char data[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control = { .data = { 0 } };
	const int fds[3] = { channel, STDOUT_FILENO, STDERR_FILENO };
	char text[128];
	struct iovec part = { text, 0 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.data, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	part.iov_len = (size_t)snprintf(text, sizeof(text), "{\"mark\":\"%s\"}", drover_unit_mark(s->unit));
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(head), fds, sizeof(fds));
	while (sendmsg(s->self->ends[0], &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		struct pollfd wait[] = { { .fd = s->self->ends[0], .events = POLLOUT },
					 { .fd = drover_unit_stop_fd(s->unit), .events = POLLIN } };

		if (errno != EAGAIN && errno != EINTR)
			return drover_error_set(err, DROVER_EFAULT, "cannot reach the fork server: %s",
						strerror(errno));
		poll(wait, 2, -1);
		if (drover_unit_stopping(s->unit))
			return drover_error_set(err, DROVER_ECANCELLED, "the unit is to stop");
	}
	return 0;
}

/* Its first words: who it is. 0: adopted; DROVER_ERETRY: the server died before it was there. */
static int adopt(struct session *s, struct drover_error *err)
{
	struct json_object *hello = NULL, *pid;
	int64_t until = now_ms() + HELLO_MS;
	int rc;

	while (!hello) {
		int64_t left = until - now_ms();
		unsigned woken = wait_for(s, left > 0 ? (int)left : 0);

		if (woken & WOKEN_STOP)
			return drover_error_set(err, DROVER_ECANCELLED, "the unit is to stop");
		if (!woken && left <= 0)
			return drover_error_set(err, DROVER_EFAULT,
						"the fork server did not answer in %d s; the log says why",
						HELLO_MS / 1000);
		rc = channel_read(&s->channel, err);
		if (!rc)
			return DROVER_ERETRY;
		if (rc < 0 && rc != DROVER_ERETRY)
			return rc;
		hello = channel_next(&s->channel, err);
		if (!hello && err->code)
			return err->code;
	}
	rc = DROVER_EINVALID;
	if (ansible_text(hello, "error"))
		rc = drover_error_set(err, DROVER_EINVALID, "%s", ansible_text(hello, "error"));
	else if (json_object_object_get_ex(hello, "pid", &pid))
		rc = drover_unit_adopt(s->unit, json_object_get_int(pid), err);
	if (!rc)
		s->process = (int)syscall(SYS_pidfd_open, json_object_get_int(pid), 0);
	json_object_put(hello);
	return rc == DROVER_ENOTFOUND ? DROVER_ERETRY : rc;
}

static int begin(struct session *s, struct drover_error *err)
{
	int rc = DROVER_ERETRY;

	for (int i = 0; i < TRIES && rc == DROVER_ERETRY; i++) {
		int ends[2];

		if (i)
			channel_dispose(&s->channel);
		s->channel = (struct channel){ .fd = -1 };
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
			return drover_error_set(err, DROVER_EFAULT, "cannot make a socket: %s", strerror(errno));
		s->channel.fd = ends[0];
		rc = send_request(s, ends[1], err);
		close(ends[1]);
		if (!rc)
			rc = adopt(s, err);
	}
	if (rc == DROVER_ERETRY)
		return drover_error_set(err, DROVER_EFAULT, "the fork server made no process for this unit in %d tries",
					TRIES);
	return rc ? rc : channel_write(&s->channel, s->request, err);
}

static const struct drover_target *target(const struct session *s, size_t place)
{
	return &drover_unit_info(s->unit)->targets[s->batch->index[place]];
}

/* The place of the event's host in the batch; its size: it is none of them. */
static size_t find_place(const struct session *s, struct json_object *event)
{
	const char *host = ansible_text(event, "host");
	size_t i = 0;

	while (i < s->batch->count && (!host || strcmp(target(s, i)->name, host) != 0))
		i++;
	return i;
}

/* Its process was working on them, and nobody knows how far it came. */
static int lose_the_rest(struct session *s)
{
	for (size_t i = 0; i < s->batch->count; i++)
		if (!s->final[i])
			drover_report(s->unit, target(s, i)->name, DROVER_LOST, .via = "ansible",
				      .phase = DROVER_PHASE_EXECUTION, .remote = DROVER_REMOTE_UNKNOWN,
				      .message = "Ansible's process died before this host was done");
	return 0;
}

static void take(struct session *s, struct json_object *event, struct drover_error *err)
{
	const char *kind = ansible_text(event, "event"), *error = ansible_text(event, "error");
	size_t place = find_place(s, event);

	if (kind && !strcmp(kind, "end")) {
		s->ended = true;
		s->rc = error ? drover_error_set(err, DROVER_EINVALID, "%s", error) : 0;
	} else if (kind && (!strcmp(kind, "result") || !strcmp(kind, "progress"))) {
		if (ansible_report(s->unit, event) && place < s->batch->count)
			s->final[place] = true;
	} else if (kind && !strcmp(kind, "output") && place < s->batch->count) {
		ansible_show(s->unit, event, &s->seen[place]);
	}
}

/* All that is there. False: the channel is at its end, or broken. */
static bool drain(struct session *s, struct drover_error *err)
{
	int rc;

	while ((rc = channel_read(&s->channel, err)) > 0) {
		struct json_object *event;

		drover_unit_cork(s->unit, true);
		while (!s->ended && (event = channel_next(&s->channel, err))) {
			take(s, event, err);
			json_object_put(event);
		}
		drover_unit_cork(s->unit, false);
		if (s->ended || err->code)
			return false;
	}
	return rc == DROVER_ERETRY;
}

/* At a deadline, not at a cancel: it is asked who hung and who only waited, and told so in time. */
static void hear_last_words(struct session *s, struct drover_error *err)
{
	struct json_object *stop;
	int64_t until = now_ms() + LAST_WORDS_MS;

	if (now_ms() < drover_unit_info(s->unit)->deadline)
		return;
	stop = json_object_new_object();
	json_object_object_add(stop, "stop", json_object_new_boolean(true));
	if (!channel_write(&s->channel, stop, err)) {
		struct pollfd fd = { .fd = s->channel.fd, .events = POLLIN };

		while (now_ms() < until && poll(&fd, 1, (int)(until - now_ms())) > 0 && drain(s, err))
			;
	}
	json_object_put(stop);
}

static int perform(struct session *s, struct drover_error *err)
{
	bool more = true;

	s->rc = begin(s, err);
	while (!s->rc && !s->ended && more) {
		unsigned woken = wait_for(s, -1);

		/* What it said before it died, or before the deadline, counts. */
		more = drain(s, err) && !(woken & WOKEN_PROCESS);
		if (woken & WOKEN_STOP)
			break;
	}
	if (s->ended || s->rc)
		return s->rc;
	if (drover_unit_stopping(s->unit)) {
		hear_last_words(s, err);
		return 0;
	}
	return err->code ? err->code : lose_the_rest(s);
}

int ansible_session(struct drover_unit *unit, struct ansible *self, const struct ansible_batch *batch,
		    struct drover_error *err)
{
	struct session s = { .unit = unit, .self = self, .batch = batch, .process = -1, .channel.fd = -1 };
	struct drover_error error = { 0 };
	int rc;

	s.request = ansible_request(unit, self, batch, err);
	s.final = calloc(batch->count, sizeof(*s.final));
	s.seen = calloc(batch->count, sizeof(*s.seen));
	if (!s.request || !s.final || !s.seen) {
		json_object_put(s.request);
		free(s.final);
		free(s.seen);
		return DROVER_EINVALID;
	}
	rc = perform(&s, &error);
	if (rc)
		*err = error;
	json_object_put(s.request);
	channel_dispose(&s.channel);
	if (s.process >= 0)
		close(s.process);
	free(s.final);
	free(s.seen);
	return rc;
}
