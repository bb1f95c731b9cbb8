/*
 * host.c - a host's states: what each waits for, for how long, and what may follow it.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ssh/internal.h"
#include "ssh/proxy.h"

#define BIT(state) (1U << (state))

static enum host_state connection_late(struct host *h);

/*
 * `step`: something it waits for has happened. `late`: its deadline passed. `limit`: of
 * struct fanout_limits, how long it may last from its entry; states with the limit of the state
 * before them share its deadline. `next`: what may follow, beside itself.
 */
#define LIMIT(field, option) offsetof(struct fanout_limits, field) + 1, option

static const struct {
	enum fanout_phase phase;
	const char *doing;
	enum host_state (*step)(struct host *h);
	enum host_state (*late)(struct host *h);
	size_t limit;       /* offset + 1; 0: none of its own */
	const char *option; /* that sets it, for messages */
	unsigned next;
} states[HOST_STATE_COUNT] = {
	[HOST_WAITING] = { FANOUT_WAITING, "waiting for its turn", NULL, NULL, 0, NULL,
			   BIT(HOST_RESOLVING) | BIT(HOST_DONE) },
	[HOST_RESOLVING] = { FANOUT_CONNECT, "looking up its address", connect_resolving, connect_late,
			     LIMIT(connect, "connect_timeout"), BIT(HOST_CONNECTING) | BIT(HOST_DONE) },
	[HOST_CONNECTING] = { FANOUT_CONNECT, "connecting", connect_connecting, connect_late,
			      LIMIT(connect, "connect_timeout"), BIT(HOST_BANNER) | BIT(HOST_DONE) },
	[HOST_BANNER] = { FANOUT_BANNER, "waiting for the server's greeting", connect_banner, connection_late,
			  LIMIT(banner, "banner_timeout"), BIT(HOST_KEY_EXCHANGE) | BIT(HOST_DONE) },
	[HOST_KEY_EXCHANGE] = { FANOUT_KEY_EXCHANGE, "exchanging keys", connect_key_exchange, connection_late,
				LIMIT(key_exchange, "kex_timeout"), BIT(HOST_AUTHENTICATING) | BIT(HOST_DONE) },
	[HOST_AUTHENTICATING] = { FANOUT_AUTHENTICATION, "logging in", auth_step, connection_late,
				  LIMIT(authentication, "auth_timeout"), BIT(HOST_OPENING) | BIT(HOST_DONE) },
	[HOST_OPENING] = { FANOUT_EXECUTION, "opening a session", command_opening, connection_late,
			   LIMIT(channel, "channel_timeout"), BIT(HOST_STARTING) | BIT(HOST_DONE) },
	[HOST_STARTING] = { FANOUT_EXECUTION, "waiting for the command to be started", command_starting,
			    host_command_late, LIMIT(channel, "channel_timeout"),
			    BIT(HOST_BECOMING) | BIT(HOST_RUNNING) | BIT(HOST_ENDING) | BIT(HOST_DONE) },
	[HOST_BECOMING] = { FANOUT_EXECUTION, "becoming another user", command_becoming, command_becoming_late,
			    LIMIT(become, "become_timeout"), BIT(HOST_RUNNING) | BIT(HOST_ENDING) | BIT(HOST_DONE) },
	[HOST_RUNNING] = { FANOUT_EXECUTION, "running the command", command_running, command_silent, 0, NULL,
			   BIT(HOST_ENDING) | BIT(HOST_DONE) },
	[HOST_ENDING] = { FANOUT_EXECUTION, "ending the command", remote_end_step, remote_end_late, 0, NULL,
			  BIT(HOST_DONE) },
	[HOST_DONE] = { FANOUT_EXECUTION, "done", NULL, NULL, 0, NULL, 0 },
};

void host_init(struct host *h, struct fanout *fanout, size_t number, const struct fanout_target *target)
{
	*h = (struct host){ .fanout = fanout,
			    .target = target,
			    .number = number,
			    .fd = -1,
			    .phase_deadline = INT64_MAX,
			    .total_deadline = INT64_MAX };
	gate_init(&h->gate, &fanout->become);
	gate_init(&h->end_gate, &fanout->become);
	capture_init(&h->out, fanout->config.output_limit);
	capture_init(&h->err, fanout->config.output_limit);
}

void host_dispose(struct host *h)
{
	/* The watch goes first: libssh may have closed the descriptor, whose number others then get. */
	h->io = sd_event_source_disable_unref(h->io);
	h->timer = sd_event_source_disable_unref(h->timer);
	if (h->session && h->handed && ssh_get_fd(h->session) >= 0) {
		ssh_disconnect(h->session); /* says goodbye; since libssh 0.10 it leaves the descriptor open */
		if (ssh_version(SSH_VERSION_INT(0, 10, 0)) == NULL)
			h->fd = -1;
	} else if (h->handed) {
		h->fd = -1;
	}
	ssh_event_free(h->poll);
	ssh_free(h->session);
	if (h->fd >= 0)
		close(h->fd);
	if (h->proxy)
		proxy_end(h->proxy);
	settings_dispose(&h->settings);
	resolver_request_free(h->request);
	if (h->addresses)
		freeaddrinfo(h->addresses);
	capture_dispose(&h->out);
	capture_dispose(&h->err);
	h->proxy = 0;
	h->poll = NULL;
	h->session = NULL;
	h->fd = -1;
	h->request = NULL;
	h->addresses = NULL;
}

/* ---------------------------------------------------------------------------------------- waiting */

static int on_io(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct host *h = context;

	(void)source;
	(void)fd;
	(void)events;
	host_advance(h);
	return 0;
}

int host_watch(struct host *h, int fd, uint32_t events)
{
	int code;

	if (h->io && sd_event_source_get_io_fd(h->io) != fd)
		h->io = sd_event_source_disable_unref(h->io);
	if (!h->io)
		code = sd_event_add_io(h->fanout->event, &h->io, fd, events, on_io, h);
	else
		code = h->io_events == events ? 0 : sd_event_source_set_io_events(h->io, events);
	h->io_events = events;
	return code;
}

/* libssh says what it waits for; to be read is always of interest. */
static void watch_session(struct host *h)
{
	uint32_t events = EPOLLIN;

	if (!h->session || h->state >= HOST_DONE)
		return;
	if (!h->handed || ssh_get_poll_flags(h->session) & SSH_WRITE_PENDING)
		events |= EPOLLOUT;
	(void)host_watch(h, h->fd, events);
}

static int on_deadline(sd_event_source *source, uint64_t now, void *context);

void host_set_timer(struct host *h)
{
	int64_t at = h->phase_deadline < h->total_deadline ? h->phase_deadline : h->total_deadline;

	if (h->state == HOST_ENDING)
		at = h->phase_deadline;
	if (at == INT64_MAX) {
		if (h->timer)
			(void)sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
	} else if (h->timer) {
		(void)sd_event_source_set_time(h->timer, (uint64_t)at * 1000);
		(void)sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
	} else {
		(void)sd_event_add_time(h->fanout->event, &h->timer, CLOCK_BOOTTIME, (uint64_t)at * 1000, 1000,
					on_deadline, h);
	}
}

/* ------------------------------------------------------------------------------------ transitions */

static void set_deadline(struct host *h, enum host_state from)
{
	size_t limit = states[h->state].limit;

	if (h->state == HOST_ENDING) {
		const struct fanout_limits *limits = &h->fanout->config.limits;

		h->phase_deadline =
			fanout_now() + (h->fanout->stopped                               ? limits->stop
					: h->fanout->become.method == FANOUT_BECOME_NONE ? limits->end
											 : limits->end_become);
	} else if (h->state == HOST_RUNNING && h->settings.keepalive) {
		h->heard = fanout_now();
		h->seen = h->traffic.in_bytes;
		h->phase_deadline = h->heard + h->settings.keepalive;
	} else if (!limit) {
		h->phase_deadline = INT64_MAX;
	} else if (limit != states[from].limit) {
		int64_t ms = *(const int64_t *)((const char *)&h->fanout->config.limits + limit - 1);

		if (h->state == HOST_RESOLVING && h->settings.connect)
			ms = h->settings.connect;
		h->phase_deadline = ms ? fanout_now() + ms : INT64_MAX;
	}
}

static void tell(struct host *h)
{
	struct fanout *f = h->fanout;
	struct fanout_result result = {
		.outcome = h->outcome,
		.phase = h->phase,
		.remote = h->remote,
		.has_rc = h->has_rc,
		.rc = h->rc,
		.signal = *h->signal && h->outcome == FANOUT_SIGNALLED ? h->signal : NULL,
		.message = *h->message ? h->message : NULL,
	};

	if (h->remote == FANOUT_REMOTE_UNKNOWN && h->outcome != FANOUT_LOST)
		snprintf(h->message + strlen(h->message), sizeof(h->message) - strlen(h->message),
			 "; something of it may still be running there");
	capture_finish(&h->out);
	capture_finish(&h->err);
	result.out = (struct fanout_stream){ h->out.data, h->out.size, h->out.total };
	result.err = (struct fanout_stream){ h->err.data, h->err.size, h->err.total };
	f->config.done(f->config.context, h->number, &result);
	host_dispose(h);
	fanout_ended(f);
}

/* Enters `next`; false when that was the end (the host is disposed of then). */
static bool enter(struct host *h, enum host_state next)
{
	enum host_state from = h->state;

	assert(states[from].next & BIT(next));
	h->state = next;
	if (next == HOST_DONE) {
		tell(h);
		return false;
	}
	set_deadline(h, from);
	host_set_timer(h);
	return true;
}

void host_advance(struct host *h)
{
	while (h->state != HOST_DONE) {
		enum host_state next = states[h->state].step(h);

		if (next == h->state)
			break;
		if (!enter(h, next))
			return;
	}
	if (h->state != HOST_DONE)
		watch_session(h);
}

void host_begin(struct host *h)
{
	const int64_t total = h->fanout->config.limits.total;
	char problem[480];
	enum host_state next;
	int code;

	if (total)
		h->total_deadline = fanout_now() + total;
	code = settings_make(&h->settings, h->fanout, h->target, problem, sizeof(problem));
	if (!code)
		next = HOST_RESOLVING;
	else if (code == -EINVAL)
		next = host_end(h, FANOUT_UNREACHABLE, "%s", problem);
	else
		next = host_end(h, FANOUT_REFUSED, "no memory for a host");
	if (code)
		h->phase = FANOUT_CONNECT;
	if (enter(h, next))
		host_advance(h);
}

enum host_state host_end(struct host *h, enum fanout_outcome outcome, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(h->message, sizeof(h->message), format, args);
	va_end(args);
	h->outcome = outcome;
	h->phase = states[h->state].phase;
	return HOST_DONE;
}

/* -------------------------------------------------------------------------------------- deadlines */

/* How long it took, and which option says so: "10 s (auth_timeout)". */
const char *host_limit(const struct host *h)
{
	static char text[64]; /* of the one thread */
	const struct fanout_limits *limits = &h->fanout->config.limits;
	bool total = fanout_now() >= h->total_deadline;
	bool own = !total && h->settings.connect && (h->state == HOST_RESOLVING || h->state == HOST_CONNECTING);
	int64_t ms = total ? limits->total
		     : own ? h->settings.connect
			   : *(const int64_t *)((const char *)limits + states[h->state].limit - 1);

	snprintf(text, sizeof(text), "%g s (%s)", (double)ms / 1000,
		 total ? "host_timeout"
		 : own ? "ConnectTimeout of ssh_config"
		       : states[h->state].option);
	return text;
}

static enum host_state connection_late(struct host *h)
{
	return host_end(h, FANOUT_TIMEOUT, "%s: still %s after %s", h->where, states[h->state].doing, host_limit(h));
}

enum host_state host_command_late(struct host *h)
{
	if (h->exited)
		(void)host_end(
			h, FANOUT_TIMEOUT,
			"%s: the command has ended, but something that it left behind still held its output open "
			"after %s",
			h->where, host_limit(h));
	else
		(void)connection_late(h);
	return remote_end_begin(h);
}

static int on_deadline(sd_event_source *source, uint64_t now, void *context)
{
	struct host *h = context;
	enum host_state next;

	(void)source;
	(void)now;
	next = states[h->state].late(h);
	if (next != h->state) {
		if (!enter(h, next))
			return 0;
		host_advance(h);
	} else {
		host_set_timer(h);
		if (h->state == HOST_RUNNING)
			host_advance(h); /* asking the server may have taken in the command's end */
	}
	return 0;
}

void host_stop(struct host *h)
{
	enum host_state next;

	if (h->state == HOST_DONE)
		return;
	if (h->state == HOST_ENDING) {
		const int64_t latest = fanout_now() + h->fanout->config.limits.stop;

		if (h->phase_deadline > latest)
			h->phase_deadline = latest;
		host_set_timer(h);
		return;
	}
	(void)host_end(h, FANOUT_STOPPED, *h->where ? "%s (%s)" : "%s", states[h->state].doing, h->where);
	next = h->state >= HOST_STARTING ? remote_end_begin(h) : HOST_DONE;
	if (enter(h, next))
		host_advance(h);
}

/* ------------------------------------------------------------------------------------------ libssh */

bool host_disconnected(const struct host *h)
{
	return !ssh_is_connected(h->session) || ssh_get_fd(h->session) < 0 ||
	       ssh_get_status(h->session) & (SSH_CLOSED | SSH_CLOSED_ERROR);
}

const char *host_reason(struct host *h)
{
	static char text[256]; /* of the one thread */
	const char *reason = ssh_get_error(h->session);
	size_t size = 0;

	if (!reason || !*reason)
		reason = "the connection was closed";
	for (; *reason && size < sizeof(text) - 1; reason++)
		text[size++] = (unsigned char)*reason < ' ' || *reason == 127 ? ' ' : *reason;
	text[size] = '\0';
	return text;
}
