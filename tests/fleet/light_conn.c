/*
 * light_conn.c - a connection of the light SSH server, from its acceptance to its end.
 *
 * To stop at a phase is to read nothing more: for the client it is the same whether a server has
 * died, hangs or does not want to answer, and libssh's server half needs to know nothing of it.
 */
#include "light.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_MS 200

static const char usual_greeting[] = "SSH-2.0-light\r\n";

void timer_set(sd_event *event, sd_event_source **timer, int64_t ms, sd_event_time_handler_t handler, void *context)
{
	struct timespec now;
	uint64_t at;

	clock_gettime(CLOCK_MONOTONIC, &now);
	at = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + (uint64_t)ms * 1000;
	if (!*timer) {
		(void)sd_event_add_time(event, timer, CLOCK_MONOTONIC, at, 1000, handler, context);
		return;
	}
	(void)sd_event_source_set_time(*timer, at);
	(void)sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
}

/* ----------------------------------------------------------------------------------------- phases */

void conn_act(struct conn *c, enum act act)
{
	if (act == ACT_NONE)
		return;
	c->paused = true;
	if (act != ACT_STALL)
		c->ending = act;
}

static bool act_at(struct conn *c, enum phase phase)
{
	if (c->behaviour->at == phase)
		conn_act(c, c->behaviour->act);
	return !c->paused;
}

static int on_timer(sd_event_source *source, uint64_t now, void *context)
{
	struct conn *c = context;

	(void)source;
	(void)now;
	c->paused = false;
	(void)act_at(c, c->phase);
	conn_drive(c);
	return 0;
}

bool conn_enter(struct conn *c, enum phase phase)
{
	c->phase = phase;
	if (!c->behaviour->delay[phase])
		return act_at(c, phase);
	c->paused = true;
	timer_set(c->server->event, &c->timer, c->behaviour->delay[phase], on_timer, c);
	return false;
}

/* ---------------------------------------------------------------------------------- authentication */

static int on_none(ssh_session session, const char *user, void *context)
{
	(void)session;
	(void)user;
	(void)context;
	return SSH_AUTH_DENIED;
}

static int logged_in(struct conn *c)
{
	if (c->behaviour->login == LOGIN_MORE)
		return SSH_AUTH_PARTIAL;
	c->server->logged_in++;
	(void)conn_enter(c, PHASE_CHANNEL);
	return SSH_AUTH_SUCCESS;
}

static int on_key(ssh_session session, const char *user, struct ssh_key_struct *key, char state, void *context)
{
	struct conn *c = context;
	ssh_key authorized = c->server->authorized;

	(void)session;
	(void)user;
	if (c->behaviour->login == LOGIN_REFUSED)
		return SSH_AUTH_DENIED;
	if (authorized && ssh_key_cmp(key, authorized, SSH_KEY_CMP_PUBLIC))
		return SSH_AUTH_DENIED;
	if (state == SSH_PUBLICKEY_STATE_NONE)
		return SSH_AUTH_SUCCESS;
	return state == SSH_PUBLICKEY_STATE_VALID ? logged_in(c) : SSH_AUTH_DENIED;
}

static int on_password(ssh_session session, const char *user, const char *password, void *context)
{
	struct conn *c = context;
	const char *right = c->server->script.password;

	(void)session;
	(void)user;
	if (!right || c->behaviour->login == LOGIN_REFUSED || strcmp(right, password) != 0)
		return SSH_AUTH_DENIED;
	return logged_in(c);
}

static ssh_channel on_open(ssh_session session, void *context)
{
	struct conn *c = context;
	ssh_channel channel;

	if (c->behaviour->refuse == REFUSE_CHANNEL || c->command_count == COMMANDS_MOST)
		return NULL;
	channel = ssh_channel_new(session);
	if (!channel)
		return NULL;
	command_init(&c->commands[c->command_count++], c, channel);
	if (c->command_count == 1)
		(void)conn_enter(c, PHASE_EXEC);
	return channel;
}

/* ------------------------------------------------------------------------------------------- driving */

static int begin_session(struct conn *c)
{
	const struct behaviour *b = c->behaviour;
	int methods = SSH_AUTH_METHOD_PUBLICKEY;

	if (b->many_methods)
		methods |= SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_HOSTBASED | SSH_AUTH_METHOD_INTERACTIVE |
			   SSH_AUTH_METHOD_GSSAPI_MIC;
	if (c->server->script.password || b->login == LOGIN_MORE)
		methods |= SSH_AUTH_METHOD_PASSWORD;
	c->session = ssh_new();
	if (!c->session ||
	    ssh_bind_accept_fd(b->other_key ? c->server->other_bind : c->server->bind, c->session, c->fd) != SSH_OK)
		return -1;
	/* libssh makes the socket block when it takes it over. */
	(void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
	ssh_set_blocking(c->session, 0);
	ssh_set_auth_methods(c->session, methods);
	c->callbacks = (struct ssh_server_callbacks_struct){
		.userdata = c,
		.auth_none_function = on_none,
		.auth_pubkey_function = on_key,
		.auth_password_function = on_password,
		.channel_open_request_session_function = on_open,
	};
	ssh_callbacks_init(&c->callbacks);
	(void)ssh_set_server_callbacks(c->session, &c->callbacks);
	c->life = LIFE_KEYS;
	return 0;
}

/* A greeting of the script's own, or one that nothing follows: libssh has no part in it. */
static bool greets_itself(const struct conn *c)
{
	return c->behaviour->banner || (c->behaviour->at == PHASE_BANNER && c->behaviour->act != ACT_NONE);
}

static int greet(struct conn *c)
{
	const char *text = c->behaviour->banner ? c->behaviour->banner : usual_greeting;
	size_t size = strlen(text), part = size - c->greeting_sent;
	int64_t rate = c->behaviour->rate;

	if (rate)
		part = 1;
	if (send(c->fd, text + c->greeting_sent, part, MSG_NOSIGNAL) != (ssize_t)part)
		return -1;
	c->greeting_sent += part;
	if (c->greeting_sent < size) {
		timer_set(c->server->event, &c->timer, 1000 / rate, on_timer, c);
		return 0;
	}
	c->life = LIFE_DRAINING;
	(void)conn_enter(c, PHASE_BANNER);
	return 0;
}

/* Reads what comes until the other side closes. */
static int drain(struct conn *c)
{
	char buffer[4096];
	ssize_t got;

	do
		got = read(c->fd, buffer, sizeof(buffer));
	while (got > 0);
	return got < 0 && errno == EAGAIN ? 0 : -1;
}

static int exchange_keys(struct conn *c)
{
	int code = ssh_handle_key_exchange(c->session);

	if (code == SSH_ERROR)
		return -1;
	/* With the client's greeting libssh has sent its first packet. */
	if (!c->asked && ssh_get_clientbanner(c->session)) {
		c->asked = true;
		if (!conn_enter(c, PHASE_KEY_EXCHANGE))
			return 0;
	}
	if (code == SSH_AGAIN)
		return 0;
	c->poll = ssh_event_new();
	if (!c->poll || ssh_event_add_session(c->poll, c->session) != SSH_OK)
		return -1;
	c->life = LIFE_SESSION;
	(void)conn_enter(c, PHASE_AUTHENTICATION);
	return 0;
}

/* Takes in and sends; `*again`: a command has more to send than its turn allows. */
static int serve(struct conn *c, bool *again)
{
	if (ssh_event_dopoll(c->poll, 0) == SSH_ERROR || ssh_get_status(c->session) & (SSH_CLOSED | SSH_CLOSED_ERROR))
		return -1;
	for (size_t i = 0; i < c->command_count && !c->paused; i++)
		*again |= command_advance(&c->commands[i]);
	return 0;
}

static int step(struct conn *c, bool *again)
{
	switch (c->life) {
	case LIFE_GREETING:
		return greets_itself(c) ? greet(c) : begin_session(c);
	case LIFE_KEYS:
		return exchange_keys(c);
	case LIFE_SESSION:
		return serve(c, again);
	case LIFE_DRAINING:
		return drain(c);
	}
	return -1;
}

/* Before nothing more is done for it: libssh may have kept back what the client is to see. */
static void flush(struct conn *c)
{
	if (c->session && ssh_get_status(c->session) & SSH_WRITE_PENDING)
		(void)ssh_blocking_flush(c->session, FLUSH_MS);
}

/* Half a close is what a server's end looks like; the rest follows when the client has closed, too. */
static bool drop(struct conn *c)
{
	const struct linger none = { .l_onoff = 1, .l_linger = 0 };

	if (c->ending == ACT_RESET) {
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		return true;
	}
	(void)shutdown(c->fd, SHUT_WR);
	c->ending = ACT_NONE;
	c->paused = false;
	c->life = LIFE_DRAINING;
	return false;
}

/* While it reads nothing, all that it wants to know is whether the other side has gone. */
static bool reads(const struct conn *c)
{
	return !c->paused && c->life != LIFE_GREETING;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct conn *c = context;

	(void)source;
	(void)fd;
	if (!reads(c) && events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		conn_free(c);
	else
		conn_drive(c);
	return 0;
}

static void watch(struct conn *c, bool again)
{
	uint32_t events = reads(c) ? EPOLLIN : EPOLLRDHUP;

	if (reads(c) && (again || (c->session && ssh_get_poll_flags(c->session) & SSH_WRITE_PENDING)))
		events |= EPOLLOUT;
	if (!c->io)
		(void)sd_event_add_io(c->server->event, &c->io, c->fd, events, on_io, c);
	else if (events != c->events)
		(void)sd_event_source_set_io_events(c->io, events);
	c->events = events;
}

void conn_drive(struct conn *c)
{
	enum life life;
	bool again;

	do {
		life = c->life;
		again = false;
		if (!c->paused && step(c, &again) < 0) {
			conn_free(c);
			return;
		}
		if (c->paused)
			flush(c);
		if (c->ending && drop(c)) {
			conn_free(c);
			return;
		}
	} while (!c->paused && c->life != life);
	watch(c, again);
}

/* ------------------------------------------------------------------------------------- birth and end */

void conn_new(struct server *server, int fd, uint32_t address)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->server = server;
	c->fd = fd;
	c->behaviour = script_find(&server->script, address);
	snprintf(c->address, sizeof(c->address), "%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255,
		 address & 255);
	c->next = server->first;
	c->link = &server->first;
	if (c->next)
		c->next->link = &c->next;
	server->first = c;
	server->accepted++;
	if (++server->open > server->open_most)
		server->open_most = server->open;
	(void)conn_enter(c, PHASE_ACCEPT);
	conn_drive(c);
}

void conn_free(struct conn *c)
{
	c->server->open--;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	for (size_t i = 0; i < c->command_count; i++)
		command_dispose(&c->commands[i]);
	ssh_event_free(c->poll);
	/* libssh closes a server's socket when it frees the session, unless it has done so before. */
	if (c->session) {
		c->fd = ssh_get_fd(c->session) >= 0 ? c->fd : -1;
		ssh_free(c->session);
	}
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}
