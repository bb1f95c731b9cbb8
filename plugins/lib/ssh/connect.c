/*
 * connect.c - from a name to a session whose server is the one that it should be.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssh/internal.h"

static int port_of(const struct host *h)
{
	return h->target->port ? h->target->port : h->fanout->config.port;
}

static const char *address_of(const struct host *h)
{
	return h->target->address ? h->target->address : h->target->name;
}

static void describe(struct host *h)
{
	char text[INET6_ADDRSTRLEN] = "?";

	(void)getnameinfo(h->address->ai_addr, h->address->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
	snprintf(h->where, sizeof(h->where), "%s port %d", text, port_of(h));
}

/* Each of several addresses gets its share of the time that is left. */
static void share_time(struct host *h)
{
	int64_t now = fanout_now();
	int addresses = 0;

	if (h->connect_deadline == INT64_MAX)
		return;
	for (const struct addrinfo *a = h->address; a; a = a->ai_next)
		addresses++;
	h->phase_deadline = now + (h->connect_deadline - now) / addresses;
	host_set_timer(h);
}

static enum host_state try_address(struct host *h, int last_error)
{
	for (; h->address; h->address = h->address->ai_next) {
		int on = 1, idle = 30, interval = 10;

		describe(h);
		h->fd = socket(h->address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (h->fd < 0) {
			last_error = errno;
			continue;
		}
		(void)setsockopt(h->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void)setsockopt(h->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		(void)setsockopt(h->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
		(void)setsockopt(h->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
		if ((connect(h->fd, h->address->ai_addr, h->address->ai_addrlen) == 0 || errno == EINPROGRESS) &&
		    host_watch(h, h->fd, EPOLLOUT) == 0) {
			share_time(h);
			return HOST_CONNECTING;
		}
		last_error = errno;
		close(h->fd);
		h->fd = -1;
	}
	if (last_error == EMFILE || last_error == ENFILE)
		return host_end(h, FANOUT_UNREACHABLE, "cannot open a socket: %s; raise LimitNOFILE of the daemon",
				strerror(last_error));
	return host_end(h, FANOUT_UNREACHABLE, "cannot connect to %s: %s", h->where, strerror(last_error));
}

static enum host_state first_address(struct host *h)
{
	h->address = h->addresses;
	h->connect_deadline = h->phase_deadline < h->total_deadline ? h->phase_deadline : h->total_deadline;
	return try_address(h, 0);
}

static enum host_state look_up(struct host *h)
{
	int code;

	if (!resolver_numeric(address_of(h), port_of(h), &h->addresses))
		return first_address(h);
	code = resolver_start(h->fanout->resolver, address_of(h), port_of(h), &h->request);
	if (code < 0)
		return host_end(h, FANOUT_UNREACHABLE, "cannot resolve %s: %s", address_of(h), strerror(-code));
	return HOST_RESOLVING;
}

enum host_state connect_resolving(struct host *h)
{
	int code;

	if (!h->request)
		return look_up(h);
	if (!resolver_result(h->request, &code, &h->addresses))
		return HOST_RESOLVING;
	resolver_request_free(h->request);
	h->request = NULL;
	if (code)
		return host_end(h, FANOUT_UNREACHABLE, "cannot resolve %s: %s", address_of(h), gai_strerror(code));
	return first_address(h);
}

static enum host_state next_address(struct host *h, int error)
{
	h->io = sd_event_source_disable_unref(h->io);
	close(h->fd);
	h->fd = -1;
	h->address = h->address->ai_next;
	return try_address(h, error);
}

/* TCP stands: the socket goes to libssh. */
static enum host_state begin_session(struct host *h)
{
	const struct fanout_config *config = &h->fanout->config;
	static const char ciphers[] = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"
				      "aes256-ctr,aes192-ctr,aes128-ctr";
	const struct hostkey_host name = { h->target->name, h->target->address, port_of(h) };
	char *algorithms = hostkeys_algorithms(h->fanout->hostkeys, &name);
	const bool no = false;
	int failed;

	h->session = ssh_new();
	if (!h->session) {
		free(algorithms);
		return host_end(h, FANOUT_REFUSED, "no memory for a session");
	}
	/* No file is read for a session: not the client's configuration, not the known hosts. */
	failed = ssh_options_set(h->session, SSH_OPTIONS_PROCESS_CONFIG, &no) |
		 ssh_options_set(h->session, SSH_OPTIONS_SSH_DIR, "/dev/null") |
		 ssh_options_set(h->session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") |
		 ssh_options_set(h->session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") |
		 ssh_options_set(h->session, SSH_OPTIONS_USER, h->target->user ? h->target->user : config->user) |
		 ssh_options_set(h->session, SSH_OPTIONS_CIPHERS_C_S, ciphers) |
		 ssh_options_set(h->session, SSH_OPTIONS_CIPHERS_S_C, ciphers) |
		 (algorithms && ssh_options_set(h->session, SSH_OPTIONS_HOSTKEYS, algorithms)) |
		 ssh_options_set(h->session, SSH_OPTIONS_FD, &h->fd);
	free(algorithms);
	if (failed)
		return host_end(h, FANOUT_REFUSED, "cannot set up a session: %s", host_reason(h));
	ssh_set_blocking(h->session, 0);
	return HOST_BANNER;
}

enum host_state connect_connecting(struct host *h)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(int), peer_size = sizeof(peer);
	int error = 0;

	if (getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error)
		return next_address(h, error);
	if (getpeername(h->fd, (struct sockaddr *)&peer, &peer_size) < 0)
		return HOST_CONNECTING; /* no error yet, and no connection either */
	return begin_session(h);
}

enum host_state connect_late(struct host *h)
{
	if (h->state == HOST_RESOLVING)
		return host_end(h, FANOUT_UNREACHABLE, "the address of %s was not known after %s", address_of(h),
				host_limit(h));
	if (h->address->ai_next && fanout_now() < h->total_deadline)
		return next_address(h, ETIMEDOUT);
	return host_end(h, FANOUT_UNREACHABLE, "no answer from %s within %s", h->where, host_limit(h));
}

/* Also when the greeting and the connection's end came at once. */
static enum host_state keys_failed(struct host *h)
{
	(void)host_end(h, FANOUT_UNREACHABLE, "the key exchange with %s failed: %s", h->where, host_reason(h));
	h->phase = FANOUT_KEY_EXCHANGE;
	return HOST_DONE;
}

enum host_state connect_banner(struct host *h)
{
	int code;

	h->handed = true;
	code = ssh_connect(h->session);
	/* libssh makes the socket block when it takes it over. */
	if (code != SSH_ERROR)
		(void)fcntl(h->fd, F_SETFL, O_NONBLOCK);
	if (ssh_get_serverbanner(h->session))
		return code == SSH_ERROR ? keys_failed(h) : HOST_KEY_EXCHANGE;
	if (code == SSH_ERROR || host_disconnected(h))
		return host_end(h, FANOUT_UNREACHABLE, "%s did not greet as an ssh server does: %s", h->where,
				host_reason(h));
	return HOST_BANNER;
}

static enum host_state check_host_key(struct host *h)
{
	const struct hostkey_host name = { h->target->name, h->target->address, port_of(h) };
	char message[sizeof(h->message)];
	enum hostkey_verdict verdict;
	ssh_key key = NULL;

	if (ssh_get_server_publickey(h->session, &key) != SSH_OK)
		return host_end(h, FANOUT_UNREACHABLE, "%s gave no host key: %s", h->where, host_reason(h));
	verdict = hostkeys_check(h->fanout->hostkeys, &name, key, message, sizeof(message));
	ssh_key_free(key);
	if (verdict == HOSTKEY_REFUSED)
		return host_end(h, FANOUT_UNREACHABLE, "%s", message);
	return HOST_AUTHENTICATING;
}

enum host_state connect_key_exchange(struct host *h)
{
	int code = ssh_connect(h->session);

	if (code == SSH_AGAIN && !host_disconnected(h))
		return HOST_KEY_EXCHANGE;
	if (code != SSH_OK)
		return keys_failed(h);
	/* Now that libssh has made its own poll set, the whole session can be driven by one. */
	h->poll = ssh_event_new();
	if (!h->poll || ssh_event_add_session(h->poll, h->session) != SSH_OK)
		return host_end(h, FANOUT_REFUSED, "no memory for a session");
	return check_host_key(h);
}
